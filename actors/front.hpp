#pragma once

#include "actors/interfaces.hpp"
#include "actors/options.hpp"

#include <string>

namespace troupe {

struct front_setup {
  node_actor node;
  std::string node_name;
  std::string cluster;
  session_options session = {};
};

/// The door for clients: a client that speaks our version and means our cluster gets a session.
front_actor::behavior_type front(front_actor::pointer self, front_setup setup);

} // namespace troupe
