#pragma once

#include "net/remoting/headers.hpp"

#include <cstdint>
#include <string>
#include <string_view>

/// Messages that want a reply, and replies. A request is an ordinary message that says who waits
/// for the reply; the reply is a message of a topic that every cluster has, and is also pushed
/// straight to that client.
namespace troupe::remoting {

namespace reply_property {
inline constexpr std::string_view client = "REPLY_TO_CLIENT"; ///< the id of who waits
inline constexpr std::string_view push_time = "PUSH_REPLY_TIME";
inline constexpr std::string_view cluster = "CLUSTER"; ///< whose topic a reply goes to
inline constexpr std::string_view region = "MSG_REGION";
inline constexpr std::string_view trace = "TRACE_ON";
} // namespace reply_property

/// PUSH_REPLY_MESSAGE_TO_CLIENT (326), with the reply's body.
struct reply_push {
  send_header reply;
  std::string born_host;
  std::string store_host;
  std::int64_t store_timestamp = 0;
};
template <class Fields>
void describe(Fields& f, reply_push& h) {
  f("producerGroup", h.reply.group);
  f("topic", h.reply.topic);
  f("defaultTopic", h.reply.template_topic);
  f("defaultTopicQueueNums", h.reply.template_queues);
  f("queueId", h.reply.queue_id);
  f("sysFlag", h.reply.sysflag);
  f("bornTimestamp", h.reply.born_timestamp);
  f("flag", h.reply.flag);
  f.optional("properties", h.reply.properties);
  f.optional("reconsumeTimes", h.reply.reconsume_times);
  f.optional("unitMode", h.reply.unit_mode);
  f("bornHost", h.born_host);
  f("storeHost", h.store_host);
  f("storeTimestamp", h.store_timestamp);
}

/// The topic of all replies in a cluster.
std::string reply_topic(std::string_view cluster);

/// Whether a message with these properties waits for a reply.
bool wants_reply(std::string_view properties) noexcept;

/// Adds a property, whose value counts even if there is one of that name; not if the properties
/// would become too long. True if it is there.
bool set_property(std::string& properties, std::string_view name, std::string_view value);

/// Adds what a broker adds to a message that is sent: to a request the cluster, without which
/// nobody can reply; to a message of RocketMQ 5's producers what the traces of its consumers say,
/// as brokers of that line do for all.
void add_broker_properties(std::string& properties, std::int32_t client_version,
                           std::string_view cluster);

} // namespace troupe::remoting
