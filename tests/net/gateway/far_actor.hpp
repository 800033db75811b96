#pragma once

#include "sim/world.hpp"

#include <caf/actor_proxy.hpp>

namespace troupe::test {

/// Stands in the place of an actor in another process, and takes every message to where it is lost.
class lost_place final : public caf::actor_proxy {
public:
  explicit lost_place(caf::actor_config& config) : actor_proxy(config) {}

  void enqueue(caf::mailbox_element_ptr, caf::execution_unit*) override {}
  void kill_proxy(caf::execution_unit* unit, caf::error why) override {
    cleanup(std::move(why), unit);
  }
};

template <class Role>
Role far_actor(sim::world& world) {
  caf::actor_config config;
  auto made = caf::make_actor<lost_place, caf::strong_actor_ptr>(
      world.system().next_actor_id(), *caf::make_node_id(1001, std::string(40, 'b')),
      &world.system(), config);
  return caf::actor_cast<Role>(made);
}

} // namespace troupe::test
