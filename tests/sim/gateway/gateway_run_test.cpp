#include "sim/gateway/gateway_door.hpp"

#include "tests/support/catch.hpp"

#include <memory>
#include <set>
#include <string>

using namespace troupe::sim;

namespace {

std::unique_ptr<other_door> open_gateway(node_scene& scene) {
  return std::make_unique<gateway_door>(scene);
}

node_outcome run_seed(std::uint64_t seed, const std::set<std::string>& classes) {
  return run_node(draw_plan(seed, classes), nullptr, open_gateway);
}

std::uint64_t run_seeds(std::uint64_t count, const std::set<std::string>& classes) {
  std::uint64_t messages = 0;
  for (std::uint64_t seed = 1; seed <= count; ++seed) {
    auto outcome = run_seed(seed, classes);
    INFO("seed " << seed << ": " << outcome.failure.value_or(""));
    REQUIRE_FALSE(outcome.failure);
    messages += outcome.messages;
  }
  return messages;
}

} // namespace

TEST_CASE("gateway_run: whoever follows nextBeginOffset sees every message, in order", "[sim]") {
  CHECK(run_seeds(40, {}) > 1000);
  CHECK(run_seeds(60, usual_classes(fault_classes())) > 1000);
}

TEST_CASE("gateway_run: the same seed is the same run", "[sim]") {
  auto classes = usual_classes(fault_classes());
  for (std::uint64_t seed = 1; seed <= 5; ++seed)
    CHECK(run_seed(seed, classes).trace == run_seed(seed, classes).trace);
}

TEST_CASE("gateway_run: reads that fail for a while make no consumer miss a message", "[sim]") {
  CHECK(run_seeds(60, {"reads"}) > 1000);
}
