#include "net/remoting/heartbeat.hpp"

#include "net/remoting/command.hpp"
#include "net/remoting/json_members.hpp"
#include "storage/format/properties.hpp"

namespace troupe::remoting {

namespace {

using storage::result;

constexpr std::size_t most_groups = 1000;
constexpr std::size_t most_subscriptions = 1000;

/// "BROADCASTING" is 0 in the dialect of numbers; anything else is clustering, the default.
bool is_broadcasting(const json_members& consumer) {
  auto* model = consumer.find("messageModel");
  return model != nullptr && ((model->is_string() && model->get_string() == "BROADCASTING") ||
                              (model->is_int64() && model->get_int64() == 0));
}

/// "CONSUME_ACTIVELY" is 0 in the dialect of numbers.
bool is_active(const json_members& consumer) {
  auto* type = consumer.find("consumeType");
  return type != nullptr && ((type->is_string() && type->get_string() == "CONSUME_ACTIVELY") ||
                             (type->is_int64() && type->get_int64() == 0));
}

/// By name or by number, of those that operators' tools can read; the default for any other.
std::string from_where(const json_members& consumer) {
  static constexpr const char* names[] = {
      "CONSUME_FROM_LAST_OFFSET",  "CONSUME_FROM_LAST_OFFSET_AND_FROM_MIN_WHEN_BOOT_FIRST",
      "CONSUME_FROM_MIN_OFFSET",   "CONSUME_FROM_MAX_OFFSET",
      "CONSUME_FROM_FIRST_OFFSET", "CONSUME_FROM_TIMESTAMP"};
  auto* where = consumer.find("consumeFromWhere");
  if (where != nullptr)
    for (std::int64_t number = 0; auto* name : names) {
      if ((where->is_string() && where->get_string() == name) ||
          (where->is_int64() && where->get_int64() == number))
        return name;
      ++number;
    }
  return names[0];
}

result<std::string> group_name(const json_members& from) {
  TROUPE_TRY(auto name, from.text("groupName"));
  if (name.size() > longest_name)
    return from.wrong("a groupName of " + std::to_string(name.size()) + " bytes; at most " +
                      std::to_string(longest_name));
  return name;
}

result<subscription> read_subscription(const json_members& from) {
  subscription s;
  TROUPE_TRY(s.topic, from.text("topic"));
  TROUPE_TRY(s.expression, from.text("subString"));
  TROUPE_TRY(auto type, from.text("expressionType"));
  if (!type.empty())
    s.expression_type = std::move(type);
  TROUPE_TRY(s.version, from.integer("subVersion"));
  return s;
}

result<consumer_data> read_consumer(const json_members& from) {
  consumer_data c;
  TROUPE_TRY(c.group, group_name(from));
  if (c.group.empty())
    return from.wrong("a consumer without groupName");
  c.clustering = !is_broadcasting(from);
  c.passive = !is_active(from);
  c.from_where = from_where(from);
  TROUPE_TRY(auto subscriptions, from.objects("subscriptionDataSet", most_subscriptions));
  for (auto& entry : subscriptions) {
    TROUPE_TRY(auto s, read_subscription(entry));
    c.subscriptions.push_back(std::move(s));
  }
  return c;
}

} // namespace

/// By the sets tools tell whether a message's tag was filtered.
void append_subscription(std::string& out, const subscription& s) {
  auto tags = s.expression_type == "TAG" ? tags_in(s.expression) : std::vector<std::string_view>();
  out += "{\"classFilterMode\":false,\"codeSet\":";
  append_json_list(out, tags,
                   [&](std::string_view tag) { out += std::to_string(storage::java_hash(tag)); });
  out += ",\"expressionType\":";
  append_json_text(out, s.expression_type);
  out += ",\"subString\":";
  append_json_text(out, s.expression);
  out += ",\"subVersion\":" + std::to_string(s.version) + ",\"tagsSet\":";
  append_json_list(out, tags, [&](std::string_view tag) { append_json_text(out, tag); });
  out += ",\"topic\":";
  append_json_text(out, s.topic);
  out += '}';
}

result<heartbeat> read_heartbeat(storage::byte_view body) {
  TROUPE_TRY(auto object, read_json_body(body, "heartbeat"));
  json_members root(object, "heartbeat");
  heartbeat h;
  TROUPE_TRY(h.client_id, root.text("clientID"));
  if (h.client_id.empty() || h.client_id.size() > longest_name)
    return root.wrong("clientID must have 1 to " + std::to_string(longest_name) + " bytes");
  TROUPE_TRY(auto producers, root.objects("producerDataSet", most_groups));
  for (auto& entry : producers) {
    TROUPE_TRY(auto group, group_name(entry));
    if (!group.empty())
      h.producer_groups.push_back(std::move(group));
  }
  TROUPE_TRY(auto consumers, root.objects("consumerDataSet", most_groups));
  for (auto& entry : consumers) {
    TROUPE_TRY(auto consumer, read_consumer(entry));
    h.consumers.push_back(std::move(consumer));
  }
  return h;
}

result<std::optional<subscription>> read_client_check(storage::byte_view body) {
  std::optional<subscription> checked;
  TROUPE_TRY(auto object, read_json_body(body, "client check"));
  json_members root(object, "client check");
  auto* data = root.find("subscriptionData");
  if (data == nullptr || data->is_null())
    return checked;
  if (!data->is_object())
    return root.wrong("subscriptionData is no object");
  TROUPE_TRY(checked, read_subscription(json_members(data->get_object(), "client check")));
  return checked;
}

std::string_view consume_type(const consumer_data& group) noexcept {
  return group.passive ? "CONSUME_PASSIVELY" : "CONSUME_ACTIVELY";
}

std::string_view message_model(const consumer_data& group) noexcept {
  return group.clustering ? "CLUSTERING" : "BROADCASTING";
}

std::string write_heartbeat(const heartbeat& h) {
  std::string out = "{\"clientID\":";
  append_json_text(out, h.client_id);
  out += ",\"consumerDataSet\":";
  append_json_list(out, h.consumers, [&](const consumer_data& c) {
    out += "{\"consumeFromWhere\":\"" + c.from_where + "\",\"consumeType\":";
    append_json_text(out, consume_type(c));
    out += ",\"groupName\":";
    append_json_text(out, c.group);
    out += ",\"messageModel\":";
    append_json_text(out, message_model(c));
    out += ",\"subscriptionDataSet\":";
    append_json_list(out, c.subscriptions,
                     [&](const subscription& s) { append_subscription(out, s); });
    out += ",\"unitMode\":false}";
  });
  out += ",\"producerDataSet\":";
  append_json_list(out, h.producer_groups, [&](const std::string& group) {
    out += "{\"groupName\":";
    append_json_text(out, group);
    out += '}';
  });
  return out += '}';
}

std::string write_consumer_list(const std::vector<std::string>& client_ids) {
  std::string out = "{\"consumerIdList\":";
  append_json_list(out, client_ids, [&](const std::string& id) { append_json_text(out, id); });
  return out += '}';
}

} // namespace troupe::remoting
