#include "cli/remote.hpp"

#include "cli/system_config.hpp"

namespace troupe::cli {

namespace {

storage::result<client::connect_options> address_of(const context& ctx) {
  client::connect_options options;
  if (ctx.connect.empty()) {
    TROUPE_TRY(auto chosen, ctx.load());
    if (!chosen.node.actor_port)
      return storage::error{errc::invalid_argument,
                            "node " + chosen.node.name +
                                " lets no commands in: its actor-port is off"};
    auto everywhere = chosen.node.actor_host == net::every_address;
    options.host = everywhere ? "127.0.0.1" : chosen.node.actor_host;
    options.port = *chosen.node.actor_port;
    options.cluster = chosen.cluster.cluster_name;
    options.tls = chosen.cluster.tls;
  } else {
    TROUPE_TRY(options, client::parse_address(ctx.connect));
  }
  if (ctx.tls.given())
    options.tls = ctx.tls;
  options.name = "troupe";
  return options;
}

} // namespace

storage::result<std::unique_ptr<remote>> remote::open(const context& ctx) {
  TROUPE_TRY(auto options, address_of(ctx));
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
