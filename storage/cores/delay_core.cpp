#include "storage/cores/delay_core.hpp"

#include "storage/mutant.hpp"

#include <algorithm>
#include <limits>
#include <utility>

namespace troupe::storage {

namespace {

/// After a failure; twice as long after each further one, up to the longest.
constexpr std::int64_t first_rest_ms = 100;
constexpr std::uint32_t most_doublings = 5;
/// After a look that failed.
constexpr std::int64_t look_rest_ms = 500;
/// Between two looks that find nothing, should the queue not wait for what is asked.
constexpr std::int64_t empty_rest_ms = 100;

constexpr auto largest = std::numeric_limits<std::int64_t>::max();

} // namespace

delay_core::delay_core(delay_levels levels)
    : delays_(std::move(levels)), states_(delay_levels::most) {}

void delay_core::begin_at(std::int32_t level, std::int64_t next) {
  at(level).next = next;
}

/// Until the message is due; not positive when it is. What is behind the highest level is of other
/// settings, and counts as of the highest.
std::int64_t delay_core::left_ms(std::int32_t level, const waiting& message,
                                 std::int64_t now_ms) const {
  auto delay = delays_.of(level).value_or(0);
  auto stored = std::clamp<std::int64_t>(message.stored_ms, 0, largest - delay);
  auto left = stored + delay - now_ms;
  if (TROUPE_MUTANT("delivered-too-early"))
    left -= 1;
  auto& back = at(level).back;
  if (left > delay && back)
    left = std::min(left, back->seen_ms + delay - now_ms);
  return left;
}

/// Whether the clock says less than when the message was stored. All that the queue has by now was
/// stored before now, so it is due in the level's delay at the latest.
void delay_core::notice_clock(std::int32_t level, const waiting& message, std::int64_t now_ms) {
  auto& s = at(level);
  if (message.stored_ms <= now_ms)
    s.back.reset();
  else if (!s.back || message.position >= s.back->end || now_ms < s.back->seen_ms)
    s.back = set_back{now_ms, s.end};
}

delay_core::actions delay_core::work(const moment& now) {
  actions todo;
  if (stopped_)
    return todo;
  for (std::int32_t level = 1; level <= levels(); ++level) {
    auto& s = at(level);
    if (s.now == phase::sleeping) {
      notice_clock(level, s.head, now.wall_ms);
      if (left_ms(level, s.head, now.wall_ms) <= 0)
        s.now = phase::idle;
    }
    if (s.now == phase::resting && now.steady_ms >= s.rest_until_ms)
      s.now = phase::idle;
    if (s.now == phase::idle) {
      s.now = phase::looking;
      todo.looks.push_back({level, s.next, level <= delays_.highest()});
    } else if (s.now == phase::due) {
      s.now = phase::delivering;
      todo.deliveries.push_back({level, s.batch});
    }
  }
  return todo;
}

std::optional<std::int64_t> delay_core::sleep_ms(const moment& now) const {
  std::optional<std::int64_t> least;
  if (stopped_)
    return least;
  for (std::int32_t level = 1; level <= levels(); ++level) {
    auto& s = at(level);
    std::int64_t wait = 0;
    if (s.now == phase::sleeping)
      wait = left_ms(level, s.head, now.wall_ms);
    else if (s.now == phase::resting)
      wait = s.rest_until_ms - now.steady_ms;
    else
      continue;
    wait = std::clamp<std::int64_t>(wait, 1, longest_sleep_ms);
    least = std::min(least.value_or(wait), wait);
  }
  return least;
}

void delay_core::found(std::int32_t level, const sight& what, const moment& now) {
  auto& s = at(level);
  s.end = what.end;
  s.batch.clear();
  s.behind = std::max(std::min(what.next, what.end), s.next); // there is nothing behind the end
  for (auto& message : what.messages) {
    if (message.position < s.next || s.ahead.count(message.position) > 0)
      continue;
    notice_clock(level, message, now.wall_ms);
    if (left_ms(level, message, now.wall_ms) > 0) {
      s.behind = message.position;
      s.head = message;
      break;
    }
    s.batch.push_back(message.position);
  }
  bool more = s.behind > s.next;
  if (!s.batch.empty()) {
    s.now = phase::due;
  } else if (!what.messages.empty() && s.behind == s.head.position && s.behind < what.next) {
    go_to(s, s.behind); // damaged ones may lie before it
    s.now = phase::sleeping;
  } else if (more) {
    go_to(s, s.behind);
    s.now = phase::idle;
  } else if (level > delays_.highest()) {
    s.now = phase::over;
  } else {
    s.now = phase::resting;
    s.rest_until_ms = now.steady_ms + empty_rest_ms;
  }
}

void delay_core::look_failed(std::int32_t level, const moment& now) {
  at(level).now = phase::resting;
  at(level).rest_until_ms = now.steady_ms + look_rest_ms;
}

void delay_core::look_again() noexcept {
  for (auto& s : states_)
    if (s.now == phase::over)
      s.now = phase::idle;
}

void delay_core::moved(std::int32_t level, std::int64_t to, const moment& now) {
  auto& s = at(level);
  if (to == s.next)
    return look_failed(level, now);
  s.ahead.clear();
  s.next = to;
  s.now = phase::idle;
}

void delay_core::delivered(std::int32_t level, const std::vector<outcome>& outcomes,
                           const moment& now) {
  auto& s = at(level);
  bool all = true;
  for (std::size_t i = 0; i < s.batch.size(); ++i) {
    auto became = i < outcomes.size() ? outcomes[i] : outcome::later;
    if (became == outcome::later && TROUPE_MUTANT("progress-before-stored"))
      continue;
    if (became == outcome::later && std::exchange(all, false))
      go_to(s, s.batch[i]);
    else if (became != outcome::later && !all)
      s.ahead.insert(s.batch[i]);
  }
  s.batch.clear();
  if (!all)
    return rest(s, now);
  go_to(s, s.behind);
  s.failures = 0;
  s.now = phase::idle;
}

void delay_core::rest(state& s, const moment& now) {
  s.now = phase::resting;
  s.rest_until_ms = now.steady_ms + (first_rest_ms << std::min(s.failures, most_doublings));
  ++s.failures;
}

/// Everything before `next` is settled.
void delay_core::go_to(state& s, std::int64_t next) {
  s.next = std::max(s.next, next);
  s.ahead.erase(s.ahead.begin(), s.ahead.lower_bound(s.next));
}

bool delay_core::delivering() const noexcept {
  return std::any_of(states_.begin(), states_.end(),
                     [](const state& s) { return s.now == phase::delivering; });
}

} // namespace troupe::storage
