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
  /// Takes orders to stop the process; null: there is nobody who could.
  stop_desk_actor stop_desk = {};
  /// Whether the program may give such an order; empty: none may.
  std::function<bool(const caf::node_id&)> may_stop = {};
};

/// The door for clients: a client that speaks our version and means our cluster gets a session. The
/// same door is for other nodes of the store and for orders to stop: they are handed on.
front_actor::behavior_type front(front_actor::pointer self, front_setup setup);

} // namespace troupe
