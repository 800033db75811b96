#pragma once

#include "net/stream_scribe.hpp"
#include "net/tls/tls_wire.hpp"

#include <memory>
#include <utility>

namespace troupe::net {

/// A connection that was dialled, whose peer has shown its certificate and begun to speak.
class dialled_scribe final : public stream_scribe<tls_wire> {
public:
  dialled_scribe(caf::io::network::default_multiplexer& multiplexer, int socket,
                 std::unique_ptr<tls_session> session)
      : stream_scribe(multiplexer, socket, std::move(session)) {}

  void configure_read(caf::io::receive_policy::config how) override {
    stream_.configure_read(how);
    if (!launch())
      return;
    // Its first words are decrypted already, so that the socket need not tell of them.
    stream_.backend().post([self = caf::intrusive_ptr<dialled_scribe>(this)] {
      if (!self->detached())
        self->stream_.handle_event(caf::io::network::operation::read);
    });
  }
};

} // namespace troupe::net
