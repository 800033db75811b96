#pragma once

#include "storage/format/position.hpp"
#include "storage/log/log_file.hpp"
#include "storage/os/slice.hpp"

#include <cstdint>
#include <functional>
#include <map>
#include <memory>

namespace troupe::storage {

/// The reading side of the commit log: maps files as they are needed and hands out counted slices.
/// The least recently used maps are let go; slices keep theirs. Not thread-safe: each reader has
/// its own.
class log_view {
public:
  /// Maps that one view keeps: the kernel allows 65 530 a process, for all readers together.
  static constexpr std::size_t most_maps = 4096;

  log_view(file_system& fs, const options& o, log_offset min_offset,
           std::size_t map_limit = most_maps);

  struct message {
    record_view view; ///< points into `bytes`
    slice bytes;
  };
  /// The whole record at `offset`, checked (sizes, magic, own offset, CRC); touching its bytes for
  /// that also brings them into memory. A file that cannot be mapped is read into memory of our
  /// own. `not_found` outside the log or between records, `offset_too_small` below the minimum or
  /// where the oldest files were deleted, `corrupt` with file and position when damaged, `io_error`
  /// when its bytes could not be read.
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

  std::size_t map_count() const noexcept { return kept_; }

private:
  struct known_map {
    std::shared_ptr<mapping> kept; ///< null once it was let go
    std::weak_ptr<mapping> map;    ///< slices may hold it still
    std::uint64_t used = 0;        ///< turn of the last use
    /// The map as the next slices hold it: counted apart, and anew after a few of them. All threads
    /// that let go of slices of a file would count in one place otherwise, and wait for each other
    /// for longer than it takes to check a record.
    std::shared_ptr<const mapping> lent;
    std::uint32_t lent_left = 0; ///< slices before `lent` is counted anew

    std::shared_ptr<const mapping> lend();
  };

  result<std::shared_ptr<file>> open_file(log_offset start) const;
  /// Kept, and there until another map is asked for or this one is forgotten.
  result<known_map*> map_of(log_offset start);
  known_map* keep(log_offset start, const std::shared_ptr<mapping>& map);
  void let_go();
  void forget(log_offset start);
  result<message> read_mapped(known_map& known, log_offset offset);
  result<message> read_copy(log_offset offset) const;
  error no_message(const decoded& found, byte_view bytes, log_offset offset) const;
  log_offset start_of(log_offset offset) const noexcept;
  result<void> check_readable(const mapping& map, log_offset offset);

  file_system& fs_;
  const options& options_;
  log_offset min_offset_;
  std::map<log_offset, known_map> maps_;
  std::size_t map_limit_;
  std::size_t kept_ = 0; ///< maps of which `kept` is set
  std::uint64_t turn_ = 0;
  position_builder builder_;
};

} // namespace troupe::storage
