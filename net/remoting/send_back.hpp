#pragma once

#include "net/remoting/fields.hpp"
#include "net/remoting/group_rules.hpp"
#include "storage/format/record.hpp"

#include <cstdint>
#include <string>
#include <string_view>

/// Messages whose consumer failed: where they go, and as what. A copy of the message waits in the
/// group's topic for retries, longer each time, and at last lies in its topic of dead letters.
namespace troupe::remoting {

/// The property of a copy that names the topic of its origin.
inline constexpr std::string_view retry_topic_property = "RETRY_TOPIC";

/// A client that says nothing of how often a message is tried.
inline constexpr std::int32_t times_not_said = -1;

/// CONSUMER_SEND_MSG_BACK (36). Old C++ clients send the first three alone.
struct send_back_header {
  std::string group;
  std::int64_t offset = 0;      ///< of the message, in the log
  std::int32_t delay_level = 0; ///< 0: by how often it was tried; below 0: it is dead
  std::string origin_id;
  std::string origin_topic;
  bool unit_mode = false;
  std::int32_t most_times = times_not_said;
};
template <class Fields>
void describe(Fields& f, send_back_header& h) {
  f("group", h.group);
  f("offset", h.offset);
  f("delayLevel", h.delay_level);
  f.optional("originMsgId", h.origin_id);
  f.optional("originTopic", h.origin_topic);
  f.optional("unitMode", h.unit_mode);
  f.optional("maxReconsumeTimes", h.most_times);
}

std::string retry_topic(std::string_view group);
std::string dead_letter_topic(std::string_view group);
/// The group whose topic for retries this is; empty for any other topic.
std::string_view group_of_retry_topic(std::string_view topic) noexcept;

/// A property that a copy must not have of its origin: how that one was to be stored, delayed or
/// decided. A copy waits until it is as durable as the node makes things: its origin is done then.
bool is_of_origin_alone(std::string_view name) noexcept;

/// How often a message of the group is tried again: what the client says, in versions that know
/// what they say, else what the group's settings say.
std::int32_t most_reconsume_times(std::int32_t client_version, std::int32_t said,
                                  const group_rules& rules) noexcept;

/// What is to be stored for a message that a consumer sends back, beside its body, its flag, and
/// when and where it was born.
struct sent_back {
  std::string topic;
  bool dead = false;      ///< the topic is that of dead letters
  std::int32_t level = 0; ///< of its delay; 0: none
  std::int32_t sysflag = 0;
  std::int32_t reconsume_times = 0;
  std::string properties;
};

/// Of a message as it lies in the log. Refuses one that no consumer can have: a half of a
/// transaction; and one whose properties have no room for the new ones.
storage::result<sent_back> send_back(const storage::record_view& origin,
                                     const send_back_header& request, std::int32_t most_times);

/// These properties without the one of this name.
std::string without_property(std::string_view properties, std::string_view name);

} // namespace troupe::remoting
