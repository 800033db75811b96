#pragma once

#include <cstddef>
#include <vector>

namespace troupe::sim {

/// Where the queues of a store in several processes are.
struct queue_placement {
  std::vector<std::size_t> processes; ///< of several queue-managers the process of each
  bool apart = false;                 ///< the one that there is has a directory of its own

  bool beside_log() const noexcept { return !apart && processes.size() <= 1; }
};

} // namespace troupe::sim
