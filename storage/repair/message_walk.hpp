#pragma once

#include "storage/format/record.hpp"
#include "storage/repair/store_files.hpp"

#include <functional>

namespace troupe::storage {

struct walked_log {
  log_offset min = 0; ///< start of the first file
  log_offset end = 0; ///< behind the last valid record
  std::uint64_t messages = 0;
  std::uint64_t gaps = 0; ///< places without a record before valid ones
  /// Why the log ends where it does, if not because nothing was written behind it.
  std::optional<finding> torn_tail;
};

/// Visits every valid message of a log at rest, in its order and past damage; CRCs are checked.
/// Each gap is reported. What `visit` sees is valid during the call.
result<walked_log> walk_messages(file_system& fs, const store_files& files,
                                 const finding_sink& report,
                                 const std::function<void(const record_view&)>& visit);

} // namespace troupe::storage
