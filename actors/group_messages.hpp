#pragma once

#include "actors/messages.hpp"

#include <chrono>
#include <string>
#include <vector>

/// What clients say of consumer groups, and learn of them. A member is a client id: no two of one
/// group are equal. How far a group is says `group_offset`.
namespace troupe {

/// The members of a group, RocketMQ's included: each divides the queues by this list in the same
/// way.
struct group_members {
  std::string group;
  std::vector<std::string> client_ids; ///< in order, each once
  std::uint64_t mark = 0;              ///< another one for another list; never 0
};

/// The client is a member from now on, as long as its session lasts and it says so again: within
/// `member_silence`. Without a client id it only asks who is, and is answered at once.
struct group_join {
  std::string group;
  std::string client_id;
  /// Answer when the members differ from those of this mark, or after the wait; 0: at once.
  std::uint64_t known = 0;
  std::uint32_t wait_ms = 0;
};

/// Of this topic the member wants these queues, and no others any more. The answer has those that
/// it holds then: what another one holds, it gets when that one has let go of it or is no member
/// any more.
struct group_claim {
  std::string group;
  std::string client_id;
  std::string topic;
  std::vector<std::int32_t> queues;
};

/// The client is no member any more, and holds no queue.
struct group_leave {
  std::string group;
  std::string client_id;
};

/// So long a member may be silent.
inline constexpr std::chrono::milliseconds member_silence{30'000};

template <class Inspector>
auto inspect(Inspector& f, group_members& x) {
  return fields(f, "group_members", x.group, x.client_ids, x.mark);
}
template <class Inspector>
auto inspect(Inspector& f, group_join& x) {
  return fields(f, "group_join", x.group, x.client_id, x.known, x.wait_ms);
}
template <class Inspector>
auto inspect(Inspector& f, group_claim& x) {
  return fields(f, "group_claim", x.group, x.client_id, x.topic, x.queues);
}
template <class Inspector>
auto inspect(Inspector& f, group_leave& x) {
  return fields(f, "group_leave", x.group, x.client_id);
}

} // namespace troupe
