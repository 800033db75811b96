#pragma once

#include "storage/format/record.hpp"
#include "storage/options.hpp"
#include "storage/os/file_system.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace troupe::storage {

/// Index files against the log.
struct index_scope {
  std::vector<std::string> files; ///< oldest first; all that was added is written
  log_offset log_min = 0;
  log_offset to = 0;              ///< where a record ends; the index knows all that lies before
  std::uint64_t newest_bytes = 0; ///< of the log before `to`, whose keys are looked for one by one
  std::uint64_t gap_bytes = 0;    ///< of the log, looked at behind the end of each file
  /// Records of a deleted topic before the offset need not be in the index.
  std::map<std::string, log_offset> dead = {};
};

/// Keys that are not found; `place` is the first of the files that cannot be believed, and their
/// count if all can, but the log goes on behind them.
struct index_fault {
  std::size_t place = 0;
  std::string reason;
};

/// Finds what hides keys: a header that contradicts its file or the log, a gap between files, and
/// for the newest part of the log any entry, link or slot. Damage in the log is no evidence.
result<std::optional<index_fault>> compare_index(file_system& fs, const options& o,
                                                 const index_scope& scope);

} // namespace troupe::storage
