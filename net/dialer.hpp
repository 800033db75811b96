#pragma once

#include "actors/caf.hpp"
#include "net/tls/tls_files.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace troupe::net {

class tls_context;

/// A connection that was made, and who is published at its other end.
struct dialled {
  caf::strong_actor_ptr published;
  /// The connection ends with its last owner, with what was still to be sent: the framework would
  /// go on sending it, for as long as the other end likes.
  std::shared_ptr<void> wire;
};

/// Opens one connection and ends.
using link_dialer_actor =
    caf::typed_actor<caf::replies_to<caf::connect_atom, std::string, std::uint16_t>::with<dialled>>;

/// Answers, whatever happens, within a few times the patience; no wire is left over when nobody
/// waits any more. It blocks: spawn it detached. `tls` is null for plain bytes.
link_dialer_actor::behavior_type link_dialer(link_dialer_actor::pointer self,
                                             std::chrono::milliseconds patience,
                                             const std::shared_ptr<const tls_context>& tls);

/// Makes a dialer of real sockets for each dial, with TLS if there is a context for it.
std::function<link_dialer_actor()> socket_dialers(caf::actor_system& system,
                                                  std::chrono::milliseconds patience,
                                                  std::shared_ptr<const tls_context> tls = nullptr);

} // namespace troupe::net

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::net::dialled)

namespace troupe::client {

/// Opens one connection and ends. A connection that it began is never left half open, so that a
/// program may end at any moment of it.
using dialer_actor = caf::typed_actor<
    /// The actor that is published at this host and port.
    handles<caf::strong_actor_ptr(caf::connect_atom, std::string, std::uint16_t)>>;

/// Answers, whatever happens, within a few seconds. It blocks: spawn it detached. The files are
/// read for each, so that a certificate may be replaced while the program runs.
dialer_actor::behavior_type dialer(dialer_actor::pointer self, const net::tls_files& tls);

} // namespace troupe::client
