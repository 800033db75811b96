#pragma once

#include "storage/log/log_file.hpp"
#include "storage/os/file_system.hpp"

#include <cstdint>
#include <string>

namespace troupe::storage {

/// The directory of a store in which recovery and repair keep what they take away. Nothing ever
/// reads it again but people; each name is used once.
std::string quarantine_directory(const options& o); ///< <directory>/quarantine

/// Copies [from, to) of the log, durable when this returns; answers the copy's path. A file that is
/// missing in the range reads as zeros.
result<std::string> copy_to_quarantine(file_system& fs, const options& o, log_offset from,
                                       log_offset to, std::int64_t now_ms);

/// Copies the file's bytes from `from` on.
result<std::string> copy_to_quarantine(file_system& fs, const options& o, const file& source,
                                       std::uint64_t from, std::int64_t now_ms);

/// Moves a file or directory of the store there, durably; empty if there is no `name`. What it held
/// is the same, only elsewhere.
result<std::string> move_to_quarantine(file_system& fs, const options& o, const std::string& name,
                                       std::int64_t now_ms);

} // namespace troupe::storage
