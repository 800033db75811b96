#include "actors/stop_desk.hpp"

#include "actors/promise.hpp"
#include "actors/unexpected.hpp"

#include <optional>
#include <set>
#include <utility>
#include <vector>

namespace troupe {

namespace {

/// Gathering takes a second where a role does not answer.
constexpr auto status_patience = std::chrono::milliseconds(1500);

struct stop_desk_state {
  using pointer = stop_desk_actor::stateful_pointer<stop_desk_state>;

  stop_desk_state() = default;
  static inline const char* name = "stop-desk";

  void start(pointer actor, stop_desk_setup given);
  caf::strong_actor_ptr order(const caf::strong_actor_ptr& client);
  caf::result<stop_report> fetch();
  caf::result<std::string> status();
  caf::result<bool> report(const stop_report& what);
  void gone(const caf::actor_addr& client);
  void leave(bool all_know);

  pointer self = nullptr;
  stop_desk_setup setup;
  std::set<caf::actor_addr> clients; ///< who ordered it and are there
  std::vector<kept_promise<stop_report>> waiting;
  std::optional<stop_report> outcome;
  kept_promise<bool> farewell;
};

void stop_desk_state::start(pointer actor, stop_desk_setup given) {
  self = actor;
  setup = std::move(given);
  self->set_down_handler([this](const caf::down_msg& message) { gone(message.source); });
}

caf::strong_actor_ptr stop_desk_state::order(const caf::strong_actor_ptr& client) {
  if (client && clients.insert(caf::actor_cast<caf::actor_addr>(client)).second)
    self->monitor(caf::actor_cast<caf::actor>(client));
  storage::log_info("node.stop_ordered");
  setup.ordered();
  return caf::actor_cast<caf::strong_actor_ptr>(self);
}

caf::result<stop_report> stop_desk_state::fetch() {
  if (outcome)
    return *outcome;
  waiting.emplace_back(self);
  return waiting.back();
}

caf::result<std::string> stop_desk_state::status() {
  kept_promise<std::string> promise{self};
  self->request(setup.node, status_patience, status_atom_v)
      .then([promise](const node_status& status) { promise.deliver(status.waits_for); },
            [promise](const caf::error&) { promise.deliver(std::string{}); });
  return promise;
}

caf::result<bool> stop_desk_state::report(const stop_report& what) {
  outcome = what;
  setup.node = nullptr;
  for (auto& promise : std::exchange(waiting, {}))
    promise.deliver(what);
  farewell = kept_promise<bool>{self};
  auto answer = farewell;
  if (clients.empty())
    leave(true);
  else
    self->delayed_send(self, setup.farewell, pulse_atom_v);
  return answer;
}

void stop_desk_state::gone(const caf::actor_addr& client) {
  clients.erase(client);
  if (outcome && clients.empty())
    leave(true);
}

void stop_desk_state::leave(bool all_know) {
  farewell.deliver(all_know);
  self->quit();
}

stop_desk_actor::behavior_type stop_desk(stop_desk_state::pointer self, stop_desk_setup setup) {
  ignore_unexpected(self, "stop-desk");
  auto& state = self->state;
  state.start(self, std::move(setup));
  return {
      [&state](stop_atom, const caf::strong_actor_ptr& client) { return state.order(client); },
      [&state](fetch_atom) { return state.fetch(); },
      [&state](status_atom) { return state.status(); },
      [&state](const stop_report& what) { return state.report(what); },
      [&state](pulse_atom) { state.leave(false); },
  };
}

} // namespace

stop_desk_actor spawn_stop_desk(caf::actor_system& system, stop_desk_setup setup) {
  return system.spawn(stop_desk, std::move(setup));
}

} // namespace troupe
