#pragma once

#include "actors/link_messages.hpp"

#include <string>
#include <vector>

namespace troupe::net {

/// A handle of another process than the one that speaks would be routed by way of it.
bool are_of(const caf::node_id& process, const std::vector<offered_role>& roles,
            const caf::strong_actor_ptr& switchboard);

/// What a peer's cluster.ini has otherwise than ours, as the end of a sentence; empty if nothing.
std::string difference(const std::vector<std::string>& theirs,
                       const std::vector<std::string>& ours);

} // namespace troupe::net
