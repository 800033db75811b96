#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace troupe::net {

/// Looks every second whether files have changed, on a thread of its own: a disk that hangs holds
/// up nobody else.
class file_watch {
public:
  using look = std::function<void()>;

  /// Throws std::system_error without a thread.
  explicit file_watch(std::vector<look> looks)
      : looks_(std::move(looks)), thread_([this] { run(); }) {}
  ~file_watch() {
    {
      std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }
  file_watch(const file_watch&) = delete;
  file_watch& operator=(const file_watch&) = delete;

private:
  void run() {
    std::unique_lock lock(mutex_);
    while (!changed_.wait_for(lock, std::chrono::seconds(1), [this] { return stopping_; })) {
      lock.unlock();
      for (auto& one : looks_)
        one();
      lock.lock();
    }
  }

  const std::vector<look> looks_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool stopping_ = false;
  std::thread thread_; ///< last: it uses the rest
};

} // namespace troupe::net
