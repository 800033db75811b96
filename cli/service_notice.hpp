#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>

namespace troupe::cli {

/// What a service manager wants to hear of a service: sd_notify(3)'s protocol, datagrams of
/// `NAME=value` lines to the socket that `NOTIFY_SOCKET` names. Our own dozen of lines, since
/// libsystemd would bring five more libraries into a process that starts at once.
///
/// Without such a socket nothing is said. Any thread; a manager that does not listen is no error.
class service_notice {
public:
  /// Takes `NOTIFY_SOCKET`, `WATCHDOG_USEC` and `WATCHDOG_PID` out of the environment, so that no
  /// child speaks in this process's name. Before other threads read the environment.
  service_notice();
  ~service_notice();
  service_notice(const service_notice&) = delete;
  service_notice& operator=(const service_notice&) = delete;

  /// Still starting, and not stuck: the manager waits `more` from now on, at least. Call as often
  /// as you like; it is said once a second.
  void starting(const std::string& what, std::chrono::microseconds more);
  void ready(const std::string& what);
  /// From here on the end is awaited; `more` is how long it may take.
  void stopping(std::chrono::microseconds more);

  /// How often the manager wants a sign of life, or it ends the process; none: never.
  std::optional<std::chrono::microseconds> watchdog() const noexcept { return watchdog_; }
  /// Gives that sign in time, as long as `alive` says so, from a thread of its own until this dies
  /// or `stopping` is called. `alive` may take as long as a third of that time.
  void watch(std::function<bool()> alive);

private:
  void say(std::string_view lines) const;
  void stop_watching();

  int socket_ = -1;
  std::string address_; ///< as sockaddr_un has it: an abstract one begins with NUL
  std::optional<std::chrono::microseconds> watchdog_;
  std::chrono::steady_clock::time_point said_{};
  std::mutex mutex_;
  std::condition_variable changed_;
  bool done_ = false;
  std::thread watcher_;
};

} // namespace troupe::cli
