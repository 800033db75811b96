#pragma once

#include "storage/delay_levels.hpp"
#include "storage/error.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

/// A message that asks for a time of delivery, as RocketMQ 5's timer messages do: by
/// TIMER_DELAY_SEC or TIMER_DELAY_MS from when it is stored, or by TIMER_DELIVER_MS or Aliyun's
/// __STARTDELIVERTIME, in milliseconds since 1970. The first of these that it has counts, and none
/// beside a delay level (RocketMQ: HookUtils.handleScheduleMessage).
///
/// Until its time it waits like a message with a delay level, one level after the other, each time
/// the longest that does not last beyond it (docs/files.md, "Delayed messages"). So a waiting one
/// costs no memory, the queues stay in order, and what waits is never older than the longest level.
namespace troupe::storage {

/// The message may ask for a time. Cheap, for every message: most do not.
bool may_ask_for_time(std::string_view properties) noexcept;

/// When it is to come, were it stored now; nothing when it asks for no time. `invalid_argument`
/// when what it asks for is no time.
result<std::optional<std::int64_t>> asked_time(std::string_view properties, std::int64_t now_ms);
/// It asks for a time, or for what is none.
bool asks_for_time(std::string_view properties);

/// Refuses a time that is none.
result<void> check_timer(std::string_view properties);
/// Refuses a time further ahead than `most_ms`. Not for one that has waited before.
result<void> check_timer_limit(std::int64_t deliver_ms, std::int64_t now_ms, std::int64_t most_ms);
/// The message has waited before, or says so.
bool has_waited(std::string_view properties) noexcept;

/// Its properties with the time alone, and nothing of an earlier wait.
std::string with_time(std::string_view properties, std::int64_t deliver_ms);

/// The level that it waits in now: the longest that is over by its time, or the shortest. Its time
/// must be to come.
std::int32_t level_until(std::int64_t deliver_ms, std::int64_t now_ms,
                         const delay_levels& levels) noexcept;

/// Writes to `out` the properties with which a message for `queue_id` of `topic` waits in `level`.
/// TIMER_DELAY_MS says what is left when the level is over: a RocketMQ 5 that finds the message
/// there makes its own timer message of it. `too_large` when they do not fit.
result<void> put_off_until(std::string_view properties, std::string_view topic,
                           std::int32_t queue_id, std::int64_t deliver_ms, std::int64_t now_ms,
                           std::int32_t level, const delay_levels& levels, std::string& out);

/// Of a message that waits: when it is to come, if it asked for a time.
std::optional<std::int64_t> waits_until(std::string_view properties) noexcept;

} // namespace troupe::storage
