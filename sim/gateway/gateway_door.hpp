#pragma once

#include "sim/node/node_run.hpp"
#include "sim/node/node_scene.hpp"

#include <memory>
#include <string>
#include <vector>

namespace troupe::sim {

struct gateway_door_state;

/// RocketMQ's port of a simulated node: the real gateway actor, born and dying with the node's
/// process, and in place of the sockets' thread connections that a seed treats badly. Frames come
/// in pieces, and late; a client reads late; a connection ends in the middle of a frame, or between
/// a request and its answer; heartbeats come in bursts.
///
/// Its clients speak frames and offer what a session does, as far as RocketMQ has words for it:
/// sends, pulls and the offsets of groups. A request that was on a connection that ended is
/// `connection_lost`. The first client's connections are treated so; the second one's are good, and
/// it is to be answered in time whatever the first one does.
class gateway_door final : public other_door {
public:
  explicit gateway_door(node_scene& scene);
  ~gateway_door() override;
  gateway_door(const gateway_door&) = delete;
  gateway_door& operator=(const gateway_door&) = delete;

  const std::vector<store_service>& services() const noexcept override { return services_; }
  /// Requests are settled once and answered in time while their connection lasts, and of answers
  /// that a client does not read there are not more and more.
  void check() const override;
  void heal() override;

private:
  void add_client(const char* name, bool calm);
  void start();

  node_scene& scene_;
  std::vector<std::shared_ptr<gateway_door_state>> clients_;
  std::vector<store_service> services_;
};

} // namespace troupe::sim
