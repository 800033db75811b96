#include "net/dialer.hpp"

#include "actors/error.hpp"

#include <cerrno>
#include <chrono>
#include <cstring>
#include <memory>
#include <set>
#include <utility>

#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace troupe::client {

namespace {

using std::chrono::milliseconds;
using time_point = std::chrono::steady_clock::time_point;
using storage::error;
using storage::result;

/// For each of: reaching the host, its first word, and the rest of the greeting.
constexpr auto patience = std::chrono::seconds(3);

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
bool wait_until_ready(int fd, short event) {
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

result<owned_socket> connect_to(const addrinfo& where) {
  owned_socket made{::socket(where.ai_family, where.ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
  if (made.get() < 0)
    return unreachable(errno);
  if (::connect(made.get(), where.ai_addr, where.ai_addrlen) != 0 && errno != EINPROGRESS)
    return unreachable(errno);
  if (!wait_until_ready(made.get(), POLLOUT))
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
result<owned_socket> connect_to(const std::string& host, std::uint16_t port) {
  addrinfo wanted{};
  wanted.ai_socktype = SOCK_STREAM;
  addrinfo* first = nullptr;
  if (auto code = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &wanted, &first);
      code != 0)
    return error{errc::unavailable, ::gai_strerror(code)};
  std::unique_ptr<addrinfo, void (*)(addrinfo*)> all{first, ::freeaddrinfo};
  auto made = connect_to(*all);
  for (auto* next = all->ai_next; !made && next != nullptr; next = next->ai_next)
    made = connect_to(*next);
  if (made && !wait_until_ready(made.value().get(), POLLIN))
    return error{errc::unavailable, "whoever listens there does not greet: no node, or a busy one"};
  return made;
}

} // namespace

dialer_actor::behavior_type dialer(dialer_actor::pointer self) {
  return {
      [self](caf::connect_atom dial, const std::string& host,
             std::uint16_t port) -> caf::result<caf::strong_actor_ptr> {
        auto connected = connect_to(host, port);
        if (!connected) {
          self->quit();
          return to_caf(connected.error());
        }
        auto promise = self->make_response_promise<caf::strong_actor_ptr>();
        auto& middleman = self->system().middleman();
        auto scribe = middleman.backend().new_scribe(connected.value().release());
        // The framework's own way to dial (the middleman's actor) never ends when the program ends
        // while the greeting is under way, and the program with it: so the broker is asked here.
        auto broker = middleman.named_broker<caf::io::basp_broker>(caf::atom("BASP"));
        self->request(broker, patience, dial, std::move(scribe), port)
            .then(
                [self, promise](const caf::node_id&, caf::strong_actor_ptr& published,
                                const std::set<std::string>&) mutable {
                  promise.deliver(std::move(published));
                  self->quit();
                },
                [self, promise](caf::error& why) mutable {
                  promise.deliver(std::move(why));
                  self->quit();
                });
        return promise;
      },
  };
}

} // namespace troupe::client
