#pragma once

#include "storage/options.hpp"

#include <cstddef>
#include <cstdint>
#include <span>

namespace troupe::storage {

/// A file of the log, as retention sees it.
struct retained_file {
  std::int64_t end = 0; ///< log offset behind its last byte
  std::int64_t modified_ms = 0;
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
