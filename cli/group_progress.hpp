#pragma once

#include "cli/remote.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace troupe::cli {

/// How far one group is in one queue.
struct queue_progress {
  std::string topic;
  std::int32_t queue_id = 0;
  queue_offset stored = -1; ///< next to consume; -1: none is stored
  queue_offset min = 0;
  queue_offset max = 0;

  /// Messages that are there and not consumed; a group without an offset has not begun, and has
  /// none.
  std::int64_t lag() const noexcept;
};

/// What is kept of groups, with the bounds of the queues, by the name of the group. Asks the node
/// for one group, or for all when the name is empty. Queues that are gone are left out.
storage::result<std::map<std::string, std::vector<queue_progress>>>
progress_of_groups(remote& node, const std::string& group);

/// The members of a group at the node that is asked, RocketMQ's included. Nothing from a node that
/// does not tell whoever is no member.
storage::result<std::optional<std::vector<std::string>>> members_of(remote& node,
                                                                    const std::string& group);

} // namespace troupe::cli
