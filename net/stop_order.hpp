#pragma once

#include "net/placement.hpp"

#include <string>
#include <vector>

namespace troupe::net {

/// The nodes in the order in which they are to be stopped so that nothing is lost. In the direction
/// of a message: who takes it comes first, then who writes it, then those who bring it into the
/// queues, and last those whom all of them need, to make it durable and to read it again. A node
/// with several roles goes with the last of them, but the writer's before all that its stop waits
/// for. Stores of their own are in the order of the file.
std::vector<std::string> stop_order(const placement& placed);

} // namespace troupe::net
