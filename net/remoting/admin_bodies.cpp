#include "net/remoting/admin_bodies.hpp"

#include "net/remoting/json_members.hpp"

#include <algorithm>
#include <charconv>

namespace troupe::remoting {

namespace {

std::string quoted(std::string_view text) {
  std::string out;
  append_json_text(out, text);
  return out;
}

std::string number(double value) {
  char text[40];
  auto end = std::to_chars(text, text + sizeof text, value, std::chars_format::fixed, 2).ptr;
  return std::string(text, end);
}

/// Appends a JSON object: `write` appends each member.
template <class Elements, class Write>
void append_members(std::string& out, const Elements& elements, Write write) {
  out += '{';
  bool first = true;
  for (auto& element : elements) {
    if (!std::exchange(first, false))
      out += ',';
    write(element);
  }
  out += '}';
}

void append_queue(std::string& out, const std::string& broker, const queue_key& queue) {
  out += "{\"brokerName\":" + quoted(broker) + ",\"queueId\":" + std::to_string(queue.queue_id) +
         ",\"topic\":" + quoted(queue.topic) + '}';
}

void append_key(std::string& out, const std::string& broker, const queue_key& queue) {
  append_queue(out, broker, queue);
  out += ':';
}

std::string write_names(const char* member, const std::vector<std::string>& names) {
  std::string out = std::string("{\"") + member + "\":";
  append_json_list(out, names, [&](const std::string& name) { append_json_text(out, name); });
  return out += '}';
}

constexpr const char* no_version = "\"dataVersion\":{\"counter\":0,\"timestamp\":0}";

void append_connections(std::string& out, const std::vector<client_connection>& clients) {
  out += "{\"connectionSet\":";
  append_json_list(out, clients, [&](const client_connection& c) {
    out += "{\"clientAddr\":" + quoted(c.address) + ",\"clientId\":" + quoted(c.client_id) +
           ",\"language\":\"" + std::string(language_name(c.language)) +
           "\",\"version\":" + std::to_string(c.version) + '}';
  });
}

} // namespace

std::string write_topic(const storage::topic_info& t) {
  return std::string("{\"attributes\":{},\"order\":") + (t.order ? "true" : "false") +
         ",\"perm\":" + std::to_string(t.perm) +
         ",\"readQueueNums\":" + std::to_string(t.read_queues) +
         ",\"topicFilterType\":\"SINGLE_TAG\",\"topicName\":" + quoted(t.name) +
         ",\"topicSysFlag\":0,\"writeQueueNums\":" + std::to_string(t.write_queues) + '}';
}

std::string write_all_topics(const std::vector<storage::topic_info>& topics) {
  std::string out = std::string("{") + no_version + ",\"topicConfigTable\":";
  append_members(out, topics, [&](const storage::topic_info& t) {
    out += quoted(t.name) + ':' + write_topic(t);
  });
  return out += '}';
}

std::string write_topic_names(const std::vector<std::string>& topics,
                              const std::string& broker_address) {
  auto list = write_names("topicList", topics);
  return broker_address.empty()
             ? list
             : "{\"brokerAddr\":" + quoted(broker_address) + ',' + list.substr(1);
}

std::vector<std::string> own_topics(const broker_address& at) {
  return {"BenchmarkTest",
          "CHECKPOINT_TOPIC",
          "OFFSET_MOVED_EVENT",
          "RMQ_SYS_TRACE_TOPIC",
          "RMQ_SYS_TRANS_HALF_TOPIC",
          "RMQ_SYS_TRANS_OP_HALF_TOPIC",
          "SCHEDULE_TOPIC_XXXX",
          "SELF_TEST_TOPIC",
          "TBW102",
          "TRANS_CHECK_MAX_TIME_TOPIC",
          at.cluster,
          at.cluster + "_REPLY_TOPIC",
          at.broker};
}

bool changes_nothing(std::string_view attributes) noexcept {
  while (!attributes.empty()) {
    auto one = attributes.substr(0, attributes.find(','));
    if (!one.empty() && one.front() != '-' && one != "+message.type=NORMAL")
      return false;
    attributes.remove_prefix(std::min(one.size() + 1, attributes.size()));
  }
  return true;
}

std::string write_group_names(const std::vector<std::string>& groups) {
  return write_names("groupList", groups);
}

std::string write_topic_stats(const std::string& broker, const std::vector<queue_stats>& queues,
                              double put_tps) {
  std::string out = "{\"offsetTable\":";
  append_members(out, queues, [&](const queue_stats& q) {
    append_key(out, broker, q.queue);
    out += "{\"lastUpdateTimestamp\":" + std::to_string(q.updated_ms) +
           ",\"maxOffset\":" + std::to_string(q.max) + ",\"minOffset\":" + std::to_string(q.min) +
           '}';
  });
  return out += ",\"topicPutTps\":" + number(put_tps) + '}';
}

std::string write_consume_stats(const std::string& broker, const std::vector<consume_stats>& queues,
                                double consume_tps) {
  std::string out = "{\"consumeTps\":" + number(consume_tps) + ",\"offsetTable\":";
  append_members(out, queues, [&](const consume_stats& q) {
    append_key(out, broker, q.queue);
    out += "{\"brokerOffset\":" + std::to_string(q.broker_offset) +
           ",\"consumerOffset\":" + std::to_string(q.consumer_offset) +
           ",\"lastTimestamp\":" + std::to_string(q.last_ms) +
           ",\"pullOffset\":" + std::to_string(q.pull_offset) + '}';
  });
  return out += '}';
}

std::string write_all_consume_stats(const std::string& broker_address,
                                    const std::vector<group_stats>& groups,
                                    std::int64_t total_behind, std::int64_t total_in_flight) {
  std::string out = "{\"brokerAddr\":" + quoted(broker_address) + ",\"consumeStatsList\":";
  append_json_list(out, groups, [&](const group_stats& g) {
    out += '{' + quoted(g.group) + ':';
    append_json_list(out, g.topics, [&](const std::string& stats) { out += stats; });
    out += '}';
  });
  return out += ",\"totalDiff\":" + std::to_string(total_behind) +
                ",\"totalInflightDiff\":" + std::to_string(total_in_flight) + '}';
}

std::string write_time_spans(const std::string& broker, const std::vector<time_span>& queues) {
  std::string out = "{\"consumeTimeSpanSet\":";
  append_json_list(out, queues, [&](const time_span& q) {
    out += "{\"consumeTimeStamp\":" + std::to_string(q.consumed_ms) +
           ",\"delayTime\":" + std::to_string(q.delay_ms) +
           ",\"maxTimeStamp\":" + std::to_string(q.max_ms) + ",\"messageQueue\":";
    append_queue(out, broker, q.queue);
    out += ",\"minTimeStamp\":" + std::to_string(q.min_ms) + '}';
  });
  return out += '}';
}

std::string write_corrections(const std::map<std::int32_t, std::int64_t>& offsets) {
  std::string out = "{\"correctionOffsets\":";
  append_members(out, offsets, [&](const auto& entry) {
    out += std::to_string(entry.first) + ':' + std::to_string(entry.second);
  });
  return out += '}';
}

std::string write_queue_entries(const queue_entries& what, const subscription* found) {
  std::string out = "{";
  if (!what.group.empty() && found == nullptr)
    out += "\"filterData\":" + quoted(what.group + '@' + what.topic + " is not online!") + ',';
  out += "\"maxQueueIndex\":" + std::to_string(what.max) +
         ",\"minQueueIndex\":" + std::to_string(what.min) + ",\"queueData\":";
  append_json_list(out, what.lines, [&](const queue_entry_line& e) {
    out += "{\"eval\":false,\"physicOffset\":" + std::to_string(e.offset) +
           ",\"physicSize\":" + std::to_string(e.size) +
           ",\"tagsCode\":" + std::to_string(e.tags_code) + '}';
  });
  if (found != nullptr) {
    out += ",\"subscriptionData\":";
    append_subscription(out, *found);
  }
  return out += '}';
}

std::string write_reset_offsets(const std::string& broker, const std::vector<reset_queue>& queues) {
  std::string out = "{\"offsetTable\":";
  append_members(out, queues, [&](const reset_queue& q) {
    append_key(out, broker, q.queue);
    out += std::to_string(q.offset);
  });
  return out += '}';
}

std::string write_runtime_info(const named_texts& table) {
  std::string out = "{\"table\":";
  append_members(out, table, [&](const auto& entry) {
    out += quoted(entry.first) + ':' + quoted(entry.second);
  });
  return out += '}';
}

std::string write_properties(const named_texts& table) {
  std::string out;
  for (auto& [name, value] : table) {
    out += name + '=';
    for (char c : value) {
      if (c == '\\')
        out += '\\';
      out += c == '\n' || c == '\r' ? ' ' : c;
    }
    out += '\n';
  }
  return out;
}

std::string write_producers(const std::vector<client_connection>& clients) {
  std::string out;
  append_connections(out, clients);
  return out += '}';
}

std::string write_consumers(const std::vector<client_connection>& clients,
                            const consumer_data& group) {
  std::string out;
  append_connections(out, clients);
  out += ",\"consumeFromWhere\":" + quoted(group.from_where) + ",\"consumeType\":";
  out += quoted(consume_type(group));
  out += ",\"messageModel\":";
  out += quoted(message_model(group));
  out += ",\"subscriptionTable\":";
  append_members(out, group.subscriptions, [&](const subscription& s) {
    out += quoted(s.topic) + ':';
    append_subscription(out, s);
  });
  return out += '}';
}

storage::result<std::string> read_group_name(storage::byte_view body) {
  TROUPE_TRY(auto object, read_json_body(body, "group settings"));
  json_members root(object, "group settings");
  TROUPE_TRY(auto name, root.text("groupName"));
  if (name.empty() || name.size() > longest_name)
    return root.wrong("groupName must have 1 to " + std::to_string(longest_name) + " bytes");
  return name;
}

std::string default_group_settings(const std::string& group) {
  return "{\"attributes\":{},\"brokerId\":0,\"consumeBroadcastEnable\":true,\"consumeEnable\":true,"
         "\"consumeFromMinEnable\":true,\"consumeMessageOrderly\":false,"
         "\"consumeTimeoutMinute\":15,\"groupName\":" +
         quoted(group) +
         ",\"groupSysFlag\":0,\"notifyConsumerIdsChangedEnable\":true,\"retryMaxTimes\":16,"
         "\"retryQueueNums\":1,\"whichBrokerWhenConsumeSlowly\":1}";
}

const std::vector<std::string>& own_groups() {
  static const std::vector<std::string> groups{
      "TOOLS_CONSUMER",  "FILTERSRV_CONSUMER",    "SELF_TEST_C_GROUP", "CID_ONS-HTTP-PROXY",
      "CID_ONSAPI_PULL", "CID_ONSAPI_PERMISSION", "CID_ONSAPI_OWNER",  "CID_RMQ_SYS_TRANS"};
  return groups;
}

std::string write_group_settings(const named_texts& groups) {
  std::string out =
      std::string("{") + no_version + ",\"forbiddenTable\":{},\"subscriptionGroupTable\":";
  append_members(out, groups,
                 [&](const auto& group) { out += quoted(group.first) + ':' + group.second; });
  return out += '}';
}

std::string write_producer_table(const producer_table& groups) {
  std::string out = "{\"data\":";
  append_members(out, groups, [&](const auto& group) {
    out += quoted(group.first) + ':';
    append_json_list(out, group.second, [&](const client_connection& c) {
      out += "{\"clientId\":" + quoted(c.client_id) + ",\"language\":\"" +
             std::string(language_name(c.language)) +
             "\",\"lastUpdateTimestamp\":0,\"remoteIP\":" + quoted(c.address) +
             ",\"version\":" + std::to_string(c.version) + '}';
    });
  });
  return out += '}';
}

std::string write_group_subscription(const std::string& group, const std::string& topic,
                                     const subscription* found) {
  std::string out = "{\"group\":" + quoted(group);
  if (found != nullptr) {
    out += ",\"subscriptionData\":";
    append_subscription(out, *found);
  }
  return out += ",\"topic\":" + quoted(topic) + '}';
}

/// It must be as much JSON as it takes to find its end: tools read it, we do not.
std::string member_text(storage::byte_view body, std::string_view name) {
  std::string_view text(reinterpret_cast<const char*>(body.data()), body.size());
  auto key = quoted(name) + ':';
  auto at = text.find(key);
  if (at == std::string_view::npos)
    return {};
  text.remove_prefix(at + key.size());
  std::size_t depth = 0;
  bool in_text = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (in_text) {
      i += c == '\\' ? 1 : 0;
      in_text = c != '"';
    } else if (c == '"') {
      in_text = true;
    } else if (c == '{' || c == '[') {
      ++depth;
    } else if (depth == 0) {
      return {}; // no object
    } else if ((c == '}' || c == ']') && --depth == 0) {
      return std::string(text.substr(0, i + 1));
    }
  }
  return {};
}

