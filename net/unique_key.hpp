#pragma once

#include <string>

namespace troupe::client {

/// A message id of the client's own, unique over hosts, processes and restarts: 32 hex digits made
/// of an address, the process id, a random part, the time since the month began, and a counter (the
/// scheme of RocketMQ's clients). Thread-safe.
std::string next_unique_key();

} // namespace troupe::client
