#pragma once

#include "net/remoting/ordered_batch.hpp"

#include <algorithm>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace troupe::remoting {

/// A queue as one group consumes it by POP.
struct popped_queue {
  std::string group;
  std::string topic;
  std::int32_t queue_id = 0;
  friend auto operator<=>(const popped_queue&, const popped_queue&) = default;
};

/// One message that was popped.
struct popped_message {
  storage::queue_offset position = 0;
  storage::log_offset where = 0; ///< in the log
};

/// A pop as its handles tell it, and when what it took comes back unless that is acknowledged.
struct pop_mark {
  std::int64_t pop_ms = 0; ///< in the wall clock: the pop's number
  std::int64_t due_ms = 0; ///< in the caller's clock
};

/// What consumers have popped and not acknowledged, and how far each queue is because of that: its
/// progress is the first message that is popped and not done, and is what is kept of the group. So
/// whoever begins with nothing but progress delivers at least once. A message whose time is over is
/// to be stored once more (`expire`), and is done then (`returned`); one that is consumed in order
/// comes again in its place. Nothing is delivered while it is invisible.
///
/// Bounded: in messages of a queue and of all, and in queues. Times are in ms of the caller's clock
/// unless they say otherwise.
class pop_book {
public:
  static constexpr std::size_t most_of_queue = 10'000; ///< RocketMQ's popInflightMessageThreshold
  static constexpr std::size_t most_of_all = 300'000;  ///< one takes about 200 bytes
  static constexpr std::size_t most_queues = 50'000;   ///< each takes about 500 bytes
  /// What the registrar said of a queue of which nothing is popped counts for so long: others may
  /// have told it something else.
  static constexpr std::int64_t trust_ms = 2000;

  // -- queues ------------------------------------------------------------------------------------
  /// It knows no queue.
  bool empty() const noexcept { return queues_.empty(); }
  /// Whether it has to be asked for its progress before it is popped.
  bool is_unknown(const popped_queue& queue, std::int64_t now_ms) const;
  /// Its progress as the registrar has it, or, not `kept`, as it is to begin. Ignored while
  /// something of it is popped. False: there are too many queues.
  bool learn(const popped_queue& queue, storage::queue_offset progress, bool kept,
             std::int64_t now_ms);
  /// Where the next pop begins; the queue must have been learned.
  storage::queue_offset next(const popped_queue& queue) const;
  /// As far as it is known how many are behind `next`.
  std::int64_t rest(const popped_queue& queue) const;
  void set_end(const popped_queue& queue, storage::queue_offset end);
  /// Somebody has set the group's progress: what is popped is not waited for any more.
  void reset(const popped_queue& queue, storage::queue_offset progress, std::int64_t now_ms);
  void forget(const popped_queue& queue);

  // -- pops --------------------------------------------------------------------------------------
  enum class turn : std::uint8_t {
    free,
    full,    ///< too much is popped and not acknowledged
    blocked, ///< by what was popped in order, or the other way
  };
  /// Whether it may be popped now. With `in_order` what comes next is the first that is not done.
  turn turn_of(const popped_queue& queue, bool in_order, const std::string& attempt,
               std::int64_t now_ms);
  /// These were read from `from` on and are delivered now; `next` is behind the last that was
  /// looked at. Refused when somebody else was there since, when they are out of order, and when
  /// there is no `room`.
  bool take(const popped_queue& queue, storage::queue_offset from, storage::queue_offset next,
            const std::vector<popped_message>& messages, const pop_mark& mark);
  std::size_t room(const popped_queue& queue) const;
  /// The same in order; null when refused. The batch is good until the next call.
  const ordered_batch* take_in_order(const popped_queue& queue, storage::queue_offset from,
                                     const std::string& attempt,
                                     const std::vector<storage::queue_offset>& positions,
                                     const pop_mark& mark);
  /// Nothing from `from` to `next` is for the group.
  void skip(const popped_queue& queue, storage::queue_offset from, storage::queue_offset next);
  /// The queue does not have what is next: it goes on here.
  void jump(const popped_queue& queue, storage::queue_offset to);

