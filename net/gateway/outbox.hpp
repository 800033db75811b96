#pragma once

#include "net/gateway/traffic.hpp"

#include <functional>
#include <mutex>
#include <utility>
#include <vector>

namespace troupe::net {

/// Answers on their way to the sockets' thread, which is woken once for all that gather meanwhile.
class outbox {
public:
  explicit outbox(std::function<void()> wake) : wake_(std::move(wake)) {}

  /// From any thread.
  void put(outgoing message) {
    std::lock_guard lock(mutex_);
    if (!wake_)
      return;
    messages_.push_back(std::move(message));
    if (messages_.size() == 1)
      wake_();
  }

  std::vector<outgoing> take() {
    std::lock_guard lock(mutex_);
    return std::exchange(messages_, {});
  }

  /// Drops what is there and what comes; `wake` is not called any more.
  void close() {
    std::lock_guard lock(mutex_);
    wake_ = nullptr;
    messages_.clear();
  }

private:
  std::mutex mutex_;
  std::function<void()> wake_;
  std::vector<outgoing> messages_;
};

} // namespace troupe::net
