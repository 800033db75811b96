#include "storage/tables/delay_offsets.hpp"

#include <charconv>

namespace troupe::storage {

namespace json = boost::json;

namespace {

/// Warnings that one file may give; what is in it may be anything.
constexpr std::size_t most_warnings = 20;

template <class Number>
std::optional<Number> parse_number(const char* begin, const char* end) {
  Number number = -1;
  auto [stop, failure] = std::from_chars(begin, end, number);
  if (failure != std::errc{} || stop != end || number < 0)
    return std::nullopt;
  return number;
}

bool is_level(std::int32_t level) {
  return level >= 1 && level <= static_cast<std::int32_t>(delay_levels::most);
}

/// Java takes numbers in quotes too.
std::optional<queue_offset> parse_offset(const json::value& from) {
  if (from.is_int64() && from.get_int64() >= 0)
    return from.get_int64();
  if (auto* text = from.if_string())
    return parse_number<queue_offset>(text->begin(), text->end());
  return std::nullopt;
}

} // namespace

void delay_offsets::load_entry(std::string_view name, const json::value& from) {
  auto level = parse_number<std::int32_t>(name.data(), name.data() + name.size());
  auto offset = parse_offset(from);
  if (level && is_level(*level) && offset) {
    offsets_[*level] = *offset;
    return;
  }
  foreign_[as_json(name)] = from;
  if (warnings_.size() < most_warnings)
    warnings_.push_back(file_.path() + ": the offset of level '" + std::string(name.substr(0, 30)) +
                        "' cannot be and is ignored");
}

/// One that cannot be is of no use, and nothing is lost without it.
void delay_offsets::load_window(std::string_view name, const json::value& from) {
  auto level = parse_number<std::int32_t>(name.data(), name.data() + name.size());
  auto* object = from.if_object();
  auto number = [object](std::string_view member) -> queue_offset {
    auto* value = object->if_contains(as_json(member));
    return value == nullptr ? -1 : parse_offset(*value).value_or(-1);
  };
  if (!level || !is_level(*level) || object == nullptr || number("offset") != find(*level))
    return;
  delay_core::window window{number("next"), number("noticed"), {}};
  auto* open = object->if_contains("open");
  if (window.next < number("offset") || window.noticed < 0 || open == nullptr ||
      !open->is_array() || open->get_array().size() > delay_rest::most)
    return;
  auto last = number("offset") - 1;
  for (auto& one : open->get_array()) {
    auto position = parse_offset(one).value_or(-1);
    if (position <= last)
      return;
    window.open.push_back(last = position);
  }
  windows_[*level] = std::move(window);
}

result<delay_offsets> delay_offsets::load(file_system& fs, const options& o) {
  delay_offsets table(fs, o);
  TROUPE_TRY(table.content_, table.file_.load(table.warnings_));
  table.changed_ = table.file_.fell_back();
  if (auto* entries = table.content_.if_contains("offsetTable")) {
    if (entries->is_object())
      for (auto& member : entries->get_object())
        table.load_entry(std::string_view(member.key()), member.value());
    else if (!entries->is_null())
      table.warnings_.push_back(table.file_.path() + ": 'offsetTable' is no object and is ignored");
  }
  table.content_.erase("offsetTable");
  if (auto* windows = table.content_.if_contains("windows"); windows && windows->is_object())
    for (auto& member : windows->get_object())
      table.load_window(std::string_view(member.key()), member.value());
  table.content_.erase("windows");
  return table;
}

std::optional<queue_offset> delay_offsets::find(std::int32_t level) const {
  auto found = offsets_.find(level);
  return found == offsets_.end() ? std::nullopt : std::optional(found->second);
}

void delay_offsets::set(std::int32_t level, queue_offset offset) {
  if (!is_level(level) || offset < 0)
    return;
  auto [place, is_new] = offsets_.try_emplace(level, offset);
  if (!is_new && place->second == offset)
    return;
  place->second = offset;
  changed_ = true;
}

std::optional<delay_core::window> delay_offsets::window(std::int32_t level) const {
  auto found = windows_.find(level);
  return found == windows_.end() ? std::nullopt : std::optional(found->second);
}

void delay_offsets::set_window(std::int32_t level, std::optional<delay_core::window> window) {
  if (!is_level(level) || window == this->window(level))
    return;
  changed_ = true;
  if (window)
    windows_[level] = std::move(*window);
  else
    windows_.erase(level);
}

result<void> delay_offsets::save(std::int64_t now_ms) {
  advance_data_version(content_, now_ms);
  auto entries = foreign_;
  for (auto& [level, offset] : offsets_)
    entries[std::to_string(level)] = offset;
  auto whole = content_;
  whole["offsetTable"] = std::move(entries);
  json::object windows;
  for (auto& [level, window] : windows_)
    windows[std::to_string(level)] = {
        {"offset", find(level).value_or(0)},
        {"next", window.next},
        {"noticed", window.noticed},
        {"open", json::array(window.open.begin(), window.open.end())}};
  if (!windows.empty())
    whole["windows"] = std::move(windows);
  TROUPE_TRY(file_.save(whole, integer_names::bare));
  changed_ = false;
  return boost::outcome_v2::success();
}

} // namespace troupe::storage
