#include "storage/delay_levels.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

namespace troupe::storage {

namespace {

struct unit {
  char letter;
  std::int64_t ms;
};
/// The largest last: `text` looks from behind.
constexpr std::array<unit, 4> units = {
    {{'s', 1000}, {'m', 60'000}, {'h', 3'600'000}, {'d', 86'400'000}}};

/// As far as durations of cluster.ini go.
constexpr std::int64_t longest_ms = std::int64_t{36'500} * 86'400'000;

std::optional<std::int64_t> parse_word(std::string_view word) noexcept {
  auto u = std::find_if(units.begin(), units.end(),
                        [&](const unit& one) { return word.ends_with(one.letter); });
  if (u == units.end())
    return std::nullopt;
  word.remove_suffix(1);
  std::int64_t number = 0;
  auto* end = word.data() + word.size();
  auto [stop, failure] = std::from_chars(word.data(), end, number);
  if (failure != std::errc{} || stop != end || number < 0 || number > longest_ms / u->ms)
    return std::nullopt;
  return number * u->ms;
}

} // namespace

delay_levels::delay_levels() : ms_(parse(usual).value().ms_) {}

result<delay_levels> delay_levels::parse(std::string_view text) {
  std::vector<std::int64_t> all;
  while (!text.empty()) {
    auto end = std::min(text.find(' '), text.size());
    auto word = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (word.empty())
      continue;
    auto ms = parse_word(word);
    if (!ms)
      return error{errc::invalid_argument,
                   "holds '" + std::string(word.substr(0, 30)) +
                       "', which is no delay: a number and s, m, h or d, such as 30s"};
    all.push_back(*ms);
    if (all.size() > most)
      return error{errc::invalid_argument,
                   "has more levels than " + std::to_string(most) + ", the most there may be"};
  }
  if (all.empty())
    return error{errc::invalid_argument, "must name a delay for each level, such as 1s 5s 10s"};
  return delay_levels(std::move(all));
}

std::optional<std::int64_t> delay_levels::of(std::int32_t level) const noexcept {
  if (level < 1)
    return std::nullopt;
  return ms_[static_cast<std::size_t>(std::min(level, highest())) - 1];
}

std::string delay_levels::text() const {
  std::string out;
  for (auto ms : ms_) {
    auto u = units.rbegin();
    while (u + 1 != units.rend() && (ms % u->ms != 0 || ms == 0))
      ++u;
    out.append(out.empty() ? "" : " ").append(std::to_string(ms / u->ms)).push_back(u->letter);
  }
  return out;
}

} // namespace troupe::storage
