#pragma once

#include "actors/interfaces.hpp"
#include "actors/options.hpp"
#include "actors/patience.hpp"
#include "actors/promise.hpp"
#include "actors/pull_walk.hpp"
#include "actors/put_desk.hpp"
#include "storage/format/system_topics.hpp"

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>

namespace troupe {

struct session_setup {
  node_options options;
  caf::strong_actor_ptr client; ///< the session ends with it
  role_table roles;
  topic_map topics;
};

/// What one client may do and has open. Requests are checked here, so that the actors behind it see
/// only what can be carried out. What is open is bounded in number and in bytes, sent or to be
/// answered. Every request is answered within its deadline, whatever happens behind this actor.
/// Messages go to the writer by a `put_desk`, and are pulled by a `pull_walk`.
struct session_state {
  session_state() = default;
  static inline const char* name = "session";

  void start(session_actor::stateful_pointer<session_state> actor, const session_setup& setup);

  caf::result<put_response> put(put_request request);
  /// Those of RocketMQ's own topics that clients fill come to be by that.
  caf::result<topic_info> create(const topic_info& topic) {
    if (!storage::takes_messages(topic.name))
      return to_caf(brokers_own(topic.name));
    return forward<topic_info>(0, roles.registrar, create_atom_v, topic);
  }
  /// Changes or deletes the topic, unless it is one of RocketMQ's own.
  template <class Result, class Action, class What>
  caf::result<Result> change(const std::string& topic, Action action, const What& what) {
    if (storage::is_system_topic(topic))
      return to_caf(brokers_own(topic));
    return forward<Result>(0, roles.registrar, action, what);
  }
  caf::result<pull_response> pull(pull_request request);
  caf::result<group_members> join(group_join request);
  caf::result<record_batch> query(const key_query& query);
  /// With all its queues, or one of them.
  using wanted_queue = std::optional<std::int32_t>;
  caf::result<topic_description> describe(const std::string& topic, wanted_queue queue = {});
  caf::result<record_batch> fetch(log_offset offset);
  void work();
  void expire();
  caf::result<bool> stop();
  void set_roles(const role_table& table);

  /// Hands on a request whose answer may hold so many bytes of messages; the answer, an error or
  /// the deadline ends it.
  template <class Result, class Handle, class... Arguments>
  caf::result<Result> forward(std::uint64_t bytes, const Handle& to, Arguments&&... arguments) {
    kept_promise<Result> promise{self_};
    if (auto id = open(promise, {1, bytes}))
      request_from<Result>(*id, promise, to, std::forward<Arguments>(arguments)...);
    return promise;
  }

  role_table roles;
  topic_map topics;

private:
  /// Beyond every deadline of a client's request: only so that nothing is waited for for ever.
  static constexpr milliseconds longest_patience{120'000};

  using request_id = std::uint64_t;
  using charge = client_credit::charge;
  struct open_request {
    caf::actor_clock::time_point deadline;
    std::function<void(const storage::error&)> fail;
    charge taken;
    caf::actor_addr asked; ///< whose answer is awaited now
  };
  /// Asks a role on behalf of an open request: an error is its end, and `then` goes on with the
  /// answer.
  template <class Answer, class Result, class Handle, class Then, class... Arguments>
  void ask(request_id id, kept_promise<Result> promise, const Handle& to, Then then,
           Arguments&&... arguments) {
    if (!to) {
      if (close(id))
        promise.deliver(to_caf(not_reachable<Handle>(roles)));
      return;
    }
    open_[id].asked = caf::actor_cast<caf::actor_addr>(to);
    self_->request(to, patience(self_, to, longest_patience), std::forward<Arguments>(arguments)...)
        .then(
            [this, id, then](Answer& answer) mutable {
              if (is_open(id))
                then(answer);
            },
            [this, id, promise](caf::error& why) mutable {
              if (close(id))
                promise.deliver(std::move(why));
            });
  }
  template <class Result, class Handle, class... Arguments>
  void request_from(request_id id, kept_promise<Result> promise, const Handle& to,
                    Arguments&&... arguments) {
    auto answer = [this, id, promise](Result& result) mutable {
      close(id);
      promise.deliver(std::move(result));
    };
    ask<Result>(id, promise, to, answer, std::forward<Arguments>(arguments)...);
  }
  /// The same of a reader, whichever has its turn.
  template <class Result, class... Arguments>
  void request_from_reader(request_id id, kept_promise<Result> promise, Arguments&&... arguments) {
    if (auto* reader = next_reader())
      request_from<Result>(id, promise, *reader, std::forward<Arguments>(arguments)...);
    else if (close(id))
      promise.deliver(to_caf(not_reachable<reader_actor>(roles)));
  }
  const reader_actor* next_reader();
  bool reads_elsewhere() const;
  struct piecewise_query;
  void read_next(const std::shared_ptr<piecewise_query>& query);

  /// Refused also when the node stops.
  storage::result<void> admit(const charge& wanted) const;

  /// Opens the request unless it must be refused, which is then its answer.
  template <class Result>
  std::optional<request_id> open(kept_promise<Result> promise, const charge& wanted,
                                 milliseconds more_time = milliseconds{0}) {
    if (auto room = admit(wanted); !room) {
      promise.deliver(to_caf(room.error()));
      return std::nullopt;
    }
    auto fail = [promise](const storage::error& e) mutable { promise.deliver(to_caf(e)); };
    return open(std::move(fail), wanted, more_time);
  }
  request_id open(std::function<void(const storage::error&)> fail, const charge& taken,
                  milliseconds more_time);
  bool is_open(request_id id) const { return open_.count(id) > 0; }
  /// False when its deadline was faster.
  bool close(request_id id);
  void arm();
  bool owes_changes() const;
  void end_stop();
  const topic_info* find_topic(const std::string& topic) const; ///< null: not known
  void store(put_request request, const topic_info* topic, kept_promise<put_response> promise);
  bool spend_time(put_request& request, caf::actor_clock::time_point since) const;
  void refresh_topics(std::function<void()> then);
  void ask_topics(std::uint64_t refresh);
  void describe(request_id id, const kept_promise<topic_description>& promise,
                const std::string& topic, wanted_queue queue);
  template <class Handle>
  void replace(const Handle& before, const Handle& now);

  session_actor::stateful_pointer<session_state> self_;
  node_options options_;
  std::shared_ptr<client_credit> credit_;
  std::map<request_id, open_request> open_;
  request_id next_id_ = 1;
  std::set<std::pair<caf::actor_clock::time_point, request_id>> deadlines_; ///< of `open_`
  own_timer timer_; ///< for the first of them
  std::optional<
      put_desk<session_actor::stateful_pointer<session_state>, kept_promise<put_response>>>
      puts_;
  std::optional<
      pull_walk<session_actor::stateful_pointer<session_state>, kept_promise<pull_response>>>
      pulls_;
  std::size_t held_puts_ = 0;                                ///< wait for the newest topics
  std::map<std::uint64_t, std::function<void()>> refreshes_; ///< what goes on with them
  std::uint64_t next_refresh_ = 0;
  std::size_t reader_turn_ = 0;
  bool stopping_ = false;
  kept_promise<bool> stop_promise_;
};

session_actor::behavior_type session(session_actor::stateful_pointer<session_state> self,
                                     const session_setup& setup);

} // namespace troupe
