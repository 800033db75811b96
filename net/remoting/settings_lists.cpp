#include "net/remoting/settings_lists.hpp"

#include "net/remoting/json_members.hpp"

#include <boost/json/serialize.hpp>

#include <limits>
#include <utility>

namespace troupe::remoting {

namespace {

using storage::result;

/// So many in one request; RocketMQ's tools send as many as stand in a file.
constexpr std::size_t most_elements = 1000;

result<bool> flag_of(const json_members& of, const char* name) {
  auto* value = of.find(name);
  if (value == nullptr || value->is_null())
    return false;
  if (!value->is_bool())
    return of.wrong(std::string(name) + " is neither true nor false");
  return value->get_bool();
}

result<std::int32_t> small_number(const json_members& of, const char* name) {
  TROUPE_TRY(auto number, of.integer(name));
  if (number < 0 || number > std::numeric_limits<std::int32_t>::max())
    return of.wrong(std::string(name) + " is " + std::to_string(number));
  return static_cast<std::int32_t>(number);
}

result<std::string> attributes_of(const json_members& topic) {
  auto* value = topic.find("attributes");
  std::string text;
  if (value == nullptr || value->is_null())
    return text;
  if (!value->is_object())
    return topic.wrong("attributes is no object");
  for (auto& [name, wanted] : value->get_object()) {
    if (!wanted.is_string())
      return topic.wrong("an attribute is no text");
    std::string_view key(name.data(), name.size());
    if (!text.empty())
      text += ',';
    if (!key.starts_with('+') && !key.starts_with('-'))
      text += '+';
    text.append(key).append("=").append(std::string_view(wanted.get_string()));
  }
  return text;
}

result<listed_topic> topic_of(const json_members& settings) {
  listed_topic topic;
  TROUPE_TRY(topic.info.name, settings.text("topicName"));
  TROUPE_TRY(topic.info.read_queues, small_number(settings, "readQueueNums"));
  TROUPE_TRY(topic.info.write_queues, small_number(settings, "writeQueueNums"));
  TROUPE_TRY(topic.info.perm, small_number(settings, "perm"));
  TROUPE_TRY(topic.info.order, flag_of(settings, "order"));
  TROUPE_TRY(topic.sysflag, settings.integer("topicSysFlag"));
  TROUPE_TRY(topic.attributes, attributes_of(settings));
  return topic;
}

} // namespace

result<std::vector<listed_group>> read_group_list(storage::byte_view body) {
  TROUPE_TRY(auto object, read_json_body(body, "settings of groups"));
  json_members root(object, "settings of groups");
  TROUPE_TRY(auto groups, root.objects("groupConfigList", most_elements));
  std::vector<listed_group> all;
  for (auto& one : groups) {
    TROUPE_TRY(auto name, one.text("groupName"));
    if (name.empty() || name.size() > longest_name)
      return one.wrong("groupName must have 1 to " + std::to_string(longest_name) + " bytes");
    all.push_back({std::move(name), {}});
  }
  if (all.empty())
    return root.wrong("groupConfigList is empty");
  for (std::size_t i = 0; i < all.size(); ++i)
    all[i].json = boost::json::serialize(object.at("groupConfigList").get_array()[i]);
  return all;
}

result<std::vector<listed_topic>> read_topic_list(storage::byte_view body) {
  TROUPE_TRY(auto object, read_json_body(body, "settings of topics"));
  json_members root(object, "settings of topics");
  TROUPE_TRY(auto topics, root.objects("topicConfigList", most_elements));
  std::vector<listed_topic> all;
  for (auto& one : topics) {
    TROUPE_TRY(auto topic, topic_of(one));
    all.push_back(std::move(topic));
  }
  if (all.empty())
    return root.wrong("topicConfigList is empty");
  return all;
}

} // namespace troupe::remoting
