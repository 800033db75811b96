#pragma once

#include <chrono>
#include <cstddef>

namespace troupe::net {

/// Settings of the port for people and machines: `[admin]` of cluster.ini.
struct admin_options {
  std::size_t connections = 64;                   ///< more are closed at once
  std::size_t series = 5000;                      ///< of metrics in one answer; the rest is summed
  std::chrono::milliseconds request_time{10'000}; ///< to complete a request, and to take an answer
  std::chrono::milliseconds idle_time{30'000};    ///< between two requests
};

} // namespace troupe::net
