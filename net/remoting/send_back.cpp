#include "net/remoting/send_back.hpp"

#include "net/remoting/codes.hpp"
#include "storage/format/producer_sequence.hpp"
#include "storage/format/property_text.hpp"

#include <algorithm>
#include <array>
#include <limits>

namespace troupe::remoting {

namespace {

namespace property = storage::property;
using storage::errc;
using storage::error;
using storage::result;

/// RocketMQ's name.
constexpr std::string_view origin_id_property = "ORIGIN_MESSAGE_ID";

constexpr std::int32_t most_level = 18;
/// The first retry waits as level 3 does, each further one a level more.
constexpr std::int32_t first_level = 3;
/// Since RocketMQ 3.4.9 clients say how often a message is tried.
constexpr std::int32_t first_version_that_says = 121;

std::string properties_of(const storage::record_view& origin, std::int32_t level) {
  std::string copied;
  copied.reserve(origin.properties.size() + 128);
  bool has_retry_topic = false;
  std::string_view origin_id;
  storage::for_each_property(origin.properties, [&](auto name, auto value) {
    if (name == origin_id_property)
      origin_id = value;
    if (name == origin_id_property || is_of_origin_alone(name))
      return;
    has_retry_topic = has_retry_topic || name == retry_topic_property;
    storage::append_property(copied, name, value);
  });
  if (!has_retry_topic)
    storage::append_property(copied, retry_topic_property, origin.topic);
  storage::append_property(copied, origin_id_property,
                           origin_id.empty() ? storage::message_id(origin.store_host, origin.offset)
                                             : std::string(origin_id));
  if (level > 0)
    storage::append_property(copied, property::delay, std::to_string(level));
  return copied;
}

} // namespace

bool is_of_origin_alone(std::string_view name) noexcept {
  constexpr std::array names{property::wait,
                             property::delay,
                             property::timer_delay_seconds,
                             property::timer_delay_ms,
                             property::timer_deliver_ms,
                             property::start_deliver_time,
                             property::half_message,
                             property::real_topic,
                             property::real_queue_id,
                             property::record_crc};
  return std::find(names.begin(), names.end(), name) != names.end();
}

std::string retry_topic(std::string_view group) {
  return std::string(retry_prefix).append(group);
}

std::string dead_letter_topic(std::string_view group) {
  return std::string(dead_letter_prefix).append(group);
}

std::string_view group_of_retry_topic(std::string_view topic) noexcept {
  return topic.substr(0, retry_prefix.size()) == retry_prefix ? topic.substr(retry_prefix.size())
                                                              : std::string_view{};
}

std::int32_t most_reconsume_times(std::int32_t client_version, std::int32_t said,
                                  const group_rules& rules) noexcept {
  return said >= 0 && client_version >= first_version_that_says ? said : rules.retry_times;
}

result<sent_back> send_back(const storage::record_view& origin, const send_back_header& request,
                            std::int32_t most_times) {
  if (!origin.has_queue_entry())
    return error{errc::not_found, "the message at offset " + std::to_string(origin.offset) +
                                      " is a part of a transaction, which nobody consumes"};
  sent_back copy;
  auto times = std::clamp(origin.reconsume_times, 0, std::numeric_limits<std::int32_t>::max() - 1);
  copy.dead = request.delay_level < 0 || times >= most_times;
  copy.topic = copy.dead ? dead_letter_topic(request.group) : retry_topic(request.group);
  if (!copy.dead)
    copy.level = request.delay_level > 0 ? std::min(request.delay_level, most_level)
                                         : first_level + std::min(times, most_level - first_level);
  copy.sysflag =
      origin.sysflag & ~(storage::sysflag::sequenced | storage::sysflag::transaction_mask);
  copy.reconsume_times = times + 1;
  copy.properties = properties_of(origin, copy.level);
  if (copy.properties.size() > storage::max_properties_bytes)
    return error{errc::too_large, "the message at offset " + std::to_string(origin.offset) +
                                      " has properties of " +
                                      std::to_string(copy.properties.size()) +
                                      " bytes with those of a retry; at most " +
                                      std::to_string(storage::max_properties_bytes)};
  return copy;
}

std::string without_property(std::string_view properties, std::string_view name) {
  std::string rest;
  rest.reserve(properties.size());
  storage::copy_without({name}, properties, rest);
  return rest;
}

} // namespace troupe::remoting
