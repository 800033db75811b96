#pragma once

#include "actors/caf.hpp"

#include <caf/io/network/default_multiplexer.hpp>
#include <caf/io/network/stream_impl.hpp>

#include <utility>
#include <vector>

namespace troupe::net {

/// What the framework's broker wants of a connection, over a stream that reads and writes through a
/// `Wire`. The network thread calls.
template <class Wire>
class stream_scribe : public caf::io::scribe {
public:
  void flush() override { stream_.flush(this); }
  void graceful_shutdown() override {
    stream_.graceful_shutdown();
    detach(&stream_.backend(), false);
  }
  void ack_writes(bool enable) override { stream_.ack_writes(enable); }
  std::vector<char>& wr_buf() override { return stream_.wr_buf(); }
  std::vector<char>& rd_buf() override { return stream_.rd_buf(); }
  std::string addr() const override {
    auto found = caf::io::network::remote_addr_of_fd(stream_.fd());
    return found ? *found : std::string{};
  }
  std::uint16_t port() const override {
    auto found = caf::io::network::remote_port_of_fd(stream_.fd());
    return found ? *found : std::uint16_t{0};
  }
  void add_to_loop() override { stream_.activate(this); }
  void remove_from_loop() override { stream_.passivate(); }

protected:
  template <class... Arguments>
  stream_scribe(caf::io::network::default_multiplexer& multiplexer, int socket, Arguments&&... wire)
      : scribe(caf::io::network::conn_hdl_from_socket(socket)),
        stream_(multiplexer, socket, std::forward<Arguments>(wire)...) {}

  /// True the first time.
  bool launch() {
    if (std::exchange(launched_, true))
      return false;
    stream_.start(this);
    return true;
  }

  caf::io::network::stream_impl<Wire> stream_;

private:
  bool launched_ = false;
};

} // namespace troupe::net
