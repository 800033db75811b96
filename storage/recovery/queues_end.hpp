#pragma once

#include "storage/format/position.hpp"
#include "storage/options.hpp"
#include "storage/os/file_system.hpp"

namespace troupe::storage {

/// Where the queues say that the log ends: behind the last record that one of them has an entry of.
/// -1 without queues. Only a hint, for an entry may be damaged.
result<log_offset> end_known_to_queues(file_system& fs, const options& o);

} // namespace troupe::storage
