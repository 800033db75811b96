#pragma once

#include "storage/delay_levels.hpp"
#include "storage/format/record.hpp"

#include <cstdint>
#include <string>
#include <string_view>

/// A message that is to be delivered later waits in the topic `delay_topic`, in the queue of its
/// level, and its properties say where it belongs (docs/files.md, "Delayed messages"). When it is
/// due it is stored once more, in its own topic.
namespace troupe::storage {

/// Queues of the delay topic, by level.
constexpr std::int32_t delay_queue(std::int32_t level) noexcept {
  return level - 1;
}
constexpr std::int32_t delay_level_of(std::int32_t queue_id) noexcept {
  return queue_id + 1;
}

/// The delay level that a message asks for; 0, also when what it says is no number, for none.
std::int32_t asked_level(std::string_view properties) noexcept;

/// Refuses a delay level that is no number, and properties that do not fit once they also say where
/// the message belongs.
result<void> check_delay(std::string_view properties, std::string_view topic,
                         std::int32_t queue_id);

/// Writes to `out` the properties with which a message for `queue_id` of `topic` waits, and answers
/// its level: the highest there is, if it asked for a higher one. The message must ask for one.
/// `too_large` when they do not fit.
result<std::int32_t> put_off(std::string_view properties, std::string_view topic,
                             std::int32_t queue_id, const delay_levels& levels, std::string& out);

/// What a message becomes that has waited until its level is over.
struct due_message {
  std::string topic;
  std::int32_t queue_id = 0;
  std::int32_t sysflag = 0;
  std::string properties;
};
/// `corrupt` when the waiting record does not say where it belongs, or names a place that no
/// message can have.
///
/// A timer message comes as RocketMQ's do, with TIMER_OUT_MS and without what says where it
/// belongs; one whose time has not come at `now_ms` asks for it once more
/// (storage/format/timer_message.hpp).
result<due_message> due(const record_view& waiting, std::int64_t now_ms);

} // namespace troupe::storage
