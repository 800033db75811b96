#include "storage/offset_table.hpp"

#include <charconv>
#include <set>
#include <utility>

namespace troupe::storage {

namespace json = boost::json;

namespace {

constexpr std::size_t max_group_bytes = 255;

std::string joined(std::string_view topic, std::string_view group) {
  std::string name(topic);
  name.push_back('@');
  return name.append(group);
}

std::optional<std::int32_t> parse_queue_id(std::string_view text) {
  std::int32_t id = -1;
  auto [stop, failure] = std::from_chars(text.data(), text.data() + text.size(), id);
  if (failure != std::errc{} || stop != text.data() + text.size() || id < 0)
    return std::nullopt;
  return id;
}

} // namespace

result<void> check_group_name(std::string_view group) {
  auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '%' ||
           c == '|' || c == '_' || c == '-';
  };
  if (group.empty() || group.size() > max_group_bytes)
    return error{errc::invalid_argument,
                 "consumer group must have 1 to " + std::to_string(max_group_bytes) + " bytes"};
  for (char c : group)
    if (!allowed(c))
      return error{errc::invalid_argument,
                   "consumer group holds a character that is not allowed: use letters, digits, %, "
                   "|, _ and -"};
  return boost::outcome_v2::success();
}

void offset_table::load_entry(std::string_view name, const json::value& from) {
  auto at = name.find('@');
  auto* members = from.if_object();
  queues found;
  bool good = members != nullptr && at != std::string_view::npos &&
              check_topic_name(name.substr(0, at)).has_value() &&
              check_group_name(name.substr(at + 1)).has_value();
  if (good) {
    for (auto& member : *members) {
      auto id = parse_queue_id(std::string_view(member.key()));
      good = id && member.value().is_int64() && member.value().get_int64() >= 0;
      if (!good)
        break;
      found[*id] = member.value().get_int64();
    }
  }
  if (good)
    offsets_.emplace(name, std::move(found));
  else
    warnings_.push_back(file_.path() + ": the offsets of '" + std::string(name) +
                        "' are damaged and are ignored");
}

result<offset_table> offset_table::load(file_system& fs, const options& o) {
  offset_table table(config_file(fs, o, "consumerOffset.json"));
  TROUPE_TRY(table.content_, table.file_.load(table.warnings_));
  if (auto* entries = table.content_.if_contains("offsetTable");
      entries != nullptr && entries->is_object())
    for (auto& member : entries->get_object())
      table.load_entry(std::string_view(member.key()), member.value());
  return table;
}

std::optional<queue_offset> offset_table::find(std::string_view group, std::string_view topic,
                                               std::int32_t queue_id) const {
  auto found = offsets_.find(joined(topic, group));
  if (found == offsets_.end())
    return std::nullopt;
  auto queue = found->second.find(queue_id);
  if (queue == found->second.end())
    return std::nullopt;
  return queue->second;
}

result<void> offset_table::store(std::string_view group, std::string_view topic,
                                 std::int32_t queue_id, queue_offset offset) {
  TROUPE_TRY(check_group_name(group));
  TROUPE_TRY(check_topic_name(topic));
  if (queue_id < 0 || queue_id >= static_cast<std::int32_t>(max_queues_per_topic) || offset < 0)
    return error{errc::invalid_argument,
                 "offset " + std::to_string(offset) + " of queue " + std::to_string(queue_id) +
                     " of topic '" + std::string(topic) + "' cannot be: nothing was stored"};
  offsets_[joined(topic, group)][queue_id] = offset;
  changed_ = true;
  return boost::outcome_v2::success();
}

template <class Matches>
void offset_table::remove_if(Matches&& matches) {
  auto removed = std::erase_if(offsets_, [&](auto& entry) {
    std::string_view name(entry.first);
    auto at = name.find('@');
    return matches(name.substr(0, at), name.substr(at + 1));
  });
  changed_ = changed_ || removed > 0;
}

void offset_table::remove_topic(std::string_view topic) {
  remove_if([topic](std::string_view t, std::string_view) { return t == topic; });
}

void offset_table::remove_group(std::string_view group) {
  remove_if([group](std::string_view, std::string_view g) { return g == group; });
}

result<void> offset_table::save(std::int64_t now_ms) {
  json::object entries;
  std::map<std::string_view, std::set<std::string_view>> topics_of_group;
  for_each([&](std::string_view topic, std::string_view group, const queues& offsets) {
    topics_of_group[group].insert(topic);
    json::object members;
    for (auto& [id, offset] : offsets)
      members[std::to_string(id)] = offset;
    entries[as_json(joined(topic, group))] = std::move(members);
  });
  json::object groups; // RocketMQ 5 writes this too, though it says nothing new
  for (auto& [group, topics] : topics_of_group) {
    json::array names;
    for (auto topic : topics)
      names.push_back(json::value(as_json(topic)));
    groups[as_json(group)] = std::move(names);
  }
  advance_data_version(content_, now_ms);
  content_["groupTopicMap"] = std::move(groups);
  content_["offsetTable"] = std::move(entries);
  TROUPE_TRY(file_.save(content_, integer_names::bare));
  changed_ = false;
  return boost::outcome_v2::success();
}

} // namespace troupe::storage
