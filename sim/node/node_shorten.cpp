#include "sim/node/node_run.hpp"

#include <algorithm>
#include <utility>

namespace troupe::sim {

node_plan shorten(node_plan plan, const node_run_function& run) {
  int runs_left = 300;
  auto first = run(plan);
  if (!first.failure)
    return plan;
  plan.events.resize(std::min(plan.events.size(), first.event + 1));
  for (auto part = plan.events.size() / 2; part >= 1; part /= 2) {
    for (std::size_t at = 0; at < plan.events.size() && runs_left > 0;) {
      auto shorter = plan;
      auto from = shorter.events.begin() + static_cast<std::ptrdiff_t>(at);
      auto count = std::min(part, shorter.events.size() - at);
      shorter.events.erase(from, from + static_cast<std::ptrdiff_t>(count));
      --runs_left;
      if (run(shorter).failure)
        plan = std::move(shorter);
      else
        at += part;
    }
  }
  return plan;
}

} // namespace troupe::sim
