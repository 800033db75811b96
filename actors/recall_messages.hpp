#pragma once

#include <cstdint>
#include <string>

/// What is said of timer messages that are recalled, inside a process.
namespace troupe {

/// The message is not to come. Answered when that is durable, and what was being delivered when it
/// came has ended.
struct message_recall {
  std::string topic;
  std::string unique_key;
  std::int64_t deliver_ms = 0; ///< its time, since 1970
};
template <class Inspector>
auto inspect(Inspector& f, message_recall& x) {
  return fields(f, "message_recall", x.topic, x.unique_key, x.deliver_ms);
}

} // namespace troupe
