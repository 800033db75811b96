#include "storage/format/delayed_message.hpp"

#include "storage/format/producer_sequence.hpp"
#include "storage/format/property_text.hpp"
#include "storage/format/system_topics.hpp"
#include "storage/format/timer_message.hpp"

#include <algorithm>
#include <charconv>
#include <optional>

namespace troupe::storage {

namespace {

std::optional<std::int32_t> number_of(std::string_view text) noexcept {
  std::int32_t number = 0;
  auto* end = text.data() + text.size();
  auto [stop, failure] = std::from_chars(text.data(), end, number);
  if (failure != std::errc{} || stop != end)
    return std::nullopt;
  return number;
}

/// The value of DELAY. Most messages have none, and that is seen without taking the text apart.
std::string_view delay_text(std::string_view properties) noexcept {
  constexpr std::string_view beginning = "DELAY\1";
  if (properties.find(beginning) == std::string_view::npos)
    return {};
  return find_property(properties, property::delay);
}

error too_long(std::size_t bytes) {
  return {errc::too_large, "properties of " + std::to_string(bytes) +
                               " bytes, with the topic and the queue that a delayed message waits "
                               "for; at most " +
                               std::to_string(max_properties_bytes)};
}

/// Where it belongs, and `room` for a level of any length.
std::size_t bytes_beside(std::string_view topic, std::int32_t queue_id) {
  constexpr std::size_t separators = 4;
  return property::real_topic.size() + topic.size() + property::real_queue_id.size() +
         std::to_string(queue_id).size() + separators;
}

} // namespace

std::int32_t asked_level(std::string_view properties) noexcept {
  return std::max(0, number_of(delay_text(properties)).value_or(0));
}

result<void> check_delay(std::string_view properties, std::string_view topic,
                         std::int32_t queue_id) {
  if (may_ask_for_time(properties) && asked_level(properties) == 0) {
    TROUPE_TRY(check_timer(properties));
  }
  auto text = delay_text(properties);
  if (text.empty())
    return boost::outcome_v2::success();
  auto level = number_of(text);
  if (!level)
    return error{errc::invalid_argument, "property DELAY must be the number of a delay level"};
  // The last pair may lack its end.
  auto bytes = properties.size() + 1 + bytes_beside(topic, queue_id);
  if (*level > 0 && bytes > max_properties_bytes)
    return too_long(bytes);
  return boost::outcome_v2::success();
}

result<std::int32_t> put_off(std::string_view properties, std::string_view topic,
                             std::int32_t queue_id, const delay_levels& levels, std::string& out) {
  auto level = std::clamp(asked_level(properties), 1, levels.highest());
  // What it says of a place already is of an earlier wait.
  // A level is more than a time (storage/format/timer_message.hpp).
  copy_without({property::delay, property::real_topic, property::real_queue_id,
                property::timer_delay_seconds, property::timer_delay_ms, property::timer_deliver_ms,
                property::start_deliver_time},
               properties, out);
  append_property(out, property::delay, std::to_string(level));
  append_property(out, property::real_topic, topic);
  append_property(out, property::real_queue_id, std::to_string(queue_id));
  if (out.size() > max_properties_bytes)
    return too_long(out.size());
  return level;
}

result<due_message> due(const record_view& waiting, std::int64_t now_ms) {
  due_message message;
  message.topic = find_property(waiting.properties, property::real_topic);
  if (auto good = check_topic_name(message.topic); !good)
    return error{errc::corrupt, "its property REAL_TOPIC names no topic: " + good.error().message};
  if (!takes_messages(message.topic))
    return error{errc::corrupt, "its property REAL_TOPIC names " + message.topic +
                                    ", one of RocketMQ's own, which nobody writes to"};
  auto queue = number_of(find_property(waiting.properties, property::real_queue_id));
  if (!queue || *queue < 0 || *queue >= static_cast<std::int32_t>(max_queues_per_topic))
    return error{errc::corrupt, "its property REAL_QID names no queue"};
  message.queue_id = *queue;
  // Its producer's number is that of the record that waited. The hosts' forms are the new record's.
  message.sysflag =
      waiting.sysflag & ~(sysflag::sequenced | sysflag::born_host_v6 | sysflag::store_host_v6);
  message.properties.reserve(waiting.properties.size());
  // One whose time has not come asks for it once more; another one is marked, so that nobody lets
  // it wait again by another clock.
  auto time = waits_until(waiting.properties);
  bool over = time && *time <= now_ms;
  copy_without({property::delay, property::record_crc, property::timer_delay_seconds,
                property::timer_delay_ms, property::start_deliver_time,
                time ? property::delay : property::timer_deliver_ms,
                over ? property::real_topic : property::delay,
                over ? property::real_queue_id : property::delay},
               waiting.properties, message.properties);
  if (over)
    append_property(message.properties, property::timer_out_ms, std::to_string(*time));
  return message;
}

} // namespace troupe::storage
