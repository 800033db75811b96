#pragma once

#include "actors/interfaces.hpp"
#include "net/config.hpp"
#include "storage/os/file_system.hpp"
#include "storage/progress.hpp"

#include <cstdint>
#include <functional>
#include <future>
#include <memory>

namespace troupe::net {

struct gateway_setup;

/// A node in this process: opens the store, runs its actors, and lets clients in. One thread calls.
class server {
public:
  struct address {
    std::uint16_t actor_port = 0;       ///< as bound; 0: off
    std::uint16_t remoting_port = 0;    ///< 0: the gateway is off
    std::uint16_t name_server_port = 0; ///< 0: off
    std::uint16_t admin_port = 0;       ///< 0: off
  };

  /// Opens, recovers, and returns when the node serves; `progress` is told how much of the log is
  /// checked. The system needs `client::configure`. One node of a store that is spread over several
  /// returns at once: the others find it from then on, and `ready` says when it serves.
  /// `stop_ordered` is called from another thread when a program at the actor port orders a stop,
  /// and must not block; `stop` then tells that program how it ended. Empty: no orders are taken.
  static storage::result<std::unique_ptr<server>>
  start(caf::actor_system& system, const cluster_config& cluster, const node_config& node,
        storage::file_system& files, storage::progress_sink progress = {},
        std::function<void()> stop_ordered = {});
  ~server();
  server(const server&) = delete;
  server& operator=(const server&) = delete;

  /// Is set when the node serves, or never will, with the reason.
  std::future<storage::result<void>> ready();

  /// Lets client actors in at the node's actor-host and actor-port, and RocketMQ clients at its
  /// host and the other ports. Who keeps these doors is watched, and replaced when it ends.
  storage::result<address> publish();

  /// A session for actors of this process.
  storage::result<session_actor> open_session();

  const node_actor& node() const noexcept;
  /// Who keeps a door that is published ("front", "gateway"); null when nobody does. For tests,
  /// which end it.
  caf::strong_actor_ptr keeper(const std::string& role);

  /// Stops in order: takes no more requests, writes, flushes, and removes the abort marker. An
  /// error says what was left; the marker then stays, and the next start recovers.
  storage::result<void> stop();

private:
  struct parts;
  static storage::result<void> load_tls(parts& p, const cluster_config& cluster);
  static storage::result<void> listen_for_remoting(parts& p, const cluster_config& cluster);
  static storage::result<void> check_doors(parts& p, const cluster_config& cluster);
  static storage::result<void> open_queues(parts& p);
  static storage::result<void> prepare_names(parts& p, gateway_setup& setup);
  static storage::result<void> open_gateway(parts& p);
  static storage::result<void> open_actor_port(parts& p);
  static storage::result<void> place(parts& p, const cluster_config& cluster);
  static void start_links(parts& p);
  static void close_doors(parts& p);
  static storage::result<void> stop_node(parts& p);
  explicit server(std::unique_ptr<parts> p);
  std::unique_ptr<parts> parts_;
};

} // namespace troupe::net
