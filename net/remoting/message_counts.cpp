#include "net/remoting/message_counts.hpp"

namespace troupe::remoting {

namespace {

constexpr std::int64_t hour_ms = 3'600'000;
constexpr std::int64_t day_ms = 24 * hour_ms;

} // namespace

void message_counts::add(std::string_view name, std::string_view key, std::uint64_t messages,
                         std::int64_t now_ms) {
  auto found = series_.find(before::view(name, key));
  if (found == series_.end()) {
    if (series_.size() >= most_keys && !make_room(now_ms))
      return;
    found = series_.try_emplace({std::string(name), std::string(key)}).first;
  }
  auto& s = found->second;
  s.minute.add(messages, now_ms);
  s.hour.add(messages, now_ms);
  s.day.add(messages, now_ms);
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
