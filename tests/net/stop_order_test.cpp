#include "net/stop_order.hpp"

#include "tests/net/parsed_config.hpp"
#include "tests/support/catch.hpp"

#include <algorithm>

using namespace troupe;
using namespace troupe::net;
using namespace troupe::test;

namespace {

using names = std::vector<std::string>;

/// Each node is named after its roles.
names order_of(const names& nodes) {
  std::string text;
  int port = 1;
  for (auto& roles : nodes) {
    auto name = roles;
    std::ranges::replace(name, ',', '-');
    text +=
        "[node " + name + "]\nroles = " + roles + "\nactor-port = " + std::to_string(port++) + "\n";
  }
  auto placed = place_roles(accepted(text));
  REQUIRE(placed);
  return stop_order(placed.value());
}

} // namespace

TEST_CASE("stop_order: in the direction of a message", "[net]") {
  CHECK(order_of({"flusher,cleaner,readers", "queue-manager", "dispatcher", "writer",
                  "registrar,door"}) == names{"registrar-door", "writer", "dispatcher",
                                              "queue-manager", "flusher-cleaner-readers"});
  CHECK(order_of({"cleaner", "registrar", "readers", "flusher", "queue-manager", "dispatcher",
                  "writer", "door"}) == names{"door", "writer", "dispatcher", "queue-manager",
                                              "cleaner", "registrar", "readers", "flusher"});
}

TEST_CASE("stop_order: the writer's node goes before all that its stop waits for", "[net]") {
  CHECK(
      order_of({"door,flusher,registrar", "dispatcher,queue-manager,readers,cleaner", "writer"}) ==
      names{"writer", "door-flusher-registrar", "dispatcher-queue-manager-readers-cleaner"});
  CHECK(order_of({"dispatcher,queue-manager,readers,cleaner,flusher", "writer,door,registrar"}) ==
        names{"writer-door-registrar", "dispatcher-queue-manager-readers-cleaner-flusher"});
}

TEST_CASE("stop_order: stores of their own are in the order of the file", "[net]") {
  auto placed = place_roles(accepted("[node b]\nactor-port = 1\nremoting-port = 2\n"
                                     "name-server-port = 3\n[node a]\n"));
  REQUIRE(placed);
  CHECK(stop_order(placed.value()) == names{"b", "a"});
}
