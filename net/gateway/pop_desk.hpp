#pragma once

#include "actors/pull_walk.hpp"
#include "net/gateway/group_book.hpp"
#include "net/gateway/message_tally.hpp"
#include "net/gateway/names_desk.hpp"
#include "net/gateway/pop_ledger.hpp"
#include "net/gateway/pop_lines.hpp"
#include "net/gateway/pop_returns.hpp"
#include "net/gateway/pull_filter.hpp"

#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace troupe::net {

/// Popping: a consumer is given messages that nobody else of its group is given until their time is
/// over. It looks through the queues of the topic, and through that of the topic for retries, by
/// the way of pulls; who finds nothing waits, and then one pull waits in each queue for all of the
/// group. What is popped, the ledger's book says.
///
/// Owns the ledger, what comes back, who waits, the pulls that the queue-manager and the readers
/// have, and of each client the answers that it has not taken.
class pop_desk : public desk {
public:
  pop_desk(const desk_services& with, names_desk& names, group_book& book, message_tally& tally)
      : desk(with), names_(names), book_(book), tally_(tally), ledger_(self_, counter_, sessions_),
        returns_(with, names, ledger_,
                 [this](const remoting::popped_queue& queue) { freed(queue); }),
        lines_([this](const shared_pop& it) { begin(it); }), walk_(self_, setup_.node_settings) {}

  request_lines lines();
  void set_roles(const role_table& roles) { walk_.set_roles(roles); }
  /// Goes on with what was read, and with what has come back or waited for too long.
  void work();
  /// Refuses what comes.
  void stop() { walk_.stop(); }
  void forget(connection_id from);

  /// UPDATE_CONSUMER_OFFSET was carried out: if it was of a queue that is popped, that goes on
  /// there.
  void progress_set(const remoting::command& request);

  // -- for those who change the book -------------------------------------------------------------
  pop_ledger& ledger() noexcept { return ledger_; }
  /// Messages of the queue can be popped that could not: who waits for them looks again.
  void freed(const remoting::popped_queue& queue);
  /// Something is due at another time.
  void arm();

private:
  /// A read of a stop, or, without a request, a pull that waits in a queue.
  struct asked_read {
    pop_desk* desk;
    shared_pop it;
    remoting::popped_queue queue;
    queue_offset from = 0;
    std::int64_t asked_ms = 0;

    bool gone() const { return it != nullptr && !desk->sessions_.knows(it->who.from); }
    void deliver(pull_response found) const { desk->answered(*this, found); }
    void deliver(const caf::error& why) const { desk->failed(*this, why); }
  };

  void take_pop(const ticket& who, const client_request& request);
  void take_peek(const ticket& who, const client_request& request);
  void take_notification(const ticket& who, const client_request& request);
  void show_polling(const ticket& who, const client_request& request);
  void show_polling_of(const ticket& who, const remoting::polling_header& wanted, bool refreshed);
  bool make_filter(const ticket& who, const remoting::pop_header& header, pop_work& it);
  void enter(const shared_pop& it);
  void check(const shared_pop& it, bool refreshed);
  void refuse(const shared_pop& it, std::int32_t code, std::string remark);

  // A look: in the order of the calls.
  void begin(const shared_pop& it);
  void add_stops(pop_work& it, const std::string& topic, std::int32_t queue_id) const;
  void step(const shared_pop& it);
  void learn(const shared_pop& it, const remoting::popped_queue& queue);
  bool passes_by(pop_work& it, const remoting::popped_queue& queue);
  void read(const shared_pop& it);
  void answered(const asked_read& asked, pull_response& found);
  void failed(const asked_read& asked, const caf::error& why);
  void looked(const asked_read& asked, pull_response& found);
  bool collect(const asked_read& asked, pull_response& found);
  static void next_stop(pop_work& it);
  static void here_again(pop_work& it);
  void finish(const shared_pop& it);
  void wait(const shared_pop& it);
  void end(const shared_pop& it, bool more);
  void answer(const shared_pop& it, std::int32_t code);
  void answer_notification(const shared_pop& it, bool has_message);
  void step_soon(const shared_pop& it);

  void watch_queue(const pop_work& it, const remoting::popped_queue& queue, queue_offset from);
  void watch_ended(const asked_read& watch, const pull_response* found);
  bool is_watched(const remoting::popped_queue& queue);
  void answer_late();
  std::size_t most_bytes_for(connection_id from);

  names_desk& names_;
  group_book& book_;
  message_tally& tally_;
  pop_ledger ledger_;
  pop_returns returns_;
  pop_lines lines_;
  pull_walk<gateway_actor::pointer, asked_read> walk_;
  expression_cache expressions_;
  std::vector<shared_pop> again_; ///< to step on, when what else has come had its turn
  std::set<std::pair<remoting::popped_queue, queue_offset>> watches_;
  std::vector<remoting::popped_queue> woken_;                       ///< by those, for `work`
  std::set<std::pair<std::int64_t, remoting::popped_queue>> later_; ///< are `freed` then
  std::map<connection_id, std::shared_ptr<void>> trays_; ///< each answer shares its client's
  own_timer timer_;
  std::uint32_t turn_ = 0;
};

} // namespace troupe::net
