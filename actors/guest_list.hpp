#pragma once

#include "actors/interfaces.hpp"
#include "actors/options.hpp"
#include "storage/log_limit.hpp"

#include <map>
#include <string>

namespace troupe {

/// The sessions of clients that came in from outside, through the front: bounded for one program
/// and in all, so that those of this process, the gateway's, always find room. Part of the node
/// actor.
class guest_list {
public:
  /// The session that the client has already, or null: who says hello twice gets no second one.
  session_actor find(const caf::strong_actor_ptr& client) const;

  /// An error (busy) when the client may have none now; it is logged now and then.
  storage::result<void> admit(const caf::strong_actor_ptr& client, const session_options& limits,
                              std::chrono::steady_clock::time_point now);

  void add(const caf::strong_actor_ptr& client, const session_actor& session);
  void remove(const caf::actor_addr& session);

private:
  struct guest {
    caf::actor_addr client;
    caf::node_id program;
  };
  std::map<caf::actor_addr, guest> guests_;           ///< by session
  std::map<caf::actor_addr, session_actor> sessions_; ///< by client
  std::map<caf::node_id, std::size_t> programs_;      ///< sessions of each
  storage::log_limit refused_;
};

} // namespace troupe
