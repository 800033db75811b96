#pragma once

#include "storage/options.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace troupe::storage {

/// A file of the log, as retention sees it.
struct retained_file {
  std::int64_t end = 0; ///< log offset behind its last byte
  std::int64_t modified_ms = 0;
};

/// Says whether the wall clock can be believed when files go by their age. A clock that jumps makes
/// every file look old at once. After a jump nothing counts as expired until the time that files
/// are kept has passed again on a clock that nobody sets: what goes then is surely that old.
class retention_clock {
public:
  /// More between two looks than has passed is a jump.
  static constexpr std::int64_t largest_step_ms = 60'000;
  /// A start so long after the newest change of the log is taken for one, too.
  static constexpr std::int64_t longest_rest_ms = 24LL * 3600 * 1000;

  /// `now_ms`: the wall clock; `steady_ms`: milliseconds from any point on, only forwards;
  /// `newest_ms`: when the log was changed last, 0 if there is none. True if it just jumped.
  bool look(std::int64_t now_ms, std::int64_t steady_ms, std::int64_t newest_ms) noexcept;

  /// True if files may go that were last changed so long ago.
  bool believed(std::int64_t reserved_ms) const noexcept {
    return !jumped_at_ || steady_ms_ - *jumped_at_ >= reserved_ms;
  }

private:
  bool looked_ = false;
  std::int64_t now_ms_ = 0; ///< both clocks at the last look
  std::int64_t steady_ms_ = 0;
  std::optional<std::int64_t> jumped_at_; ///< on the steady clock
};

struct retention_input {
  std::span<const retained_file> files; ///< oldest first, with the one being written
  /// Everything before is in the queues and durable there; what lies behind must stay.
  std::int64_t safe_until = 0;
  std::int64_t now_ms = 0;
  int local_hour = 0;
  int used_percent = 0;         ///< of the disk, rounded up
  std::uint64_t disk_bytes = 0; ///< of the whole disk; 0 when unknown
  bool disk_full = false;       ///< what the last decision said
  bool asked = false;           ///< an operator wants expired files gone now
  bool clock_believed = true;   ///< see `retention_clock`; else no file counts as expired
};

struct retention_decision {
  std::size_t drop = 0;   ///< how many of the oldest files go now
  bool disk_full = false; ///< writes are refused until a later decision says otherwise
};

/// Files that go in one round at most, so that nothing else waits long.
inline constexpr std::size_t max_files_a_round = 10;

/// Which log files go now: RocketMQ's rules. Expired ones (by the time of their last change) at the
/// hours of `delete_when_hours`, on request, and at any hour while the disk is fuller than
/// `disk_max_used_percent`; the oldest even if not expired above `disk_clean_forcibly_percent`,
/// only as many as bring the disk back to it, and none when `clean_file_forcibly` is off. The last
/// file never goes. The disk counts as full above `disk_warning_percent`, until it is back at
/// `disk_clean_forcibly_percent`.
retention_decision decide_retention(const options& o, const retention_input& now) noexcept;

} // namespace troupe::storage