  // -- what consumers say ------------------------------------------------------------------------
  /// False when that pop's message is not invisible: it is done, or comes again.
  bool acknowledge(const popped_queue& queue, storage::queue_offset position, std::int64_t pop_ms);
  /// It comes back at another time, and has another handle.
  bool change(const popped_queue& queue, storage::queue_offset position, std::int64_t pop_ms,
              const pop_mark& mark);
  using ack_outcome = ordered_batch::ack_outcome;
  ack_outcome acknowledge_in_order(const popped_queue& queue, storage::queue_offset position,
                                   std::int64_t pop_ms);
  /// Its handle stays the same.
  bool change_in_order(const popped_queue& queue, storage::queue_offset position,
                       std::int64_t pop_ms, std::int64_t due_ms);

  // -- time --------------------------------------------------------------------------------------
  struct expired_message : popped_message {
    popped_queue queue;
    std::int64_t pop_ms = 0;
  };
  struct expired {
    std::vector<expired_message> messages; ///< each to be stored once more, then `returned`
    std::vector<popped_queue> freed;       ///< in order: what was not acknowledged can be popped
  };
  /// Whose time is over, at most so many. No handle counts for these messages any more.
  expired expire(std::int64_t now_ms, std::size_t most);
  void returned(const expired_message& message);
  /// That failed: it is tried again later. Until then its handle counts once more.
  void not_returned(const expired_message& message, std::int64_t again_ms);
  /// When the next one's time is over.
  std::optional<std::int64_t> next_due() const;

  // -- progress ----------------------------------------------------------------------------------
  struct queue_progress {
    popped_queue queue;
    storage::queue_offset offset = 0;
  };
  /// What is to be kept of queues that went on; of each one at a time, until `kept`.
  std::vector<queue_progress> take_changes();
  void kept(const queue_progress& what, bool success);
  /// Of a queue that is known; -1: it is not.
  storage::queue_offset progress_of(const popped_queue& queue) const;

  std::size_t in_flight() const noexcept { return in_flight_; }
  std::size_t in_flight(const popped_queue& queue) const;

private:
  struct flight {
    storage::log_offset where = 0;
    std::int64_t pop_ms = 0;
    std::int64_t due_ms = 0;
    bool returning = false; ///< its copy is being stored
  };
  struct state {
    std::uint64_t number = 0;
    storage::queue_offset next = 0;
    storage::queue_offset kept = -1; ///< as the registrar has it
    storage::queue_offset end = 0;   ///< as it was seen last
    std::int64_t learned_ms = 0;
    std::int64_t batch_due_ms = 0; ///< as it stands in `due_`
    bool keeping = false;
    std::map<storage::queue_offset, flight> flights;
    std::optional<ordered_batch> batch;

    storage::queue_offset progress() const {
      return flights.empty() ? next : std::min(next, flights.begin()->first);
    }
    bool quiet() const { return flights.empty() && !batch && !keeping && kept == progress(); }
  };
  using queue_map = std::map<popped_queue, state>;
  using node = queue_map::value_type;
  /// When, which queue, which message (-1: its batch); where that is.
  using due_entry = std::tuple<std::int64_t, std::uint64_t, storage::queue_offset, node*>;
  static constexpr storage::queue_offset whole_batch = -1;

  bool make_room(std::int64_t now_ms);
  node* find(const popped_queue& queue);
  const state* find(const popped_queue& queue) const;
  void changed(node& it);
  void set_batch_due(node& it);
  void drop_batch(node& it);
  void drop(node& it);
  void erase(node& it, std::map<storage::queue_offset, flight>::iterator at);

  queue_map queues_;
  std::set<due_entry> due_;
  std::set<std::pair<std::uint64_t, node*>> changed_; ///< whose progress is to be kept
  std::uint64_t next_number_ = 1;
  std::size_t in_flight_ = 0;
};

} // namespace troupe::remoting
