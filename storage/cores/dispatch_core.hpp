#pragma once

#include "storage/error.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <limits>
#include <map>
#include <memory>
#include <string>
#include <variant>
#include <vector>

namespace troupe::storage {

struct position_batch;

/// The one ordered way from the log to the queues. Passes on what continues where it stopped; a gap
/// (a lost batch, a restart) is read again from the log. Holds nothing that the log does not.
///
/// State: the run of the log, where the next batch must begin (`next`), how far the log is known to
/// be written, what came while the log is read, how far each queue-manager is, which question
/// waits for an answer, and since when the log cannot be read.
///
/// Events come in by the functions below; what has to be done then is their answer. Questions carry
/// a number that comes back with the answer: an answer to an older one changes nothing.
///
/// Invariants: batches are passed on in order, without gap and without overlap, from where the
/// queues said that they are; nothing is read behind what the writer has said is written, unless it
/// has ended; one question is open at a time; the next piece of the log is read when the queues
/// have the last one; credit is given for what all queue-managers have.
///
/// Not thread safe: it belongs to a dispatcher, or to the storage simulation's process.
class dispatch_core {
public:
  using time_point = std::chrono::steady_clock::time_point;

  /// Before the same is tried again.
  static constexpr std::chrono::milliseconds pause{100};
  /// Of so many pauses one is warned of.
  static constexpr std::uint64_t pauses_told = 100;
  /// After that the node need not wait for the queues any more.
  static constexpr std::chrono::milliseconds unreadable_patience{5000};
  /// As far as there are records.
  static constexpr auto unknown_end = std::numeric_limits<std::int64_t>::max();

  /// Positions of everything in [from, to) of the log. The core does not look into them.
  struct batch {
    std::uint64_t run = 0;
    std::int64_t from = 0;
    std::int64_t to = 0;
    std::size_t count = 0; ///< of positions
    std::shared_ptr<const position_batch> content;
    friend bool operator==(const batch&, const batch&) = default;
  };

  // What may have to be done.

  /// Ask the writer for run and end of the log; answered by `writer_met` or `writer_silent`.
  struct meet_writer {};
  /// Ask the queues how far they are; answered by `queues_met` or `queues_silent`.
  struct meet_queues {
    std::uint64_t meeting = 0;
  };
  /// Ask the writer how far the log is written; answered by `end_known` or `end_unanswered`.
  struct ask_end {
    std::uint64_t question = 0;
  };
  /// Ask a reader for no more than so many positions; answered by `replayed` or `unreadable`.
  struct read {
    std::uint64_t question = 0;
    std::int64_t from = 0;
    std::int64_t to = 0;
    std::uint32_t count = 0;
  };
  /// To all queue-managers.
  struct pass {
    batch what;
    bool awaited = false; ///< the next piece of the log is read when they have it
  };
  /// All of the log has been passed on; the queues may need to know that nothing is behind it.
  struct ended {
    std::int64_t end = 0;
  };
  /// The writer's: all before it is in the queues.
  struct credit {
    std::int64_t end = 0;
  };
  /// The log cannot be read, or, without a reason, can be again.
  struct bar {
    enum class audience : std::uint8_t {
      all,   ///< the node, and the queues
      writer ///< which may have missed it
    };
    errc code = errc::none;
    std::string reason;
    audience to = audience::all;
  };
  /// In the process's own log.
  struct warn {
    std::int64_t from = 0;
    error why;
  };
  /// `retry` after `pause`.
  struct arm {};

  using action =
      std::variant<meet_writer, meet_queues, ask_end, read, pass, ended, credit, bar, warn, arm>;
  /// To be done in this order.
  using actions = std::vector<action>;

  /// Who is there.
  struct roles {
    bool writer = false;
    bool writer_ended = false; ///< for good: nobody writes to the log
    bool queues = false;
    bool readers = false;
    // What is new:
    bool other_writer = false; ///< or the same again, which was out of reach
    bool other_queues = false;
    bool asked_reader_gone = false;
  };
  /// What the queue-managers say of themselves together.
  struct queues_state {
    std::uint64_t run = 0;
    std::int64_t applied = 0;  ///< by all
    std::size_t managers = 1;  ///< that are there; 0 counts as 1
    std::uint32_t missing = 0; ///< and that are not: no credit is given without them
  };

