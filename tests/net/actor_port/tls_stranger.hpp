#pragma once

#include "net/tls/tls_session.hpp"
#include "tests/net/actor_port/open_node.hpp"

#include <memory>
#include <string>
#include <string_view>

namespace troupe::test {

/// Speaks bytes through TLS, with files that may be wrong.
class tls_stranger {
public:
  explicit tls_stranger(std::uint16_t port, const net::tls_files& files = {})
      : context_(SSL_CTX_new(TLS_method()), SSL_CTX_free), socket_(dial_loopback(port)) {
    if (!files.certificate.empty()) {
      REQUIRE(SSL_CTX_use_certificate_chain_file(context_.get(), files.certificate.c_str()) == 1);
      REQUIRE(SSL_CTX_use_PrivateKey_file(context_.get(), files.key.c_str(), SSL_FILETYPE_PEM) ==
              1);
    }
    timeval patience{3, 0}; // of each read
    (void)::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    session_ = net::tls_session::make(*context_, socket_, SSL_connect);
  }
  ~tls_stranger() { leave(); }
  tls_stranger(const tls_stranger&) = delete;
  tls_stranger& operator=(const tls_stranger&) = delete;

  /// Shakes hands and hears the greeting.
  bool comes_in() {
    using state = net::tls_session::state;
    return session_->shake_hands() == state::done && session_->look() == state::done;
  }
  const std::string& reason() const { return session_->reason(); }
  void send(std::string_view bytes) {
    std::size_t done = 0;
    while (!bytes.empty() &&
           session_->write(bytes.data(), bytes.size(), done) == net::tls_session::state::done)
      bytes.remove_prefix(done);
  }
  /// Past TLS.
  void send_raw(std::string_view bytes) {
    (void)::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  }
  /// Reads until the node hangs up; false when it is silent for long.
  bool ends() {
    std::array<char, 65536> buffer;
    std::size_t done = 0;
    auto after = net::tls_session::state::done;
    while (after == net::tls_session::state::done)
      after = session_->read(buffer.data(), buffer.size(), done);
    return after == net::tls_session::state::failed;
  }
  /// Still there at this moment.
  bool is_in() const {
    pollfd one{socket_, POLLRDHUP, 0};
    return ::poll(&one, 1, 100) == 0;
  }
  /// Without a goodbye.
  void leave() {
    if (socket_ >= 0)
      ::close(std::exchange(socket_, -1));
  }

private:
  std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context_;
  int socket_;
  std::unique_ptr<net::tls_session> session_;
};

} // namespace troupe::test
