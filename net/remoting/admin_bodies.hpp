#pragma once

#include "net/remoting/heartbeat.hpp"
#include "net/remoting/message_counts.hpp"
#include "net/remoting/route.hpp"
#include "storage/tables/topic_info.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// Bodies of operators' requests and of the answers to them, in fastjson's dialect: the tools want
/// tables of queues keyed by objects.
namespace troupe::remoting {

/// Settings of a topic. 21, 351.
std::string write_topic(const storage::topic_info& topic);
std::string write_all_topics(const std::vector<storage::topic_info>& topics);

/// {"topicList":[...]}: 206, 224, 304, 305, 343. With the address of a broker that knows more.
std::string write_topic_names(const std::vector<std::string>& topics,
                              const std::string& broker_address = {});
/// The topics that a broker of RocketMQ has from the start.
std::vector<std::string> own_topics(const broker_address& at);
/// Whether attributes of a topic ("+name=value,-name") ask for what every topic here is.
bool changes_nothing(std::string_view attributes) noexcept;
/// {"groupList":[...]}: 300.
std::string write_group_names(const std::vector<std::string>& groups);

/// A queue in a table of queues.
struct queue_key {
  std::string topic;
  std::int32_t queue_id = 0;
};

/// GET_TOPIC_STATS_INFO (202).
struct queue_stats {
  queue_key queue;
  std::int64_t min = 0;
  std::int64_t max = 0;
  std::int64_t updated_ms = 0; ///< of its newest message; 0: it has none
};
std::string write_topic_stats(const std::string& broker, const std::vector<queue_stats>& queues,
                              double put_tps);

/// GET_CONSUME_STATS (208).
struct consume_stats {
  queue_key queue;
  std::int64_t broker_offset = 0;
  std::int64_t consumer_offset = 0;
  std::int64_t pull_offset = 0; ///< what was handed out but not consumed is in flight
  std::int64_t last_ms = 0;     ///< store time of the last message that was consumed; 0: unknown
};
std::string write_consume_stats(const std::string& broker, const std::vector<consume_stats>& queues,
                                double consume_tps);

/// GET_BROKER_CONSUME_STATS (317): what `write_consume_stats` made of each topic of each group.
struct group_stats {
  std::string group;
  std::vector<std::string> topics;
};
std::string write_all_consume_stats(const std::string& broker_address,
                                    const std::vector<group_stats>& groups,
                                    std::int64_t total_behind, std::int64_t total_in_flight);

/// QUERY_CONSUME_TIME_SPAN (303). Store times; -1: there is no such message.
struct time_span {
  queue_key queue;
  std::int64_t min_ms = -1;
  std::int64_t max_ms = -1;
  std::int64_t consumed_ms = -1; ///< of the last message that was consumed
  std::int64_t delay_ms = 0;     ///< age of the first one that was not
};
std::string write_time_spans(const std::string& broker, const std::vector<time_span>& queues);

/// QUERY_CORRECTION_OFFSET (308), by queue.
std::string write_corrections(const std::map<std::int32_t, std::int64_t>& offsets);

/// QUERY_CONSUME_QUEUE (321).
struct queue_entry_line {
  std::int64_t offset = 0;
  std::uint32_t size = 0;
  std::int64_t tags_code = 0;
};
struct queue_entries {
  std::int64_t min = 0;
  std::int64_t max = 0;
  std::vector<queue_entry_line> lines;
  std::string group; ///< that was asked about; empty: none
  std::string topic;
};
std::string write_queue_entries(const queue_entries& what, const subscription* found);

/// RESET_CONSUMER_CLIENT_OFFSET (220), and the answer to 222.
struct reset_queue {
  queue_key queue;
  std::int64_t offset = 0;
};
std::string write_reset_offsets(const std::string& broker, const std::vector<reset_queue>& queues);

/// GET_BROKER_RUNTIME_INFO (28).
using named_texts = std::vector<std::pair<std::string, std::string>>;
std::string write_runtime_info(const named_texts& table);
/// GET_BROKER_CONFIG (26): lines of a properties file.
std::string write_properties(const named_texts& table);

/// A client in a list of connections.
struct client_connection {
  std::string client_id;
  std::string address;
  std::uint8_t language = own_language;
  std::int32_t version = own_version;
};
/// GET_PRODUCER_CONNECTION_LIST (204).
std::string write_producers(const std::vector<client_connection>& clients);
/// GET_CONSUMER_CONNECTION_LIST (203).
std::string write_consumers(const std::vector<client_connection>& clients,
                            const consumer_data& group);

/// UPDATE_AND_CREATE_SUBSCRIPTIONGROUP (200): the group's name; the body itself holds its settings.
storage::result<std::string> read_group_name(storage::byte_view body);
/// Settings as RocketMQ gives them to a group that nobody gave any.
std::string default_group_settings(const std::string& group);
/// The groups that a broker of RocketMQ has from the start.
const std::vector<std::string>& own_groups();
/// GET_ALL_SUBSCRIPTIONGROUP_CONFIG (201), of names and settings that are JSON already.
std::string write_group_settings(const named_texts& groups);

/// GET_ALL_PRODUCER_INFO (328): the clients of each group.
using producer_table = std::vector<std::pair<std::string, std::vector<client_connection>>>;
std::string write_producer_table(const producer_table& groups);
/// QUERY_SUBSCRIPTION_BY_CONSUMER (345); null for a group that does not subscribe.
std::string write_group_subscription(const std::string& group, const std::string& topic,
                                     const subscription* found);

/// The JSON of a member of a body, as it is there; empty when there is none or it has no end.
std::string member_text(storage::byte_view body, std::string_view name);
/// Answer to INVOKE_BROKER_TO_GET_CONSUMER_STATUS (223), of clients' ids and their tables.
std::string write_consumer_status(const named_texts& tables);
/// The offset in a message id that the store gave.
std::optional<std::int64_t> offset_in(std::string_view message_id) noexcept;

/// GET_ALL_CONSUMER_OFFSET (43): offsets in the order of their groups and topics.
struct stored_offset {
  std::string group;
  queue_key queue;
  std::int64_t offset = 0;
};
std::string write_stored_offsets(const std::vector<stored_offset>& offsets);

/// VIEW_BROKER_STATS_DATA (315).
std::string write_message_rates(const message_rates& rates);

} // namespace troupe::remoting
