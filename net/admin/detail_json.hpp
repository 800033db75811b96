#pragma once

#include "actors/messages.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace troupe::net {

/// When a message was stored (ms since 1970), by the number of the queue in a list. What was not
/// looked at is not there.
using store_times = std::map<std::size_t, std::int64_t>;

/// How far a group is in one queue.
struct group_queue {
  std::string topic;
  std::int32_t queue_id = 0;
  queue_offset offset = 0; ///< next to consume
  queue_offset min = 0;
  queue_offset max = 0;
};
/// Messages that are there and not consumed.
std::int64_t lag_of(const group_queue& q) noexcept;

struct group_detail {
  std::string group;
  bool settings = false; ///< it was given some
  std::optional<std::vector<std::string>> members;
  std::vector<group_queue> queues;
  std::size_t left_out = 0; ///< queues for which there was no room
};

/// A topic with its queues, as the commands print them; `oldest` belongs to the first message of
/// each.
std::string topic_detail_json(const topic_description& all, const store_times& oldest);
/// `next`: of the message that the group takes next. "behindMs" is how long that one waits.
std::string group_detail_json(const group_detail& all, const store_times& next,
                              std::int64_t now_ms);
/// {"messages":[...],"unreadable":0,"leftOut":0}
std::string messages_json(const record_batch& found, std::size_t most_body_bytes);
/// The same with where in the queue they are, and where to go on.
std::string pull_json(const pull_request& wanted, const pull_response& found,
                      std::size_t most_body_bytes);

} // namespace troupe::net
