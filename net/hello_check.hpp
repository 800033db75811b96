#pragma once

#include "actors/link_messages.hpp"

#include <string>
#include <vector>

namespace troupe::net {

/// As much of a stranger's text as people need to see.
std::string shown(const std::string& text);

/// A handle of another process than the one that speaks would be routed by way of it.
bool are_of(const caf::node_id& process, const std::vector<offered_role>& roles,
            const caf::strong_actor_ptr& switchboard);

/// Who is greeted.
struct hello_side {
  const std::string& cluster;
  const std::string& node;
  const std::vector<std::string>& agreed;
};

/// What is known of the peer whose name a hello gives.
struct known_link {
  bool ours = false;             ///< this node dials
  std::uint64_t incarnation = 0; ///< of its process, the last time
  std::uint64_t link = 0;        ///< the newest one then
};

/// Why there will be no link; no error if there will. `known` is null for a stranger.
storage::error objection(const peer_hello& h, const caf::strong_actor_ptr& sender,
                         const hello_side& here, const known_link* known);

/// What a peer's cluster.ini has otherwise than ours, as the end of a sentence; empty if nothing.
std::string difference(const std::vector<std::string>& theirs,
                       const std::vector<std::string>& ours);

} // namespace troupe::net
