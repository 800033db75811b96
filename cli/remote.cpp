#include "cli/remote.hpp"

#include "cli/system_config.hpp"

namespace troupe::cli {

storage::result<client::connect_options> address_of(const net::cluster_config& cluster,
                                                    const net::node_config& node) {
  if (!node.actor_port)
    return storage::error{errc::invalid_argument,
                          "node " + node.name + " lets no commands in: its actor-port is off"};
  client::connect_options options;
  options.host = node.actor_host == net::every_address ? "127.0.0.1" : node.actor_host;
  options.port = *node.actor_port;
  options.cluster = cluster.cluster_name;
  options.tls = cluster.tls;
  options.name = "troupe";
  return options;
}

storage::result<client::connect_options> address_of(const context& ctx) {
  if (ctx.connect.empty()) {
    TROUPE_TRY(auto chosen, ctx.load());
    if (ctx.tls.given())
      chosen.cluster.tls = ctx.tls;
    return address_of(chosen.cluster, chosen.node);
  }
  TROUPE_TRY(auto options, client::parse_address(ctx.connect));
  options.name = "troupe";
  if (ctx.tls.given())
    options.tls = ctx.tls;
  return options;
}

storage::result<std::unique_ptr<remote>> remote::open(const context& ctx) {
  TROUPE_TRY(auto options, address_of(ctx));
  return open(options);
}

storage::result<std::unique_ptr<remote>> remote::open(const client::connect_options& options) {
  TROUPE_TRY(auto config, make_system_config({}));
  std::unique_ptr<remote> made{new remote(std::move(config))};
  made->connection_ = client::connect(made->system_, options);
  TROUPE_TRY(made->granted_, made->ask<welcome>(hello_atom_v));
  return made;
}

remote::remote(std::unique_ptr<caf::actor_system_config> config)
    : config_(std::move(config)), system_(*config_), self_(system_) {}

remote::~remote() {
  caf::anon_send(connection_, stop_atom_v);
}

} // namespace troupe::cli
