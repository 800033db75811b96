#pragma once

#include "actors/caf.hpp"
#include "net/tls/tls_session.hpp"

#include <caf/io/network/native_socket.hpp>
#include <caf/io/network/rw_state.hpp>

#include <memory>
#include <utility>

namespace troupe::net {

/// What a stream of the framework reads and writes through, once hands are shaken.
class tls_wire {
public:
  using state = caf::io::network::rw_state;
  using native_socket = caf::io::network::native_socket;

  explicit tls_wire(std::unique_ptr<tls_session> session) : session_(std::move(session)) {}

  state read_some(std::size_t& done, native_socket, void* to, std::size_t size) {
    done = 0;
    return size == 0 ? state::success : result_of(session_->read(to, size, done), done);
  }
  state write_some(std::size_t& done, native_socket, const void* from, std::size_t size) {
    done = 0;
    return size == 0 ? state::indeterminate : result_of(session_->write(from, size, done), done);
  }
  /// The socket does not tell of bytes that are decrypted already.
  bool must_read_more(native_socket, std::size_t threshold) {
    auto there = session_->pending();
    return there > 0 && there >= threshold;
  }

private:
  static state result_of(tls_session::state after, std::size_t& done) {
    if (after == tls_session::state::failed)
      return state::failure;
    if (after != tls_session::state::done)
      done = 0;
    return state::success;
  }

  std::unique_ptr<tls_session> session_;
};

} // namespace troupe::net
