#pragma once

#include "storage/cores/delay_rest.hpp"
#include "storage/delay_levels.hpp"

#include <cstdint>
#include <optional>
#include <set>
#include <vector>

namespace troupe::storage {

/// Which delayed messages are delivered when: each level has a queue, in the order of its messages,
/// which is the order in which they are due.
///
/// State: of each level how far it is delivered, and what is done for it now: one look at its
/// queue, a wait for the message that is next, one delivery, or a pause. Nothing is kept of
/// messages that are not due but when the next one is.
///
/// A timer message (storage/format/timer_message.hpp) whose level is over is delivered too: who
/// delivers lets it wait in another level when its time has not come. One that has less left than
/// the shortest level lasts is kept in the `delay_rest` instead, and delivered at its time. So is
/// one that had less left when it was sent: it lies in the shortest level's queue, where those
/// before it may be due later, so a walk of its own looks for such ones ahead.
///
/// So there are three kinds of lanes, each with one thing under way at most: a level's walk through
/// its queue, a level's rest, and the walk ahead in the shortest level's queue.
///
/// Events come in by the functions below; what has to be done is the answer of `work`, to be called
/// after each of them and again in `sleep_ms`.
///
/// Invariants: a message is delivered behind those before it in its level, and not before its time;
/// `progress` never passes one that is neither stored nor given up; one that is stored is not
/// delivered again by the same core.
///
/// Of the wall clock nothing is expected. A message that is due later than its level's delay from
/// now was stored before the clock was set back: it waits for that delay from when that is seen.
///
/// Not thread safe: it belongs to the delayer.
class delay_core {
public:
  struct moment {
    std::int64_t wall_ms = 0;
    std::int64_t steady_ms = 0; ///< of a clock that nobody sets
  };
  /// A message of a level's queue.
  struct waiting {
    std::int64_t position = 0;
    std::int64_t stored_ms = 0;
    std::int64_t deliver_ms = 0; ///< of a timer message
  };
  /// What a look at the queue has found.
  struct sight {
    std::vector<waiting> messages; ///< in their order; those that are damaged are left out
    std::int64_t next = 0;         ///< where to look for those behind
    std::int64_t end = 0;          ///< of the queue
  };
  /// To look at the queue of the lane's level, from there on.
  struct look {
    std::int32_t lane = 0;
    std::int64_t from = 0;
    bool wait = false; ///< for a message if there is none
    friend bool operator==(const look&, const look&) = default;
  };
  /// To deliver these of what was found last, in this order.
  struct delivery {
    std::int32_t lane = 0;
    std::vector<std::int64_t> positions;
    friend bool operator==(const delivery&, const delivery&) = default;
  };
  struct actions {
    std::vector<look> looks;
    std::vector<delivery> deliveries;
  };
  enum class outcome : std::uint8_t {
    stored,
    later, ///< not stored, or nobody knows: to be delivered again
    never, ///< nothing will help it
  };

  /// No wait is longer: the wall clock may be set meanwhile.
  static constexpr std::int64_t longest_sleep_ms = 1000;

  explicit delay_core(delay_levels levels);

  /// Of a level: what is not settled behind its progress, when that is not all.
  struct window {
    std::int64_t next = 0;          ///< before it all are settled but `open`
    std::int64_t noticed = 0;       ///< before it so are those that the walk ahead looks for
    std::vector<std::int64_t> open; ///< in their order
    friend bool operator==(const window&, const window&) = default;
  };

  /// How far the level was before; to be said before anything else.
  void begin_at(std::int32_t level, std::int64_t next);
  void begin_with(std::int32_t level, const window& was);

  actions work(const moment& now);
  /// How long until `work` has something to do without an event; nothing while all is quiet.
  std::optional<std::int64_t> sleep_ms(const moment& now) const;

  /// The look is over. Found nothing: what has been waited for has not come.
  void found(std::int32_t lane, const sight& what, const moment& now);
  void look_failed(std::int32_t lane, const moment& now);
  /// The queue does not have the place: it goes on there.
  void moved(std::int32_t lane, std::int64_t to, const moment& now);
  /// There are other queues, or other words of them.
  void look_again() noexcept;
  /// What became of those of the delivery, in its order.
  void delivered(std::int32_t lane, const std::vector<outcome>& outcomes, const moment& now);
  /// No look and no delivery is begun any more.
  void stop() noexcept { stopped_ = true; }
  /// A delivery is under way.
  bool delivering() const noexcept;
  bool delivering(std::int32_t lane) const noexcept { return at(lane).now == phase::delivering; }

