#pragma once

#include "storage/log_file.hpp"
#include "storage/position.hpp"
#include "storage/slice.hpp"

#include <functional>
#include <map>
#include <memory>

namespace troupe::storage {

/// The reading side of the commit log: maps files as they are needed and hands out counted slices.
/// Not thread-safe: each reader has its own.
class log_view {
public:
  log_view(file_system& fs, const options& o, log_offset min_offset);

  struct message {
    record_view view; ///< points into `bytes`
    slice bytes;
  };
  /// The whole record at `offset`, checked (sizes, magic, own offset, CRC); touching its bytes for
  /// that also brings them into memory. `not_found` outside the log or between records,
  /// `offset_too_small` below the minimum, `corrupt` with file and position when damaged,
  /// `io_error` when its bytes could not be read.
  result<message> read(log_offset offset);

  /// Walks the records from `from` (a record's start) up to `to` at most, and calls `visit` for
  /// each message; one for which it answers false is the last. Ends at `to`, at the end of the log
  /// or before a record that fails its checks. After an error what was visited last is in doubt.
  struct walked {
    log_offset end = 0;       ///< where the walk stopped
    const char* problem = ""; ///< why, unless it was a clean end
  };
  result<walked> walk(log_offset from, log_offset to, verify what,
                      const std::function<bool(const record_view&)>& visit);

  /// Positions of the records from `from` on, at most `count` and not beyond `to`. `corrupt` when
  /// the very first one fails its checks; later damage ends the batch before it.
  result<position_batch> positions(log_offset from, log_offset to, std::size_t count);

  log_offset min_offset() const noexcept { return min_offset_; }

  /// Files that end at or below `min` are gone; their mappings live on only in slices. Returns weak
  /// handles of those that are still held, so that somebody can watch and `revoke` them.
  struct held_file {
    log_offset start = 0;
    std::weak_ptr<mapping> map;
  };
  std::vector<held_file> drop_until(log_offset min);

private:
  result<std::shared_ptr<mapping>> map_of(log_offset start);
  result<void> check_readable(const mapping& map, log_offset offset);

  file_system& fs_;
  const options& options_;
  log_offset min_offset_;
  std::map<log_offset, std::shared_ptr<mapping>> maps_;
  position_builder builder_;
};

} // namespace troupe::storage
