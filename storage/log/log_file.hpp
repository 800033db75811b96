#pragma once

#include "storage/format/record.hpp"
#include "storage/options.hpp"
#include "storage/os/file_system.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::storage {

/// "00000000000001048576": 20 digits, the offset of the file's first byte.
std::string offset_file_name(std::int64_t offset);
/// The offset, or nothing when `name` is not exactly 20 digits that fit.
std::optional<std::int64_t> parse_offset_file_name(std::string_view name);

std::string log_directory(const options& o);   ///< <directory>/commitlog
std::string queue_directory(const options& o); ///< <directory>/consumequeue
std::string index_directory(const options& o); ///< <directory>/index

/// The log file in which `offset` lies, whether it is there or not.
std::string log_file_path(const options& o, log_offset offset);

/// Creates the log file that starts at `start`: reserves its blocks, syncs it and its directory, so
/// that the first byte may be acknowledged as soon as it is synced. A half-made file is removed.
result<std::shared_ptr<file>> create_log_file(file_system& fs, const options& o, log_offset start);

/// Takes away the files of `open` that were made ahead and hold nothing written, `end` being where
/// the log ends. The newest first, each made durable: whoever dies in between leaves no hole. What
/// is gone is gone from `open` too.
result<void> remove_unused_log_files(file_system& fs, const options& o,
                                     std::map<log_offset, std::shared_ptr<file>>& open,
                                     log_offset end);

struct log_file_entry {
  log_offset start = 0;
  std::int64_t modified_ms = 0;
};

struct log_listing {
  std::vector<log_file_entry> files; ///< sorted and contiguous, each of the full size
  std::vector<std::string> warnings; ///< foreign names that were ignored
};

/// What is in the log directory. Refuses (`corrupt`, naming the file and what to do) a wrong size;
/// a hole between files is `needs_repair`. A last file that is too short is left out of the
/// listing: with nothing but zeros in it, its creation was interrupted and it is reported in
/// `empty_tail`; else it lost its end and is reported in `short_tail`. No directory is as good as
/// an empty one.
struct log_directory_state {
  log_listing listing;
  std::string empty_tail; ///< path of that last file, if any
  std::optional<log_file_entry> short_tail;
};
result<log_directory_state> list_log(file_system& fs, const options& o);

/// Where the log starts now; `otherwise` when there is none or the directory cannot be read.
log_offset log_start(file_system& fs, const options& o, log_offset otherwise);

} // namespace troupe::storage
