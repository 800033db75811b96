#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include <openssl/ssl.h>

namespace troupe::net {

/// TLS on one socket that does not block. Belongs to one thread at a time. OpenSSL keeps its errors
/// in a queue of the thread, where one that is left lying is taken for the next connection's: each
/// call here begins with an empty queue.
class tls_session {
public:
  enum class state { done, wants_to_read, wants_to_write, failed };
  using handshake = int (*)(SSL*);

  /// Null without memory. The socket stays the caller's.
  static std::unique_ptr<tls_session> make(SSL_CTX& context, int socket, handshake how);

  /// Goes on with the handshake until it would block.
  state shake_hands();
  /// Decrypts what is next without taking it: the peer has accepted this end, or says why not.
  state look();

  /// So many bytes; `wants_to_...`: none at the moment.
  state read(void* to, std::size_t size, std::size_t& done);
  state write(const void* from, std::size_t size, std::size_t& done);
  /// Bytes that are decrypted, of which the socket knows nothing any more.
  std::size_t pending() const noexcept;

  /// Why it failed, for a person; empty when the peer just went away.
  const std::string& reason() const noexcept { return reason_; }

private:
  using session_pointer = std::unique_ptr<SSL, decltype(&SSL_free)>;
  tls_session(session_pointer session, handshake how) : session_(std::move(session)), how_(how) {}
  state outcome(int code);
  std::string why() const;

  session_pointer session_;
  handshake how_;
  std::string reason_;
};

} // namespace troupe::net
