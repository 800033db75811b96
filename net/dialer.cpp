#include "net/dialer.hpp"

#include "actors/error.hpp"
#include "net/tls/dialled_scribe.hpp"
#include "net/tls/tls_context.hpp"

#include <cerrno>
#include <chrono>
#include <cstring>
#include <memory>
#include <set>
#include <type_traits>
#include <utility>

#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace troupe {

namespace {

using std::chrono::milliseconds;
using storage::error;
using storage::result;

/// For each of: reaching the host, its first word, and the rest of the greeting.
constexpr auto client_patience = std::chrono::seconds(3);

class owned_socket {
public:
  explicit owned_socket(int fd) noexcept : fd_(fd) {}
  owned_socket(owned_socket&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  owned_socket& operator=(owned_socket&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~owned_socket() {
    if (fd_ >= 0)
      ::close(fd_);
  }
  int get() const noexcept { return fd_; }
  int release() noexcept { return std::exchange(fd_, -1); }

private:
  int fd_;
};

/// False when it did not come to that in time.
bool wait_until_ready(int fd, short event, milliseconds patience) {
  auto deadline = std::chrono::steady_clock::now() + patience;
  for (;;) {
    auto left = std::chrono::ceil<milliseconds>(deadline - std::chrono::steady_clock::now());
    pollfd one{fd, event, 0};
    auto ready = ::poll(&one, 1, static_cast<int>(std::max(left, milliseconds{0}).count()));
    if (ready >= 0 || errno != EINTR)
      return ready > 0;
  }
}

error unreachable(int number) {
  return {errc::unavailable,
          number == ECONNREFUSED ? "nobody listens there" : std::strerror(number)};
}

result<owned_socket> connect_to(const addrinfo& where, milliseconds patience) {
  owned_socket made{::socket(where.ai_family, where.ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
  if (made.get() < 0)
    return unreachable(errno);
  if (::connect(made.get(), where.ai_addr, where.ai_addrlen) != 0 && errno != EINPROGRESS)
    return unreachable(errno);
  if (!wait_until_ready(made.get(), POLLOUT, patience))
    return unreachable(ETIMEDOUT);
  int problem = 0;
  socklen_t size = sizeof problem;
  if (::getsockopt(made.get(), SOL_SOCKET, SO_ERROR, &problem, &size) != 0)
    problem = errno;
  if (problem != 0)
    return unreachable(problem);
  return made;
}

/// Connected to the first address of the host that lets us in.
result<owned_socket> connect_to(const std::string& host, std::uint16_t port,
                                milliseconds patience) {
  addrinfo wanted{};
  wanted.ai_socktype = SOCK_STREAM;
  addrinfo* first = nullptr;
  if (auto code = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &wanted, &first);
      code != 0)
    return error{errc::unavailable, ::gai_strerror(code)};
  std::unique_ptr<addrinfo, void (*)(addrinfo*)> all{first, ::freeaddrinfo};
  auto made = connect_to(*all, patience);
  for (auto* next = all->ai_next; !made && next != nullptr; next = next->ai_next)
    made = connect_to(*next, patience);
  return made;
}

/// A connection at whose other end somebody has begun to speak.
struct spoken_to {
  owned_socket socket;
  std::unique_ptr<net::tls_session> session; ///< null: plain bytes
};

/// Goes on with `step` until it is done, or fails.
result<void> carry_on(net::tls_session& session, int socket, milliseconds patience,
                      net::tls_session::state (net::tls_session::*step)()) {
  using state = net::tls_session::state;
  auto deadline = std::chrono::steady_clock::now() + patience;
  for (;;) {
    auto after = (session.*step)();
    if (after == state::done)
      return boost::outcome_v2::success();
    if (after == state::failed)
      return error{errc::unavailable,
                   session.reason().empty()
                       ? "whoever listens there hung up: no node, a full one, "
                         "or one without [tls]"
                       : "no TLS with whoever listens there: " + session.reason()};
    auto left = std::chrono::ceil<milliseconds>(deadline - std::chrono::steady_clock::now());
    auto event = after == state::wants_to_read ? POLLIN : POLLOUT;
    if (left.count() <= 0 || !wait_until_ready(socket, static_cast<short>(event), left))
      return error{errc::unavailable, "whoever listens there does not answer in TLS: no node, or a "
                                      "busy one"};
  }
}

/// Waits until the node greets, as it does whoever comes: the framework would wait by its own time.
result<spoken_to> dial(const std::string& host, std::uint16_t port, milliseconds patience,
                       const net::tls_context* tls) {
  TROUPE_TRY(auto connected, connect_to(host, port, patience));
  spoken_to made{std::move(connected), nullptr};
  auto socket = made.socket.get();
  if (tls == nullptr) {
    if (!wait_until_ready(socket, POLLIN, patience))
      return error{errc::unavailable,
                   "whoever listens there does not greet: no node, a busy one, or one that wants "
                   "TLS ([tls])"};
    return made;
  }
  made.session = tls->connect(socket);
  if (!made.session)
    return error{errc::unavailable, "no memory for TLS"};
  TROUPE_TRY(carry_on(*made.session, socket, patience, &net::tls_session::shake_hands));
  TROUPE_TRY(carry_on(*made.session, socket, patience, &net::tls_session::look));
  return made;
}

/// Null in a simulation.
caf::io::scribe_ptr scribe_of(caf::io::network::multiplexer& multiplexer, spoken_to connection) {
  if (!connection.session)
    return multiplexer.new_scribe(connection.socket.release());
  auto* real = dynamic_cast<caf::io::network::default_multiplexer*>(&multiplexer);
  if (real == nullptr)
    return nullptr;
  return caf::make_counted<net::dialled_scribe>(*real, connection.socket.release(),
                                                std::move(connection.session));
}

/// Hands the connection to the framework, and tells `done` who is published at its other end.
template <class Self, class Done>
void greet(Self* self, spoken_to connection, std::uint16_t port, milliseconds patience, Done done) {
  auto& middleman = self->system().middleman();
  auto scribe = scribe_of(middleman.backend(), std::move(connection));
  // The framework's own way to dial (the middleman's actor) never ends when the program ends
  // while the greeting is under way, and the program with it: so the broker is asked here.
  auto broker = middleman.template named_broker<caf::io::basp_broker>(caf::atom("BASP"));
  self->request(broker, patience, caf::connect_atom::value, std::move(scribe), port)
      .then(
          [self, done](const caf::node_id&, caf::strong_actor_ptr& published,
                       const std::set<std::string>&) mutable {
            done(std::move(published));
            self->quit();
          },
          [self, done](caf::error& why) mutable {
            done(std::move(why));
            self->quit();
          });
}

/// A second number for the same connection, by which it can be ended; null if there is none.
std::shared_ptr<void> wire_of(const owned_socket& connection) {
  auto end = [](const int* fd) {
    ::shutdown(*fd, SHUT_RDWR);
    ::close(*fd);
    delete fd;
  };
  auto fd = ::fcntl(connection.get(), F_DUPFD_CLOEXEC, 0);
  return fd < 0 ? nullptr : std::shared_ptr<int>(new int(fd), end);
}

} // namespace

namespace client {

namespace {

result<spoken_to> dial(const std::string& host, std::uint16_t port, const net::tls_files& files) {
  std::shared_ptr<const net::tls_context> tls;
  if (files.given()) {
    TROUPE_TRY(tls, net::tls_context::load(files, net::tls_use::client));
  }
  return troupe::dial(host, port, client_patience, tls.get());
}

} // namespace

dialer_actor::behavior_type dialer(dialer_actor::pointer self, const net::tls_files& tls) {
  return {
      [self, tls](caf::connect_atom, const std::string& host,
                  std::uint16_t port) -> caf::result<caf::strong_actor_ptr> {
        auto connected = dial(host, port, tls);
        if (!connected) {
          self->quit();
          return to_caf(connected.error());
        }
        auto promise = self->make_response_promise<caf::strong_actor_ptr>();
        greet(self, std::move(connected).value(), port, client_patience,
              [promise](auto outcome) mutable { promise.deliver(std::move(outcome)); });
        return promise;
      },
  };
}

} // namespace client

namespace net {

link_dialer_actor::behavior_type link_dialer(link_dialer_actor::pointer self,
                                             std::chrono::milliseconds patience,
                                             const std::shared_ptr<const tls_context>& tls) {
  return {
      [self, patience, tls](caf::connect_atom, const std::string& host,
                            std::uint16_t port) -> caf::result<dialled> {
        auto connected = dial(host, port, patience, tls.get());
        auto wire = connected ? wire_of(connected.value().socket) : nullptr;
        if (!wire) {
          self->quit();
          return to_caf(connected ? unreachable(errno) : connected.error());
        }
        auto promise = self->make_response_promise<dialled>();
        auto done = [promise, wire](auto outcome) mutable {
          if constexpr (std::is_same_v<decltype(outcome), caf::error>)
            promise.deliver(std::move(outcome));
          else
            promise.deliver(dialled{std::move(outcome), wire});
          wire.reset();
        };
        greet(self, std::move(connected).value(), port, patience, std::move(done));
        return promise;
      },
  };
}

std::function<link_dialer_actor()> socket_dialers(caf::actor_system& system,
                                                  std::chrono::milliseconds patience,
                                                  std::shared_ptr<const tls_context> tls) {
  return [&system, patience, tls = std::move(tls)] {
    return system.spawn<caf::detached>(link_dialer, patience, tls);
  };
}

} // namespace net

} // namespace troupe
