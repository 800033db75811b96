#pragma once

#include "storage/options.hpp"

#include <chrono>
#include <cstddef>

namespace troupe::net {

/// Settings of the door for RocketMQ clients: `[gateway]` of cluster.ini.
struct gateway_options {
  bool enabled = true;
  std::size_t connections = 1000;
  std::size_t connection_bytes = 32 * storage::mib; ///< unanswered requests, and unread answers
  std::size_t total_bytes = 256 * storage::mib;     ///< the same of all connections
  std::chrono::milliseconds idle_time{120'000};     ///< without a byte from the client
  std::chrono::milliseconds frame_time{30'000};     ///< to complete a frame, or to take an answer
  bool auto_create_topics = true;
};

} // namespace troupe::net
