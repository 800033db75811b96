#pragma once

#include "net/remoting/command.hpp"
#include "net/remoting/subscription.hpp"
#include "storage/os/file_system.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::remoting {

/// One consumer group of a client.
struct consumer_data {
  std::string group;
  bool clustering = true; ///< false: every member gets every message and keeps its own offsets
  std::vector<subscription> subscriptions;
  bool passive = true; ///< RocketMQ's word for a consumer that pushes; false: it pulls
  std::string from_where = "CONSUME_FROM_LAST_OFFSET"; ///< where it starts without progress
};

/// Java's names of `passive` and `clustering`.
std::string_view consume_type(const consumer_data& group) noexcept;
std::string_view message_model(const consumer_data& group) noexcept;

/// Body of HEART_BEAT (34).
struct heartbeat {
  std::string client_id;
  std::vector<std::string> producer_groups;
  std::vector<consumer_data> consumers;
  // Of the frame, not of the body:
  std::uint8_t language = own_language;
  std::int32_t version = own_version;
};

/// Reads a heartbeat in any client's dialect: names of enums or their numbers, numbers or text,
/// members left out. Refuses bodies over 1 MiB, and more groups or subscriptions than anybody has.
storage::result<heartbeat> read_heartbeat(storage::byte_view body);

/// What is to be checked by the body of CHECK_CLIENT_CONFIG (46); nothing when it names nothing.
storage::result<std::optional<subscription>> read_client_check(storage::byte_view body);

/// The body as a Java client writes it.
std::string write_heartbeat(const heartbeat& h);

/// A subscription as JSON.
void append_subscription(std::string& out, const subscription& s);

/// Body of the answer to GET_CONSUMER_LIST_BY_GROUP (38).
std::string write_consumer_list(const std::vector<std::string>& client_ids);

} // namespace troupe::remoting
