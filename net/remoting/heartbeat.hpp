#pragma once

#include "net/remoting/subscription.hpp"
#include "storage/file_system.hpp"

#include <string>
#include <vector>

namespace troupe::remoting {

/// One consumer group of a client.
struct consumer_data {
  std::string group;
  bool clustering = true; ///< false: every member gets every message and keeps its own offsets
  std::vector<subscription> subscriptions;
};

/// Body of HEART_BEAT (34).
struct heartbeat {
  std::string client_id;
  std::vector<std::string> producer_groups;
  std::vector<consumer_data> consumers;
};

/// Reads a heartbeat in any client's dialect: names of enums or their numbers, numbers or text,
/// members left out. Refuses bodies over 1 MiB, and more groups or subscriptions than anybody has.
storage::result<heartbeat> read_heartbeat(storage::byte_view body);

/// The body as a Java client writes it.
std::string write_heartbeat(const heartbeat& h);

/// Body of the answer to GET_CONSUMER_LIST_BY_GROUP (38).
std::string write_consumer_list(const std::vector<std::string>& client_ids);

} // namespace troupe::remoting
