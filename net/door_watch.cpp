#include "net/door_watch.hpp"

#include "actors/error.hpp"
#include "storage/logging.hpp"

#include <algorithm>
#include <deque>
#include <utility>

namespace troupe::net {

namespace {

/// As for the roles of the node: more deaths in this time mean that replacing does not help.
constexpr std::size_t restart_budget = 5;
constexpr auto restart_window = std::chrono::minutes(1);

struct door_watch_state {
  using pointer = door_watch_actor::stateful_pointer<door_watch_state>;
  struct door {
    watched_door what;
    std::deque<caf::actor_clock::time_point> deaths;
  };

  door_watch_state() = default;
  static inline const char* name = "door-watch";

  void start(pointer actor, std::vector<watched_door> doors);
  void down(const caf::down_msg& message);
  bool may_replace(door& d);
  caf::strong_actor_ptr keeper(const std::string& role) const;
  bool stop();

  pointer self;
  std::vector<door> doors;
};

void door_watch_state::start(pointer actor, std::vector<watched_door> given) {
  self = actor;
  for (auto& what : given)
    doors.push_back({std::move(what), {}});
  self->set_down_handler([this](const caf::down_msg& message) { down(message); });
  for (auto& d : doors)
    self->monitor(caf::actor_cast<caf::actor>(d.what.keeper));
}

void door_watch_state::down(const caf::down_msg& message) {
  auto found = std::ranges::find_if(doors, [&](const door& d) {
    return d.what.keeper && caf::actor_cast<caf::actor_addr>(d.what.keeper) == message.source;
  });
  if (found == doors.end())
    return;
  auto& d = *found;
  auto why = describe_end(message.reason);
  storage::log_error("role.died", {{"role", d.what.role}, {"reason", why}});
  d.what.keeper = nullptr;
  if (!may_replace(d)) {
    storage::log_error("role.stopped",
                       {{"role", d.what.role},
                        {"reason", "it ended " + std::to_string(restart_budget + 1) +
                                       " times within a minute: its clients are not let in any "
                                       "more; restart the node"}});
    d.what.shut();
    return;
  }
  d.what.keeper = d.what.replace();
  self->monitor(caf::actor_cast<caf::actor>(d.what.keeper));
}

bool door_watch_state::may_replace(door& d) {
  auto now = self->clock().now();
  while (!d.deaths.empty() && now - d.deaths.front() > restart_window)
    d.deaths.pop_front();
  d.deaths.push_back(now);
  return d.deaths.size() <= restart_budget;
}

caf::strong_actor_ptr door_watch_state::keeper(const std::string& role) const {
  auto found = std::ranges::find_if(doors, [&](const door& d) { return d.what.role == role; });
  return found != doors.end() ? found->what.keeper : nullptr;
}

bool door_watch_state::stop() {
  for (auto& d : doors)
    if (d.what.keeper)
      caf::anon_send_exit(d.what.keeper, caf::exit_reason::user_shutdown);
  doors.clear();
  self->quit();
  return true;
}

} // namespace

door_watch_actor spawn_door_watch(caf::actor_system& system, std::vector<watched_door> doors) {
  auto behavior = [](door_watch_state::pointer self,
                     std::vector<watched_door> given) -> door_watch_actor::behavior_type {
    auto& state = self->state;
    state.start(self, std::move(given));
    return {[&state](stop_atom) { return state.stop(); },
            [&state](fetch_atom, const std::string& role) { return state.keeper(role); }};
  };
  return system.spawn(behavior, std::move(doors));
}

} // namespace troupe::net
