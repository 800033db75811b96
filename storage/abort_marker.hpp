#pragma once

#include "storage/file_system.hpp"

#include <string>

namespace troupe::storage {

/// The file `abort` in the store's directory: it exists while a node runs, so whoever finds it at a
/// start knows that the last stop was not orderly. Its text is the process id, as RocketMQ 5 writes
/// it; nobody reads it.

/// True also when its absence cannot be made sure.
bool abort_marker_exists(file_system& fs, const std::string& directory);

/// The marker is durable when this returns; to be called before the first byte is written.
result<void> create_abort_marker(file_system& fs, const std::string& directory);

/// The last step of an orderly stop, taken only if every flush succeeded.
result<void> remove_abort_marker(file_system& fs, const std::string& directory);

} // namespace troupe::storage
