#include "storage/tables/offset_table.hpp"

#include <charconv>
#include <set>
#include <utility>

namespace troupe::storage {

namespace json = boost::json;

namespace {

constexpr std::size_t max_group_bytes = 255;
/// What a pair of topic and group takes beside its names, which stand in the file twice, and what a
/// queue takes with the largest offset.
constexpr std::size_t pair_bytes = 32;
constexpr std::size_t queue_bytes = 32;

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

/// Java takes numbers in quotes too.
std::optional<queue_offset> parse_offset(const json::value& from) {
  queue_offset offset = -1;
  if (from.is_int64())
    offset = from.get_int64();
  else if (auto* text = from.if_string())
    if (auto [stop, failure] = std::from_chars(text->begin(), text->end(), offset);
        failure != std::errc{} || stop != text->end())
      return std::nullopt;
  return offset >= 0 ? std::optional(offset) : std::nullopt;
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

offset_table::offset_table(file_system& fs, const options& o)
    : file_(fs, o, "consumerOffset.json"), journal_(fs, o) {}

void offset_table::ignore(std::string_view name, const std::string& what) {
  warnings_.push_back(file_.path() + ": " + what + " of '" + std::string(name) +
                      "' cannot be and is ignored");
}

void offset_table::load_entry(std::string_view name, const json::value& from) {
  auto at = name.find('@');
  auto* members = from.if_object();
  if (members != nullptr && at != std::string_view::npos && check_topic_name(name.substr(0, at)) &&
      check_group_name(name.substr(at + 1))) {
    load_queues(name, *members);
  } else {
    ignore(name, "the entry");
    foreign_[as_json(name)] = from;
  }
}

void offset_table::load_queues(std::string_view name, const json::object& from) {
  json::object others;
  for (auto& member : from) {
    auto id = parse_queue_id(std::string_view(member.key()));
    auto offset = parse_offset(member.value());
    if (id && offset) {
      set(std::string(name), *id, offset);
    } else {
      ignore(name, "the offset of queue '" + std::string(member.key()) + "'");
      others[member.key()] = member.value();
    }
  }
  if (!others.empty())
    foreign_[as_json(name)] = std::move(others);
}

result<offset_table> offset_table::load(file_system& fs, const options& o) {
  offset_table table(fs, o);
  TROUPE_TRY(table.content_, table.file_.load(table.warnings_));
  if (auto* entries = table.content_.if_contains("offsetTable");
      entries != nullptr && entries->is_object())
    for (auto& member : entries->get_object())
      table.load_entry(std::string_view(member.key()), member.value());
  table.content_.erase("offsetTable");
  table.content_.erase("groupTopicMap");
  table.foreign_bytes_ = write_fastjson(table.content_, integer_names::bare).size() +
                         write_fastjson(table.foreign_, integer_names::bare).size();
  TROUPE_TRY(table.replay());
  return table;
}

/// Adds what the journal says. When the file is lost, it is newer than the `.bak` all the same.
result<void> offset_table::replay() {
  std::optional<std::string_view> text(file_.text());
  if (file_.fell_back()) {
    text.reset();
    changed_ = true;
    journal_has_all_ = false;
  }
  return journal_.load(
      text,
      [this](const offset_change& change) {
        apply(change);
        changed_ = true;
      },
      warnings_);
}

void offset_table::apply(const offset_change& change) {
  auto [topic, group, queue_id, offset] = change;
  if (group.empty())
    remove_if([&name = topic](std::string_view t, std::string_view) { return t == name; });
  else if (topic.empty())
    remove_if([&name = group](std::string_view, std::string_view g) { return g == name; });
  else
    set(joined(topic, group), queue_id, offset);
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

/// Sets the offset, or forgets it; counts what the file will have.
void offset_table::set(const std::string& name, std::int32_t queue_id,
                       std::optional<queue_offset> offset) {
  auto [pair, new_pair] = offsets_.try_emplace(name);
  if (new_pair)
    entry_bytes_ += 2 * name.size() + pair_bytes;
  auto& held = pair->second;
  auto before = held.size();
  if (offset)
    held[queue_id] = *offset;
  else
    held.erase(queue_id);
  queues_ += held.size() - before; // one more, one less or none
  entry_bytes_ += (held.size() - before) * queue_bytes;
  if (held.empty()) {
    entry_bytes_ -= 2 * name.size() + pair_bytes;
    offsets_.erase(pair);
  }
}

result<void> offset_table::check_room(const std::string& name, std::int32_t queue_id) const {
  auto pair = offsets_.find(name);
  if (pair != offsets_.end() && pair->second.count(queue_id) > 0)
    return boost::outcome_v2::success();
  auto needed = queue_bytes;
  if (pair == offsets_.end())
    needed += 2 * name.size() + pair_bytes;
  if (foreign_bytes_ + entry_bytes_ + needed <= max_file_bytes)
    return boost::outcome_v2::success();
  return error{errc::too_large, "there are offsets of " + std::to_string(queues_) +
                                    " queues, and " + file_.path() + " may not grow beyond " +
                                    std::to_string(max_file_bytes) + " bytes: '" + name +
                                    "' is new and is not stored; delete groups that are not "
                                    "used any more"};
}

result<void> offset_table::store(std::string_view group, std::string_view topic,
                                 std::int32_t queue_id, queue_offset offset) {
  TROUPE_TRY(check_group_name(group));
  TROUPE_TRY(check_topic_name(topic));
  if (queue_id < 0 || queue_id >= static_cast<std::int32_t>(max_queues_per_topic) || offset < 0)
    return error{errc::invalid_argument,
                 "offset " + std::to_string(offset) + " of queue " + std::to_string(queue_id) +
                     " of topic '" + std::string(topic) + "' cannot be: nothing was stored"};
  auto name = joined(topic, group);
  TROUPE_TRY(check_room(name, queue_id));
  undo_.push_back({name, queue_id, find(group, topic, queue_id)});
  set(name, queue_id, offset);
  journal_.stage({topic, group, queue_id, offset});
  changed_ = true;
  return boost::outcome_v2::success();
}

template <class Matches>
void offset_table::remove_if(Matches&& matches) {
  auto goes = [&](std::string_view name) {
    auto at = name.find('@');
    return at != std::string_view::npos && matches(name.substr(0, at), name.substr(at + 1));
  };
  for (auto entry = offsets_.begin(); entry != offsets_.end();) {
    if (!goes(entry->first)) {
      ++entry;
      continue;
    }
    queues_ -= entry->second.size();
    entry_bytes_ -= 2 * entry->first.size() + pair_bytes + entry->second.size() * queue_bytes;
    entry = offsets_.erase(entry);
    changed_ = true;
  }
  for (auto entry = foreign_.begin(); entry != foreign_.end();) {
    const bool gone = goes(std::string_view(entry->key()));
    entry = gone ? foreign_.erase(entry) : entry + 1;
    changed_ = changed_ || gone;
  }
  std::erase_if(undo_, [&](const former& old) { return goes(old.name); });
}

void offset_table::remove_topic(std::string_view topic) {
  remove_if([topic](std::string_view t, std::string_view) { return t == topic; });
  journal_.stage({topic, {}, 0, 0});
}

void offset_table::remove_group(std::string_view group) {
  remove_if([group](std::string_view, std::string_view g) { return g == group; });
  journal_.stage({{}, group, 0, 0});
}

result<void> offset_table::commit() {
  auto undo = std::exchange(undo_, {});
  auto done = journal_.commit();
  if (done)
    return done;
  for (auto old = undo.rbegin(); old != undo.rend(); ++old)
    set(old->name, old->queue_id, old->offset);
  journal_has_all_ = false; // something may have been removed
  return done;
}

json::object offset_table::entries_to_write() const {
  auto entries = foreign_;
  for (auto& [name, offsets] : offsets_) {
    auto& entry = entries[as_json(name)];
    auto& members = entry.is_object() ? entry.get_object() : entry.emplace_object();
    for (auto& [id, offset] : offsets)
      members[std::to_string(id)] = offset;
  }
  return entries;
}

result<void> offset_table::save(std::int64_t now_ms) {
  std::map<std::string_view, std::set<std::string_view>> topics_of_group;
  for_each([&](std::string_view topic, std::string_view group, const queues&) {
    topics_of_group[group].insert(topic);
  });
  json::object groups; // RocketMQ 5 writes this too, though it says nothing new
  for (auto& [group, topics] : topics_of_group) {
    json::array names;
    for (auto topic : topics)
      names.push_back(json::value(as_json(topic)));
    groups[as_json(group)] = std::move(names);
  }
  advance_data_version(content_, now_ms);
  auto whole = content_;
  whole["groupTopicMap"] = std::move(groups);
  whole["offsetTable"] = entries_to_write();
  TROUPE_TRY(file_.save(whole, integer_names::bare));
  journal_.restart(file_.text());
  undo_.clear();
  changed_ = false;
  journal_has_all_ = true;
  return boost::outcome_v2::success();
}

result<void> offset_table::sync_journal() {
  if (!changed_)
    return boost::outcome_v2::success();
  if (!journal_has_all_)
    return error{errc::unavailable, "the journal beside " + file_.path() + " is not complete"};
  return journal_.sync();
}

} // namespace troupe::storage
