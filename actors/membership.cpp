#include "actors/membership.hpp"

#include "actors/unexpected.hpp"

#include <utility>

namespace troupe {

namespace {

constexpr auto pulse_interval = std::chrono::milliseconds(250);

} // namespace

void membership_state::start(membership_actor::stateful_pointer<membership_state> actor,
                             const membership_options& limits) {
  self_ = actor;
  groups_ = group_core(limits);
  self_->set_down_handler([this](const caf::down_msg& message) { down(message.source); });
}

group_core::party membership_state::number_of(const caf::strong_actor_ptr& who) {
  auto& number = parties_[caf::actor_cast<caf::actor_addr>(who)];
  if (number == 0) {
    number = ++last_party_;
    self_->monitor(caf::actor_cast<caf::actor>(who));
  }
  return number;
}

group_core::party membership_state::sender() {
  auto who = self_->current_sender();
  return who == nullptr ? 0 : number_of(caf::actor_cast<caf::strong_actor_ptr>(who));
}

caf::result<group_members> membership_state::join(const group_join& request) {
  auto who = sender();
  if (who == 0)
    return make_caf_error(errc::invalid_argument, "who joins a group needs a session");
  group_core::actions out;
  auto question = ++last_question_;
  auto members = groups_.join(who, request, question, self_->clock().now(), out);
  carry_out(out);
  if (!members)
    return to_caf(members.error());
  if (members.value())
    return std::move(*members.value());
  kept_promise<group_members> promise{self_};
  waiting_.emplace(question, promise);
  return promise;
}

caf::result<group_claim> membership_state::claim(const group_claim& request) {
  auto held = groups_.claim(sender(), request);
  if (!held)
    return to_caf(held.error());
  return std::move(held.value());
}

caf::result<bool> membership_state::leave(const group_leave& request) {
  group_core::actions out;
  auto left = groups_.leave(sender(), request, self_->clock().now(), out);
  carry_out(out);
  return left;
}

void membership_state::report(const group_members& reported) {
  auto who = sender();
  if (who == 0)
    return;
  group_core::actions out;
  groups_.report(who, reported, self_->clock().now(), out);
  carry_out(out);
}

void membership_state::watch(const caf::strong_actor_ptr& watcher) {
  auto who = number_of(watcher);
  watchers_[who] = caf::actor_cast<member_watcher>(watcher);
  group_core::actions out;
  groups_.watch(who, out);
  carry_out(out);
}

void membership_state::down(const caf::actor_addr& who) {
  auto known = parties_.extract(who);
  if (known.empty())
    return;
  watchers_.erase(known.mapped());
  group_core::actions out;
  groups_.gone(known.mapped(), self_->clock().now(), out);
  carry_out(out);
}

void membership_state::pulse() {
  pulse_pending_ = false;
  group_core::actions out;
  groups_.tick(self_->clock().now(), out);
  carry_out(out);
}

void membership_state::carry_out(group_core::actions& what) {
  for (auto& [to, members] : what.answers) {
    auto promise = waiting_.extract(to);
    if (members)
      promise.mapped().deliver(std::move(members.value()));
    else
      promise.mapped().deliver(to_caf(members.error()));
  }
  for (auto& [to, members] : what.notices)
    self_->send(watchers_[to], std::move(members));
  arm();
}

void membership_state::arm() {
  if (groups_.has_members() && !std::exchange(pulse_pending_, true))
    self_->delayed_send(self_, pulse_interval, pulse_atom_v);
}

membership_actor::behavior_type
membership(membership_actor::stateful_pointer<membership_state> self,
           const membership_options& limits) {
  auto& state = self->state;
  state.start(self, limits);
  ignore_unexpected(self, "membership");
  return {
      [&state](const group_join& request) { return state.join(request); },
      [&state](const group_claim& request) { return state.claim(request); },
      [&state](const group_leave& request) { return state.leave(request); },
      [&state](const group_members& reported) { state.report(reported); },
      [&state](watch_atom, const caf::strong_actor_ptr& watcher) { state.watch(watcher); },
      [&state](pulse_atom) { state.pulse(); },
  };
}

} // namespace troupe
