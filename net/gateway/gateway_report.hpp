#pragma once

#include "net/remoting/command.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace troupe::net {

/// A RocketMQ client as operators see it.
struct client_view {
  std::uint64_t connection = 0;
  std::string peer;      ///< "127.0.0.1:50312"
  std::string client_id; ///< that it gave itself; empty: it is in no group
  std::uint8_t language = remoting::own_language;
  std::int32_t version = remoting::own_version;
  std::vector<std::string> consumer_groups;
  std::vector<std::string> producer_groups;
};

/// What the gateway says of itself. Made when asked for, and only then: it looks at every client.
struct gateway_report {
  std::vector<client_view> clients; ///< by connection
};

} // namespace troupe::net
