#include "net/remoting/heartbeat.hpp"

#include "net/remoting/command.hpp"
#include "storage/fastjson.hpp"

#include <boost/json/value.hpp>

#include <charconv>

namespace troupe::remoting {

namespace {

namespace json = boost::json;
using storage::errc;
using storage::error;
using storage::result;

constexpr std::size_t most_bytes = std::size_t{1} << 20;
constexpr std::size_t most_groups = 1000;
constexpr std::size_t most_subscriptions = 1000;
constexpr std::size_t longest_group = 255; // RocketMQ's limit

error wrong(const std::string& what) {
  return {errc::invalid_argument, "heartbeat: " + what};
}

/// A member's text; empty when it is missing or null.
result<std::string> text(const json::object& from, const char* name) {
  auto* value = from.if_contains(name);
  if (value == nullptr || value->is_null())
    return std::string();
  if (!value->is_string())
    return wrong(std::string(name) + " is no text");
  return std::string(value->get_string());
}

/// A member's integer, which some clients write as text; 0 when it is missing.
result<std::int64_t> integer(const json::object& from, const char* name) {
  auto* value = from.if_contains(name);
  if (value == nullptr || value->is_null())
    return 0;
  if (value->is_int64())
    return value->get_int64();
  if (value->is_string()) {
    auto& s = value->get_string();
    std::int64_t parsed = 0;
    auto [at, failure] = std::from_chars(s.data(), s.data() + s.size(), parsed);
    if (failure == std::errc{} && at == s.data() + s.size())
      return parsed;
  }
  return wrong(std::string(name) + " is no number of 64 bits");
}

/// The objects of a member that is an array; none when it is missing.
result<std::vector<const json::object*>> objects(const json::object& from, const char* name,
                                                 std::size_t most) {
  std::vector<const json::object*> found;
  auto* value = from.if_contains(name);
  if (value == nullptr || value->is_null())
    return found;
  if (!value->is_array())
    return wrong(std::string(name) + " is no array");
  if (value->get_array().size() > most)
    return wrong(std::string(name) + " has more than " + std::to_string(most) + " elements");
  for (auto& element : value->get_array()) {
    if (!element.is_object())
      return wrong("an element of " + std::string(name) + " is no object");
    found.push_back(&element.get_object());
  }
  return found;
}

/// "BROADCASTING" is 0 in the dialect of numbers; anything else is clustering, the default.
bool is_broadcasting(const json::object& consumer) {
  auto* model = consumer.if_contains("messageModel");
  return model != nullptr && ((model->is_string() && model->get_string() == "BROADCASTING") ||
                              (model->is_int64() && model->get_int64() == 0));
}

result<std::string> group_name(const json::object& from) {
  TROUPE_TRY(auto name, text(from, "groupName"));
  if (name.size() > longest_group)
    return wrong("a groupName of " + std::to_string(name.size()) + " bytes; at most " +
                 std::to_string(longest_group));
  return name;
}

result<subscription> read_subscription(const json::object& from) {
  subscription s;
  TROUPE_TRY(s.topic, text(from, "topic"));
  TROUPE_TRY(s.expression, text(from, "subString"));
  TROUPE_TRY(auto type, text(from, "expressionType"));
  if (!type.empty())
    s.expression_type = std::move(type);
  TROUPE_TRY(s.version, integer(from, "subVersion"));
  return s;
}

result<consumer_data> read_consumer(const json::object& from) {
  consumer_data c;
  TROUPE_TRY(c.group, group_name(from));
  if (c.group.empty())
    return wrong("a consumer without groupName");
  c.clustering = !is_broadcasting(from);
  TROUPE_TRY(auto subscriptions, objects(from, "subscriptionDataSet", most_subscriptions));
  for (auto* entry : subscriptions) {
    TROUPE_TRY(auto s, read_subscription(*entry));
    c.subscriptions.push_back(std::move(s));
  }
  return c;
}

void append_subscription(std::string& out, const subscription& s) {
  out += "{\"classFilterMode\":false,\"codeSet\":[],\"expressionType\":";
  append_json_text(out, s.expression_type);
  out += ",\"subString\":";
  append_json_text(out, s.expression);
  out += ",\"subVersion\":" + std::to_string(s.version) + ",\"tagsSet\":[],\"topic\":";
  append_json_text(out, s.topic);
  out += '}';
}

/// Calls `write` for each element, with commas between.
template <class Elements, class Write>
void append_list(std::string& out, const Elements& elements, Write write) {
  out += '[';
  bool first = true;
  for (auto& element : elements) {
    if (!std::exchange(first, false))
      out += ',';
    write(element);
  }
  out += ']';
}

} // namespace

result<heartbeat> read_heartbeat(storage::byte_view body) {
  if (body.size() > most_bytes)
    return wrong(std::to_string(body.size()) + " bytes; at most " + std::to_string(most_bytes));
  TROUPE_TRY(auto value,
             storage::parse_fastjson({reinterpret_cast<const char*>(body.data()), body.size()},
                                     "heartbeat"));
  if (!value.is_object())
    return wrong("the body is no object");
  auto& root = value.get_object();
  heartbeat h;
  TROUPE_TRY(h.client_id, text(root, "clientID"));
  if (h.client_id.empty() || h.client_id.size() > longest_group)
    return wrong("clientID must have 1 to " + std::to_string(longest_group) + " bytes");
  TROUPE_TRY(auto producers, objects(root, "producerDataSet", most_groups));
  for (auto* entry : producers) {
    TROUPE_TRY(auto group, group_name(*entry));
    if (!group.empty())
      h.producer_groups.push_back(std::move(group));
  }
  TROUPE_TRY(auto consumers, objects(root, "consumerDataSet", most_groups));
  for (auto* entry : consumers) {
    TROUPE_TRY(auto consumer, read_consumer(*entry));
    h.consumers.push_back(std::move(consumer));
  }
  return h;
}

std::string write_heartbeat(const heartbeat& h) {
  std::string out = "{\"clientID\":";
  append_json_text(out, h.client_id);
  out += ",\"consumerDataSet\":";
  append_list(out, h.consumers, [&](const consumer_data& c) {
    out += "{\"consumeFromWhere\":\"CONSUME_FROM_LAST_OFFSET\",\"consumeType\":"
           "\"CONSUME_PASSIVELY\",\"groupName\":";
    append_json_text(out, c.group);
    out += ",\"messageModel\":";
    out += c.clustering ? "\"CLUSTERING\"" : "\"BROADCASTING\"";
    out += ",\"subscriptionDataSet\":";
    append_list(out, c.subscriptions, [&](const subscription& s) { append_subscription(out, s); });
    out += ",\"unitMode\":false}";
  });
  out += ",\"producerDataSet\":";
  append_list(out, h.producer_groups, [&](const std::string& group) {
    out += "{\"groupName\":";
    append_json_text(out, group);
    out += '}';
  });
  return out += '}';
}

std::string write_consumer_list(const std::vector<std::string>& client_ids) {
  std::string out = "{\"consumerIdList\":";
  append_list(out, client_ids, [&](const std::string& id) { append_json_text(out, id); });
  return out += '}';
}

} // namespace troupe::remoting
