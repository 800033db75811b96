#include "net/gateway/message_tally.hpp"

#include "storage/clock.hpp"
#include "storage/tables/offset_table.hpp"

namespace troupe::net {

void message_tally::put(const std::string& topic, std::uint64_t messages) {
  if (messages == 0)
    return;
  auto now = clock_.now_ms();
  counts_.add(remoting::topic_puts, topic, messages, now);
  counts_.add(remoting::broker_puts, broker_, messages, now);
  puts_.add(messages, storage::system_wall_clock().now_ms());
}

void message_tally::got(const std::string& topic, const std::string& group,
                        std::uint64_t messages) {
  if (messages == 0)
    return;
  auto now = clock_.now_ms();
  counts_.add(remoting::topic_gets, topic, messages, now);
  if (storage::check_group_name(group)) // clients may write anything there
    counts_.add(remoting::group_gets, topic + '@' + group, messages, now);
  counts_.add(remoting::broker_gets, broker_, messages, now);
  gets_.add(messages, storage::system_wall_clock().now_ms());
}

} // namespace troupe::net
