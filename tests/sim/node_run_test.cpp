#include "sim/node_run.hpp"

#include "tests/support/catch.hpp"

#include <cstdlib>

using namespace troupe::sim;

namespace {

std::set<std::string> every_class() {
  return {fault_classes().begin(), fault_classes().end()};
}

} // namespace

TEST_CASE("node_run: no promise is broken, whatever goes wrong", "[sim]") {
  std::uint64_t messages = 0;
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    auto plan = draw_plan(seed, every_class());
    auto outcome = run_node(plan);
    INFO(to_string(plan));
    INFO(outcome.failure.value_or(""));
    REQUIRE_FALSE(outcome.failure);
    messages += outcome.messages;
  }
  CHECK(messages > 1000);
}

TEST_CASE("node_run: the same seed is the same run", "[sim]") {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    auto plan = draw_plan(seed, every_class());
    CHECK(run_node(plan).trace == run_node(plan).trace);
    CHECK(run_node(plan).trace != run_node(draw_plan(seed + 100, every_class())).trace);
  }
}
