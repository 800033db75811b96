#pragma once

#include "actors/interfaces.hpp"
#include "net/admin/http_message.hpp"
#include "net/admin/start_progress.hpp"
#include "net/gateway/gateway_place.hpp"
#include "net/gateway/traffic.hpp"

#include <array>
#include <functional>
#include <memory>
#include <string>

namespace troupe::net {

/// A question that takes a look at the node.
struct admin_question {
  admin_request request;
  admin_reply reply;
};

} // namespace troupe::net

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::net::admin_question)

namespace troupe::net {

/// Answers what the admin port is asked: asks the node's actors for what they say of themselves
/// when somebody wants to know, and for the history (history.hpp), and never waits. The node tells
/// it topics and roles as it tells every door. On a thread of its own: many numbers take some
/// milliseconds to write.
using admin_actor =
    door_actor::extend<handles<void(admin_question)>,
                       /// As of every door; nothing of ours is stored, so nothing is open.
                       handles<bool(stop_atom)>,
                       // Its own timer.
                       handles<void(pulse_atom)>>;

struct admin_setup {
  std::string cluster;
  std::string name; ///< of the node
  std::size_t most_series = 5000;
  node_actor node;
  std::shared_ptr<const start_progress> progress;
  std::shared_ptr<const gateway_place> gateway; ///< leads to nobody where none runs
  std::function<socket_bytes()> bytes;          ///< of RocketMQ clients; empty: no sockets
  std::array<int, 3> disk_percent{};            ///< as `history_setting` has them
};

admin_actor spawn_admin(caf::actor_system& system, admin_setup setup);

} // namespace troupe::net
