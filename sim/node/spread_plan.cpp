// Plans for a store in several processes.

#include "sim/node/node_plan.hpp"

#include <algorithm>
#include <array>

namespace troupe::sim {

namespace {

constexpr std::array<const char*, 3> own_classes = {"processes", "links", "frozen"};
constexpr std::size_t most_processes = 5;

/// Each role at one of two to five processes.
std::vector<role_set> draw_placement(random_source& random) {
  for (;;) {
    std::vector<role_set> all(random.between(2, most_processes));
    for (auto role : every_role)
      all[random.below(all.size())].add(role);
    std::erase_if(all, [](const role_set& roles) { return roles.empty(); });
    if (all.size() > 1)
      return all;
  }
}

/// Some have their queues apart from the log, or several queue-managers, which are at any of the
/// processes.
queue_placement draw_queues(std::vector<role_set>& all, random_source& random) {
  queue_placement queues;
  if (random.one_in(2))
    return queues;
  role_set queue_role = {store_role::queue_manager};
  for (auto& roles : all)
    roles = roles.without(queue_role);
  std::erase_if(all, [](const role_set& roles) { return roles.empty(); });
  if (random.one_in(2)) {
    auto free = std::ranges::find_if(all, [](auto& roles) { return (roles & log_seat).empty(); });
    if (free != all.end() && (all.size() == most_processes || random.one_in(3))) {
      free->add(store_role::queue_manager);
    } else if (all.size() == most_processes) { // each has a part of the log: two go together
      all[0] = all[0].with(all.back());
      all.back() = queue_role;
    } else {
      all.push_back(queue_role);
    }
    queues.apart = true;
    return queues;
  }
  if (all.size() == 1 || (all.size() < most_processes && random.one_in(2)))
    all.emplace_back();
  for (auto count = random.between(2, 4); count > 0; --count)
    queues.processes.push_back(random.below(all.size()));
  if (all.back().empty())
    queues.processes.back() = all.size() - 1;
  for (auto process : queues.processes)
    all[process].add(store_role::queue_manager);
  return queues;
}

/// Seconds pass now and then, so that silence is noticed and links come back.
std::chrono::milliseconds draw_pause(random_source& random) {
  return std::chrono::milliseconds(random.below(random.one_in(3) ? 4000 : 60));
}

node_event draw_spread_fault(std::string_view name, const node_plan& plan, random_source& random) {
  node_event event;
  auto count = plan.placement.size();
  event.after = draw_pause(random);
  event.seed = random.next();
  event.client = static_cast<std::uint32_t>(random.below(count));
  event.queue = static_cast<std::uint32_t>((event.client + random.between(1, count - 1)) % count);
  if (name == "processes") {
    constexpr std::array kinds = {event_kind::end_process, event_kind::cut_queues,
                                  event_kind::begin_process, event_kind::begin_process};
    event.kind = kinds[random.below(kinds.size())];
    if (event.kind == event_kind::cut_queues && !plan.has_queues_alone(event.client))
      event.kind = event_kind::end_process;
  } else if (name == "frozen") {
    event.kind = event_kind::freeze;
    event.span_ms = static_cast<std::int64_t>(random.between(1, random.one_in(3) ? 400 : 5000));
  } else {
    constexpr std::array kinds = {event_kind::cut_link, event_kind::hold_link,
                                  event_kind::heal_link, event_kind::heal_link};
    event.kind = kinds[random.below(kinds.size())];
  }
  return event;
}

node_event draw_spread_put(const node_plan& plan, random_source& random) {
  node_event event;
  event.seed = random.next();
  event.client = static_cast<std::uint32_t>(random.below(plan.producers));
  event.queue = static_cast<std::uint32_t>(random.below(plan.topics * plan.queues));
  event.count = static_cast<std::uint32_t>(random.between(1, 3));
  event.size = static_cast<std::uint32_t>(random.below(300));
  return event;
}

} // namespace

bool node_plan::has_queues_alone(std::size_t process) const noexcept {
  auto& roles = placement[process];
  return !queue_places.beside_log() && roles.has(store_role::queue_manager) &&
         (roles & log_seat).empty();
}

const std::vector<std::string>& spread_fault_classes() {
  static const std::vector<std::string> names = [] {
    auto all = fault_classes();
    all.insert(all.end(), own_classes.begin(), own_classes.end());
    return all;
  }();
  return names;
}

node_plan draw_spread_plan(std::uint64_t seed, const std::set<std::string>& classes) {
  auto plan = draw_plan(seed, classes);
  auto random = stream(seed, "spread");
  plan.placement = draw_placement(random);
  auto places = stream(seed, "queues"); // apart, so that the others' seeds are what they were
  plan.queue_places = draw_queues(plan.placement, places);
  constexpr std::array<std::int64_t, 5> delays = {0, 0, 1, 5, 40};
  plan.net_delay_ms = delays[random.below(delays.size())];
  constexpr std::array<std::uint64_t, 4> windows = {0, 0, 2048, 16 * 1024};
  plan.link_window = windows[random.below(windows.size())];
  if (plan.net_delay_ms > 5) // with less it would take seconds for what takes none
    plan.link_window = std::max(plan.link_window, windows.back());
  std::vector<std::string_view> on;
  for (auto* name : own_classes)
    if (classes.count(name) > 0 && !random.one_in(3))
      on.emplace_back(name);
  if (on.empty())
    return plan;
  for (auto count = random.between(1, 16); count > 0; --count) {
    auto at = random.below(plan.events.size() + 1);
    std::vector<node_event> drawn = {draw_spread_fault(on[random.below(on.size())], plan, random)};
    while (random.one_in(3)) { // what it has broken off begins again, and then
      drawn.push_back(random.one_in(2)
                          ? draw_spread_put(plan, random)
                          : draw_spread_fault(on[random.below(on.size())], plan, random));
      drawn.back().at_meeting = true;
    }
    plan.events.insert(plan.events.begin() + static_cast<std::ptrdiff_t>(at), drawn.begin(),
                       drawn.end());
  }
  return plan;
}

} // namespace troupe::sim
