#include "cli/sim_kind.hpp"

#include "cli/child_pool.hpp"
#include "sim/gateway/gateway_door.hpp"
#include "sim/node/node_run.hpp"
#include "sim/store/storage_run.hpp"

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <sstream>
#include <utility>

namespace troupe::cli {

namespace {

/// Where a run failed and why, on its way from a child process.
struct failed_run {
  std::size_t at = 0;
  std::optional<std::size_t> step;
  std::string what;
};

std::string encode(const failed_run& failed) {
  return std::to_string(failed.at) + " " + (failed.step ? std::to_string(*failed.step) : "-") +
         " " + failed.what;
}

/// Runs in a process of its own, which may die in the run.
std::optional<failed_run> run_apart(const std::function<std::optional<failed_run>()>& run,
                                    std::size_t end) {
  auto done = in_child([&] {
    auto failed = run();
    return failed ? encode(*failed) : std::string();
  });
  if (!done.answer)
    return failed_run{end, std::nullopt, done.how};
  if (done.answer->empty())
    return std::nullopt;
  failed_run failed;
  std::istringstream text(*done.answer);
  std::string step;
  text >> failed.at >> step;
  if (step != "-")
    failed.step = std::strtoull(step.c_str(), nullptr, 10);
  std::getline(text >> std::ws, failed.what, '\0');
  return failed;
}

using draw_function = sim::node_plan (*)(std::uint64_t seed, const sim_kind::class_set& classes);

seed_outcome run_plan(const sim::node_plan& plan, const sim_kind::line_sink& say,
                      const sim::open_door& door) {
  if (say)
    say(to_string(plan));
  auto done = sim::run_node(plan, say, door);
  return {done.failure, done.trace, done.steps, done.messages, done.restarts};
}

void shorten_node(const sim::node_plan& whole, const sim_kind::line_sink& say,
                  const sim::open_door& door) {
  auto run = [&door](const sim::node_plan& plan) {
    auto apart = [&]() -> std::optional<failed_run> {
      auto done = sim::run_node(plan, nullptr, door);
      if (!done.failure)
        return std::nullopt;
      return failed_run{done.event, std::nullopt, *done.failure};
    };
    sim::node_outcome outcome;
    if (auto failed = run_apart(apart, plan.events.size())) {
      outcome.failure = failed->what;
      outcome.event = failed->at;
    }
    return outcome;
  };
  auto plan = sim::shorten(whole, run);
  say("the shortest plan that still fails: " + to_string(plan));
  for (auto& event : plan.events)
    say("  " + to_string(event));
  if (auto again = run(plan); again.failure)
    say("  -> " + *again.failure);
}

seed_outcome run_storage(std::uint64_t seed, const sim_kind::class_set& classes,
                         const sim_kind::line_sink& say) {
  auto scenario = sim::draw_scenario(seed, classes);
  if (say)
    say(to_string(scenario));
  auto done = sim::run_storage(scenario, say);
  seed_outcome outcome{{}, done.trace, done.calls, done.records, done.recoveries};
  if (done.failure)
    outcome.failure = done.failure->what;
  return outcome;
}

void shorten_storage(std::uint64_t seed, const sim_kind::class_set& classes,
                     const sim_kind::line_sink& say) {
  auto run = [](const sim::storage_scenario& scenario) {
    auto apart = [&]() -> std::optional<failed_run> {
      auto done = sim::run_storage(scenario);
      if (!done.failure)
        return std::nullopt;
      return failed_run{done.failure->life, done.failure->step, done.failure->what};
    };
    sim::run_outcome outcome;
    auto last = scenario.lives.empty() ? 0 : scenario.lives.size() - 1;
    if (auto failed = run_apart(apart, last))
      outcome.failure = sim::run_failure{failed->at, failed->step, failed->what};
    return outcome;
  };
  auto scenario = sim::shorten(sim::draw_scenario(seed, classes), run);
  say("the shortest run that still fails:");
  auto again = run(scenario).failure;
  say(again ? to_string(*again, scenario) : to_string(scenario));
}

std::unique_ptr<sim::other_door> open_gateway(sim::node_scene& scene) {
  return std::make_unique<sim::gateway_door>(scene);
}

/// Whole nodes, with this door beside their sessions.
sim_kind node_kind(const char* name, const std::vector<std::string>& classes, draw_function draw,
                   const sim::open_door& door) {
  using class_set = sim_kind::class_set;
  using line_sink = sim_kind::line_sink;
  return {name, classes, sim::usual_classes(classes),
          [draw, door](std::uint64_t seed, const class_set& chosen, const line_sink& say) {
            return run_plan(draw(seed, chosen), say, door);
          },
          [draw, door](std::uint64_t seed, const class_set& chosen, const line_sink& say) {
            shorten_node(draw(seed, chosen), say, door);
          }};
}

} // namespace

const sim_kind* find_sim_kind(std::string_view name) {
  // What is not usual has to be asked for.
  static const std::vector<sim_kind> kinds = {
      node_kind("node", sim::fault_classes(), sim::draw_plan, nullptr),
      node_kind("gateway", sim::fault_classes(), sim::draw_plan, open_gateway),
      node_kind("spread", sim::spread_fault_classes(), sim::draw_spread_plan, nullptr),
      {"storage", sim::storage_fault_classes(), sim::usual_classes(sim::storage_fault_classes()),
       run_storage, shorten_storage},
  };
  auto found = std::find_if(kinds.begin(), kinds.end(),
                            [&](const sim_kind& kind) { return kind.name == name; });
  return found == kinds.end() ? nullptr : &*found;
}

} // namespace troupe::cli
