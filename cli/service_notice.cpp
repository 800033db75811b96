#include "cli/service_notice.hpp"

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <utility>

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace troupe::cli {

namespace {

constexpr auto say_interval = std::chrono::seconds(1);

std::string take_variable(const char* name) {
  auto* value = std::getenv(name);
  std::string taken = value == nullptr ? "" : value;
  ::unsetenv(name);
  return taken;
}

std::optional<std::int64_t> positive_number(const std::string& text) {
  std::int64_t number = 0;
  auto end = text.data() + text.size();
  auto [stop, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc{} || stop != end || number <= 0)
    return std::nullopt;
  return number;
}

/// What a status says stays in its line.
std::string one_line(std::string text) {
  std::ranges::replace(text, '\n', ' ');
  return text;
}

} // namespace

service_notice::service_notice() {
  auto name = take_variable("NOTIFY_SOCKET");
  auto every = positive_number(take_variable("WATCHDOG_USEC"));
  auto whom = take_variable("WATCHDOG_PID");
  if (name.size() < 2 || (name[0] != '/' && name[0] != '@') ||
      name.size() >= sizeof(sockaddr_un::sun_path))
    return;
  if (name[0] == '@')
    name[0] = '\0';
  address_ = std::move(name);
  socket_ = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (every && (whom.empty() || whom == std::to_string(::getpid())))
    watchdog_ = std::chrono::microseconds(*every);
}

service_notice::~service_notice() {
  stop_watching();
  if (socket_ >= 0)
    ::close(socket_);
}

void service_notice::say(std::string_view lines) const {
  if (socket_ < 0)
    return;
  sockaddr_un to{};
  to.sun_family = AF_UNIX;
  std::memcpy(to.sun_path, address_.data(), address_.size());
  auto size = offsetof(sockaddr_un, sun_path) + address_.size() + (address_[0] == '\0' ? 0 : 1);
  // A manager that has no room for it is too busy to look for it.
  (void)::sendto(socket_, lines.data(), lines.size(), MSG_NOSIGNAL | MSG_DONTWAIT,
                 reinterpret_cast<const sockaddr*>(&to), static_cast<socklen_t>(size));
}

void service_notice::starting(const std::string& what, std::chrono::microseconds more) {
  if (socket_ < 0)
    return;
  auto now = std::chrono::steady_clock::now();
  if (said_ != std::chrono::steady_clock::time_point{} && now - said_ < say_interval)
    return;
  said_ = now;
  say("STATUS=" + one_line(what) + "\nEXTEND_TIMEOUT_USEC=" + std::to_string(more.count()));
}

void service_notice::ready(const std::string& what) {
  say("READY=1\nSTATUS=" + one_line(what));
}

void service_notice::stopping(std::chrono::microseconds more) {
  stop_watching();
  say("STOPPING=1\nSTATUS=stopping in order\nEXTEND_TIMEOUT_USEC=" + std::to_string(more.count()));
}

void service_notice::watch(std::function<bool()> alive) {
  if (!watchdog_)
    return;
  watcher_ = std::thread([this, alive = std::move(alive), pause = *watchdog_ / 3] {
    std::unique_lock lock(mutex_);
    while (!done_) {
      lock.unlock();
      if (alive())
        say("WATCHDOG=1");
      lock.lock();
      changed_.wait_for(lock, pause, [this] { return done_; });
    }
  });
}

/// The manager does not want signs of life of a service that stops.
void service_notice::stop_watching() {
  {
    std::lock_guard lock(mutex_);
    done_ = true;
  }
  changed_.notify_all();
  if (watcher_.joinable())
    watcher_.join();
}

} // namespace troupe::cli
