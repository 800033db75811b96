#pragma once

#include "cli/context.hpp"
#include "net/ask.hpp"
#include "net/client.hpp"

#include <memory>

namespace troupe::cli {

/// Where commands find a node of the configuration.
storage::result<client::connect_options> address_of(const net::cluster_config& cluster,
                                                    const net::node_config& node);
/// The node that the command line names: by `--connect`, or of the configuration.
storage::result<client::connect_options> address_of(const context& ctx);

/// A connection to the node that the command line names. Ends with the object.
class remote {
public:
  /// By `--connect`, or the node of the configuration. Fails when no node answers there.
  static storage::result<std::unique_ptr<remote>> open(const context& ctx);
  static storage::result<std::unique_ptr<remote>> open(const client::connect_options& options);
  ~remote();
  remote(const remote&) = delete;
  remote& operator=(const remote&) = delete;

  caf::actor_system& system() noexcept { return system_; }
  store_service service() const { return connection_; }
  const welcome& granted() const noexcept { return granted_; }

  /// Asks the node and waits.
  template <class Result, class... Arguments>
  storage::result<Result> ask(Arguments&&... arguments) {
    return client::ask<Result>(self_, connection_, std::forward<Arguments>(arguments)...);
  }

private:
  explicit remote(std::unique_ptr<caf::actor_system_config> config);

  std::unique_ptr<caf::actor_system_config> config_;
  caf::actor_system system_;
  caf::scoped_actor self_;
  client::connection_actor connection_;
  welcome granted_;
};

} // namespace troupe::cli
