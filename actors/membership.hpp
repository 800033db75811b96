#pragma once

#include "actors/interfaces.hpp"
#include "actors/options.hpp"
#include "actors/promise.hpp"

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace troupe {

/// Who is a member of which consumer group at this node, whichever door it came through, and which
/// queues the members of one group hold against each other.
///
/// Members come in two ways. Client actors join through their sessions, and leave when that session
/// ends or they fall silent. A door whose protocol has its own way to join (the gateway) says which
/// members it has in a group, and is told those of all others: it watches. What is kept is bounded:
/// groups, members of one, bytes; what a door says is bounded by the door.
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
  using time_point = caf::actor_clock::time_point;
  using queue_key = std::pair<std::string, std::int32_t>; ///< topic and queue

  struct member {
    caf::actor_addr session;
    time_point seen;
    // The question that waits for news:
    kept_promise<group_members> promise;
    std::uint64_t known = 0;
    time_point answer_at;
  };
  struct group {
    std::map<std::string, member> members;                        ///< that joined, by client id
    std::map<caf::actor_addr, std::vector<std::string>> of_doors; ///< that doors have
    std::map<queue_key, std::string> holders;
  };
  using group_map = std::map<std::string, group>;

  storage::result<void> check_room(const group_join& request) const;
  storage::result<group_map::iterator> group_of_sender(const std::string& name,
                                                       const std::string& client_id);
  void down(const caf::actor_addr& who);
  void remove(group_map::iterator at, const std::string& client_id);
  void changed(const std::string& name, group& g);
  void tell_watchers(const std::string& name, const group& g);
  /// Those of all but one door.
  static group_members list(const std::string& name, const group& g,
                            const caf::actor_addr& but = {});
  void drop_if_empty(group_map::iterator at);
  void arm();

  membership_actor::stateful_pointer<membership_state> self_;
  membership_options limits_;
  group_map groups_;
  std::set<caf::actor_addr> monitored_;
  std::map<caf::actor_addr, member_watcher> watchers_;
  std::size_t bytes_ = 0; ///< of members and holders, about
  bool pulse_pending_ = false;
};

membership_actor::behavior_type
membership(membership_actor::stateful_pointer<membership_state> self,
           const membership_options& limits);

} // namespace troupe
