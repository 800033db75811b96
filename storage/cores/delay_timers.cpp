// Of the delay core: timer messages whose time comes before another level is over.

#include "storage/cores/delay_core.hpp"
#include "storage/mutant.hpp"

#include <algorithm>

namespace troupe::storage {

namespace {

/// Between two looks ahead that find nothing: one that comes meanwhile is noticed behind it.
constexpr std::int64_t ahead_rest_ms = 50;
constexpr std::int64_t full_rest_ms = 20;
/// Store times go on through steps back of the clock that are no longer
/// (storage/format/store_time.hpp), so what lies ahead may have that much more left than it seems:
/// it must not go round and round.
constexpr std::int64_t clock_step_ms = 60'000;

} // namespace

void delay_core::begin_with(std::int32_t level, const window& was) {
  at(level).next = was.next;
  bool whole = true;
  for (auto position : was.open) {
    whole = whole && !rest_.full();
    if (whole)
      rest_.set(level, position, {0, false}); // when they are due their records say
    else
      at(level).next = std::min(at(level).next, position); // it is found again
  }
  if (level == shortest_level_ && whole) {
    noticed_ = was.noticed;
    at(ahead_lane()).next = was.noticed;
  }
}

std::int64_t delay_core::progress(std::int32_t level) const {
  auto next = at(level).next;
  if (TROUPE_MUTANT("progress-past-rest"))
    return next;
  return std::min(rest_.first(level).value_or(next), next);
}

std::optional<delay_core::window> delay_core::window_of(std::int32_t level) const {
  window now{at(level).next, 0, rest_.positions(level)};
  if (level == shortest_level_ && noticed_ > now.next)
    now.noticed = noticed_;
  if (now.open.empty() && now.noticed == 0)
    return std::nullopt;
  return now;
}

bool delay_core::caught_up(const moment& now) const {
  for (std::int32_t level = 1; level <= levels(); ++level) {
    auto& s = at(level);
    bool sleeps = s.now == phase::sleeping && left_ms(level, s.head, now.wall_ms) > 0;
    bool at_end = s.seen && s.next >= s.end && s.now != phase::due && s.now != phase::delivering;
    auto rest = rest_.earliest(level);
    if ((!sleeps && !at_end) || (rest && rest->due_ms <= now.wall_ms))
      return false;
  }
  return true;
}

std::int32_t delay_core::level_of(std::int32_t lane) const noexcept {
  if (is_walk(lane))
    return lane;
  return lane == ahead_lane() ? shortest_level_ : lane - levels();
}

/// It is to come, and no level is short enough to wait in until then, or not by more than the
/// slack.
bool delay_core::has_rest(const waiting& message, std::int64_t now_ms,
                          std::int64_t slack_ms) const noexcept {
  return message.deliver_ms > now_ms && message.deliver_ms - now_ms - slack_ms < shortest_ms_;
}

/// It is due before those that were stored before it may be.
bool delay_core::lies_ahead(std::int32_t level, const waiting& message) const noexcept {
  auto delay = *delays_.of(shortest_level_);
  return level == shortest_level_ && delay > 0 && message.deliver_ms > 0 &&
         message.deliver_ms - delay < message.stored_ms;
}

/// False when there is no room.
bool delay_core::keep(std::int32_t level, const waiting& message, bool passed) {
  if (rest_.full())
    return false;
  rest_.set(level, message.position, {message.deliver_ms, passed});
  if (passed) // all before it that lie ahead are found as well
    noticed_ = at(ahead_lane()).next = message.position + 1;
  return true;
}

/// One that is due, or that has so much left again, as the clock was set back, that it can wait in
/// a level.
std::optional<std::int64_t> delay_core::ripe(std::int32_t level, std::int64_t now_ms) const {
  auto first = rest_.earliest(level);
  if (first && (first->due_ms <= now_ms || TROUPE_MUTANT("rest-not-waited")))
    return first->position;
  auto last = rest_.latest(level);
  if (last && last->due_ms - now_ms - clock_step_ms >= shortest_ms_)
    return last->position;
  return std::nullopt;
}

void delay_core::found_rest(std::int32_t lane, const sight& what, const moment& now) {
  auto& s = at(lane);
  auto level = level_of(lane);
  s.batch.clear();
  bool seen = false;
  for (auto& message : what.messages) {
    auto* kept = rest_.find(level, message.position);
    if (kept == nullptr)
      continue;
    seen = seen || message.position == s.next;
    if (has_rest(message, now.wall_ms, clock_step_ms) && !TROUPE_MUTANT("rest-not-waited"))
      rest_.set(level, message.position, {message.deliver_ms, kept->passed});
    else
      s.batch.push_back(message.position);
  }
  if (!seen && rest_.find(level, s.next) != nullptr) {
    if (std::min(what.next, what.end) <= s.next)
      return look_failed(lane, now);
    settle(level, s.next); // it is damaged
  }
  s.now = s.batch.empty() ? phase::idle : phase::due;
}

void delay_core::found_ahead(const sight& what, const moment& now) {
  auto& s = at(ahead_lane());
  auto& walk = at(shortest_level_);
  auto before = s.next;
  if (what.end < s.next) { // the queue's end was lost: others come where some were
    s.next = std::max(what.end, walk.next);
    noticed_ = std::min(noticed_, s.next);
  }
  auto pause = [&](std::int64_t ms) {
    s.now = phase::resting;
    s.rest_until_ms = now.steady_ms + ms;
  };
  for (auto& message : what.messages) {
    if (message.position < std::max(s.next, walk.next) || !lies_ahead(shortest_level_, message) ||
        walk.ahead.count(message.position) > 0 ||
        rest_.find(shortest_level_, message.position) != nullptr)
      continue;
    if (!keep(shortest_level_, message, true)) {
      s.next = message.position;
      return pause(full_rest_ms);
    }
  }
  s.next = std::max(s.next, std::min(what.next, what.end));
  if (s.next == before)
    return pause(ahead_rest_ms);
  s.now = phase::idle;
}

/// Nothing will be done with it any more. The walk may meet it once more, when one before it has to
/// be delivered again.
void delay_core::settle(std::int32_t level, std::int64_t position) {
  auto* kept = rest_.find(level, position);
  if (kept == nullptr)
    return;
  if (!kept->passed && position >= at(level).next)
    at(level).ahead.insert(position);
  rest_.remove(level, position);
}

void delay_core::rest_delivered(std::int32_t lane, const std::vector<outcome>& outcomes,
                                const moment& now) {
  auto& s = at(lane);
  bool all = true;
  for (std::size_t i = 0; i < s.batch.size(); ++i) {
    if (i < outcomes.size() && outcomes[i] != outcome::later)
      settle(level_of(lane), s.batch[i]);
    else
      all = false;
  }
  s.batch.clear();
  if (!all)
    return rest(s, now);
  s.failures = 0;
  s.now = phase::idle;
}

/// What lies where the queue does not reach is not there any more.
void delay_core::queue_moved(std::int32_t level, std::int64_t from, std::int64_t to) {
  if (to > from)
    return rest_.remove_before(level, to);
  rest_.remove_from(level, to);
  if (level != shortest_level_)
    return;
  at(ahead_lane()).next = std::min(at(ahead_lane()).next, to);
  noticed_ = std::min(noticed_, to);
}

} // namespace troupe::storage
