#pragma once

#include "actors/interfaces.hpp"

#include <chrono>
#include <functional>

namespace troupe {

struct stop_desk_setup {
  node_actor node;
  std::function<void()> ordered; ///< called with each order; must not block
  std::chrono::milliseconds farewell{2000};
};

/// Outlives the doors and the node, so that whoever ordered the stop is told how it ended.
stop_desk_actor spawn_stop_desk(caf::actor_system& system, stop_desk_setup setup);

} // namespace troupe
