#include "net/quantity.hpp"

#include "storage/options.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <limits>
#include <numeric>
#include <vector>

namespace troupe::net {

using storage::errc;
using storage::error;
using storage::result;

namespace {

struct unit {
  std::string_view name;
  std::int64_t factor;
};

constexpr std::array<unit, 4> size_units = {unit{"KiB", 1LL << 10}, unit{"MiB", 1LL << 20},
                                            unit{"GiB", 1LL << 30}, unit{"TiB", 1LL << 40}};
constexpr std::array<unit, 5> time_units = {unit{"ms", 1}, unit{"s", 1000}, unit{"m", 60'000},
                                            unit{"h", 3'600'000}, unit{"d", 86'400'000}};

error bad(std::string message) {
  return {errc::invalid_argument, std::move(message)};
}

std::string in_quotes(std::string_view text) {
  return "'" + std::string(text) + "'";
}

/// Splits "64 KiB" after its digits.
struct number_and_unit {
  std::int64_t number = 0;
  std::string_view unit;
};

result<number_and_unit> split(std::string_view text) {
  number_and_unit out;
  auto* end = text.data() + text.size();
  auto [rest, failure] = std::from_chars(text.data(), end, out.number);
  if (failure == std::errc::result_out_of_range)
    return bad(in_quotes(text) + " is too large a number");
  if (failure != std::errc())
    return bad(in_quotes(text) + " is not a number");
  out.unit = {rest, static_cast<std::size_t>(end - rest)};
  while (!out.unit.empty() && out.unit.front() == ' ')
    out.unit.remove_prefix(1);
  return out;
}

result<std::int64_t> with_unit(std::string_view text, std::span<const unit> units,
                               const char* example) {
  TROUPE_TRY(auto parts, split(text));
  std::vector<std::string_view> names;
  for (auto& u : units) {
    if (u.name == parts.unit) {
      std::int64_t value = 0;
      if (__builtin_mul_overflow(parts.number, u.factor, &value))
        return bad(in_quotes(text) + " is too large a number");
      return value;
    }
    names.push_back(u.name);
  }
  if (parts.unit.empty())
    return bad(in_quotes(text) + " has no unit; write for example " + example);
  std::string message = in_quotes(text) + ": unknown unit " + in_quotes(parts.unit) +
                        hint(parts.unit, names) + "; there are";
  for (auto name : names)
    message.append(" ").append(name);
  return bad(std::move(message));
}

} // namespace

result<std::int64_t> parse_size(std::string_view text) {
  TROUPE_TRY(auto parts, split(text));
  if (parts.unit.empty())
    return parts.number;
  return with_unit(text, size_units, "64KiB");
}

result<std::int64_t> parse_duration(std::string_view text) {
  return with_unit(text, time_units, "5s");
}

result<std::int64_t> parse_count(std::string_view text) {
  TROUPE_TRY(auto parts, split(text));
  if (!parts.unit.empty())
    return bad(in_quotes(text) + " is not a plain number: " + in_quotes(parts.unit) +
               " is too much");
  return parts.number;
}

result<std::int64_t> parse_percent(std::string_view text) {
  TROUPE_TRY(auto parts, split(text));
  if (!parts.unit.empty() && parts.unit != "%")
    return bad(in_quotes(text) + ": unknown unit " + in_quotes(parts.unit) +
               "; write for example 75 or 75%");
  return parts.number;
}

result<bool> parse_switch(std::string_view text) {
  constexpr std::array<std::string_view, 2> names = {"on", "off"};
  if (text == names[0] || text == names[1])
    return text == names[0];
  return bad(in_quotes(text) + " is neither 'on' nor 'off'" + hint(text, names));
}

namespace {

/// Takes exactly `digits` digits and the mark behind them (none when '\0') off the front.
bool take(std::string_view& text, std::size_t digits, char mark, int& value) {
  if (text.size() < digits)
    return false;
  auto [rest, failure] = std::from_chars(text.data(), text.data() + digits, value);
  if (failure != std::errc() || rest != text.data() + digits || value < 0)
    return false;
  text.remove_prefix(digits);
  if (mark == '\0')
    return true;
  if (text.empty() || (text.front() != mark && !(mark == 'T' && text.front() == ' ')))
    return false;
  text.remove_prefix(1);
  return true;
}

/// ".250" as milliseconds; digits beyond the third are dropped.
bool take_fraction(std::string_view& text, int& ms) {
  if (text.empty() || text.front() != '.')
    return true;
  text.remove_prefix(1);
  int scale = 100;
  std::size_t digits = 0;
  for (; !text.empty() && text.front() >= '0' && text.front() <= '9'; ++digits) {
    ms += (text.front() - '0') * scale;
    scale /= 10;
    text.remove_prefix(1);
  }
  return digits > 0;
}

/// "Z" or "+02:00" as minutes east of Greenwich.
bool take_zone(std::string_view& text, int& minutes) {
  if (text == "Z" || text == "z") {
    text = {};
    return true;
  }
  if (text.empty() || (text.front() != '+' && text.front() != '-'))
    return false;
  int sign = text.front() == '-' ? -1 : 1;
  text.remove_prefix(1);
  int hour = 0;
  int minute = 0;
  if (!take(text, 2, ':', hour) || !take(text, 2, '\0', minute) || hour > 23 || minute > 59)
    return false;
  minutes = sign * (hour * 60 + minute);
  return text.empty();
}

} // namespace

result<std::int64_t> parse_moment(std::string_view text, std::int64_t now_ms) {
  if (text.starts_with('-')) {
    TROUPE_TRY(auto ago, parse_duration(text.substr(1)));
    return now_ms - ago;
  }
  auto rest = text;
  int y = 0, mon = 0, d = 0, h = 0, min = 0, s = 0, ms = 0, zone = 0;
  bool well_formed = take(rest, 4, '-', y) && take(rest, 2, '-', mon) && take(rest, 2, 'T', d) &&
                     take(rest, 2, ':', h) && take(rest, 2, ':', min) && take(rest, 2, '\0', s) &&
                     take_fraction(rest, ms) && take_zone(rest, zone);
  std::chrono::year_month_day day{std::chrono::year{y},
                                  std::chrono::month(static_cast<unsigned>(mon)),
                                  std::chrono::day(static_cast<unsigned>(d))};
  if (!well_formed || !day.ok() || h > 23 || min > 59 || s > 60)
    return bad(in_quotes(text) + " is no time; write for example 2024-05-01T12:00:00Z or -10m");
  auto days = std::chrono::sys_days(day).time_since_epoch().count();
  return ((days * 24LL + h) * 60 + min - zone) * 60'000 + s * 1000LL + ms;
}

namespace {

/// With the largest unit that divides it; empty when none does.
std::string in_units(std::int64_t value, std::span<const unit> units) {
  for (auto u = units.rbegin(); u != units.rend(); ++u)
    if (value != 0 && value % u->factor == 0)
      return std::to_string(value / u->factor).append(u->name);
  return {};
}

} // namespace

std::string size_text(std::int64_t bytes) {
  auto text = in_units(bytes, size_units);
  return text.empty() ? std::to_string(bytes) : text;
}

std::string span_text(std::int64_t ms) {
  auto seconds = ms / 1000;
  if (seconds < 60)
    return std::to_string(seconds) + " s";
  if (seconds < 3600)
    return std::to_string(seconds / 60) + " min " + std::to_string(seconds % 60) + " s";
  auto hours = seconds / 3600;
  if (hours < 48)
    return std::to_string(hours) + " h " + std::to_string(seconds / 60 % 60) + " min";
  return std::to_string(hours / 24) + " days " + std::to_string(hours % 24) + " h";
}

std::string duration_text(std::int64_t ms) {
  auto text = in_units(ms, time_units);
  return text.empty() ? std::to_string(ms) + "ms" : text;
}

std::string moment_text(std::int64_t ms) {
  using namespace std::chrono;
  sys_time<milliseconds> moment{milliseconds{ms}};
  auto midnight = floor<days>(moment);
  year_month_day day{midnight};
  hh_mm_ss clock{moment - midnight};
  std::array<char, 64> text{};
  std::snprintf(
      text.data(), text.size(), "%04d-%02u-%02uT%02d:%02d:%02d.%03dZ", static_cast<int>(day.year()),
      static_cast<unsigned>(day.month()), static_cast<unsigned>(day.day()),
      static_cast<int>(clock.hours().count()), static_cast<int>(clock.minutes().count()),
      static_cast<int>(clock.seconds().count()), static_cast<int>(clock.subseconds().count()));
  return text.data();
}

namespace {

/// Letters to change, add, drop, or swap with their neighbour.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before(b.size() + 1);
  std::vector<std::size_t> last(b.size() + 1);
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), 0);
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::swap(before, last);
    std::swap(last, row);
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      auto changed = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, changed});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        row[j] = std::min(row[j], before[j - 2] + 1);
    }
  }
  return row.back();
}

} // namespace

std::string_view nearest(std::string_view name, std::span<const std::string_view> candidates) {
  std::string_view best;
  auto least = std::numeric_limits<std::size_t>::max();
  // The name may come from a file: its length bounds the work.
  auto shown = name.substr(0, 100);
  std::size_t longest = 0;
  for (auto candidate : candidates) {
    auto d = distance(shown, candidate);
    auto same =
        static_cast<std::size_t>(std::ranges::mismatch(shown, candidate).in1 - shown.begin());
    if (d < least || (d == least && same > longest)) {
      least = d;
      longest = same;
      best = candidate;
    }
  }
  return best;
}

std::string hint(std::string_view name, std::span<const std::string_view> candidates,
                 std::string_view prefix) {
  auto found = nearest(name, candidates);
  // With more than a third of the letters changed it is another word.
  if (3 * distance(name.substr(0, 100), found) > std::max(name.size(), found.size()))
    return {};
  return "; the nearest is '" + std::string(prefix) + std::string(found) + "'";
}

} // namespace troupe::net