std::string write_consumer_status(const named_texts& tables) {
  std::string out = "{\"consumerTable\":";
  append_members(out, tables,
                 [&](const auto& client) { out += quoted(client.first) + ':' + client.second; });
  return out += ",\"messageQueueTable\":{}}";
}

/// An address of IPv4 or IPv6, a port and the offset, all in hexadecimal digits.
std::optional<std::int64_t> offset_in(std::string_view message_id) noexcept {
  if (message_id.size() != 32 && message_id.size() != 56)
    return std::nullopt;
  auto digits = message_id.substr(message_id.size() - 16);
  std::uint64_t offset = 0;
  auto* end = digits.data() + digits.size();
  auto [at, failure] = std::from_chars(digits.data(), end, offset, 16);
  if (failure != std::errc{} || at != end || offset > INT64_MAX)
    return std::nullopt;
  return static_cast<std::int64_t>(offset);
}

std::string write_stored_offsets(const std::vector<stored_offset>& offsets) {
  std::string out = std::string("{") + no_version + ",\"offsetTable\":{";
  const stored_offset* previous = nullptr;
  for (auto& o : offsets) {
    if (previous != nullptr && previous->group == o.group && previous->queue.topic == o.queue.topic)
      out += ',';
    else
      out += (previous == nullptr ? "" : "},") + quoted(o.queue.topic + '@' + o.group) + ":{";
    out += std::to_string(o.queue.queue_id) + ':' + std::to_string(o.offset);
    previous = &o;
  }
  return out += previous == nullptr ? "}}" : "}}}";
}

std::string write_message_rates(const message_rates& rates) {
  auto rate = [](const char* name, const message_rate& r) {
    return std::string("\"") + name + "\":{\"avgpt\":" + number(r.average) +
           ",\"sum\":" + std::to_string(r.sum) + ",\"tps\":" + number(r.per_second) + '}';
  };
  return '{' + rate("statsDay", rates.day) + ',' + rate("statsHour", rates.hour) + ',' +
         rate("statsMinute", rates.minute) + '}';
}

} // namespace troupe::remoting
