#include "net/placement.hpp"

#include "actors/queue_share.hpp"

#include <algorithm>
#include <filesystem>

namespace troupe::net {

using storage::errc;
using storage::error;
using storage::result;

namespace {

constexpr role_set may_be_several = {store_role::readers, store_role::queue_manager};

/// The nodes that are one store together, in the order of the file.
using store_nodes = std::vector<const node_config*>;

role_set roles_of(const node_config& n) {
  return n.roles.value_or(role_set::every());
}

std::string section(const node_config& n) {
  return "[node " + n.name + "]";
}

/// A sentence about `key` of the node, behind the place where that stands.
error wrong(const node_config& n, std::string_view key, const std::string& what) {
  auto place = n.place_of(key);
  return {errc::invalid_argument, place.empty() ? what : place + ": " + what};
}

/// A node with every role is a whole store: it has no part in one of others.
result<void> check_no_mix(const cluster_config& config, const node_config& member) {
  for (auto& n : config.nodes)
    if (!n.roles)
      return wrong(n, "roles",
                   section(n) + " has all roles, which makes it a store of its own, but " +
                       section(member) +
                       " names some: the nodes of one file are one store, with "
                       "roles of each, or each is a whole one");
  return boost::outcome_v2::success();
}

result<void> check_each_role_once(const store_nodes& store) {
  role_set placed;
  for (auto role : every_role) {
    const node_config* first = nullptr;
    for (auto* n : store) {
      if (!roles_of(*n).has(role))
        continue;
      if (first != nullptr && !may_be_several.has(role))
        return wrong(*n, "roles",
                     section(*n) + " has the role '" + std::string(name_of(role)) +
                         "', which is at " + section(*first) +
                         " already; only readers and queue-managers may be at several nodes");
      first = n;
      placed.add(role);
    }
  }
  role_set missing;
  for (auto role : every_role)
    if (!placed.has(role))
      missing.add(role);
  if (!missing.empty())
    return wrong(*store.front(), "roles",
                 "no node has: " + to_text(missing) +
                     "; the nodes that name roles are one store, which needs every role");
  return boost::outcome_v2::success();
}

/// The same text for "data", "./data" and "data/".
std::filesystem::path plain(const std::string& directory) {
  return (std::filesystem::path(directory) / "").lexically_normal();
}

/// What holds these roles of a node together with the writer.
std::string needs_log(const node_config& n, const node_config& writer) {
  return to_text(roles_of(n) & log_seat) + " of " + section(n) +
         " must be in the directory of the log, where the writer of " + section(writer) + " is";
}

result<void> check_log_seat(const store_nodes& store) {
  store_nodes seat;
  std::ranges::copy_if(store, std::back_inserter(seat),
                       [](const node_config* n) { return !(roles_of(*n) & log_seat).empty(); });
  auto& writer = **std::ranges::find_if(
      seat, [](const node_config* n) { return roles_of(*n).has(store_role::writer); });
  for (auto* n : seat)
    if (plain(n->directory) != plain(writer.directory))
      return wrong(*n, "directory",
                   needs_log(*n, writer) + ": directory = " + n->directory + " is not " +
                       writer.directory);
  // Loopback may be of any machine: which one, those that are not tell.
  const node_config* known = is_loopback(writer.actor_host) ? nullptr : &writer;
  for (auto* n : seat) {
    if (is_loopback(n->actor_host))
      continue;
    if (known != nullptr && known->actor_host != n->actor_host)
      return wrong(*n, "actor-host",
                   needs_log(*n, writer) + ": actor-host = " + n->actor_host +
                       " is another machine than " + known->actor_host + " of " + section(*known));
    known = n;
  }
  return boost::outcome_v2::success();
}

result<void> check_queue_managers(const cluster_config& config) {
  std::uint32_t all = 0;
  for (auto& n : config.nodes) {
    if (!n.has(store_role::queue_manager)) {
      if (n.places.contains("queue-managers"))
        return wrong(n, "queue-managers",
                     "queue-managers = " + std::to_string(n.queue_managers) + " of " + section(n) +
                         ", which has not the role 'queue-manager'");
      continue;
    }
    all = n.roles ? all + n.queue_managers : n.queue_managers;
    if (all > most_queue_shares)
      return wrong(n, "queue-managers",
                   "with " + section(n) + " there are " + std::to_string(all) +
                       " queue-managers, more than the " + std::to_string(most_queue_shares) +
                       " that may share the queues of a store");
  }
  return boost::outcome_v2::success();
}

/// One queue-manager, in another directory than the log, or in one of that name on another machine.
bool is_apart(const store_nodes& store) {
  auto with = [&](store_role role) {
    return *std::ranges::find_if(store, [role](auto* n) { return roles_of(*n).has(role); });
  };
  auto& queues = *with(store_role::queue_manager);
  if (plain(queues.directory) != plain(with(store_role::writer)->directory))
    return true;
  // Loopback may be of any machine.
  return !is_loopback(queues.actor_host) && std::ranges::any_of(store, [&](auto* n) {
    return !(roles_of(*n) & log_seat).empty() && !is_loopback(n->actor_host) &&
           n->actor_host != queues.actor_host;
  });
}

/// Each node has an address of its own that all others can dial.
result<void> check_found(const store_nodes& store) {
  const node_config* local = nullptr;
  const node_config* remote = nullptr;
  const node_config* another = nullptr; // on another machine than `remote`
  for (auto* n : store) {
    auto to_find = "; the other nodes of the store find " + section(*n) + " there";
    if (!n->actor_port)
      return wrong(*n, "actor-port", "actor-port = off" + to_find + ": give a port");
    if (*n->actor_port == 0)
      return wrong(*n, "actor-port", "actor-port = 0 is any free one" + to_find + ": give a port");
    if (n->actor_host == every_address)
      return wrong(*n, "actor-host",
                   "actor-host = " + n->actor_host + " is no address of one machine" + to_find);
    for (auto* other : store) {
      if (other == n)
        break;
      if (other->actor_host == n->actor_host && other->actor_port == n->actor_port)
        return wrong(*n, "actor-port",
                     "actor-port = " + std::to_string(*n->actor_port) + " of " + section(*n) +
                         " at " + n->actor_host + " is that of " + section(*other));
    }
    if (is_loopback(n->actor_host))
      local = n;
    else if (remote == nullptr)
      remote = n;
    else if (remote->actor_host != n->actor_host)
      another = n;
  }
  if (local != nullptr && another != nullptr)
    return wrong(
        *local, "actor-host",
        "actor-host = " + local->actor_host + " of " + section(*local) +
            " is found on its own machine only, but the store is on several: " + section(*remote) +
            " at " + remote->actor_host + ", " + section(*another) + " at " + another->actor_host);
  return boost::outcome_v2::success();
}

/// Nobody listens at a port for RocketMQ clients but the door: one that was given for another node
/// is a mistake, the defaults are not.
result<void> check_remoting_ports(const store_nodes& store) {
  for (auto* n : store) {
    if (roles_of(*n).has(store_role::door))
      continue;
    for (auto [key, port] :
         {std::pair<std::string, std::uint16_t>{"remoting-port", n->remoting_port},
          {"name-server-port", n->name_server_port.value_or(0)}})
      if (port != 0 && n->places.contains(key))
        return wrong(*n, key,
                     key + " = " + std::to_string(port) + " of " + section(*n) +
                         " would not be opened: RocketMQ clients come in at the node with the "
                         "role 'door'");
  }
  return boost::outcome_v2::success();
}

} // namespace

role_set placement::of(std::string_view name) const {
  auto found = std::ranges::find(nodes, name, &node::name);
  return found == nodes.end() ? role_set() : found->roles;
}

std::vector<std::string> placement::where(store_role role) const {
  std::vector<std::string> names;
  for (auto& n : nodes)
    if (n.roles.has(role))
      names.push_back(n.name);
  return names;
}

std::vector<std::string> placement::queue_nodes(std::string_view name) const {
  std::vector<std::string> names;
  for (auto& n : nodes)
    if (together || n.name == name)
      names.insert(names.end(), n.queue_managers, n.name);
  return names;
}

bool placement::queues_beside_log(std::string_view name) const {
  return !queues_apart && queue_nodes(name).size() == 1;
}

result<placement> place_roles(const cluster_config& config) {
  placement placed;
  store_nodes store;
  for (auto& n : config.nodes) {
    auto count = n.has(store_role::queue_manager) ? n.queue_managers : 0;
    placed.nodes.push_back({n.name, roles_of(n), count});
    if (n.roles)
      store.push_back(&n);
  }
  TROUPE_TRY(check_queue_managers(config));
  if (store.empty())
    return placed;
  placed.together = true;
  TROUPE_TRY(check_no_mix(config, *store.front()));
  TROUPE_TRY(check_each_role_once(store));
  TROUPE_TRY(check_log_seat(store));
  if (placed.spread()) {
    TROUPE_TRY(check_found(store));
  }
  TROUPE_TRY(check_remoting_ports(store));
  placed.queues_apart = is_apart(store);
  return placed;
}

std::vector<std::string> agreed_settings(const cluster_config& config, const placement& placed) {
  auto& o = config.options.store;
  std::string queues =
      placed.queues_apart ? "queue-managers, apart from the log:" : "queue-managers:";
  for (auto& n : placed.nodes)
    if (n.queue_managers > 0)
      queues += " " + n.name + " " + std::to_string(n.queue_managers);
  return {"roles: " + to_text(placed),
          queues,
          std::string("flush = ") + (o.flush == storage::flush_policy::sync ? "sync" : "async"),
          "mapped-file-size-commit-log = " + std::to_string(o.log_file_size_bytes),
          "mapped-file-size-consume-queue = " + std::to_string(o.queue_file_size_bytes),
          "max-hash-slot-num = " + std::to_string(o.index_slots),
          "max-index-num = " + std::to_string(o.index_entries),
          "message-delay-level = " + o.delays.text()};
}

std::string to_text(const placement& placed) {
  std::string out;
  for (auto& n : placed.nodes)
    out += (out.empty() ? "" : " | ") + n.name + ": " + to_text(n.roles);
  return out;
}

} // namespace troupe::net
