#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <thread>
#include <utility>
#include <vector>

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace troupe::test {

/// A wire between whoever dials its port and a port of this machine, which can be held still and
/// cut. What is held arrives later.
class cable {
public:
  explicit cable(std::uint16_t to)
      : to_(to), listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    auto any = loopback(0);
    socklen_t size = sizeof any;
    (void)::bind(listener_, reinterpret_cast<sockaddr*>(&any), size);
    (void)::listen(listener_, 8);
    (void)::getsockname(listener_, reinterpret_cast<sockaddr*>(&any), &size);
    port_ = ntohs(any.sin_port);
    thread_ = std::thread([this] { run(); });
  }
  ~cable() {
    stop_ = true;
    thread_.join();
    for (auto& l : lines_)
      for (int fd : l)
        ::close(fd);
    ::close(listener_);
  }
  cable(const cable&) = delete;

  std::uint16_t port() const noexcept { return port_; }
  void hold() noexcept { held_ = true; }
  void release() noexcept { held_ = false; }
  /// The end of the one who dialled breaks; the other hears nothing of it.
  void cut_dialling_end() noexcept { cut_ = true; }
  /// The other end of it has let go, too.
  bool cut_line_ended() const noexcept { return cut_line_ended_; }

private:
  using line = std::array<int, 2>; ///< who dialled, who was dialled

  static sockaddr_in loopback(std::uint16_t port) {
    sockaddr_in a{};
    a.sin_family = AF_INET;
    a.sin_port = htons(port);
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return a;
  }
  void accept() {
    pollfd one{listener_, POLLIN, 0};
    if (::poll(&one, 1, 1) != 1)
      return;
    int from = ::accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    int to = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    auto where = loopback(to_);
    (void)::connect(to, reinterpret_cast<sockaddr*>(&where), sizeof where);
    lines_.push_back({from, to});
  }
  /// False at the end of what comes.
  static bool move(int from, int to) {
    std::array<char, 65536> buffer;
    auto got = ::recv(from, buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (got == 0)
      ::shutdown(to, SHUT_RDWR);
    if (got > 0) // a test sends little: there is room
      (void)::send(to, buffer.data(), static_cast<std::size_t>(got), MSG_NOSIGNAL);
    return got != 0;
  }
  void run() {
    while (!stop_) {
      accept();
      if (cut_.exchange(false))
        for (auto& l : lines_)
          ::close(std::exchange(l[0], -1));
      for (auto& l : lines_)
        if (!held_) {
          move(l[0], l[1]);
          if (!move(l[1], l[0]) && l[0] < 0)
            cut_line_ended_ = true;
        }
    }
  }

  std::uint16_t to_;
  int listener_;
  std::uint16_t port_ = 0;
  std::atomic<bool> held_{false};
  std::atomic<bool> cut_{false};
  std::atomic<bool> cut_line_ended_{false};
  std::atomic<bool> stop_{false};
  std::vector<line> lines_;
  std::thread thread_;
};

} // namespace troupe::test
