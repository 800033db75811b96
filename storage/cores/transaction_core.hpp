#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <vector>

namespace troupe::storage {

/// Which messages of transactions wait, whose producers are asked about them and when, and who may
/// resolve one now.
///
/// A half is known by its number in the half queue. One that is checked is written again, at the
/// end of that queue, and the one before is done; both are the same transaction, named by the
/// number of its first half. What is done the op queue says, which nobody else writes to meanwhile.
///
/// State: 24 bytes for each half behind `progress`, what is done of those that are not read yet,
/// and how far both queues are read. Beyond `most_pending` halves it reads no further until some
/// are done: those behind are resolved as all others, and are asked about later.
///
/// Events come in by the functions below; what has to be done is the answer of `work`, to be called
/// after each of them and again in `sleep_ms`.
///
/// Invariants: of a transaction one half is pending at most, once what is told as double is done;
/// nobody resolves and checks a transaction at the same time; `progress` never passes a half that
/// is not done, nor a word of the op queue about one that is not passed. All of it follows from the
/// two queues: a core that begins where another one was knows the same.
///
/// Of the wall clock nothing is expected: whatever time a half was stored at, from when it is seen
/// it waits no longer than its time, of a clock that nobody sets.
///
/// Not thread safe: it belongs to the transactor.
class transaction_core {
public:
  struct settings {
    std::int64_t timeout_ms = 6000;         ///< a new half is left alone so long
    std::int64_t check_interval_ms = 30000; ///< between two checks of one
    std::size_t most_pending = std::size_t{1} << 18;
    std::size_t most_ahead = std::size_t{1} << 16; ///< done before they are read
  };
  struct moment {
    std::int64_t wall_ms = 0;
    std::int64_t steady_ms = 0; ///< of a clock that nobody sets
  };
  /// A message of the half queue.
  struct half {
    std::int64_t at = 0;
    std::int64_t first = 0; ///< of its transaction
    std::int64_t stored_ms = 0;
    std::int64_t immunity_ms = 0; ///< 0: none of its own
    bool written_again = false;
  };
  enum class queue : std::uint8_t { half, op };
  /// To look at a queue, from there on.
  struct look {
    queue which = queue::half;
    std::int64_t from = 0;
    friend bool operator==(const look&, const look&) = default;
  };
  struct actions {
    std::vector<look> looks;
    /// Halves whose producers are to be asked, each with `checked` as its end; in order.
    std::vector<std::int64_t> checks;
    /// Halves that were written again, of which the op queue does not say so: it has to.
    std::vector<std::int64_t> doubles;
  };
  enum class outcome : std::uint8_t {
    again, ///< written again, and done itself
    done,  ///< nobody will be asked any more
    later, ///< nothing was stored
  };
  enum class answer : std::uint8_t {
    go,    ///< the caller resolves it, and says so with `resolved` or `release`
    wait,  ///< somebody is at work on it, or it is not known yet: to be asked again
    done,  ///< it was resolved before
    later, ///< there is no room to remember it: to be refused
  };
  struct claim {
    answer what = answer::wait;
    std::int64_t at = 0; ///< to be named in the op queue
  };

  static constexpr std::size_t most_checks = 32; ///< at a time

  explicit transaction_core(const settings& limits);

  /// How far it was before; to be said before anything else.
  void begin_at(std::int64_t next_half, std::int64_t next_op);

  actions work(const moment& now);
  /// How long until `work` has something to do without an event; nothing while all is quiet.
  std::optional<std::int64_t> sleep_ms(const moment& now) const;

  /// The looks are over: what was there up to `next`, and where the queue ends.
  void found(const std::vector<half>& halves, std::int64_t next, std::int64_t end,
             const moment& now);
  void found_done(const std::vector<std::int64_t>& halves, std::int64_t next, std::int64_t end,
                  const moment& now);
  void look_failed(queue which, const moment& now);
  /// The queue does not have the place: it goes on there.
  void moved(queue which, std::int64_t to, const moment& now);

  /// What became of a check; `to` is where it was written again.
  void checked(std::int64_t at, outcome what, std::int64_t to, const moment& now);
  /// The op queue says now that it is done, or could not.
  void doubled(std::int64_t at, bool stored, const moment& now);

  /// Somebody wants to resolve the transaction.
  claim claim_for(std::int64_t first);
  /// Somebody looks what became of one that is done; false while somebody else is at work on it.
  bool hold(std::int64_t first) { return busy_.insert(first).second; }
  void resolved(std::int64_t first);
  void release(std::int64_t first) { busy_.erase(first); }

  /// All that was there is known.
  bool is_ready() const noexcept { return ops_read_ && (halves_read_ || is_full()); }
  /// Nothing is begun any more.
  void stop() noexcept { stopped_ = true; }
  /// Somebody is at work on a transaction.
  bool is_busy() const noexcept { return !busy_.empty() || doubling_ > 0; }
  std::size_t pending() const noexcept { return open_; }

  /// Where a core that begins later has to begin.
  std::int64_t progress(queue which) const noexcept {
    return which == queue::half ? first_ : op_first_;
  }

private:
  enum class slot_state : std::uint32_t { open, doubled, done };
  struct slot {
    std::int64_t due_ms = 0; ///< steady
    std::int64_t first = 0;
    slot_state state = slot_state::open;
  };
  static_assert(sizeof(slot) <= 24);
  struct reading {
    bool looking = false;
    std::int64_t rest_until_ms = 0; ///< steady
  };
  /// Words of the op queue before `next` are about halves up to `largest`.
  struct op_mark {
    std::int64_t next = 0;
    std::int64_t largest = 0;
  };

  bool is_full() const noexcept { return slots_.size() >= limits_.most_pending; }
  bool may_look(queue which) const noexcept;
  reading& of(queue which) noexcept { return which == queue::half ? halves_ : ops_; }
  slot* slot_of(std::int64_t at) noexcept;
  std::int64_t newest_of(std::int64_t first) const;
  bool is_done(std::int64_t at);
  void add(const half& what, const moment& now);
  void add_gap(std::int64_t to);
  void mark_done(std::int64_t at);
  void advance();
  void find_due(const moment& now, std::vector<std::int64_t>& due);

  settings limits_;
  reading halves_, ops_;
  std::int64_t first_ = 0; ///< of the slots
  std::int64_t read_ = 0;  ///< behind the last of them
  std::deque<slot> slots_;
  std::size_t open_ = 0;
  std::set<std::int64_t> ahead_;                  ///< done, and not read yet
  std::map<std::int64_t, std::int64_t> newest_;   ///< of transactions that were written again
  std::set<std::int64_t> busy_;                   ///< transactions
  std::map<std::int64_t, std::int64_t> checking_; ///< halves, with their transactions
  std::vector<std::int64_t> doubles_;             ///< to be said
  std::int64_t doubles_rest_until_ms_ = 0;        ///< steady
  std::size_t doubling_ = 0;                      ///< being said
  std::int64_t next_due_ms_ = 0;                  ///< nothing is due before, steady
  std::int64_t op_first_ = 0;
  std::int64_t op_read_ = 0;
  std::int64_t largest_done_ = -1;
  std::deque<op_mark> op_marks_;
  bool halves_read_ = false; ///< up to an end that was one since the beginning
  bool ops_read_ = false;
  bool stopped_ = false;
};

} // namespace troupe::storage