  /// Of the level: the first message that is not settled.
  std::int64_t progress(std::int32_t level) const;
  std::optional<window> window_of(std::int32_t level) const;

  /// Nothing is due that was seen, and the queues' ends have been seen.
  bool caught_up(const moment& now) const;

  static constexpr std::int32_t levels() noexcept {
    return static_cast<std::int32_t>(delay_levels::most);
  }
  /// From 1 on: the levels' walks have their numbers, their rests come behind, the walk ahead last.
  static constexpr std::int32_t lanes() noexcept { return 2 * levels() + 1; }
  static constexpr std::int32_t rest_lane(std::int32_t level) noexcept { return levels() + level; }
  static constexpr std::int32_t ahead_lane() noexcept { return lanes(); }
  static constexpr bool is_walk(std::int32_t lane) noexcept { return lane <= levels(); }
  static constexpr bool is_rest(std::int32_t lane) noexcept {
    return !is_walk(lane) && lane != ahead_lane();
  }
  /// Whose queue it is.
  std::int32_t level_of(std::int32_t lane) const noexcept;

private:
  enum class phase : std::uint8_t {
    idle,       ///< a look is due
    looking,    ///<
    sleeping,   ///< for the message `head`
    due,        ///< a delivery is to begin, of `batch`
    delivering, ///<
    resting,    ///< after a failure
    over,       ///< the settings have no such level, and its queue is empty
  };
  /// Seen while messages before `end` were of a time that the clock has not reached.
  struct set_back {
    std::int64_t seen_ms = 0;
    std::int64_t end = 0;
  };
  struct state {
    phase now = phase::idle;
    std::int64_t next = 0;
    waiting head;
    std::int64_t end = 0;            ///< of the queue, as seen last
    bool seen = false;               ///< `end` says something
    std::vector<std::int64_t> batch; ///< positions
    std::int64_t behind = 0;         ///< where to go on when all of the batch are settled
    std::set<std::int64_t> ahead;    ///< settled, behind one that is not: no more than a batch
    std::int64_t rest_until_ms = 0;  ///< steady
    std::uint32_t failures = 0;      ///< in a row
    std::optional<set_back> back;
  };

  const state& at(std::int32_t lane) const { return states_[static_cast<std::size_t>(lane) - 1]; }
  state& at(std::int32_t lane) { return states_[static_cast<std::size_t>(lane) - 1]; }
  std::optional<look> next_look(std::int32_t lane, const moment& now);
  void walk(std::int32_t level, const sight& what, const moment& now);
  bool keep(std::int32_t level, const waiting& message, bool passed);
  bool has_rest(const waiting& message, std::int64_t now_ms,
                std::int64_t slack_ms = 0) const noexcept;
  bool lies_ahead(std::int32_t level, const waiting& message) const noexcept;
  std::optional<std::int64_t> ripe(std::int32_t level, std::int64_t now_ms) const;
  void found_rest(std::int32_t lane, const sight& what, const moment& now);
  void found_ahead(const sight& what, const moment& now);
  void settle(std::int32_t level, std::int64_t position);
  void rest_delivered(std::int32_t lane, const std::vector<outcome>& outcomes, const moment& now);
  void queue_moved(std::int32_t level, std::int64_t from, std::int64_t to);
  std::int64_t left_ms(std::int32_t level, const waiting& message, std::int64_t now_ms) const;
  void notice_clock(std::int32_t level, const waiting& message, std::int64_t now_ms);
  void rest(state& s, const moment& now);
  static void go_to(state& s, std::int64_t next);

  delay_levels delays_;
  std::int32_t shortest_level_ = 1; ///< the first that lasts no longer than any
  std::int64_t shortest_ms_ = 0;    ///< of levels that last at all
  std::vector<state> states_;       ///< by lane - 1
  delay_rest rest_{delay_levels::most};
  std::int64_t noticed_ = 0; ///< behind the last one that was found to lie ahead
  bool stopped_ = false;
};

} // namespace troupe::storage
