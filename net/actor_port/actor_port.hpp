#pragma once

#include "actors/link_messages.hpp"
#include "net/actor_port/actor_gate.hpp"
#include "net/tls/tls_context.hpp"

#include <memory>
#include <string>

namespace troupe::net {

/// The door for client actors. Whoever comes is given the front; what they send passes a
/// `frame_check` before the framework sees it, above TLS if there is a context for it.
///
/// Takes the place of the framework's `publish`, which trusts its peers. Needs sockets: there is no
/// such port in a simulation.
class actor_port {
public:
  /// Listens at the IPv4 address and port (0: any) and lets clients in, and other nodes of the
  /// store if that is said. `front` is what they reach. With `tls` only those who show a
  /// certificate of its authority come in, and within the greeting's time.
  static storage::result<actor_port> open(caf::actor_system& system,
                                          const actor_port_options& options,
                                          const std::string& host, std::uint16_t port,
                                          const front_actor& front, bool nodes = false,
                                          std::shared_ptr<const tls_context> tls = nullptr);

  /// As bound.
  std::uint16_t port() const noexcept { return port_; }
  const std::shared_ptr<actor_gate>& gate() const noexcept { return gate_; }

  /// Lets nobody in any more. Those who are in stay.
  void close(caf::actor_system& system) const;

private:
  actor_port(std::shared_ptr<actor_gate> gate, std::uint16_t port)
      : gate_(std::move(gate)), port_(port) {}

  std::shared_ptr<actor_gate> gate_;
  std::uint16_t port_;
};

} // namespace troupe::net
