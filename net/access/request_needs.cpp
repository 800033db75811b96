#include "net/access/request_needs.hpp"

#include "net/remoting/assignment.hpp"
#include "net/remoting/codes.hpp"
#include "net/remoting/heartbeat.hpp"
#include "net/remoting/pop.hpp"
#include "net/remoting/queue_locks.hpp"

namespace troupe::access {

namespace {

namespace code = remoting::request_code;

// Not answered by a desk of ours, or not yet: but clients, not operators, send them.
constexpr std::int32_t get_earliest_time = 32;
constexpr std::int32_t end_transaction = 37;
constexpr std::int32_t check_client_config = 46;

/// Where clients store what they trace. Whoever has an account may write it.
constexpr std::string_view trace_topic = "RMQ_SYS_TRACE_TOPIC";

class collector {
public:
  explicit collector(const remoting::command& from) : from_(from) {}

  void topic(const std::string& name, std::uint8_t rights) {
    if (auto wanted = need_for_topic(name, rights))
      result.needs.push_back(std::move(*wanted));
  }
  void group(const std::string& name) { result.needs.push_back({true, name, right::sub}); }
  /// A topic of which a group's messages were popped: where those lie that came back is the
  /// group's.
  void popped(const std::string& name, const std::string& by) {
    auto prefix = remoting::pop_retry_topic("", by);
    if (!by.empty() && name.starts_with(prefix))
      topic(name.substr(prefix.size()), right::sub);
    else
      topic(name, right::sub);
    group(by);
  }
  void popped_in() {
    auto* name = from_.ext.find("topic");
    auto* by = from_.ext.find("consumerGroup");
    if (name != nullptr && by != nullptr)
      popped(*name, *by);
  }
  storage::result<void> acks(remoting::byte_view body) {
    TROUPE_TRY(auto said, remoting::read_batch_ack(body));
    for (auto& ack : said)
      popped(ack.topic, ack.group);
    return boost::outcome_v2::success();
  }
  storage::result<void> assignment(remoting::byte_view body) {
    TROUPE_TRY(auto said, remoting::read_assignment_query(body));
    popped(said.topic, said.group);
    return boost::outcome_v2::success();
  }
  /// By a request whose body says it.
  storage::result<void> said_in(remoting::byte_view body) {
    switch (from_.code) {
    case code::heart_beat:
      return heartbeat(body);
    case code::batch_ack_message:
      return acks(body);
    case code::query_assignment:
      return assignment(body);
    default:
      return locks(body);
    }
  }
  // A field that is missing names nothing; its desk refuses the request if it needs it.
  void topic_in(std::string_view field, std::uint8_t rights) {
    if (auto* name = from_.ext.find(field))
      topic(*name, rights);
  }
  void group_in(std::string_view field) {
    if (auto* name = from_.ext.find(field); name != nullptr && !name->empty())
      group(*name);
  }
  storage::result<void> heartbeat(remoting::byte_view body) {
    TROUPE_TRY(auto said, remoting::read_heartbeat(body));
    for (auto& consumer : said.consumers) {
      group(consumer.group);
      for (auto& subscribed : consumer.subscriptions)
        topic(subscribed.topic, right::sub);
    }
    return boost::outcome_v2::success();
  }
  storage::result<void> locks(remoting::byte_view body) {
    TROUPE_TRY(auto said, remoting::read_lock_body(body));
    group(said.group);
    std::string last; // mostly all are of one topic
    for (auto& queue : said.queues)
      if (queue.topic != last)
        topic(last = queue.topic, right::sub);
    return boost::outcome_v2::success();
  }

  request_needs result;

private:
  const remoting::command& from_;
};

} // namespace

std::optional<need> need_for_topic(const std::string& topic, std::uint8_t rights) {
  if (topic.starts_with(remoting::retry_prefix))
    return need{true, topic.substr(remoting::retry_prefix.size()), right::sub};
  if (topic == trace_topic && rights == right::pub)
    return std::nullopt;
  return need{false, topic, rights};
}

storage::result<request_needs> needs_of(const remoting::command& header, remoting::byte_view body) {
  collector all(header);
  switch (header.code) {
  case code::get_routeinfo_by_topic:
  case code::get_broker_cluster_info:
    all.result.open = true;
    break;
  case code::send_message:
  case code::send_reply_message:
    all.topic_in("topic", right::pub);
    break;
  case code::send_message_v2:
  case code::send_batch_message:
  case code::send_reply_message_v2:
    all.topic_in("b", right::pub);
    break;
  case code::pull_message:
  case code::lite_pull_message:
  case code::query_consumer_offset:
  case code::update_consumer_offset:
    all.topic_in("topic", right::sub);
    all.group_in("consumerGroup");
    break;
  case code::query_message:
    all.topic_in("topic", right::sub);
    break;
  case code::search_offset_by_timestamp:
  case code::get_max_offset:
  case code::get_min_offset:
  case get_earliest_time:
    all.topic_in("topic", right::either);
    break;
  case code::consumer_send_msg_back: // names a place in the log, too: as end_transaction
    all.group_in("group");
    break;
  case code::get_consumer_list_by_group:
  case code::unregister_client:
    all.group_in("consumerGroup");
    break;
  case code::pop_message:
  case code::peek_message:
  case code::notification:
  case code::polling_info:
  case code::ack_message:
  case code::change_message_invisibletime:
    all.popped_in();
    break;
  case code::heart_beat:
  case code::lock_batch_mq:
  case code::unlock_batch_mq:
  case code::batch_ack_message:
  case code::query_assignment: {
    TROUPE_TRY(all.said_in(body));
    break;
  }
  case end_transaction: // it names a place in the log: its desk asks for the right (need_for_topic)
  case check_client_config:
    break;
  default:
    all.result.admin = true;
  }
  return std::move(all.result);
}

} // namespace troupe::access
