#include "net/door_watch.hpp"

#include "sim/world.hpp"
#include "tests/support/catch.hpp"

using namespace troupe;
using namespace std::chrono_literals;

namespace {

/// A door whose keepers the test kills.
struct watched {
  watched() {
    net::watched_door door{.role = "front",
                           .keeper = keeper(),
                           .replace =
                               [this] {
                                 ++replaced;
                                 return keeper();
                               },
                           .shut = [this] { shut = true; }};
    watch = net::spawn_door_watch(world.system(), {door});
    world.drain();
  }
  caf::strong_actor_ptr keeper() {
    current =
        world.play<caf::actor>([](caf::event_based_actor*) { return caf::message_handler{}; });
    return caf::actor_cast<caf::strong_actor_ptr>(current);
  }
  void kill() {
    world.kill(current);
    world.drain();
  }

  sim::world world{1};
  caf::actor current;
  int replaced = 0;
  bool shut = false;
  net::door_watch_actor watch;
};

} // namespace

TEST_CASE("door watch: a keeper that ends is replaced, and the door shut when it goes on",
          "[actors]") {
  watched door;
  for (int i = 1; i <= 5; ++i) {
    door.kill();
    CHECK(door.replaced == i);
  }
  door.kill();
  CHECK(door.replaced == 5);
  CHECK(door.shut);
  CHECK(door.world.ask<bool>(door.watch, stop_atom_v).there());
}

TEST_CASE("door watch: deaths that are far apart are forgiven", "[actors]") {
  watched door;
  for (int i = 0; i < 20; ++i) {
    door.kill();
    door.world.run_for(20s);
  }
  CHECK(door.replaced == 20);
  CHECK_FALSE(door.shut);
  CHECK(door.world.ask<bool>(door.watch, stop_atom_v).there());
  CHECK(door.replaced == 20);
}
