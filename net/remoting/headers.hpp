#pragma once

#include "net/remoting/fields.hpp"

#include <cstdint>
#include <string>

/// What requests and answers carry in their ext fields, by RocketMQ's names.
namespace troupe::remoting {

/// SEND_MESSAGE (10) and SEND_REPLY_MESSAGE (324) with long names; SEND_MESSAGE_V2 (310),
/// SEND_BATCH_MESSAGE (320) and SEND_REPLY_MESSAGE_V2 (325) with one letter each.
struct send_header {
  std::string group;
  std::string topic;
  std::string template_topic; ///< by whose rules the topic may be created
  std::int32_t template_queues = 0;
  std::int32_t queue_id = 0; ///< -1: the broker chooses
  std::int32_t sysflag = 0;
  std::int64_t born_timestamp = 0;
  std::int32_t flag = 0;
  std::string properties;
  std::int32_t reconsume_times = 0;
  bool unit_mode = false;
  std::int32_t max_reconsume_times = -1; ///< -1: not said
  bool batch = false;
};
struct long_send_header : send_header {};

template <class Fields>
void describe(Fields& f, send_header& h) {
  f("a", h.group);
  f("b", h.topic);
  f("c", h.template_topic);
  f("d", h.template_queues);
  f("e", h.queue_id);
  f("f", h.sysflag);
  f("g", h.born_timestamp);
  f("h", h.flag);
  f.optional("i", h.properties);
  f.optional("j", h.reconsume_times);
  f.optional("k", h.unit_mode);
  f.optional("l", h.max_reconsume_times);
  f.optional("m", h.batch);
}
template <class Fields>
void describe(Fields& f, long_send_header& h) {
  f("producerGroup", h.group);
  f("topic", h.topic);
  f("defaultTopic", h.template_topic);
  f("defaultTopicQueueNums", h.template_queues);
  f("queueId", h.queue_id);
  f("sysFlag", h.sysflag);
  f("bornTimestamp", h.born_timestamp);
  f("flag", h.flag);
  f.optional("properties", h.properties);
  f.optional("reconsumeTimes", h.reconsume_times);
  f.optional("unitMode", h.unit_mode);
  f.optional("maxReconsumeTimes", h.max_reconsume_times);
  f.optional("batch", h.batch);
}

/// The send header of any of these codes.
storage::result<send_header> read_send_header(const command& request);

/// Drops properties without name or value, as RocketMQ does: clients write such ones when they send
/// a message on that they received.
void drop_empty_properties(std::string& properties);

struct send_answer {
  std::string message_id;
  std::int32_t queue_id = 0;
  std::int64_t queue_offset = 0;
  std::string region = "DefaultRegion";
  bool trace = true;
};
template <class Fields>
void describe(Fields& f, send_answer& h) {
  f("msgId", h.message_id);
  f("queueId", h.queue_id);
  f("queueOffset", h.queue_offset);
  f("MSG_REGION", h.region);
  f("TRACE_ON", h.trace);
}

/// Bits of `pull_header::sysflag`.
namespace pull_flag {
inline constexpr std::int32_t commit_offset = 0x1;
inline constexpr std::int32_t suspend = 0x2;
inline constexpr std::int32_t subscription = 0x4; ///< in the request, not the heartbeat's
} // namespace pull_flag

/// PULL_MESSAGE (11) and LITE_PULL_MESSAGE (361).
struct pull_header {
  std::string group;
  std::string topic;
  std::int32_t queue_id = 0;
  std::int64_t queue_offset = 0;
  std::int32_t max_messages = 0;
  std::int32_t sysflag = 0;
  std::int64_t commit_offset = 0;
  std::int64_t suspend_ms = 0;
  std::int64_t sub_version = 0;
  std::string subscription;
  std::string expression_type = "TAG";
  std::int32_t max_bytes = 0; ///< 0: the server's
};
template <class Fields>
void describe(Fields& f, pull_header& h) {
  f("consumerGroup", h.group);
  f("topic", h.topic);
  f("queueId", h.queue_id);
  f("queueOffset", h.queue_offset);
  f("maxMsgNums", h.max_messages);
  f("sysFlag", h.sysflag);
  f("commitOffset", h.commit_offset);
  f("suspendTimeoutMillis", h.suspend_ms);
  f("subVersion", h.sub_version);
  f.optional("subscription", h.subscription);
  f.optional("expressionType", h.expression_type);
  f.optional("maxMsgBytes", h.max_bytes);
}

struct pull_answer {
  std::int64_t next = 0;
  std::int64_t min = 0;
  std::int64_t max = 0;
  std::int64_t suggested_broker = 0;
};
template <class Fields>
void describe(Fields& f, pull_answer& h) {
  f("nextBeginOffset", h.next);
  f("minOffset", h.min);
  f("maxOffset", h.max);
  f("suggestWhichBrokerId", h.suggested_broker);
}

/// GET_MAX_OFFSET (30), GET_MIN_OFFSET (31), GET_EARLIEST_MSG_STORETIME (32).
struct queue_header {
  std::string topic;
  std::int32_t queue_id = 0;
};
template <class Fields>
void describe(Fields& f, queue_header& h) {
  f("topic", h.topic);
  f("queueId", h.queue_id);
}

/// Answer to GET_EARLIEST_MSG_STORETIME (32).
struct time_header {
  std::int64_t time_ms = -1; ///< -1: there is no message
};
template <class Fields>
void describe(Fields& f, time_header& h) {
  f("timestamp", h.time_ms);
}

/// SEARCH_OFFSET_BY_TIMESTAMP (29).
struct search_header {
  std::string topic;
  std::int32_t queue_id = 0;
  std::int64_t time_ms = 0;
};
template <class Fields>
void describe(Fields& f, search_header& h) {
  f("topic", h.topic);
  f("queueId", h.queue_id);
  f("timestamp", h.time_ms);
}

/// Answer to those, to QUERY_CONSUMER_OFFSET, and the whole request VIEW_MESSAGE_BY_ID (33).
struct offset_header {
  std::int64_t offset = 0;
};
template <class Fields>
void describe(Fields& f, offset_header& h) {
  f("offset", h.offset);
}

/// QUERY_CONSUMER_OFFSET (14), and with the offset UPDATE_CONSUMER_OFFSET (15).
struct group_queue_header {
  std::string group;
  std::string topic;
  std::int32_t queue_id = 0;
};
template <class Fields>
void describe(Fields& f, group_queue_header& h) {
  f("consumerGroup", h.group);
  f("topic", h.topic);
  f("queueId", h.queue_id);
}
struct commit_header : group_queue_header {
  std::int64_t offset = 0;
};
template <class Fields>
void describe(Fields& f, commit_header& h) {
  describe(f, static_cast<group_queue_header&>(h));
  f("commitOffset", h.offset);
}

/// QUERY_MESSAGE (12).
struct key_header {
  std::string topic;
  std::string key;
  std::int32_t max = 0;
  std::int64_t begin_ms = 0;
  std::int64_t end_ms = 0;
};
template <class Fields>
void describe(Fields& f, key_header& h) {
  f("topic", h.topic);
  f("key", h.key);
  f("maxNum", h.max);
  f("beginTimestamp", h.begin_ms);
  f("endTimestamp", h.end_ms);
}
struct key_answer {
  std::int64_t updated_ms = 0;
  std::int64_t updated_offset = 0;
};
template <class Fields>
void describe(Fields& f, key_answer& h) {
  f("indexLastUpdateTimestamp", h.updated_ms);
  f("indexLastUpdatePhyoffset", h.updated_offset);
}

/// GET_CONSUMER_LIST_BY_GROUP (38), NOTIFY_CONSUMER_IDS_CHANGED (40).
struct group_header {
  std::string group;
};
template <class Fields>
void describe(Fields& f, group_header& h) {
  f("consumerGroup", h.group);
}

/// END_TRANSACTION (37).
struct transaction_header {
  std::string group;
  std::int64_t position = 0; ///< in the queue of halves
  std::int64_t offset = 0;   ///< in the log
  std::int32_t what = 0;     ///< as `sysflag::transaction_mask` has it; 0: not known yet
  bool asked = false;        ///< the producer answers a question
};
template <class Fields>
void describe(Fields& f, transaction_header& h) {
  f("producerGroup", h.group);
  f("tranStateTableOffset", h.position);
  f("commitLogOffset", h.offset);
  f("commitOrRollback", h.what);
  f.optional("fromTransactionCheck", h.asked);
}

/// CHECK_TRANSACTION_STATE (39).
struct transaction_question {
  std::int64_t position = 0;
  std::int64_t offset = 0;
  std::string unique_key;
  std::string transaction_id;
  std::string message_id;
};
template <class Fields>
void describe(Fields& f, transaction_question& h) {
  f("tranStateTableOffset", h.position);
  f("commitLogOffset", h.offset);
  f.optional("msgId", h.unique_key);
  f.optional("transactionId", h.transaction_id);
  f("offsetMsgId", h.message_id);
}

/// RESUME_CHECK_HALF_MESSAGE (323).
struct resume_header {
  std::string message_id;
};
template <class Fields>
void describe(Fields& f, resume_header& h) {
  f("msgId", h.message_id);
}

/// RECALL_MESSAGE (370).
struct recall_header {
  std::string topic;
  std::string handle;
};
template <class Fields>
void describe(Fields& f, recall_header& h) {
  f("topic", h.topic);
  f("recallHandle", h.handle);
}

/// UNREGISTER_CLIENT (35).
struct unregister_header {
  std::string client_id;
  std::string producer_group;
  std::string consumer_group;
};
template <class Fields>
void describe(Fields& f, unregister_header& h) {
  f("clientID", h.client_id);
  f.optional("producerGroup", h.producer_group);
  f.optional("consumerGroup", h.consumer_group);
}

/// GET_ROUTEINFO_BY_TOPIC (105).
struct route_header {
  std::string topic;
  bool standard_json = false;
};
template <class Fields>
void describe(Fields& f, route_header& h) {
  f.optional("topic", h.topic);
  f.optional("acceptStandardJsonOnly", h.standard_json);
}

} // namespace troupe::remoting
