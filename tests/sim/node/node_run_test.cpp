#include "sim/node/node_run.hpp"

#include "tests/support/catch.hpp"

#include <fstream>
#include <string>
#include <vector>

using namespace troupe::sim;

namespace {

/// How many messages were compared.
std::uint64_t run_plan(const node_plan& plan) {
  auto outcome = run_node(plan);
  INFO(to_string(plan));
  INFO(outcome.failure.value_or(""));
  REQUIRE_FALSE(outcome.failure);
  return outcome.messages;
}

std::uint64_t run_seed(std::uint64_t seed, const std::set<std::string>& classes) {
  return run_plan(draw_plan(seed, classes));
}

std::vector<std::uint64_t> seeds_of(const char* path) {
  std::ifstream corpus(path);
  REQUIRE(corpus);
  std::vector<std::uint64_t> seeds;
  for (std::string line; std::getline(corpus, line);)
    if (!line.empty() && line[0] != '#')
      seeds.push_back(std::stoull(line));
  return seeds;
}

/// Runs seeds with these classes of faults; how many messages were compared.
std::uint64_t run_seeds(std::uint64_t count, const std::set<std::string>& classes) {
  std::uint64_t messages = 0;
  for (std::uint64_t seed = 1; seed <= count; ++seed)
    messages += run_seed(seed, classes);
  return messages;
}

} // namespace

TEST_CASE("node_run: seeds that once failed do not fail again", "[sim]") {
  const auto classes = usual_classes(fault_classes());
  std::uint64_t messages = 0;
  for (auto seed : seeds_of(TROUPE_SIM_SEEDS))
    messages += run_seed(seed, classes);
  CHECK(messages > 0);
}

TEST_CASE("node_run: stores in several processes that once failed do not fail again", "[sim]") {
  const auto classes = usual_classes(spread_fault_classes());
  std::uint64_t messages = 0;
  for (auto seed : seeds_of(TROUPE_SPREAD_SEEDS))
    messages += run_plan(draw_spread_plan(seed, classes));
  CHECK(messages > 0);
}

TEST_CASE("node_run: no promise is broken, whatever goes wrong", "[sim]") {
  CHECK(run_seeds(60, usual_classes(fault_classes())) > 1000);
}

TEST_CASE("node_run: what is deleted is gone, and nothing else", "[sim]") {
  CHECK(run_seeds(60, {"retention", "topics", "process", "power"}) > 1000);
}

TEST_CASE("node_run: what is to come later comes, once and in its time", "[sim]") {
  std::uint64_t delayed = 0;
  for (std::uint64_t seed = 1; delayed < 40; ++seed) {
    auto plan = draw_plan(seed, {"process", "power", "actor", "slow", "topics", "clock"});
    if (plan.delayed && run_plan(plan) > 0)
      ++delayed;
  }
}

TEST_CASE("node_run: what is committed is seen once, and every transaction ends", "[sim]") {
  std::uint64_t drawn = 0;
  for (std::uint64_t seed = 1; drawn < 40; ++seed) {
    auto plan = draw_plan(seed, {"process", "power", "actor", "slow", "topics", "clock"});
    if (plan.transactions && run_plan(plan) > 0)
      ++drawn;
  }
}

TEST_CASE("node_run: on a full disk writes are refused, and go on when it has room", "[sim]") {
  CHECK(run_seeds(40, {"full", "process"}) > 1000);
}

TEST_CASE("node_run: damaged messages are told, and all others served", "[sim]") {
  CHECK(run_seeds(100, {"rot", "process"}) > 1000);
}

TEST_CASE("node_run: a disk that lies makes nobody see what was not sent", "[sim]") {
  CHECK(run_seeds(60, {"lies", "power", "process"}) > 1000);
}

TEST_CASE("node_run: reads that fail for a while make no consumer miss a message", "[sim]") {
  CHECK(run_seeds(60, {"reads"}) > 1000);
}

TEST_CASE("node_run: the same seed is the same run", "[sim]") {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    auto plan = draw_plan(seed, usual_classes(fault_classes()));
    CHECK(run_node(plan).trace == run_node(plan).trace);
    CHECK(run_node(plan).trace !=
          run_node(draw_plan(seed + 100, usual_classes(fault_classes()))).trace);
  }
}

TEST_CASE("node_run: shortening keeps what is needed and nothing else", "[sim]") {
  auto plan = draw_plan(1, usual_classes(fault_classes()));
  plan.events.assign(60, {});
  plan.events[13].kind = plan.events[47].kind = event_kind::kill;
  plan.events[55].kind = event_kind::power_cut;
  auto run = [](const node_plan& tried) {
    node_outcome outcome;
    std::size_t kills = 0;
    for (auto& event : tried.events) {
      kills += event.kind == event_kind::kill;
      ++outcome.event;
      if (kills == 2)
        break;
    }
    if (kills == 2)
      outcome.failure = "killed twice";
    return outcome;
  };
  auto shorter = shorten(plan, run);
  CHECK(shorter.events.size() == 2);
}
