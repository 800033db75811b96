#pragma once

#include "storage/os/file_system.hpp"

#include <string>

namespace troupe::storage {

/// The file `abort` in the store's directory: it exists while a node runs, so whoever finds it at a
/// start knows that the last stop was not orderly. Its text is the process id, as RocketMQ 5 writes
/// it, and behind that whether groups are settled; nobody else reads it.
///
/// Messages that a consumer group had seen may be gone, and new ones get their numbers. Until each
/// group has been compared with its queues that is open, however often the process dies meanwhile:
/// so the marker begins without the word, and loses it before queues are discarded.

/// True also when its absence cannot be made sure.
bool abort_marker_exists(file_system& fs, const std::string& directory);

/// While a node runs: an error when the marker is gone, and with it the directory that is ours.
result<void> check_directory_is_ours(file_system& fs, const std::string& directory);

/// The marker is durable when this returns; to be called before the first byte is written.
result<void> create_abort_marker(file_system& fs, const std::string& directory);

/// True if a running node, or the one that died, has compared all groups with their queues.
bool groups_are_settled(file_system& fs, const std::string& directory);

/// Says so durably; the marker must be there.
result<void> settle_groups(file_system& fs, const std::string& directory);

/// Takes the word back durably, if it was said.
result<void> unsettle_groups(file_system& fs, const std::string& directory);

/// The last step of an orderly stop, taken only if every flush succeeded.
result<void> remove_abort_marker(file_system& fs, const std::string& directory);

} // namespace troupe::storage
