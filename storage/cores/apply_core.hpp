#pragma once

#include <cstddef>
#include <cstdint>

namespace troupe::storage {

/// The order in which batches of positions go into the queues. A batch covers [from, to) of the
/// log; the owner holds those that wait, in the order they came, and asks about the first.
///
/// State: everything before `applied` is in the queues; how much of the first batch is; up to where
/// the queues knew the log already and are only compared with it; whether they were built again.
///
/// Events and actions: `judge` says what to do with the first batch. One to `apply` is begun
/// (`begin`), gets somewhere (`got_to`), and is `finished`, or is begun again later, where it
/// stopped. `found_gap` says what a message without its predecessors means.
///
/// Invariants: no batch is applied before all that lies before it; `applied` only grows, but when
/// the queues were `emptied`; what was counted in one batch is not taken for another.
///
/// Not thread safe: it belongs to a queue-manager, or to the storage simulation's process.
class apply_core {
public:
  enum class place : std::uint8_t {
    known,     ///< all of it
    continues, ///< begins exactly where the last one ended
    overlaps,  ///< begins before that, and brings something new
    gap,       ///< something is missing before it
  };
  /// Of a batch when everything before `next` is there.
  static place place_of(std::int64_t from, std::int64_t to, std::int64_t next) noexcept;

  enum class step : std::uint8_t {
    skip,
    apply,
    read_again, ///< drop all that wait, and read the log from `applied` on
  };
  enum class gap : std::uint8_t {
    build_again, ///< the queues lack something: empty them, then `emptied`
    damaged,     ///< building them again would not help, or is not allowed: the log lacks it
  };

  /// `compare_until`: up to there the queues know what comes; 0: nothing to compare.
  void opened(std::int64_t applied, std::int64_t compare_until, bool rebuilt,
              bool read_only) noexcept;

  step judge(std::int64_t from, std::int64_t to) const noexcept;
  /// True if a batch has to be compared with the queues before it is applied.
  bool compares(std::int64_t from) const noexcept { return from < compare_until_; }
  /// The queues agree with the log up to there.
  void compared(std::int64_t to) noexcept;
  /// How many of its positions are in the queues from an earlier try.
  std::size_t begin(std::int64_t from, std::int64_t to) noexcept;
  void got_to(std::size_t count) noexcept;
  gap found_gap() noexcept;
  void finished(std::int64_t to) noexcept;
  /// The positions that a batch consists of are others now: it is begun at its first one, and
  /// those that are in the queues are skipped there.
  void recount() noexcept { done_ = 0; }
  /// Nothing is in the queues; they go on where the log begins.
  void emptied(std::int64_t min) noexcept;
  /// The log cannot be read there, which is no evidence against the queues.
  void stop_comparing() noexcept;

  std::int64_t applied() const noexcept { return applied_; }
  std::int64_t compare_until() const noexcept { return compare_until_; }
  bool comparing() const noexcept { return applied_ < compare_until_; }
  /// True if the queues may hold entries of what lies behind `applied`.
  bool ahead() const noexcept { return begun_ || comparing(); }
  bool rebuilt() const noexcept { return rebuilt_; }

private:
  std::int64_t applied_ = 0;
  std::int64_t compare_until_ = 0;
  std::int64_t front_ = 0; ///< where the batch begins that `done_` counts in
  std::size_t done_ = 0;
  bool begun_ = false; ///< some entries of the first batch may be in the queues
  bool rebuilt_ = false;
  bool read_only_ = false;
};

} // namespace troupe::storage
