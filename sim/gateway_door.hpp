#pragma once

#include "sim/node_run.hpp"
#include "sim/node_scene.hpp"

#include <memory>
#include <string>

namespace troupe::sim {

struct gateway_door_state;

/// RocketMQ's port of a simulated node: the real gateway actor, born and dying with the node's
/// process, and in place of the sockets' thread connections that a seed treats badly. Frames come
/// in pieces, and late; a client reads late; a connection ends in the middle of a frame, or between
/// a request and its answer; heartbeats come in bursts.
///
/// Its client speaks frames and offers what a session does, as far as RocketMQ has words for it:
/// sends, pulls and the offsets of groups. A request that was on a connection that ended is
/// `connection_lost`.
class gateway_door final : public other_door {
public:
  explicit gateway_door(node_scene& scene);
  ~gateway_door() override;
  gateway_door(const gateway_door&) = delete;
  gateway_door& operator=(const gateway_door&) = delete;

  const store_service& service() const noexcept override { return service_; }
  /// Requests are settled once, and answered within a minute while their connection lasts.
  void check() const override;
  void heal() override;

private:
  node_scene& scene_;
  std::shared_ptr<gateway_door_state> state_;
  store_service service_;
};

} // namespace troupe::sim
