#pragma once

#include "storage/format/record.hpp"
#include "storage/os/file_system.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace troupe::storage {

/// How a range of the log that was lost is bridged, in records that every reader of RocketMQ's
/// format accepts (docs/files.md, "Bridged gaps").

/// Consecutive messages of a queue that were lost: numbers [from, to).
struct lost_run {
  std::string topic;
  std::int32_t queue_id = 0;
  queue_offset from = 0;
  queue_offset to = 0;
};

/// A part of a gap that lies in one file.
struct gap_piece {
  log_offset from = 0;
  log_offset to = 0;
  bool ends_file = false; ///< `to` is the end of its file

  /// Bytes for placeholders; a file's end needs room for the blank.
  log_offset room() const noexcept;
};

/// No record is smaller: 91 bytes and a topic of one. A gap inside a file cannot be either.
inline constexpr log_offset smallest_record_bytes = record_layout::fixed_bytes_v1 + 1;

/// Bytes that stand for one lost message of the topic.
log_offset placeholder_bytes(std::string_view topic) noexcept;

/// True for a record that stands in for a lost message: it keeps the queue's numbering, and nobody
/// ever put it.
bool is_placeholder(const record_view& record) noexcept;

/// Covers exactly [piece.from, piece.to) of the log: placeholders for `lost`, in that order, then
/// records that no queue knows, or a blank to the file's end. `out` is the file, which starts at
/// `file_start`; written, not synced.
result<void> fill_piece(file& out, log_offset file_start, const gap_piece& piece,
                        const std::vector<lost_run>& lost, std::int64_t store_timestamp);

} // namespace troupe::storage
