#pragma once

#include "storage/error.hpp"
#include "storage/format/queue_entry.hpp"
#include "storage/options.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace troupe::storage {

class file_system;
class log_view;

/// An entry of a consume queue that leads to no message of its own, with its neighbours.
struct suspect_entries {
  queue_offset first = 0; ///< number of the first of `entries`, which have no gaps
  std::vector<queue_entry> entries;
  queue_offset suspect = 0; ///< number of the one that is in doubt: one of them
  /// Where the records of the queue lie; both are beginnings of records or the ends of the log.
  log_offset log_begin = 0;
  log_offset log_end = 0;
};

/// What the log says.
struct right_entries {
  queue_offset first = 0; ///< number of the first of `entries`
  /// The suspect and those around it that are wrong as well; empty if nothing is known.
  std::vector<queue_entry> entries;
  std::string missing; ///< why there are none
};

/// Bytes of the log in which the record of one entry is looked for, at most.
inline constexpr log_offset most_entry_search = static_cast<log_offset>(gib);

/// Looks in the log for the records of a suspect entry and of those wrong ones that touch it: they
/// lie between the next records on both sides that are the ones that their entries name. Reads that
/// part of the log, which can take seconds; damage in it is passed over. Changes nothing.
result<right_entries> search_entries(file_system& fs, const options& o, log_view& log,
                                     const std::string& topic, std::int32_t queue_id,
                                     const suspect_entries& given);

} // namespace troupe::storage
