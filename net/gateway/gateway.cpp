#include "net/gateway/gateway.hpp"

#include "net/gateway/reception.hpp"

#include <optional>

namespace troupe::net {

namespace {

/// What the framework makes before the gateway knows its settings, and ends with the actor.
struct gateway_place {
  static inline const char* name = "gateway";
  std::optional<reception> state;
};

} // namespace

gateway_actor spawn_gateway(caf::actor_system& system, gateway_setup setup) {
  auto behavior = [](gateway_actor::stateful_pointer<gateway_place> self,
                     gateway_setup with) -> gateway_actor::behavior_type {
    auto& state = self->state.state.emplace(self, std::move(with));
    return {
        [&state](const topic_map& topics) { state.names().set_topics(topics); },
        [&state](const role_table& roles) { state.set_roles(roles); },
        [&state](arrived& batch) { state.take(batch); },
        [&state](const departed& who) { state.forget(who.from); },
        [&state](const taken& by) {
          return by.pull ? state.pulls().answer_taken(by.from) : state.question_done(by.from);
        },
        [&state](status_atom) { return state.report(); },
        [&state](stop_atom) { return state.stop(); },
        [&state](pulse_atom) { state.groups().sweep(); },
        [&state](pulse_atom, std::int32_t opaque) { state.relays().expire(opaque); },
        [&state](work_atom) { state.work(); },
        [&state](retry_atom) { state.pulls().send_held(); },
        [&state](watch_atom) { state.groups().watch_members(); },
        [&state](const group_members& others) { state.groups().take_members(others); },
        [&state](const transaction_check& question) {
          return state.transactions().ask_producer(question);
        },
    };
  };
  return system.spawn(behavior, std::move(setup));
}

} // namespace troupe::net
