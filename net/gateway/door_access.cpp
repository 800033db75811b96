#include "net/gateway/door_access.hpp"

#include "net/port_check.hpp"
#include "storage/logging.hpp"

#include <string>
#include <system_error>
#include <vector>

namespace troupe::net {

storage::result<door_access> door_access::open(const gateway_options& options) {
  door_access made;
  if (!options.accounts.empty()) {
    TROUPE_TRY(made.accounts_, access::account_book::open(options.accounts));
  }
  if (options.tls != tls_mode::off) {
    TROUPE_TRY(made.tls_, door_tls::open({options.tls_certificate, options.tls_key, options.tls_ca,
                                          "[gateway] tls-"}));
  }
  return made;
}

storage::result<void> door_access::watch() {
  std::vector<file_watch::look> looks;
  if (accounts_)
    looks.push_back([accounts = accounts_] { accounts->look(); });
  if (tls_)
    looks.push_back([tls = tls_] { tls->look(); });
  if (looks.empty())
    return boost::outcome_v2::success();
  try {
    changes_ = std::make_unique<file_watch>(std::move(looks));
  } catch (const std::system_error& e) {
    return storage::error{storage::errc::unavailable,
                          std::string("no thread to look at accounts and certificates: ") +
                              e.what()};
  }
  return boost::outcome_v2::success();
}

std::optional<std::uint16_t> vip_port(const cluster_config& cluster, const node_config& node) {
  constexpr std::uint16_t below = 2;
  if (!cluster.gateway.vip_channel || node.remoting_port <= below)
    return std::nullopt;
  auto port = static_cast<std::uint16_t>(node.remoting_port - below);
  for (auto& n : cluster.nodes)
    if (port == n.actor_port || port == n.remoting_port || port == n.name_server_port ||
        port == n.admin_port)
      return std::nullopt;
  if (auto free = check_port(node.host, port); !free) {
    storage::log_warning("gateway.no_vip_channel",
                         {{"reason", free.error().message},
                          {"hint", "only old clients and tools look there; vip-channel = off in "
                                   "[gateway] leaves it out"}});
    return std::nullopt;
  }
  return port;
}

} // namespace troupe::net
