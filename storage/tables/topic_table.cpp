#include "storage/tables/topic_table.hpp"

#include <limits>
#include <optional>
#include <utility>

namespace troupe::storage {

namespace json = boost::json;

namespace {

constexpr const char* table_name = "topicConfigTable";
constexpr std::int32_t max_perm = 15;

/// The member as a number in [low, high]; `otherwise` when it is missing.
std::optional<std::int64_t> number_in(const json::object& from, const char* name, std::int64_t low,
                                      std::int64_t high, std::int64_t otherwise) {
  auto* found = from.if_contains(name);
  if (found == nullptr)
    return otherwise;
  if (!found->is_int64() || found->get_int64() < low || found->get_int64() > high)
    return std::nullopt;
  return found->get_int64();
}

std::optional<topic_info> parse_topic(std::string_view name, const json::value& from) {
  auto* members = from.if_object();
  if (members == nullptr || check_topic_name(name).has_error())
    return std::nullopt;
  auto read = number_in(*members, "readQueueNums", 0, max_queues_per_topic, 8);
  auto write = number_in(*members, "writeQueueNums", 0, max_queues_per_topic, 8);
  auto perm = number_in(*members, "perm", 0, max_perm, 6);
  auto* order = members->if_contains("order");
  if (!read || !write || !perm)
    return std::nullopt;
  return topic_info{std::string(name), static_cast<std::int32_t>(*read),
                    static_cast<std::int32_t>(*write), static_cast<std::int32_t>(*perm),
                    order != nullptr && order->is_bool() && order->get_bool()};
}

} // namespace

json::object& topic_table::entries() {
  auto& table = content_[table_name];
  return table.is_object() ? table.get_object() : table.emplace_object();
}

result<topic_table> topic_table::load(file_system& fs, const options& o) {
  topic_table table(config_file(fs, o, "topics.json"));
  TROUPE_TRY(table.content_, table.file_.load(table.warnings_));
  for (auto& member : table.entries()) {
    std::string name(member.key());
    if (auto topic = parse_topic(name, member.value()))
      table.topics_.emplace(std::move(name), std::move(*topic));
    else
      table.warnings_.push_back(table.file_.path() + ": topic '" + name +
                                "' has a bad name or numbers and is ignored");
  }
  return table;
}

const topic_info* topic_table::find(std::string_view name) const noexcept {
  auto found = topics_.find(name);
  return found == topics_.end() ? nullptr : &found->second;
}

result<void> topic_table::put(const topic_info& topic) {
  TROUPE_TRY(check_topic_name(topic.name));
  constexpr auto most = static_cast<std::int32_t>(max_queues_per_topic);
  if (topic.read_queues < 1 || topic.read_queues > most || topic.write_queues < 1 ||
      topic.write_queues > most)
    return error{errc::invalid_argument,
                 "topic '" + topic.name + "' must have 1 to " + std::to_string(most) + " queues"};
  if (topic.perm < 0 || topic.perm > max_perm)
    return error{errc::invalid_argument,
                 "topic '" + topic.name + "' has a perm that is not in 0..15: 4 is read, 2 write"};
  auto& entry = entries()[as_json(topic.name)];
  if (!entry.is_object())
    entry = json::object{
        {"attributes", json::object{}}, {"topicFilterType", "SINGLE_TAG"}, {"topicSysFlag", 0}};
  auto& members = entry.get_object();
  members["topicName"] = as_json(topic.name);
  members["readQueueNums"] = topic.read_queues;
  members["writeQueueNums"] = topic.write_queues;
  members["perm"] = topic.perm;
  members["order"] = topic.order;
  topics_[topic.name] = topic;
  return boost::outcome_v2::success();
}

bool topic_table::erase(std::string_view name) {
  auto found = topics_.find(name);
  if (found == topics_.end())
    return false;
  entries().erase(as_json(name));
  topics_.erase(found);
  return true;
}

topic_table::description topic_table::describe(std::string_view name) const {
  description found;
  if (auto* config = find(name))
    found.config = *config;
  if (auto* table = content_.if_contains(table_name); table != nullptr && table->is_object())
    if (auto* json = table->get_object().if_contains(as_json(name)))
      found.json = *json;
  return found;
}

void topic_table::restore(const std::string& name, description before) {
  if (before.config)
    topics_[name] = std::move(*before.config);
  else
    topics_.erase(name);
  if (before.json)
    entries()[as_json(name)] = std::move(*before.json);
  else
    entries().erase(as_json(name));
}

result<void> topic_table::save(std::int64_t now_ms) {
  advance_data_version(content_, now_ms);
  return file_.save(content_, integer_names::quoted);
}

// -- tombstones ----------------------------------------------------------------------------------

namespace {

std::optional<tombstone> parse_tombstone(std::string_view topic, const json::value& from) {
  auto* members = from.if_object();
  if (members == nullptr || check_topic_name(topic).has_error())
    return std::nullopt;
  constexpr auto most = std::numeric_limits<std::int64_t>::max();
  auto deleted_at = number_in(*members, "deletedAt", 0, most, -1);
  auto* next = members->if_contains("nextOffsets");
  if (!deleted_at || *deleted_at < 0 || next == nullptr || !next->is_array() ||
      next->get_array().size() > max_queues_per_topic)
    return std::nullopt;
  tombstone dead{std::string(topic), *deleted_at, {}};
  for (auto& offset : next->get_array()) {
    if (!offset.is_int64() || offset.get_int64() < 0)
      return std::nullopt;
    dead.next_offsets.push_back(offset.get_int64());
  }
  return dead;
}

} // namespace

result<tombstone_table> tombstone_table::load(file_system& fs, const options& o) {
  tombstone_table table(config_file(fs, o, "troupe-tombstones.json"));
  TROUPE_TRY(auto content, table.file_.load(table.warnings_));
  auto* entries = content.if_contains("tombstones");
  if (entries == nullptr || !entries->is_object())
    return table;
  for (auto& member : entries->get_object()) {
    auto dead = parse_tombstone(std::string_view(member.key()), member.value());
    if (!dead)
      return error{errc::corrupt, table.file_.path() + ": the entry of topic '" +
                                      std::string(member.key()) +
                                      "' is damaged; without it deleted messages would come back: "
                                      "restore the file from its .bak, or remove the entry"};
    table.put(std::move(*dead));
  }
  return table;
}

std::vector<tombstone> tombstone_table::all() const {
  std::vector<tombstone> found;
  for (auto& [topic, dead] : dead_)
    found.push_back(dead);
  return found;
}

const tombstone* tombstone_table::find(std::string_view topic) const noexcept {
  auto found = dead_.find(topic);
  return found == dead_.end() ? nullptr : &found->second;
}

void tombstone_table::put(tombstone dead) {
  auto topic = dead.topic;
  dead_.insert_or_assign(std::move(topic), std::move(dead));
}

bool tombstone_table::erase(std::string_view topic) {
  auto found = dead_.find(topic);
  if (found == dead_.end())
    return false;
  dead_.erase(found);
  return true;
}

result<void> tombstone_table::save() {
  json::object entries;
  for (auto& [topic, dead] : dead_) {
    json::array next;
    for (auto offset : dead.next_offsets)
      next.push_back(offset);
    entries[as_json(topic)] =
        json::object{{"deletedAt", dead.deleted_at}, {"nextOffsets", std::move(next)}};
  }
  return file_.save(json::object{{"tombstones", std::move(entries)}}, integer_names::quoted);
}

} // namespace troupe::storage
