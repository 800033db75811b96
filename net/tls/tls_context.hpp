#pragma once

#include "net/tls/tls_files.hpp"
#include "net/tls/tls_session.hpp"
#include "storage/error.hpp"

#include <cstdint>
#include <memory>

#include <openssl/ssl.h>

namespace troupe::net {

/// For what a certificate is shown: a node is dialled and dials, a client only dials, a door for
/// RocketMQ clients is only dialled.
enum class tls_use { node, client, door };

/// Certificate, key and authority, read once. Connections are of TLS 1.3, and each end shows a
/// certificate of the authority or is refused. At a door TLS 1.2 is enough, the authority is that
/// of its clients, and without one they show nothing. Any thread may call.
class tls_context {
public:
  /// Refuses what no peer would accept (a file that cannot be read, a key that does not fit, a
  /// certificate that has expired or is of another authority), naming the file and what to do.
  static storage::result<std::shared_ptr<const tls_context>> load(const tls_files& files,
                                                                  tls_use use);

  /// A session on a connection that came, or that was dialled. Null without memory.
  std::unique_ptr<tls_session> accept(int socket) const { return session(socket, SSL_accept); }
  std::unique_ptr<tls_session> connect(int socket) const { return session(socket, SSL_connect); }

  /// Until the certificate expires.
  std::int64_t days_left() const noexcept { return days_left_; }

private:
  using context_pointer = std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)>;
  tls_context(context_pointer context, std::int64_t days_left)
      : context_(std::move(context)), days_left_(days_left) {}
  std::unique_ptr<tls_session> session(int socket, tls_session::handshake how) const;

  context_pointer context_;
  std::int64_t days_left_;
};

} // namespace troupe::net
