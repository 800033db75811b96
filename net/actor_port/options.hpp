#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace troupe::net {

/// Settings of the door for client actors: `[actor-port]` of cluster.ini. A connection belongs to
/// one program, which may have several clients on it.
struct actor_port_options {
  std::size_t connections = 200;
  std::size_t address_connections = 150;         ///< of one address
  std::size_t unread_bytes = 128u << 20;         ///< answers that a client did not take
  std::chrono::milliseconds greeting_time{3000}; ///< from the first byte to who it is
  std::chrono::milliseconds frame_time{30'000};  ///< from a message's head to its last byte
  /// Orders to stop the process are taken from other machines, too. Nobody asks who gives them.
  bool remote_stop = false;
};

} // namespace troupe::net
