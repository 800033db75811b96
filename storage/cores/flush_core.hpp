#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

namespace troupe::storage {

/// What of the log is written, what is being flushed and what is durable; who waits for that.
///
/// State: the run of the log, how far it is written and durable, the flush that runs, those who
/// wait, in the order they came, and whether a flush failed.
///
/// Events come in by the functions below; what has to be done then is their answer. The owner calls
/// `begin_flush` when it was told to and has read everything that came meanwhile, which shares the
/// one flush, syncs the files it is given, and says `flushed` or `failed`.
///
/// Invariants: one flush at a time; what is durable only grows within a run, and not after a
/// failure, which is final: a later success would prove nothing. Whoever waits is answered once,
/// and never that it is durable before a flush that began behind it went well.
///
/// Not thread safe: it belongs to the flusher, or to the storage simulation's process.
class flush_core {
public:
  /// A place in the log.
  struct mark {
    std::int64_t end = 0;
    std::int64_t store_ms = 0; ///< of the newest record before it
    friend bool operator==(const mark&, const mark&) = default;
  };
  enum class outcome : std::uint8_t {
    durable,
    failed,    ///< by the flush, for good
    other_run, ///< nobody knows any more
  };
  struct answer {
    std::uint64_t who = 0;
    outcome what = outcome::durable;
    friend bool operator==(const answer&, const answer&) = default;
  };
  /// When to call `begin_flush`.
  enum class wake_up : std::uint8_t {
    none,
    unhurried, ///< some time after the flush before: nobody waits, and little is not durable
    now,       ///< behind all that has come by now
  };
  /// To be done in this order.
  struct actions {
    std::vector<answer> answers;
    bool tell = false; ///< everybody how far the log is durable, or that it failed
    wake_up wake = wake_up::none;
  };
  struct log_file {
    std::int64_t start = 0;
    bool full = false; ///< once it is synced nothing more will be written to it
    friend bool operator==(const log_file&, const log_file&) = default;
  };
  struct flush {
    mark from;
    mark to;
    /// What has to be synced, in this order: a file counts as durable only behind its predecessor.
    std::vector<log_file> files(std::int64_t file_size) const;
  };

  /// So many bytes may rest until a flush that nobody waits for.
  explicit flush_core(std::int64_t resting_bytes = 0) noexcept : resting_bytes_(resting_bytes) {}

  /// The log begins a run, whose writer has seen to it that it is durable to `flushed`. Nothing
  /// that was known before counts. Followed by `go_on`.
  actions new_run(std::uint64_t run, const mark& written, const mark& flushed);
  actions go_on() noexcept;
  actions written(const mark& to) noexcept;
  /// Somebody wants to know when the log is durable up to there, and has not asked before.
  actions wait(std::uint64_t run, std::int64_t end, std::uint64_t who);
  /// The writer says nothing more, and may have died before it said how much it had written: what
  /// others wait for they have seen.
  actions writer_ended() noexcept;
  /// The writer stopped there; a last flush may be begun.
  void stop(std::int64_t end) noexcept;

  /// None if there is nothing to flush, or nothing may be.
  std::optional<flush> begin_flush() noexcept;
  actions flushed();
  /// Also without a flush, if a file that will be written to cannot be watched.
  actions failed();

  std::uint64_t run() const noexcept { return run_; }
  const mark& written() const noexcept { return written_; }
  const mark& durable() const noexcept { return flushed_; }
  bool has_failed() const noexcept { return failed_; }
  std::uint64_t flushes() const noexcept { return count_; }

private:
  struct waiting {
    std::int64_t end = 0;
    std::uint64_t who = 0;
  };

  wake_up wakes() noexcept;
  std::vector<answer> answer_waiting();

  std::int64_t resting_bytes_;
  std::uint64_t run_ = 0;
  mark written_;
  mark flushed_;
  std::optional<mark> flushing_; ///< up to there, if one runs
  std::deque<waiting> waiting_;
  bool awake_ = false; ///< `begin_flush` has been asked for, now
  bool failed_ = false;
  bool writer_ended_ = false;
  std::uint64_t count_ = 0;
};

} // namespace troupe::storage
