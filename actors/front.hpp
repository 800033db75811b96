#pragma once

#include "actors/interfaces.hpp"
#include "actors/link_messages.hpp"
#include "actors/options.hpp"

#include <functional>
#include <string>

namespace troupe {

struct front_setup {
  node_actor node;
  std::string node_name;
  std::string cluster;
  session_options session = {};
  /// Called with each session before a client is told of it.
  std::function<void(const caf::strong_actor_ptr&)> expose = {};
  /// Answers other nodes of the store; null: there are none.
  peer_service peers = {};
};

/// The door for clients: a client that speaks our version and means our cluster gets a session. The
/// same door is for other nodes of the store: they are handed on.
front_actor::behavior_type front(front_actor::pointer self, front_setup setup);

} // namespace troupe
