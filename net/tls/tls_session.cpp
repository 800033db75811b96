#include "net/tls/tls_session.hpp"

#include <algorithm>
#include <cerrno>
#include <limits>

#include <openssl/err.h>
#include <openssl/x509_vfy.h>
#include <sys/socket.h>

namespace troupe::net {

namespace {

/// OpenSSL's own way to a socket writes to one whose peer has gone, which ends a process that does
/// not ignore SIGPIPE.
int socket_of(BIO* at) {
  return static_cast<int>(reinterpret_cast<std::intptr_t>(BIO_get_data(at)));
}

bool would_block() {
  return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
}

int send_to_socket(BIO* at, const char* from, int size) {
  BIO_clear_retry_flags(at);
  auto sent = ::send(socket_of(at), from, static_cast<std::size_t>(size), MSG_NOSIGNAL);
  if (sent < 0 && would_block())
    BIO_set_retry_write(at);
  return static_cast<int>(sent);
}

int receive_from_socket(BIO* at, char* to, int size) {
  BIO_clear_retry_flags(at);
  auto came = ::recv(socket_of(at), to, static_cast<std::size_t>(size), 0);
  if (came < 0 && would_block())
    BIO_set_retry_read(at);
  return static_cast<int>(came);
}

long control(BIO*, int what, long, void*) {
  return what == BIO_CTRL_FLUSH ? 1 : 0;
}

BIO* make_bio(int socket) {
  static BIO_METHOD* const method = [] {
    auto* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "socket");
    if (made != nullptr) {
      BIO_meth_set_write(made, send_to_socket);
      BIO_meth_set_read(made, receive_from_socket);
      BIO_meth_set_ctrl(made, control);
    }
    return made;
  }();
  auto* made = method == nullptr ? nullptr : BIO_new(method);
  if (made != nullptr) {
    BIO_set_data(made, reinterpret_cast<void*>(static_cast<std::intptr_t>(socket)));
    BIO_set_init(made, 1);
  }
  return made;
}

} // namespace

std::unique_ptr<tls_session> tls_session::make(SSL_CTX& context, int socket, handshake how) {
  ERR_clear_error();
  session_pointer made{SSL_new(&context), SSL_free};
  auto* bio = made ? make_bio(socket) : nullptr;
  if (bio == nullptr)
    return nullptr;
  SSL_set_bio(made.get(), bio, bio);
  return std::unique_ptr<tls_session>(new tls_session(std::move(made), how));
}

tls_session::state tls_session::shake_hands() {
  ERR_clear_error();
  return outcome(how_(session_.get()));
}

tls_session::state tls_session::look() {
  ERR_clear_error();
  char first = 0;
  std::size_t done = 0;
  return outcome(SSL_peek_ex(session_.get(), &first, 1, &done));
}

tls_session::state tls_session::read(void* to, std::size_t size, std::size_t& done) {
  ERR_clear_error();
  return outcome(SSL_read_ex(session_.get(), to, size, &done));
}

tls_session::state tls_session::write(const void* from, std::size_t size, std::size_t& done) {
  // One call makes one piece of it, of 16 KiB.
  constexpr int most_pieces = 16;
  auto* next = static_cast<const char*>(from);
  done = 0;
  for (int i = 0; i < most_pieces && done < size; ++i) {
    ERR_clear_error();
    std::size_t sent = 0;
    auto after = outcome(SSL_write_ex(session_.get(), next + done, size - done, &sent));
    if (after != state::done)
      return done > 0 && after != state::failed ? state::done : after;
    done += sent;
  }
  return state::done;
}

std::size_t tls_session::pending() const noexcept {
  return static_cast<std::size_t>(std::max(SSL_pending(session_.get()), 0));
}

tls_session::state tls_session::outcome(int code) {
  if (code > 0)
    return state::done;
  switch (SSL_get_error(session_.get(), code)) {
  case SSL_ERROR_WANT_READ:
    return state::wants_to_read;
  case SSL_ERROR_WANT_WRITE:
    return state::wants_to_write;
  default:
    reason_ = why();
    ERR_clear_error();
    return state::failed;
  }
}

std::string tls_session::why() const {
  auto number = ERR_peek_last_error(); // those before are how it came to that
  if (number == 0)
    return {};
  auto* text = ERR_reason_error_string(number);
  const std::string plain = text != nullptr ? text : "TLS error";
  if (ERR_GET_LIB(number) != ERR_LIB_SSL)
    return plain;
  switch (ERR_GET_REASON(number)) {
  case SSL_R_UNEXPECTED_EOF_WHILE_READING:
    return {};
  case SSL_R_WRONG_VERSION_NUMBER:
  case SSL_R_HTTP_REQUEST:
    return "it does not speak TLS";
  case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
    return "it shows no certificate";
  case SSL_R_CERTIFICATE_VERIFY_FAILED:
    return std::string("its certificate is refused: ") +
           X509_verify_cert_error_string(SSL_get_verify_result(session_.get()));
  case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED:
    return "it wants a certificate";
  case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
  case SSL_R_TLSV1_ALERT_DECRYPT_ERROR: // of another one of the same name
    return "it refuses the certificate of this program, which is of another authority (ca)";
  case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED:
    return "it refuses the certificate of this program, which has expired";
  default:
    return plain;
  }
}

} // namespace troupe::net
