#include "storage/format/timer_message.hpp"

#include "storage/format/property_text.hpp"
#include "storage/options.hpp"

#include <algorithm>
#include <charconv>
#include <limits>

namespace troupe::storage {

namespace {

constexpr std::int64_t any_time = 1'700'000'000'000;
constexpr auto largest = std::numeric_limits<std::int64_t>::max();

std::optional<std::int64_t> number_of(std::string_view text) noexcept {
  std::int64_t number = 0;
  auto* end = text.data() + text.size();
  auto [stop, failure] = std::from_chars(text.data(), end, number);
  if (failure != std::errc{} || stop != end)
    return std::nullopt;
  return number;
}

/// What a message says of its time.
struct wishes {
  std::string_view delay_seconds;
  std::string_view delay_ms;
  std::string_view deliver_ms;
  std::string_view start_ms;
  bool out = false; ///< it has waited

  explicit wishes(std::string_view properties) noexcept {
    for_each_property(properties, [this](std::string_view name, std::string_view value) {
      if (name == property::timer_delay_seconds)
        delay_seconds = value;
      else if (name == property::timer_delay_ms)
        delay_ms = value;
      else if (name == property::timer_deliver_ms)
        deliver_ms = value;
      else if (name == property::start_deliver_time)
        start_ms = value;
      else if (name == property::timer_out_ms)
        out = true;
    });
  }
};

result<std::optional<std::int64_t>> time_of(std::string_view name, std::string_view text,
                                            std::int64_t from_ms, std::int64_t unit) {
  auto number = number_of(text);
  // Nobody asks for what cannot be counted; a time that is over is right.
  auto most = (largest - std::max<std::int64_t>(from_ms, 0)) / unit;
  if (!number || *number > most || *number < -most)
    return error{errc::invalid_argument,
                 "timer message illegal: property " + std::string(name) + " is no time"};
  return std::optional(from_ms + *number * unit);
}

} // namespace

bool may_ask_for_time(std::string_view properties) noexcept {
  constexpr auto none = std::string_view::npos;
  return properties.find("TIMER_DEL") != none ||
         properties.find(property::start_deliver_time) != none;
}

result<std::optional<std::int64_t>> asked_time(std::string_view properties, std::int64_t now_ms) {
  if (!may_ask_for_time(properties))
    return std::optional<std::int64_t>{};
  wishes asked(properties);
  if (asked.out)
    return std::optional<std::int64_t>{};
  if (!asked.delay_seconds.empty())
    return time_of(property::timer_delay_seconds, asked.delay_seconds, now_ms, 1000);
  if (!asked.delay_ms.empty())
    return time_of(property::timer_delay_ms, asked.delay_ms, now_ms, 1);
  if (!asked.deliver_ms.empty())
    return time_of(property::timer_deliver_ms, asked.deliver_ms, 0, 1);
  if (!asked.start_ms.empty())
    return time_of(property::start_deliver_time, asked.start_ms, 0, 1);
  return std::optional<std::int64_t>{};
}

bool asks_for_time(std::string_view properties) {
  auto time = asked_time(properties, any_time);
  return !time || time.value();
}

result<void> check_timer(std::string_view properties) {
  TROUPE_TRY(asked_time(properties, any_time));
  return boost::outcome_v2::success();
}

result<void> check_timer_limit(std::int64_t deliver_ms, std::int64_t now_ms, std::int64_t most_ms) {
  if (deliver_ms > now_ms && deliver_ms - now_ms > most_ms)
    return error{errc::invalid_argument,
                 "timer message illegal: the delay time must not be longer than the longest, " +
                     std::to_string(most_ms) + " ms (timer-max-delay)"};
  return boost::outcome_v2::success();
}

bool has_waited(std::string_view properties) noexcept {
  return !find_property(properties, property::real_topic).empty();
}

std::string with_time(std::string_view properties, std::int64_t deliver_ms) {
  std::string out;
  out.reserve(properties.size() + 32);
  copy_without({property::timer_delay_seconds, property::timer_delay_ms, property::timer_deliver_ms,
                property::start_deliver_time, property::real_topic, property::real_queue_id},
               properties, out);
  append_property(out, property::timer_deliver_ms, std::to_string(deliver_ms));
  return out;
}

std::int32_t level_until(std::int64_t deliver_ms, std::int64_t now_ms,
                         const delay_levels& levels) noexcept {
  auto left = deliver_ms - now_ms;
  std::int32_t best = 0;
  std::int32_t least = 1;
  for (std::int32_t level = 1; level <= levels.highest(); ++level) {
    auto delay = *levels.of(level);
    if (delay < *levels.of(least))
      least = level;
    if (delay <= left && (best == 0 || delay > *levels.of(best)))
      best = level;
  }
  return best == 0 ? least : best;
}

result<void> put_off_until(std::string_view properties, std::string_view topic,
                           std::int32_t queue_id, std::int64_t deliver_ms, std::int64_t now_ms,
                           std::int32_t level, const delay_levels& levels, std::string& out) {
  copy_without({property::delay, property::real_topic, property::real_queue_id,
                property::timer_delay_seconds, property::timer_delay_ms, property::timer_deliver_ms,
                property::start_deliver_time},
               properties, out);
  append_property(out, property::delay, std::to_string(level));
  append_property(out, property::real_topic, topic);
  append_property(out, property::real_queue_id, std::to_string(queue_id));
  append_property(out, property::timer_deliver_ms, std::to_string(deliver_ms));
  if (auto left = deliver_ms - now_ms - levels.of(level).value_or(0); left > 0)
    append_property(out, property::timer_delay_ms, std::to_string(left));
  if (out.size() > max_properties_bytes)
    return error{errc::too_large, "properties of " + std::to_string(out.size()) +
                                      " bytes, with what a timer message waits with; at most " +
                                      std::to_string(max_properties_bytes)};
  return boost::outcome_v2::success();
}

std::optional<std::int64_t> waits_until(std::string_view properties) noexcept {
  if (properties.find(property::timer_deliver_ms) == std::string_view::npos)
    return std::nullopt;
  wishes said(properties);
  // Another broker that knows no timers may have left a message here with what its sender wrote.
  if (!said.delay_seconds.empty() || !said.start_ms.empty())
    return std::nullopt;
  auto time = number_of(said.deliver_ms);
  return time && *time > 0 ? time : std::nullopt;
}

} // namespace troupe::storage
