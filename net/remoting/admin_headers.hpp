#pragma once

#include "net/remoting/fields.hpp"

#include <cstdint>
#include <string>
#include <string_view>

/// What operators' requests carry in their ext fields, by RocketMQ's names.
namespace troupe::remoting {

/// UPDATE_AND_CREATE_TOPIC (17).
struct topic_config_header {
  std::string topic;
  std::int32_t read_queues = 0;
  std::int32_t write_queues = 0;
  std::int32_t perm = 0;
  std::int32_t sysflag = 0;
  bool order = false;
  std::string attributes; ///< of RocketMQ 5: "+name=value,..."
};
template <class Fields>
void describe(Fields& f, topic_config_header& h) {
  f("topic", h.topic);
  f("readQueueNums", h.read_queues);
  f("writeQueueNums", h.write_queues);
  f("perm", h.perm);
  f.optional("topicSysFlag", h.sysflag);
  f.optional("order", h.order);
  f.optional("attributes", h.attributes);
}

/// GET_TOPIC_STATS_INFO (202), DELETE_TOPIC_IN_BROKER (215), DELETE_TOPIC_IN_NAMESRV (216),
/// QUERY_TOPIC_CONSUME_BY_WHO (300), GET_TOPIC_CONFIG (351).
struct topic_header {
  std::string topic;
};
template <class Fields>
void describe(Fields& f, topic_header& h) {
  f("topic", h.topic);
}

/// GET_TOPICS_BY_CLUSTER (224).
struct cluster_header {
  std::string cluster;
};
template <class Fields>
void describe(Fields& f, cluster_header& h) {
  f("cluster", h.cluster);
}

/// GET_CONSUME_STATS (208).
struct consume_stats_header {
  std::string group;
  std::string topic; ///< empty: all that the group consumes
};
template <class Fields>
void describe(Fields& f, consume_stats_header& h) {
  f("consumerGroup", h.group);
  f.optional("topic", h.topic);
}

/// GET_PRODUCER_CONNECTION_LIST (204).
struct producer_group_header {
  std::string group;
};
template <class Fields>
void describe(Fields& f, producer_group_header& h) {
  f("producerGroup", h.group);
}

/// DELETE_SUBSCRIPTIONGROUP (207).
struct delete_group_header {
  std::string group;
  bool clean_offset = false;
  bool remove_offset = false; ///< the same, from 4.9
};
template <class Fields>
void describe(Fields& f, delete_group_header& h) {
  f("groupName", h.group);
  f.optional("cleanOffset", h.clean_offset);
  f.optional("removeOffset", h.remove_offset);
}

/// GET_SUBSCRIPTIONGROUP_CONFIG (352).
struct settings_header {
  std::string group;
};
template <class Fields>
void describe(Fields& f, settings_header& h) {
  f("group", h.group);
}

/// INVOKE_BROKER_TO_RESET_OFFSET (222), and RESET_CONSUMER_CLIENT_OFFSET (220) to the clients.
struct reset_header {
  std::string topic;
  std::string group;
  std::int64_t time_ms = 0; ///< -1: to the end
  bool force = false;       ///< also forwards
};
template <class Fields>
void describe(Fields& f, reset_header& h) {
  f("topic", h.topic);
  f("group", h.group);
  f("timestamp", h.time_ms);
  f("isForce", h.force);
}
/// What RocketMQ 5 adds to 222.
struct reset_one_header {
  std::int32_t queue_id = -1; ///< -1: all queues
  std::int64_t offset = -1;   ///< -1: by time
};
template <class Fields>
void describe(Fields& f, reset_one_header& h) {
  f.optional("queueId", h.queue_id);
  f.optional("offset", h.offset);
}

/// WIPE_WRITE_PERM_OF_BROKER (205), ADD_WRITE_PERM_OF_BROKER (327).
struct broker_name_header {
  std::string broker;
};
template <class Fields>
void describe(Fields& f, broker_name_header& h) {
  f("brokerName", h.broker);
}
struct wiped_answer {
  std::size_t topics = 0;
};
template <class Fields>
void describe(Fields& f, wiped_answer& h) {
  f("wipeTopicCount", h.topics);
}
struct added_answer {
  std::size_t topics = 0;
};
template <class Fields>
void describe(Fields& f, added_answer& h) {
  f("addTopicCount", h.topics);
}

/// CLONE_GROUP_OFFSET (314).
struct clone_header {
  std::string from_group;
  std::string to_group;
  std::string topic; ///< empty: all topics
};
template <class Fields>
void describe(Fields& f, clone_header& h) {
  f("srcGroup", h.from_group);
  f("destGroup", h.to_group);
  f.optional("topic", h.topic);
}

/// GET_CONSUMER_RUNNING_INFO (307).
struct client_header {
  std::string group;
  std::string client_id;
};
template <class Fields>
void describe(Fields& f, client_header& h) {
  f("consumerGroup", h.group);
  f("clientId", h.client_id);
}

/// CONSUME_MESSAGE_DIRECTLY (309).
struct consume_header {
  std::string group;
  std::string client_id;
  std::string message_id;
};
template <class Fields>
void describe(Fields& f, consume_header& h) {
  f("consumerGroup", h.group);
  f.optional("clientId", h.client_id);
  f.optional("msgId", h.message_id);
}

/// INVOKE_BROKER_TO_GET_CONSUMER_STATUS (223), and GET_CONSUMER_STATUS_FROM_CLIENT (221) to the
/// clients.
struct status_header {
  std::string topic;
  std::string group;
  std::string client_id; ///< empty: all clients
};
template <class Fields>
void describe(Fields& f, status_header& h) {
  f("topic", h.topic);
  f("group", h.group);
  f.optional("clientAddr", h.client_id);
}

/// QUERY_TOPICS_BY_CONSUMER (343), QUERY_SUBSCRIPTION_BY_CONSUMER (345).
struct consumed_header {
  std::string group;
  std::string topic;
};
template <class Fields>
void describe(Fields& f, consumed_header& h) {
  f("group", h.group);
  f.optional("topic", h.topic);
}

/// QUERY_CONSUME_TIME_SPAN (303).
struct time_span_header {
  std::string topic;
  std::string group;
};
template <class Fields>
void describe(Fields& f, time_span_header& h) {
  f("topic", h.topic);
  f("group", h.group);
}

/// QUERY_CORRECTION_OFFSET (308).
struct correction_header {
  std::string topic;
  std::string compare_group;
  std::string filter_groups; ///< that do not count, parted by commas
};
template <class Fields>
void describe(Fields& f, correction_header& h) {
  f("topic", h.topic);
  f("compareGroup", h.compare_group);
  f.optional("filterGroups", h.filter_groups);
}

/// GET_BROKER_CONSUME_STATS (317).
struct all_stats_header {
  bool only_ordered = false;
};
template <class Fields>
void describe(Fields& f, all_stats_header& h) {
  f("isOrder", h.only_ordered);
}

/// QUERY_CONSUME_QUEUE (321).
struct queue_entries_header {
  std::string topic;
  std::int32_t queue_id = 0;
  std::int64_t index = 0;
  std::int32_t count = 0;
  std::string group; ///< whose subscription is shown, too; may be empty
};
template <class Fields>
void describe(Fields& f, queue_entries_header& h) {
  f("topic", h.topic);
  f("queueId", h.queue_id);
  f("index", h.index);
  f("count", h.count);
  f.optional("consumerGroup", h.group);
}

/// VIEW_BROKER_STATS_DATA (315).
struct stats_header {
  std::string name;
  std::string key;
};
template <class Fields>
void describe(Fields& f, stats_header& h) {
  f("statsName", h.name);
  f("statsKey", h.key);
}

} // namespace troupe::remoting
