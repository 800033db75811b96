#pragma once

#include "actors/options.hpp"
#include "actors/store_role.hpp"
#include "net/actor_port/options.hpp"
#include "net/admin/options.hpp"
#include "net/gateway/options.hpp"
#include "net/tls/tls_files.hpp"
#include "storage/error.hpp"
#include "storage/logging.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::net {

/// As a `host`: listen at every address of the machine. No address to send clients to.
inline constexpr std::string_view every_address = "0.0.0.0";

/// One `[node NAME]` section: where a node listens, keeps its files, and which roles it runs.
struct node_config {
  std::string name;
  std::string host = "127.0.0.1"; ///< IPv4 address to listen at for RocketMQ clients
  /// IPv4 address at which clients reach the node: routes, STOREHOST and message ids carry it.
  /// Empty: `host`.
  std::string advertised_host;
  std::string actor_host = "127.0.0.1"; ///< IPv4 address for client actors; loopback by default
  /// For client actors and commands; 0: any free one, none: they are not let in.
  std::optional<std::uint16_t> actor_port = 10915;
  std::uint16_t remoting_port = 10911; ///< for RocketMQ clients; part of message ids; 0: any
  /// Where RocketMQ clients ask for routes; 0: any, none: another name server does that.
  std::optional<std::uint16_t> name_server_port = 9876;
  std::string admin_host = "127.0.0.1"; ///< IPv4 address of the HTTP port
  /// For people and machines that look at the node (net/admin/); 0: any free one, none: off. Unless
  /// it is given, a node without a door has none, and one does without it when it is taken.
  std::optional<std::uint16_t> admin_port = 10990;
  std::vector<std::string> admin_hosts; ///< names by which browsers may ask, beside the address
  /// Other name servers with which it registers; none: those of [gateway].
  std::optional<std::vector<name_server>> name_servers;
  std::string directory = "./data";
  /// None: all of them, a store of its own. The nodes that name roles are one store together
  /// (net/placement.hpp).
  std::optional<role_set> roles;
  std::uint32_t queue_managers = 1; ///< that it runs, if it has the role
  /// file:line of each key that is given, and under "" of the section; empty without a file.
  std::map<std::string, std::string, std::less<>> places;

  const std::string& advertised() const noexcept {
    return advertised_host.empty() ? host : advertised_host;
  }
  /// Opens the ports for RocketMQ clients.
  bool has_door() const noexcept { return has(store_role::door); }
  bool has(store_role role) const noexcept { return !roles || roles->has(role); }
  /// Where the key stands; where it was left out, the section.
  std::string place_of(std::string_view key) const;
};

/// A line of `[caf]`, which is not looked into here.
struct framework_setting {
  std::string key;
  std::string value;
  std::string place; ///< file:line
};

/// What of the log is said.
struct log_options {
  storage::log_level level = storage::log_level::info;
  std::uint32_t repeats = storage::usual_log_repeats; ///< of one line in a minute; 0: all
};

/// A whole cluster.ini: settings that all nodes share, and the nodes.
struct cluster_config {
  std::string cluster_name = "troupe";
  node_options options;
  gateway_options gateway;
  log_options log;
  actor_port_options actor_port;
  admin_options admin;
  tls_files tls;                  ///< of all actor ports and links; none: plain bytes
  bool insecure = false;          ///< they may be open beyond a machine without it
  std::vector<node_config> nodes; ///< in the order of the file; never empty after loading
  std::vector<framework_setting> caf;
  /// file:line of each key that is given outside the nodes' sections, under "section.key".
  std::map<std::string, std::string, std::less<>> places;
};

/// Reads cluster.ini. Whatever is not understood is refused with file, line and the nearest valid
/// name; nothing is ignored. Relative directories count from the file's own directory. A file
/// without nodes describes one node named `node` with every default.
storage::result<cluster_config> load_config(const std::string& path);

/// The same from text; `file` is the name in messages, and directories stay as written.
storage::result<cluster_config> parse_config(std::string_view text, const std::string& file);

/// The node of that name, or the first one that lets clients in.
storage::result<node_config> select_node(const cluster_config& config,
                                         const std::optional<std::string>& name);

/// The cluster's options with the node's own directory in their place, and the address and port at
/// which RocketMQ clients reach its store: of one that is spread over nodes, those of the door.
node_options options_of(const cluster_config& config, const node_config& node);

/// Refuses a node whose actor port would be open beyond its machine without TLS, unless the
/// configuration says so aloud: whoever reaches it may do everything.
storage::result<void> check_actor_host(const cluster_config& config, const node_config& node);

/// True for an address that only programs of this machine reach.
bool is_loopback(const std::string& host);

/// Every section and key with its default, its range and what it is for.
std::string config_help();

} // namespace troupe::net
