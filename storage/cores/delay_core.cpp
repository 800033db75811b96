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
/// Until there is room for one more timer message.
constexpr std::int64_t full_rest_ms = 20;

constexpr auto largest = std::numeric_limits<std::int64_t>::max();

} // namespace

delay_core::delay_core(delay_levels levels)
    : delays_(std::move(levels)), shortest_ms_(largest),
      states_(static_cast<std::size_t>(lanes())) {
  for (std::int32_t level = 1; level <= delays_.highest(); ++level) {
    auto delay = *delays_.of(level);
    if (delay < *delays_.of(shortest_level_))
      shortest_level_ = level;
    if (delay > 0)
      shortest_ms_ = std::min(shortest_ms_, delay);
  }
}

void delay_core::begin_at(std::int32_t level, std::int64_t next) {
  at(level).next = next;
}

/// Until the message is due; not positive when it is. What is behind the highest level is of other
/// settings, and counts as of the highest.
std::int64_t delay_core::left_ms(std::int32_t level, const waiting& message,
                                 std::int64_t now_ms) const {
  auto delay = delays_.of(level).value_or(0);
  auto stored = std::clamp<std::int64_t>(message.stored_ms, 0, largest - delay);
  auto over = stored + delay;
  if (message.deliver_ms > 0) // levels may have become longer
    over = std::min(over, message.deliver_ms);
  auto left = over - now_ms;
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
  for (std::int32_t lane = 1; lane <= lanes(); ++lane) {
    auto& s = at(lane);
    if (s.now == phase::sleeping) {
      notice_clock(lane, s.head, now.wall_ms);
      if (left_ms(lane, s.head, now.wall_ms) <= 0)
        s.now = phase::idle;
    }
    if (s.now == phase::resting && now.steady_ms >= s.rest_until_ms)
      s.now = phase::idle;
    if (s.now == phase::idle) {
      if (auto one = next_look(lane, now)) {
        s.now = phase::looking;
        todo.looks.push_back(*one);
      }
    } else if (s.now == phase::due) {
      s.now = phase::delivering;
      todo.deliveries.push_back({lane, s.batch});
    }
  }
  return todo;
}

std::optional<delay_core::look> delay_core::next_look(std::int32_t lane, const moment& now) {
  auto& s = at(lane);
  if (is_walk(lane))
    return look{lane, s.next, lane <= delays_.highest()};
  if (lane == ahead_lane()) {
    if (*delays_.of(shortest_level_) == 0) // nobody there waits for those before him
      return std::nullopt;
    s.next = std::max(s.next, at(shortest_level_).next);
    return look{lane, s.next, true};
  }
  auto position = ripe(level_of(lane), now.wall_ms);
  if (!position)
    return std::nullopt;
  s.next = *position;
  return look{lane, s.next, false};
}

std::optional<std::int64_t> delay_core::sleep_ms(const moment& now) const {
  std::optional<std::int64_t> least;
  if (stopped_)
    return least;
  for (std::int32_t lane = 1; lane <= lanes(); ++lane) {
    auto& s = at(lane);
    std::int64_t wait = 0;
    if (s.now == phase::sleeping) {
      wait = left_ms(lane, s.head, now.wall_ms);
    } else if (s.now == phase::resting) {
      wait = s.rest_until_ms - now.steady_ms;
    } else if (s.now == phase::idle && is_rest(lane)) {
      auto next = rest_.earliest(level_of(lane));
      if (!next)
        continue;
      wait = next->due_ms - now.wall_ms;
    } else {
      continue;
    }
    wait = std::clamp<std::int64_t>(wait, 1, longest_sleep_ms);
    least = std::min(least.value_or(wait), wait);
  }
  return least;
}

void delay_core::found(std::int32_t lane, const sight& what, const moment& now) {
  if (is_walk(lane))
    return walk(lane, what, now);
  if (lane == ahead_lane())
    return found_ahead(what, now);
  found_rest(lane, what, now);
}

void delay_core::walk(std::int32_t level, const sight& what, const moment& now) {
  auto& s = at(level);
  bool asleep = false;
  bool no_room = false;
  s.end = what.end;
  s.seen = true;
  s.batch.clear();
  s.behind = std::max(std::min(what.next, what.end), s.next); // there is nothing behind the end
  for (auto& message : what.messages) {
    if (message.position < s.next || s.ahead.count(message.position) > 0 ||
        rest_.find(level, message.position) != nullptr)
      continue;
    notice_clock(level, message, now.wall_ms);
    bool ahead = lies_ahead(level, message);
    if (ahead && message.position < at(ahead_lane()).next)
      continue; // found before
    if (!ahead && left_ms(level, message, now.wall_ms) > 0) {
      s.behind = message.position;
      s.head = message;
      asleep = true;
      break;
    }
    if (!ahead && !has_rest(message, now.wall_ms)) {
      s.batch.push_back(message.position);
    } else if (!keep(level, message, ahead)) {
      s.behind = message.position;
      no_room = true;
      break;
    }
  }
  bool more = s.behind > s.next;
  if (!s.batch.empty()) {
    s.now = phase::due;
  } else if (asleep) {
    go_to(s, s.behind); // damaged ones may lie before it
    s.now = phase::sleeping;
  } else if (no_room) {
    go_to(s, s.behind);
    s.now = phase::resting;
    s.rest_until_ms = now.steady_ms + full_rest_ms;
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

void delay_core::look_failed(std::int32_t lane, const moment& now) {
  at(lane).now = phase::resting;
  at(lane).rest_until_ms = now.steady_ms + look_rest_ms;
}

void delay_core::look_again() noexcept {
  for (auto& s : states_)
    if (s.now == phase::over)
      s.now = phase::idle;
}

void delay_core::moved(std::int32_t lane, std::int64_t to, const moment& now) {
  auto& s = at(lane);
  if (to == s.next || (lane == ahead_lane() && to < s.next)) // the level's own walk will say so
    return look_failed(lane, now);
  if (lane != ahead_lane())
    queue_moved(level_of(lane), s.next, to);
  if (!is_rest(lane))
    s.next = to;
  s.ahead.clear();
  s.now = phase::idle;
}

void delay_core::delivered(std::int32_t lane, const std::vector<outcome>& outcomes,
                           const moment& now) {
  if (is_rest(lane))
    return rest_delivered(lane, outcomes, now);
  auto& s = at(lane);
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
