#pragma once

#include "storage/log/log_file.hpp"
#include "storage/progress.hpp"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace troupe::storage {

/// What is known before the log is looked at. Checkpoint values are hints: what contradicts the
/// clock or the log is not used.
struct recovery_plan {
  bool abnormal = true; ///< an abort marker was there
  std::int64_t now_ms = 0;
  std::int64_t log_time_ms = 0;      ///< records stored until then are durable; 0 unknown
  std::int64_t minimum_time_ms = 0;  ///< the same for log and queues; 0 unknown
  log_offset safe_offset = -1;       ///< log, queues and index are durable below; -1 unknown
  log_offset highest_queue_end = -1; ///< where the last record known to a queue ends; -1 none
  bool accept_empty_log = false;     ///< start anew though queues know of records
  bool file_size_known = false;      ///< the checkpoint says that log files have this size
  progress_sink progress = {};       ///< told about the bytes of the log that are checked
};

/// What vouches for records of the log, and may know of more than are there.
struct durable_end {
  log_offset safe_offset = -1;  ///< our own checkpoint's; -1 without one
  log_offset queue_end = -1;    ///< after an orderly stop: known to queues; else -1
  std::int64_t log_time_ms = 0; ///< the checkpoint's: of the newest durable record

  /// Where the log ended that was surely durable, if that is behind `end`, where it ends now with a
  /// record of that store time; else `end`. RocketMQ's checkpoint has only a time, and a queue
  /// entry may be damaged: without a checkpoint of ours both have to say it.
  log_offset behind(log_offset end, std::optional<std::int64_t> newest_ms) const noexcept;
};

struct recovery_warning {
  std::string file;
  log_offset offset = 0;
  std::string text;
};

/// [from, to) holds no valid record.
struct log_gap {
  log_offset from = 0;
  log_offset to = 0;
};

/// Whoever walks the log from there comes as far as this: the next damage, or the end.
log_offset readable_until(const std::vector<log_gap>& gaps, log_offset end,
                          log_offset from) noexcept;

struct recovered_log {
  log_offset min_offset = 0;
  log_offset end = 0;
  log_offset scanned_from = 0;           ///< every record from here on was checked
  std::int64_t last_store_timestamp = 0; ///< of the last record that was checked; 0 if none was
  bool cut = false;                      ///< bytes behind `end` were taken away
  std::string quarantine;                ///< copy of what was cut, if it held valid records
  std::vector<recovery_warning> warnings;

  /// Set when there is damage in the middle: reads may go on, writes must not; nothing was changed.
  /// `end` is then behind the last valid record, and `gaps` are what lies damaged before it.
  std::optional<error> needs_repair;
  std::vector<log_gap> gaps;

  /// The file that holds `end`, for the writer. Null when the log is read-only, or has no file
  /// there yet: then `end` is where the next file starts.
  std::shared_ptr<file> current;
};

/// Finds the end of the log and brings the directory into the state from which it may be written:
/// behind the end there are only zeros, durably. The caller holds the directory's lock. Doing it
/// again, also after dying in the middle, ends in the same bytes.
///
/// A damaged tail is cut; valid records in it are first copied to `quarantine/`. Damage before
/// records that were durable is never cut: see `needs_repair`. Records that RocketMQ left behind an
/// end of before are taken for what they are by their age, see `log_scan::is_leftover`.
result<recovered_log> recover_log(file_system& fs, const options& o, const recovery_plan& plan);

} // namespace troupe::storage
