#include "storage/tables/group_table.hpp"

#include "storage/tables/offset_table.hpp"

#include <boost/json/serialize.hpp>

#include <utility>

namespace troupe::storage {

namespace json = boost::json;

namespace {

constexpr const char* table_name = "subscriptionGroupTable";
constexpr std::size_t max_settings_bytes = 64 * kib;
constexpr std::size_t max_groups = 100'000;
/// Of all groups together: they are held in memory, and sent in one answer.
constexpr std::size_t max_all_bytes = 8 * mib;

struct number_limits {
  const char* name;
  std::int64_t low;
  std::int64_t high;
};
constexpr number_limits numbers[] = {
    {"brokerId", 0, INT32_MAX},
    {"consumeTimeoutMinute", 0, INT32_MAX},
    {"groupSysFlag", INT32_MIN, INT32_MAX},
    {"retryMaxTimes", -1, 10'000}, // -1: as often as the client says
    {"retryQueueNums", 0, 1024},
    {"whichBrokerWhenConsumeSlowly", 0, INT64_MAX},
};
constexpr const char* booleans[] = {"consumeBroadcastEnable", "consumeEnable",
                                    "consumeFromMinEnable", "consumeMessageOrderly",
                                    "notifyConsumerIdsChangedEnable"};

json::object defaults() {
  return {{"brokerId", 0},
          {"consumeBroadcastEnable", true},
          {"consumeEnable", true},
          {"consumeFromMinEnable", true},
          {"notifyConsumerIdsChangedEnable", true},
          {"retryMaxTimes", 16},
          {"retryQueueNums", 1},
          {"whichBrokerWhenConsumeSlowly", 1}};
}

/// Refuses values that RocketMQ could not read or would misunderstand, by the member's name.
result<void> check_settings(const json::object& settings) {
  for (auto& limits : numbers) {
    auto* found = settings.if_contains(limits.name);
    if (found != nullptr &&
        (!found->is_int64() || found->get_int64() < limits.low || found->get_int64() > limits.high))
      return error{errc::invalid_argument, std::string(limits.name) + " must be a number from " +
                                               std::to_string(limits.low) + " to " +
                                               std::to_string(limits.high)};
  }
  for (auto* name : booleans)
    if (auto* found = settings.if_contains(name); found != nullptr && !found->is_bool())
      return error{errc::invalid_argument, std::string(name) + " must be true or false"};
  return boost::outcome_v2::success();
}

/// Refuses new members that would be kept without doing what they say.
result<void> check_members(const json::object& settings) {
  for (auto& member : settings)
    if (member.key().starts_with('@'))
      return error{errc::invalid_argument, std::string(member.key()) + " is no setting"};
  auto* more = settings.if_contains("attributes");
  if (more != nullptr && !(more->is_object() && more->get_object().empty()))
    return error{errc::invalid_argument, "attributes are not supported by this node"};
  return boost::outcome_v2::success();
}

result<void> check_size(std::string_view settings, const std::string& where) {
  if (settings.size() <= max_settings_bytes)
    return boost::outcome_v2::success();
  return error{errc::too_large, where + ": " + std::to_string(settings.size()) +
                                    " bytes; at most " + std::to_string(max_settings_bytes)};
}

/// What is written must be readable again: nested in the file it lies deeper, and numbers that are
/// too large for any type have no text.
result<void> check_text(const std::string& settings, const std::string& where) {
  TROUPE_TRY(parse_fastjson("{\"table\":{\"group\":" + settings + "}}", where));
  return check_size(settings, where);
}

} // namespace

json::object& group_table::entries() {
  auto& table = content_[table_name];
  return table.is_object() ? table.get_object() : table.emplace_object();
}

result<group_table> group_table::load(file_system& fs, const options& o) {
  group_table table(config_file(fs, o, "subscriptionGroup.json"));
  TROUPE_TRY(table.content_, table.file_.load(table.warnings_));
  for (auto& member : table.entries()) {
    std::string group(member.key());
    auto* settings = member.value().if_object();
    if (settings != nullptr && check_group_name(group))
      table.set(group, json::serialize(*settings));
    else
      table.warnings_.push_back(table.file_.path() + ": the settings of group '" + group +
                                "' are damaged and are ignored");
  }
  return table;
}

void group_table::set(const std::string& group, std::string text) {
  auto& held = groups_[group];
  all_bytes_ += text.size();
  all_bytes_ -= held.size();
  held = std::move(text);
}

result<void> group_table::put(std::string_view group, std::string_view settings) {
  TROUPE_TRY(check_group_name(group));
  auto where = "settings of group " + std::string(group);
  TROUPE_TRY(check_size(settings, where));
  TROUPE_TRY(auto parsed, parse_fastjson(settings, where));
  if (!parsed.is_object())
    return error{errc::invalid_argument, where + ": no JSON object"};
  if (auto good = check_members(parsed.get_object()); !good)
    return error{good.error().code, where + ": " + good.error().message};
  auto& table = entries();
  json::object merged = defaults();
  if (auto* known = table.if_contains(as_json(group)); known != nullptr && known->is_object())
    merged = known->get_object();
  for (auto& member : parsed.get_object())
    merged[member.key()] = member.value();
  merged["groupName"] = as_json(group);
  if (auto good = check_settings(merged); !good)
    return error{good.error().code, where + ": " + good.error().message};
  auto text = json::serialize(merged);
  TROUPE_TRY(check_text(text, where));
  auto before = groups_.find(group);
  if ((before == groups_.end() && table.size() >= max_groups) ||
      all_bytes_ + text.size() > max_all_bytes)
    return error{errc::too_large,
                 where + ": those of all groups would be more than " + std::to_string(max_groups) +
                     " or " + std::to_string(max_all_bytes) + " bytes; delete some groups first"};
  set(std::string(group), std::move(text));
  table[as_json(group)] = std::move(merged);
  return boost::outcome_v2::success();
}

std::optional<json::value> group_table::find(std::string_view group) {
  auto* found = entries().if_contains(as_json(group));
  return found != nullptr ? std::optional(*found) : std::nullopt;
}

bool group_table::erase(std::string_view group) {
  if (auto found = groups_.find(group); found != groups_.end()) {
    all_bytes_ -= found->second.size();
    groups_.erase(found);
  }
  return entries().erase(as_json(group)) > 0;
}

void group_table::restore(const std::string& group, const std::optional<json::value>& before) {
  erase(group);
  if (!before)
    return;
  if (before->is_object())
    set(group, json::serialize(*before));
  entries()[group] = *before;
}

result<void> group_table::save(std::int64_t now_ms) {
  advance_data_version(content_, now_ms);
  return file_.save(content_, integer_names::quoted);
}

} // namespace troupe::storage
