#include "net/dialer.hpp"

#include "actors/error.hpp"

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

/// Connected to the first address of the host that lets us in, where somebody has begun to speak: a
/// node greets whoever comes.
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
  if (made && !wait_until_ready(made.value().get(), POLLIN, patience))
    return error{errc::unavailable, "whoever listens there does not greet: no node, or a busy one"};
  return made;
}

/// Hands the connection to the framework, and tells `done` who is published at its other end.
template <class Self, class Done>
void greet(Self* self, owned_socket connection, std::uint16_t port, milliseconds patience,
           Done done) {
  auto& middleman = self->system().middleman();
  auto scribe = middleman.backend().new_scribe(connection.release());
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

dialer_actor::behavior_type dialer(dialer_actor::pointer self) {
  return {
      [self](caf::connect_atom, const std::string& host,
             std::uint16_t port) -> caf::result<caf::strong_actor_ptr> {
        auto connected = connect_to(host, port, client_patience);
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
                                             std::chrono::milliseconds patience) {
  return {
      [self, patience](caf::connect_atom, const std::string& host,
                       std::uint16_t port) -> caf::result<dialled> {
        auto connected = connect_to(host, port, patience);
        auto wire = connected ? wire_of(connected.value()) : nullptr;
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

} // namespace net

} // namespace troupe
