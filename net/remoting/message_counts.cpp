#include "net/remoting/message_counts.hpp"

#include <algorithm>
#include <vector>

namespace troupe::remoting {

namespace {

constexpr std::int64_t hour_ms = 3'600'000;
constexpr std::int64_t day_ms = 24 * hour_ms;
constexpr std::int64_t minute_ms = 60'000;

/// Times up to these count together; what takes longer counts with the last.
const std::vector<std::int64_t>& time_steps() {
  static const auto steps = [] {
    std::vector<std::int64_t> all{0};
    for (auto [width, most] : {std::pair{1, 20}, {10, 100}, {100, 1000}, {1000, 10'000}})
      while (all.back() < most)
        all.push_back(all.back() + width);
    all.push_back(2 * all.back());
    return all;
  }();
  return steps;
}

/// RocketMQ's names of spans of time, each up to some milliseconds.
struct named_span {
  const char* name;
  std::int64_t most_ms;
};
constexpr named_span spans[] = {
    {"[<=0ms]", 0},        {"[0~10ms]", 10},     {"[10~50ms]", 50},    {"[50~100ms]", 100},
    {"[100~200ms]", 200},  {"[200~500ms]", 500}, {"[500ms~1s]", 1000}, {"[1~2s]", 2000},
    {"[2~3s]", 3000},      {"[3~4s]", 4000},     {"[4~5s]", 5000},     {"[5~10s]", 10'000},
    {"[10s~]", INT64_MAX},
};

} // namespace

void message_counts::add(std::string_view name, std::string_view key, std::uint64_t amount,
                         std::int64_t now_ms, std::uint64_t requests) {
  auto found = series_.find(before::view(name, key));
  if (found == series_.end()) {
    if (series_.size() >= most_keys && !make_room(now_ms))
      return;
    found = series_.try_emplace({std::string(name), std::string(key)}).first;
  }
  auto& s = found->second;
  s.amount += amount;
  s.requests += requests;
  s.minute.add(amount, requests, now_ms);
  s.hour.add(amount, requests, now_ms);
  s.day.add(amount, requests, now_ms);
}

bool message_counts::make_room(std::int64_t now_ms) {
  if (now_ms < next_look_ms_)
    return false;
  next_look_ms_ = now_ms + hour_ms;
  std::erase_if(series_, [now_ms](auto& one) { return one.second.day.rate(now_ms).sum == 0; });
  return series_.size() < most_keys;
}

std::optional<message_rates> message_counts::find(std::string_view name, std::string_view key,
                                                  std::int64_t now_ms) const {
  auto found = series_.find(before::view(name, key));
  if (found == series_.end())
    return std::nullopt;
  auto& s = found->second;
  return message_rates{s.minute.rate(now_ms), s.hour.rate(now_ms), s.day.rate(now_ms)};
}

void recent_total::add(std::uint64_t amount, std::int64_t now_ms) {
  auto second = now_ms / 1000;
  auto at = static_cast<std::size_t>(second) % slots;
  if (used_[at] != second + 1)
    amounts_[at] = 0;
  used_[at] = second + 1;
  amounts_[at] += amount;
}

double recent_total::per_second(std::int64_t seconds, std::int64_t now_ms) const {
  auto now = now_ms / 1000;
  std::uint64_t sum = 0;
  for (std::size_t at = 0; at < slots; ++at)
    if (used_[at] <= now && used_[at] > now - seconds)
      sum += amounts_[at];
  return static_cast<double>(sum) / static_cast<double>(seconds);
}

void time_spread::add(std::int64_t took_ms, std::int64_t now_ms) {
  longest_ms_ = std::max(longest_ms_, took_ms);
  if (auto minute = now_ms / minute_ms; minute != minute_) {
    last_ = minute == minute_ + 1 ? current_ : counts{};
    current_ = {};
    minute_ = minute;
  }
  auto& steps = time_steps();
  auto at = std::lower_bound(steps.begin(), steps.end(), std::min(took_ms, steps.back()));
  ++current_[static_cast<std::size_t>(at - steps.begin())];
}

const time_spread::counts* time_spread::whole_minute(std::int64_t now_ms) const {
  auto ago = now_ms / minute_ms - minute_;
  return ago == 0 ? &last_ : ago == 1 ? &current_ : nullptr;
}

std::string time_spread::text(std::int64_t now_ms) const {
  auto* found = whole_minute(now_ms);
  auto& steps = time_steps();
  std::string out;
  std::size_t at = 0;
  for (auto& span : spans) {
    std::uint64_t sum = 0;
    for (; at < steps.size() && steps[at] <= span.most_ms; ++at)
      sum += found != nullptr ? (*found)[at] : 0;
    out += std::string(span.name) + ':' + std::to_string(sum) + ' ';
  }
  return out;
}

double time_spread::within(double part, std::int64_t now_ms) const {
  auto* found = whole_minute(now_ms);
  if (found == nullptr)
    return 0;
  std::uint64_t all = 0;
  for (auto count : *found)
    all += count;
  auto wanted = part * static_cast<double>(all);
  auto& steps = time_steps();
  double passed = 0;
  for (std::size_t at = 0; at < steps.size(); ++at) {
    auto count = static_cast<double>((*found)[at]);
    if (count > 0 && passed + count >= wanted) {
      auto from = at == 0 ? 0.0 : static_cast<double>(steps[at - 1]);
      return from + (static_cast<double>(steps[at]) - from) * (wanted - passed) / count;
    }
    passed += count;
  }
  return 0;
}

void daily_total::add(std::uint64_t messages, std::int64_t now_ms) {
  previous_ = yesterday_morning(now_ms);
  morning_ = this_morning(now_ms);
  day_ = now_ms / day_ms;
  now_ += messages;
}

std::uint64_t daily_total::this_morning(std::int64_t now_ms) const noexcept {
  return now_ms / day_ms > day_ ? now_ : morning_;
}

std::uint64_t daily_total::yesterday_morning(std::int64_t now_ms) const noexcept {
  auto days = now_ms / day_ms - day_;
  return days <= 0 ? previous_ : days == 1 ? morning_ : now_;
}

} // namespace troupe::remoting
