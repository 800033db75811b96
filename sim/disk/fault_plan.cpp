#include "sim/disk/fault_plan.hpp"

#include <array>
#include <charconv>
#include <limits>
#include <utility>

namespace troupe::sim {

namespace {

using storage::errc;
using storage::error;
using storage::result;

constexpr std::array<std::string_view, 14> call_names{
    "open",  "allocate", "write",  "read",           "zero", "sync",  "map",
    "mkdir", "remove",   "rename", "sync-directory", "list", "usage", "lock"};

constexpr std::array<std::string_view, 10> fault_names{
    "io-error",   "no-space", "too-many-files", "short-write", "lost-sync",
    "lying-sync", "flip-bit", "broken-page",    "write-back",  "crash"};

template <std::size_t N>
std::optional<std::uint8_t> find_name(const std::array<std::string_view, N>& names,
                                      std::string_view name) {
  for (std::size_t i = 0; i < N; ++i)
    if (names[i] == name)
      return static_cast<std::uint8_t>(i);
  return std::nullopt;
}

template <class Number>
bool parse_number(std::string_view text, Number& into) {
  auto* last = text.data() + text.size();
  auto [stop, failure] = std::from_chars(text.data(), last, into);
  return failure == std::errc{} && stop == last && !text.empty();
}

/// The text before the first `separator`, which is taken off `rest` with it.
std::string_view take_until(std::string_view& rest, char separator) {
  auto at = rest.find(separator);
  auto part = rest.substr(0, at);
  rest = at == std::string_view::npos ? std::string_view{} : rest.substr(at + 1);
  return part;
}

bool set_field(fault& f, std::string_view name, std::string_view value) {
  if (name == "call")
    return parse_number(value, f.call);
  if (name == "skip")
    return parse_number(value, f.skip);
  if (name == "count")
    return parse_number(value, f.count);
  if (name == "argument")
    return parse_number(value, f.argument);
  if (name == "path") {
    f.path = value;
    return true;
  }
  auto kind = name == "kind" ? find_name(call_names, value) : std::nullopt;
  if (kind)
    f.kind = static_cast<call_kind>(*kind);
  return kind.has_value();
}

result<fault> parse_fault(std::string_view text) {
  fault f;
  bool named = false;
  while (!text.empty()) {
    auto word = take_until(text, ' ');
    if (word.empty())
      continue;
    bool good = false;
    if (auto equals = word.find('='); equals != std::string_view::npos) {
      good = set_field(f, word.substr(0, equals), word.substr(equals + 1));
    } else if (auto what = find_name(fault_names, word); what && !named) {
      f.what = static_cast<fault_kind>(*what);
      named = good = true;
    }
    if (!good)
      return error{errc::invalid_argument,
                   "the fault plan's word '" + std::string(word) +
                       "' is not understood; a fault is written like: short-write call=17 "
                       "kind=write path=commitlog skip=0 count=1 argument=40"};
  }
  if (!named)
    return error{errc::invalid_argument, "a fault of the plan does not say what goes wrong"};
  return f;
}

} // namespace

std::string_view name_of(call_kind kind) noexcept {
  return call_names[static_cast<std::size_t>(kind)];
}

std::string_view name_of(fault_kind kind) noexcept {
  return fault_names[static_cast<std::size_t>(kind)];
}

std::string to_string(const fault_plan& plan) {
  std::string text;
  for (auto& f : plan) {
    text += text.empty() ? "" : "; ";
    text += name_of(f.what);
    if (f.call != 0)
      text += " call=" + std::to_string(f.call);
    if (f.kind)
      text += " kind=" + std::string(name_of(*f.kind));
    if (!f.path.empty())
      text += " path=" + f.path;
    if (f.skip != 0)
      text += " skip=" + std::to_string(f.skip);
    if (f.count != 1)
      text += " count=" + std::to_string(f.count);
    if (f.argument != 0)
      text += " argument=" + std::to_string(f.argument);
  }
  return text;
}

std::set<std::string> usual_classes(const std::vector<std::string>& classes) {
  std::set<std::string> usual(classes.begin(), classes.end());
  usual.erase("lies");
  return usual;
}

result<fault_plan> parse_fault_plan(std::string_view text) {
  fault_plan plan;
  while (!text.empty()) {
    auto part = take_until(text, ';');
    if (part.find_first_not_of(' ') == std::string_view::npos)
      continue;
    TROUPE_TRY(auto parsed, parse_fault(part));
    plan.push_back(std::move(parsed));
  }
  return plan;
}

} // namespace troupe::sim
