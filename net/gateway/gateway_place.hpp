#pragma once

#include "net/gateway/gateway.hpp"

#include <mutex>
#include <utility>

namespace troupe::net {

/// The gateway that other threads send to; another one when it was replaced, none while there is
/// none. From any thread.
class gateway_place {
public:
  void set(gateway_actor gateway) {
    std::lock_guard lock(mutex_);
    gateway_ = std::move(gateway);
  }
  gateway_actor get() const {
    std::lock_guard lock(mutex_);
    return gateway_;
  }
  template <class Message>
  void send(Message message) {
    std::lock_guard lock(mutex_);
    if (gateway_)
      caf::anon_send(gateway_, std::move(message));
  }

private:
  mutable std::mutex mutex_;
  gateway_actor gateway_;
};

} // namespace troupe::net
