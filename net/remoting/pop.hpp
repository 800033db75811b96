#pragma once

#include "net/remoting/fields.hpp"
#include "net/remoting/ordered_batch.hpp"
#include "storage/format/record.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

/// What consumers that pop say and are told: headers, handles, bodies. By RocketMQ 5's
/// PopMessageRequestHeader and its neighbours, and ExtraInfoUtil.
namespace troupe::remoting {

/// POP_MESSAGE (200050).
struct pop_header {
  std::string group;
  std::string topic;
  std::int32_t queue_id = 0; ///< below 0: any
  std::int32_t max_messages = 0;
  std::int64_t invisible_ms = 0;
  std::int64_t poll_ms = 0; ///< how long to wait for a message if there is none
  std::int64_t born_ms = 0;
  std::int32_t init_mode = 0; ///< `init_at_end`, or at the queue's begin
  std::string expression_type;
  std::string expression;
  bool order = false;
  std::string attempt; ///< who asks with the same one again gets the same again
};
inline constexpr std::int32_t init_at_end = 1;
template <class Fields>
void describe(Fields& f, pop_header& h) {
  f("consumerGroup", h.group);
  f("topic", h.topic);
  f("queueId", h.queue_id);
  f("maxMsgNums", h.max_messages);
  f("invisibleTime", h.invisible_ms);
  f("pollTime", h.poll_ms);
  f("bornTime", h.born_ms);
  f("initMode", h.init_mode);
  f.optional("expType", h.expression_type);
  f.optional("exp", h.expression);
  f.optional("order", h.order);
  f.optional("attemptId", h.attempt);
}

/// Answer to that, and to PEEK_MESSAGE; clients read it with every code.
struct pop_answer {
  std::int64_t pop_ms = 0;
  std::int64_t invisible_ms = 0;
  std::int32_t revive_queue = 0;
  std::int64_t rest = 0;
  std::string starts;  ///< `pop_places`
  std::string offsets; ///< `pop_places`
  std::string counts;  ///< `pop_places`
};
template <class Fields>
void describe(Fields& f, pop_answer& h) {
  f("popTime", h.pop_ms);
  f("invisibleTime", h.invisible_ms);
  f("reviveQid", h.revive_queue);
  f("restNum", h.rest);
  f.optional("startOffsetInfo", h.starts);
  f.optional("msgOffsetInfo", h.offsets);
  f.optional("orderCountInfo", h.counts);
}

/// PEEK_MESSAGE (200052).
struct peek_header {
  std::string group;
  std::string topic;
  std::int32_t queue_id = 0;
  std::int32_t max_messages = 0;
};
template <class Fields>
void describe(Fields& f, peek_header& h) {
  f("consumerGroup", h.group);
  f("topic", h.topic);
  f("queueId", h.queue_id);
  f("maxMsgNums", h.max_messages);
}

/// NOTIFICATION (200054): is there a message, or soon?
struct notification_header {
  std::string group;
  std::string topic;
  std::int32_t queue_id = 0;
  std::int64_t poll_ms = 0;
  bool order = false;
  std::string attempt;
};
template <class Fields>
void describe(Fields& f, notification_header& h) {
  f("consumerGroup", h.group);
  f("topic", h.topic);
  f("queueId", h.queue_id);
  f("pollTime", h.poll_ms);
  f.optional("order", h.order);
  f.optional("attemptId", h.attempt);
}
struct notification_answer {
  bool has_message = false;
  bool polling_full = false;
};
template <class Fields>
void describe(Fields& f, notification_answer& h) {
  f("hasMsg", h.has_message);
  f("pollingFull", h.polling_full);
}

/// POLLING_INFO (200055).
struct polling_header {
  std::string group;
  std::string topic;
  std::int32_t queue_id = 0;
};
template <class Fields>
void describe(Fields& f, polling_header& h) {
  f("consumerGroup", h.group);
  f("topic", h.topic);
  f("queueId", h.queue_id);
}
struct polling_answer {
  std::int32_t waiting = 0;
};
template <class Fields>
void describe(Fields& f, polling_answer& h) {
  f("pollingNum", h.waiting);
}

/// ACK_MESSAGE (200051), and with the time CHANGE_MESSAGE_INVISIBLETIME (200053).
struct ack_header {
  std::string group;
  std::string topic; ///< where the message is: that for retries, if it came from there
  std::int32_t queue_id = 0;
  std::string handle; ///< `read_handle`
  std::int64_t offset = 0;
};
template <class Fields>
void describe(Fields& f, ack_header& h) {
  f("consumerGroup", h.group);
  f("topic", h.topic);
  f("queueId", h.queue_id);
  f("extraInfo", h.handle);
  f("offset", h.offset);
}
struct change_header : ack_header {
  std::int64_t invisible_ms = 0;
};
template <class Fields>
void describe(Fields& f, change_header& h) {
  describe(f, static_cast<ack_header&>(h));
  f("invisibleTime", h.invisible_ms);
}
struct change_answer {
  std::int64_t pop_ms = 0;
  std::int64_t invisible_ms = 0;
  std::int32_t revive_queue = 0;
};
template <class Fields>
void describe(Fields& f, change_answer& h) {
  f("popTime", h.pop_ms);
  f("invisibleTime", h.invisible_ms);
  f("reviveQid", h.revive_queue);
}

/// In the place of a queue's number: what was popped is in order.
inline constexpr std::int32_t ordered_revive_queue = 999;

/// What a client gives back of a pop with a message of it.
struct pop_handle {
  std::int64_t pop_ms = 0;
  std::int64_t invisible_ms = 0;
  std::int32_t revive_queue = 0;
  bool in_order() const noexcept { return revive_queue == ordered_revive_queue; }
};
/// `startOffset popTime invisibleTime reviveQid retry broker queue offset`; what stands behind the
/// first four is not looked at.
storage::result<pop_handle> read_handle(std::string_view text);

/// The topic in which messages of the topic lie that the group popped and did not acknowledge
/// (RocketMQ's V1: it does not know where the group's name ends).
std::string pop_retry_topic(std::string_view topic, std::string_view group);

/// Says in an answer where its messages lie: each queue once.
class pop_places {
public:
  /// `start`: where the pop began to look. The offsets are those of the messages, in order.
  void add(bool retry, std::int32_t queue_id, storage::queue_offset start,
           const std::vector<storage::queue_offset>& offsets);
  /// The messages of a queue that were popped in order.
  void add_counts(std::int32_t queue_id, const ordered_batch& batch);

  const std::string& starts() const noexcept { return starts_; }   ///< startOffsetInfo
  const std::string& offsets() const noexcept { return offsets_; } ///< msgOffsetInfo
  const std::string& counts() const noexcept { return counts_; }   ///< orderCountInfo

private:
  std::string starts_, offsets_, counts_;
};

/// Messages of one pop from one queue that are acknowledged together.
struct batch_ack {
  std::string group;
  std::string topic; ///< where the messages are
  std::int32_t queue_id = 0;
  pop_handle handle;
  std::vector<storage::queue_offset> offsets;
};
/// Body of BATCH_ACK_MESSAGE (200151); bounded in pops and in messages.
storage::result<std::vector<batch_ack>> read_batch_ack(storage::byte_view body);

/// What is to be stored for a message that came back, beside its body, its flag, and when and where
/// it was born: in queue 0 of the topic.
struct popped_copy {
  std::string topic;
  std::int32_t sysflag = 0;
  std::int32_t reconsume_times = 0;
  std::string properties;
};
/// Of a message as it lies in the log, whose time was over after that pop.
popped_copy copy_of_popped(const storage::record_view& origin, std::string_view group,
                           std::int64_t pop_ms);

} // namespace troupe::remoting
