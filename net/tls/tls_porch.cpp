#include "net/tls/tls_porch.hpp"

#include <array>
#include <cstdint>
#include <utility>

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

namespace troupe::net {

namespace {

/// How often to look by oneself, where there was no descriptor left for the bell.
constexpr int without_bell_ms = 50;

} // namespace

tls_guest::~tls_guest() {
  session.reset();
  seat.reset(); // before its socket's number is another's
  if (socket >= 0)
    ::close(socket);
}

tls_porch::tls_porch(open_door open)
    : open_(std::move(open)), bell_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      thread_([this] { run(); }) {}

tls_porch::~tls_porch() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake();
  thread_.join();
  if (bell_ >= 0)
    ::close(bell_);
}

void tls_porch::enter(std::shared_ptr<tls_guest> guest) {
  {
    std::lock_guard lock(mutex_);
    newcomers_.push_back(std::move(guest));
  }
  wake();
}

void tls_porch::wake() const {
  std::uint64_t one = 1;
  (void)!::write(bell_, &one, sizeof one);
}

/// False: it is over.
bool tls_porch::take_newcomers() {
  std::uint64_t count = 0;
  (void)!::read(bell_, &count, sizeof count);
  std::lock_guard lock(mutex_);
  for (auto& guest : newcomers_)
    waiting_.push_back({std::move(guest), POLLIN});
  newcomers_.clear();
  return !stopping_;
}

void tls_porch::run() {
  std::vector<pollfd> sockets;
  while (take_newcomers()) {
    sockets.assign(1, pollfd{bell_, POLLIN, 0});
    for (auto& w : waiting_)
      sockets.push_back({w.guest->socket, w.events, 0});
    if (::poll(sockets.data(), sockets.size(), bell_ < 0 ? without_bell_ms : -1) < 0)
      continue; // a signal
    std::vector<waiting> still;
    for (std::size_t i = 0; i < waiting_.size(); ++i)
      if (sockets[i + 1].revents == 0 || go_on(waiting_[i]))
        still.push_back(std::move(waiting_[i]));
    waiting_ = std::move(still);
  }
  waiting_.clear();
}

bool tls_porch::go_on(waiting& w) const {
  switch (w.guest->session->shake_hands()) {
  case tls_session::state::wants_to_read:
    w.events = POLLIN;
    return true;
  case tls_session::state::wants_to_write:
    w.events = POLLOUT;
    return true;
  case tls_session::state::done:
    open_(std::move(w.guest));
    return false;
  case tls_session::state::failed:
    turn_away(*w.guest);
    return false;
  }
  return false;
}

/// What he sent and nobody read would take away the word that says why.
void tls_porch::turn_away(tls_guest& guest) {
  ::shutdown(guest.socket, SHUT_WR);
  std::array<char, 16384> rest;
  for (int i = 0; i < 16; ++i)
    if (::recv(guest.socket, rest.data(), rest.size(), MSG_DONTWAIT) <= 0)
      break;
  if (auto& why = guest.session->reason(); !why.empty()) // else he just went, as those do who look
    guest.seat->cut("no TLS with it: " + why);           // whether a port is open
}

} // namespace troupe::net
