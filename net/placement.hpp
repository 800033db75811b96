#pragma once

#include "actors/store_role.hpp"
#include "net/config.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace troupe::net {

/// Which role runs where. Either each node is a store of its own with every role, or the nodes are
/// one store together: then each role is at exactly one of them, readers and queue-managers at one
/// or more. Several queue-managers share the queues (actors/queue_share.hpp).
struct placement {
  struct node {
    std::string name;
    role_set roles;
    std::uint32_t queue_managers = 0;
  };
  std::vector<node> nodes;   ///< in the order of the file
  bool together = false;     ///< the nodes are one store
  bool queues_apart = false; ///< its one queue-manager is not in the directory of the log

  /// The roles of a node; none if there is no such node.
  role_set of(std::string_view name) const;
  /// The nodes that have the role.
  std::vector<std::string> where(store_role role) const;
  /// The queue-managers of the store that the node belongs to, by number: the node of each.
  std::vector<std::string> queue_nodes(std::string_view node) const;
  /// Whether their queues are where the log is: one queue-manager may be there, not one of several.
  bool queues_beside_log(std::string_view node) const;
  /// One store runs in several processes, which must find each other.
  bool spread() const noexcept { return together && nodes.size() > 1; }
};

/// Places the roles as the nodes name them, or says in which line of the file they contradict each
/// other, or what no process could carry out: a log has one directory on one machine, and the nodes
/// of one store must find each other. Queues may be elsewhere.
storage::result<placement> place_roles(const cluster_config& config);

/// What the processes of one store must have alike, a line each: where its parts are, and what says
/// how its files are written and when a message is shown.
std::vector<std::string> agreed_settings(const cluster_config& config, const placement& placed);

/// "log: writer, flusher | front: door", for logs and people.
std::string to_text(const placement& placed);

} // namespace troupe::net
