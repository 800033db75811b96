#pragma once

#include "actors/group_core.hpp"
#include "actors/interfaces.hpp"
#include "actors/options.hpp"
#include "actors/promise.hpp"

#include <map>

namespace troupe {

/// Who is a member of which consumer group at this node, whichever door it came through, and which
/// queues the members of one group hold against each other. What is decided, `group_core` decides;
/// this actor numbers sessions, doors and questions, and says what comes of it.
struct membership_state {
  membership_state() = default;
  static inline const char* name = "membership";

  void start(membership_actor::stateful_pointer<membership_state> actor,
             const membership_options& limits);
  caf::result<group_members> join(const group_join& request);
  caf::result<group_claim> claim(const group_claim& request);
  caf::result<bool> leave(const group_leave& request);
  /// The sender's members of a group are these now.
  void report(const group_members& reported);
  void watch(const caf::strong_actor_ptr& watcher);
  void pulse();

private:
  /// The number of the sender, who is watched from now on; 0 without one.
  group_core::party sender();
  group_core::party number_of(const caf::strong_actor_ptr& who);
  void down(const caf::actor_addr& who);
  void carry_out(group_core::actions& what);
  void arm();

  membership_actor::stateful_pointer<membership_state> self_;
  group_core groups_;
  std::map<caf::actor_addr, group_core::party> parties_;
  std::map<group_core::party, member_watcher> watchers_;
  std::map<group_core::question, kept_promise<group_members>> waiting_;
  group_core::party last_party_ = 0;
  group_core::question last_question_ = 0;
  bool pulse_pending_ = false;
};

membership_actor::behavior_type
membership(membership_actor::stateful_pointer<membership_state> self,
           const membership_options& limits);

} // namespace troupe
