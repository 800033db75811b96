#pragma once

#include "storage/error.hpp"

#include <cstddef>
#include <cstdint>

namespace troupe::net {

/// How the descriptors of the process are shared out. What is in neither share is left for the log,
/// the actor port and its operators, and libraries: no number of RocketMQ clients takes it.
struct descriptor_shares {
  std::size_t connections = 0; ///< of RocketMQ clients
  std::size_t queue_files = 0; ///< that may be open at the same time
  std::size_t lookers = 0;     ///< connections to the admin port, out of what is left
};

/// The shares of a limit. Connections get what is wanted while the queues have as many files as all
/// the rest; with few descriptors both get less, connections a quarter.
descriptor_shares share_descriptors(std::uint64_t limit, std::size_t wanted_connections) noexcept;

/// With fewer a node could open its files, and then serve nobody.
inline constexpr std::uint64_t least_descriptors = 64;

/// Takes as many descriptors as the system allows and the node can use, and shares them out. Says
/// so in the log when there are fewer connections than wanted; `too_many_files` below the least.
storage::result<descriptor_shares> take_descriptors(std::size_t wanted_connections);

} // namespace troupe::net
