#pragma once

#include "net/remoting/command.hpp"
#include "storage/histogram.hpp"

#include <cstdint>
#include <set>
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

/// What went in one direction since the gateway began.
struct traffic_sum {
  std::uint64_t messages = 0;
  std::uint64_t bytes = 0;
};
struct topic_traffic {
  std::string topic;
  std::string group; ///< that pulled them; empty: they came in
  traffic_sum sum;
};

/// What the gateway says of itself. Made when asked for, and only then: it looks at every client.
struct gateway_report {
  std::vector<client_view> clients;     ///< by connection
  std::set<std::string> pulling_groups; ///< consumer groups that RocketMQ does not call pushed to
  std::vector<topic_traffic> in;
  std::vector<topic_traffic> out;
  /// How long sends took from the socket to their answer, and pulls since there was something for
  /// them; by `request_ms_bounds`.
  storage::histogram_counts put_ms = {};
  storage::histogram_counts pull_ms = {};
  std::uint64_t unknown_requests = 0; ///< whose code nobody here answers
};

} // namespace troupe::net
