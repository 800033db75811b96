#pragma once

#include <cstdint>
#include <string_view>

namespace troupe::remoting {

/// What a consumer group's settings (RocketMQ's SubscriptionGroupConfig) change here. One that was
/// given none has these.
struct group_rules {
  bool consume = true;           ///< `consumeEnable`
  bool broadcast = true;         ///< `consumeBroadcastEnable`
  bool notify = true;            ///< `notifyConsumerIdsChangedEnable`
  std::int32_t retry_queues = 1; ///< `retryQueueNums`; 0: what fails is not tried again
  std::int32_t retry_times = 16; ///< `retryMaxTimes`, where the client says nothing
  std::int64_t broker = 0;       ///< `brokerId`: whom to pull from

  friend bool operator==(const group_rules&, const group_rules&) = default;
};

/// Reads a group's settings, a JSON object. What is missing or cannot be is as if nobody had said
/// it: a group must not stand still for it.
group_rules read_group_rules(std::string_view settings);

} // namespace troupe::remoting
