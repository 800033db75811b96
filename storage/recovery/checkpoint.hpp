#pragma once

#include "storage/format/record.hpp"
#include "storage/options.hpp"
#include "storage/os/file_system.hpp"

#include <cstdint>
#include <string>

namespace troupe::storage {

/// How large the files of a store are, which none of them says itself.
struct file_sizes {
  std::uint64_t log_bytes = 0; ///< of one file; 0: nothing was written down
  std::uint64_t queue_bytes = 0;
  std::uint32_t index_slots = 0;
  std::uint32_t index_entries = 0;

  static file_sizes of(const options& o) noexcept {
    return {o.log_file_size_bytes, o.queue_file_size_bytes, o.index_slots, o.index_entries};
  }
  bool known() const noexcept { return log_bytes != 0; }
  bool operator==(const file_sizes&) const = default;
};

/// As the number of queues: queues and index are kept in other directories, each with a checkpoint
/// of its own, and this one speaks of the log alone.
inline constexpr std::uint32_t queues_elsewhere = 0xffffffff;

/// Content of the file `checkpoint`: times that RocketMQ keeps, and what this store adds behind
/// them. It is a hint where a recovery may begin, written last: log, queues and index must be
/// synced before, with the values read before those syncs began.
struct checkpoint {
  std::int64_t log_time = 0;            ///< store time of the newest record that is durable
  std::int64_t queue_time = 0;          ///< of the newest whose queue entry is durable
  std::int64_t index_time = 0;          ///< store time up to which the index is durable
  log_offset master_flushed_offset = 0; ///< RocketMQ 5's own; carried along
  log_offset confirm_offset = 0;        ///< likewise

  /// False when the addition is missing, damaged, or older than the times beside it, as after a
  /// RocketMQ broker ran on the directory. The fields below then mean nothing.
  bool extension_valid = false;
  log_offset safe_offset = 0;    ///< log, queues and index are durable for records that end here
  std::uint32_t queue_count = 0; ///< queues at that point; `queues_elsewhere`: the log's alone
  std::uint64_t entry_total = 0; ///< sum of their next offsets
  std::uint32_t index_files = 0; ///< files of the key index

  /// With which sizes the store was last run; also void without a valid addition.
  file_sizes sizes;

  /// True if it says nothing of queues and index.
  bool only_log() const noexcept { return extension_valid && queue_count == queues_elsewhere; }

  /// From which store time on a recovery by time must begin: RocketMQ's rule.
  std::int64_t minimum_time() const noexcept;

  /// The same without what cannot be: times that are negative or in the future count as 0, and an
  /// addition that reaches beyond the log is void.
  checkpoint clamped(log_offset log_end, std::int64_t now_ms) const noexcept;
};

std::string checkpoint_path(const options& o); ///< <directory>/checkpoint

/// Reads what is there: a missing, short or damaged file gives zeros. Fails only when the file
/// cannot be read.
result<checkpoint> load_checkpoint(file_system& fs, const std::string& path);

/// Replaces the file, so that a crash leaves the old or the new one. The addition is always
/// written.
result<void> save_checkpoint(file_system& fs, const std::string& path, const checkpoint& content);

} // namespace troupe::storage
