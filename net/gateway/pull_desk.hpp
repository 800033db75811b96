#pragma once

#include "actors/pull_walk.hpp"
#include "net/gateway/group_book.hpp"
#include "net/gateway/message_tally.hpp"
#include "net/gateway/names_desk.hpp"
#include "net/gateway/pull_filter.hpp"
#include "net/remoting/client_groups.hpp"
#include "net/remoting/headers.hpp"

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace troupe::net {

/// Pulling: each pull is asked for once, and waits at the node if there is nothing. A few answers
/// to each client may bring much, until it has taken them; a pull that waits is none of them. While
/// there are that many, what was asked for is answered with little, and new pulls wait for a turn.
/// Of a pull with an expression over properties only the messages that pass leave; where none of
/// those that were looked at does, it is asked for again from there, a bounded number of times.
///
/// Owns the pulls that the queue-manager and the readers have, how many each client has open, those
/// that wait for their turn, those that are to be asked for again, the answers that are held back
/// so that nobody asks again and again, and the expressions that came in pulls of late.
class pull_desk : public desk {
public:
  /// `groups`: what members have subscribed to, for pulls that do not say it themselves.
  pull_desk(const desk_services& with, names_desk& names, group_book& book,
            const remoting::client_groups& groups, message_tally& tally)
      : desk(with), names_(names), book_(book), groups_(groups), tally_(tally),
        walk_(self_, setup_.node_settings) {}

  request_lines lines();
  void set_roles(const role_table& roles) { walk_.set_roles(roles); }
  /// Ends what has waited for too long, and asks for more of what passed no filter.
  void work();
  /// Refuses what comes.
  void stop() { walk_.stop(); }
  /// The client has taken a pull's answer: lets its next pull go.
  void answer_taken(connection_id from);
  /// The time of answers that are held has come.
  void send_held();
  void forget(connection_id from) { pulls_.erase(from); }

private:
  /// What a pull with an expression needs to be asked for again.
  struct filtering {
    std::shared_ptr<const remoting::sql_filter> sql;
    std::uint32_t most = 0; ///< messages that the client takes
    pull_request wanted;
    int rounds = 0;                         ///< in which nothing passed
    std::optional<pull_response> looked_at; ///< after the first: how far, without records
  };
  /// A pull with all that is needed to ask for it.
  struct pull_work {
    std::string group;
    pull_request wanted;
    std::int64_t offset = 0;                ///< as the client asked: may be below 0
    std::shared_ptr<filtering> filter = {}; ///< null: the queue's entries say what passes
  };
  /// One that was asked for, with all that is needed to answer it.
  struct asked_pull {
    pull_desk* desk;
    ticket who;
    std::string group;
    std::string topic;
    std::int64_t offset = 0;
    std::uint32_t wait_ms = 0;
    std::int64_t asked_ms = 0; ///< when the node was asked first, in the actor clock
    std::int32_t queue_id = 0;
    std::shared_ptr<filtering> filter = {};

    bool gone() const { return !desk->sessions_.knows(who.from); }
    void deliver(pull_response found) const { desk->answered(*this, found); }
    void deliver(const caf::error& why) const { desk->failed(*this, why); }
  };
  /// Of one client.
  struct client_pulls {
    std::size_t open = 0; ///< that do not wait, or bring much, until the client has it
    std::deque<std::pair<ticket, pull_work>> waiting;
  };

  void take(const ticket& who, const client_request& request);
  /// What may still be asked for that a pull needs: in this order, each once.
  enum class unknown : std::uint8_t { group_and_topic, topic, nothing };
  void look_up(const ticket& who, const client_request& request, unknown may_be);
  bool may_consume(const ticket& who, const std::string& group, const remoting::group_rules& rules);
  using message_filter = remoting::subscription_filter;
  std::optional<message_filter> filter_for(const ticket& who, const remoting::pull_header& header);
  std::optional<message_filter> filter_or_refuse(const ticket& who, std::string_view type,
                                                 const storage::result<message_filter>& made);
  storage::result<message_filter> filter_in(const remoting::pull_header& header);
  void send(const ticket& who, const remoting::pull_header& header, message_filter filter);
  void commit(const ticket& who, const remoting::pull_header& header);
  void ask(const ticket& who, pull_work work);
  void answered(const asked_pull& pull, pull_response& found);
  bool asks_again(const asked_pull& pull, pull_response& found);
  void failed(const asked_pull& pull, const caf::error& why);
  std::shared_ptr<void> receipt_for(connection_id from) const;
  std::shared_ptr<void> slot_for(connection_id from, pull_response& found);
  void answer(const asked_pull& pull, pull_response& found, std::shared_ptr<void> slot);
  void hold(const ticket& who, std::int64_t until_ms, remoting::command answer);
  void arm_held();

  names_desk& names_;
  group_book& book_;
  const remoting::client_groups& groups_;
  message_tally& tally_;
  pull_walk<gateway_actor::pointer, asked_pull> walk_;
  std::map<connection_id, client_pulls> pulls_;
  std::deque<asked_pull> again_;
  expression_cache expressions_;                                           ///< in pulls
  std::multimap<std::int64_t, std::pair<ticket, remoting::command>> held_; ///< by due time
  bool held_pending_ = false;
};

} // namespace troupe::net
