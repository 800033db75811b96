#pragma once

#include "storage/log_file.hpp"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace troupe::storage {

/// Looks through log files whose content is in doubt: the eyes of recovery and repair. Every record
/// is taken only if all its checks pass, CRC and own offset included. Changes nothing.
class log_scan {
public:
  /// `files` are contiguous and not empty, as `list_log` gives them.
  log_scan(file_system& fs, const options& o, std::vector<log_file_entry> files);

  log_offset begin() const noexcept { return files_.front().start; }
  /// Where the last file ends.
  log_offset limit() const noexcept;
  log_offset file_start(log_offset offset) const noexcept;
  const std::vector<log_file_entry>& files() const noexcept { return files_; }

  struct record {
    log_offset offset = 0;
    std::uint32_t size = 0;
    std::int64_t store_timestamp = 0;
  };
  /// Valid records one behind the other.
  struct run {
    /// Behind the last of them; in the next file if a blank leads there. A blank at the end of the
    /// last file leads nowhere and is not part of the run.
    log_offset end = 0;
    std::optional<record> last;
    const char* problem = ""; ///< what is wrong at `end`; empty when it is just not written
  };
  result<run> walk(log_offset from);

  /// The record that starts exactly there.
  result<std::optional<record>> record_at(log_offset offset);
  /// True if a record or a blank starts there.
  result<bool> continues_at(log_offset offset);
  /// True if a record ends exactly there, found by looking backwards.
  result<bool> record_ends_at(log_offset offset);
  /// The first record that starts at `from` or anywhere behind it.
  result<std::optional<record>> find(log_offset from);
  /// True if nothing but zeros lies in [from, to).
  result<bool> all_zero(log_offset from, log_offset to);

  /// Path of the first file with a page that could not be read, if any: what was reported about it
  /// is not to be relied on.
  const std::string& unreadable() const noexcept { return unreadable_; }

private:
  result<void> load(log_offset start);
  decoded decode(log_offset offset);
  std::optional<record> find_in_file(std::size_t from);
  void note_damage();

  file_system& fs_;
  const options& options_;
  std::vector<log_file_entry> files_;
  log_offset start_ = -1; ///< of the file that is loaded
  std::shared_ptr<file> file_;
  std::shared_ptr<mapping> map_;
  std::string unreadable_;
};

} // namespace troupe::storage