  /// `piece`: positions read from the log at a time.
  explicit dispatch_core(std::uint32_t piece = 4096) : piece_(piece) {}

  actions roles_changed(const roles& now);
  actions writer_met(std::uint64_t run, std::int64_t end);
  actions writer_silent();
  actions queues_met(std::uint64_t meeting, const queues_state& queues);
  actions queues_silent(std::uint64_t meeting);
  /// One of the queue-managers has everything before it, and wants what follows.
  actions resume(std::uint32_t share, std::int64_t from);

  /// From the writer: as it came, or late, or twice.
  actions arrived(batch what);
  /// One of the queue-managers has everything before `end`.
  actions applied(std::uint32_t share, std::int64_t end);

  actions end_known(std::uint64_t question, std::int64_t end);
  /// `writer_ended`: the failure shows that it has.
  actions end_unanswered(std::uint64_t question, bool writer_ended);
  /// An empty one (`from` = `to`): nothing valid is there.
  actions replayed(std::uint64_t question, const batch& what, time_point now);
  actions unreadable(std::uint64_t question, const error& why, time_point now);
  actions retry();

  std::uint64_t run() const noexcept { return run_; }
  std::int64_t next() const noexcept { return next_; }
  std::int64_t applied() const noexcept { return applied_; }
  std::size_t held() const noexcept { return held_.size(); }
  std::uint64_t replayed_positions() const noexcept { return replayed_; }
  std::uint64_t pauses() const noexcept { return all_pauses_; }

private:
  /// What reading the log again is waiting for.
  enum class catching_up : std::uint8_t {
    no,           ///< the writer's batches continue where the last one ended
    asking,       ///< the writer has been asked how far the log is written
    asking_again, ///< it did not answer in time: a timer runs
    reading,      ///< a reader has been asked
    feeding,      ///< the queues work on what was read
    pausing,      ///< the reader could not answer: a timer runs; or there is none
  };

  void meet_the_writer(actions& then) const;
  void meet_the_queues(actions& then);
  void ask_the_queues(actions& then);
  void begin_at(std::int64_t from, std::int64_t applied, actions& then);
  void work(actions& then);
  void drop_known();
  void pass_on(batch what, bool awaited, actions& then);
  void find_end(actions& then);
  void read_log(actions& then);
  void caught_up(actions& then);
  void pause_for(const error& why, time_point now, actions& then);
  void bar_writing(const error& why, actions& then);
  void readable_again(actions& then);
  void tell_writer(actions& then) const;
  void give_credit(actions& then) const;

  std::uint32_t piece_;
  roles roles_;
  bool started_ = false;           ///< it is known where to begin
  bool meet_writer_again_ = false; ///< it did not answer in time, or not at all: a timer runs
  bool meet_queues_again_ = false; ///< they did not say in time how far they are: a timer runs
  std::uint64_t meetings_ = 0;     ///< with queue-managers that were begun
  bool queues_met_ = false;        ///< they have said how far they are, and how many
  bool writer_met_ = false;        ///< the writer is known to be in `run_`
  std::uint64_t run_ = 0;
  catching_up catching_up_ = catching_up::no;
  std::int64_t next_ = 0;    ///< where the next batch must begin
  std::int64_t applied_ = 0; ///< everything below is in the queues, as far as they are there
  /// Of several queue-managers: how far those are that have spoken since they were met.
  std::map<std::uint32_t, std::int64_t> applied_by_;
  std::size_t queue_managers_ = 1;
  std::uint32_t missing_ = 0;
  std::int64_t written_ = 0; ///< the log is known to be written up to here
  /// Arrived while the log is read; not confirmed, so the writer's credit bounds it.
  std::deque<batch> held_;
  std::uint64_t replayed_ = 0;
  std::uint64_t pauses_ = 0; ///< since the log could be read last
  std::uint64_t all_pauses_ = 0;
  time_point unreadable_since_;
  bar barred_;              ///< what the node was told of a log that cannot be read; none: empty
  std::uint64_t epoch_ = 0; ///< a new one at each `resume`, to know answers to older questions
};

} // namespace troupe::storage
