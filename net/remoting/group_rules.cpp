#include "net/remoting/group_rules.hpp"

#include "net/remoting/json_members.hpp"
#include "storage/tables/fastjson.hpp"

#include <boost/json/object.hpp>

#include <limits>

namespace troupe::remoting {

namespace {

/// As the table of groups takes them (storage/tables/group_table.cpp).
constexpr std::int64_t most_retry_queues = 1024;
constexpr std::int64_t most_retry_times = 10'000;
constexpr auto most_broker = std::numeric_limits<std::int64_t>::max();

void take(const json_members& settings, const char* name, bool& value) {
  if (auto* found = settings.find(name); found != nullptr && found->is_bool())
    value = found->get_bool();
}

/// Without the member, or beyond 0 to `most`, the value stays.
template <class Integer>
void take(const json_members& settings, const char* name, std::int64_t most, Integer& value) {
  auto* found = settings.find(name);
  if (found == nullptr || found->is_null())
    return;
  auto number = settings.integer(name);
  if (number && number.value() >= 0 && number.value() <= most)
    value = static_cast<Integer>(number.value());
}

} // namespace

group_rules read_group_rules(std::string_view settings) {
  group_rules rules;
  auto parsed = storage::parse_fastjson(settings, "settings of a group");
  if (!parsed || !parsed.value().is_object())
    return rules;
  json_members members(parsed.value().get_object(), "settings of a group");
  take(members, "consumeEnable", rules.consume);
  take(members, "consumeBroadcastEnable", rules.broadcast);
  take(members, "notifyConsumerIdsChangedEnable", rules.notify);
  take(members, "retryQueueNums", most_retry_queues, rules.retry_queues);
  take(members, "retryMaxTimes", most_retry_times, rules.retry_times);
  take(members, "brokerId", most_broker, rules.broker);
  return rules;
}

} // namespace troupe::remoting
