#pragma once

#include "net/admin/admin_actor.hpp"
#include "net/admin/admin_server.hpp"
#include "net/config.hpp"

#include <array>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>

namespace troupe::net {

/// The HTTP port of a node, from before its store is opened until it is closed. One thread calls.
class admin_port {
public:
  /// Opens the port as the node's configuration wants it and answers from then on, before there is
  /// a node, too. Null when the node has none: `off`, or, where it was not asked for, no door, or
  /// somebody else there. `most_connections`: that the process's descriptors allow.
  static storage::result<std::unique_ptr<admin_port>>
  open(const cluster_config& cluster, const node_config& node, std::size_t most_connections);
  ~admin_port();
  admin_port(const admin_port&) = delete;
  admin_port& operator=(const admin_port&) = delete;

  std::uint16_t port() const { return server_->port(); }
  start_progress& progress() noexcept { return *progress_; }

  /// There is a node, which can be asked from now on.
  void attach(caf::actor_system& system, node_actor node,
              std::shared_ptr<const gateway_place> gateway, std::function<socket_bytes()> bytes);
  /// The node goes: it is asked no more, and the port says so.
  void detach();

private:
  admin_port(std::unique_ptr<admin_server> server, std::string cluster, std::string node,
             std::size_t most_series);
  void take(const admin_request& request, admin_reply reply);
  admin_actor actor();

  admin_answer answer_early(const admin_request& request) const;

  std::unique_ptr<admin_server> server_;
  std::string cluster_;
  std::string node_;
  std::size_t most_series_;
  std::shared_ptr<start_progress> progress_ = std::make_shared<start_progress>();
  std::array<int, 3> disk_percent_{};
  std::mutex mutex_;
  admin_actor actor_; ///< null while there is no node
};

} // namespace troupe::net
