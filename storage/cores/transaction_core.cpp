#include "storage/cores/transaction_core.hpp"

#include "storage/mutant.hpp"

#include <algorithm>
#include <limits>

namespace troupe::storage {

namespace {

/// Between two looks: most of what came meanwhile is resolved by then.
constexpr std::int64_t look_pause_ms = 200;
/// After a look that failed.
constexpr std::int64_t look_rest_ms = 500;
/// After something could not be stored.
constexpr std::int64_t store_rest_ms = 1000;
/// Between two looks at all that wait.
constexpr std::int64_t scan_pause_ms = 50;
/// Beyond this a mark of the op queue is joined with the one before.
constexpr std::size_t most_marks = 4096;
/// What the op queue says is taken beyond the bound if nothing else helps; never more than this.
constexpr std::size_t most_ahead_factor = 16;

constexpr auto never = std::numeric_limits<std::int64_t>::max();

} // namespace

transaction_core::transaction_core(const settings& limits) : limits_(limits) {
  next_due_ms_ = never;
}

void transaction_core::begin_at(std::int64_t next_half, std::int64_t next_op) {
  first_ = read_ = std::max<std::int64_t>(next_half, 0);
  op_first_ = op_read_ = std::max<std::int64_t>(next_op, 0);
}

// -- what is to be done --------------------------------------------------------------------------

bool transaction_core::may_look(queue which) const noexcept {
  if (which == queue::half)
    return !is_full();
  return ahead_.size() < limits_.most_ahead ||
         (is_full() && ahead_.size() < limits_.most_ahead * most_ahead_factor);
}

transaction_core::actions transaction_core::work(const moment& now) {
  actions todo;
  if (stopped_)
    return todo;
  for (auto which : {queue::op, queue::half}) {
    auto& its = of(which);
    if (its.looking || now.steady_ms < its.rest_until_ms || !may_look(which))
      continue;
    its.looking = true;
    todo.looks.push_back({which, which == queue::half ? read_ : op_read_});
  }
  if (!is_ready())
    return todo;
  if (doubling_ == 0 && !doubles_.empty() && now.steady_ms >= doubles_rest_until_ms_) {
    auto count = std::min(doubles_.size(), most_checks);
    auto begin = doubles_.end() - static_cast<std::ptrdiff_t>(count);
    todo.doubles.assign(begin, doubles_.end());
    doubles_.erase(begin, doubles_.end());
    doubling_ = count;
  }
  if (checking_.empty() && now.steady_ms >= next_due_ms_)
    find_due(now, todo.checks);
  return todo;
}

void transaction_core::find_due(const moment& now, std::vector<std::int64_t>& due) {
  next_due_ms_ = never;
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    auto& one = slots_[i];
    if (one.state != slot_state::open)
      continue;
    bool is_due = one.due_ms <= now.steady_ms;
    if (is_due && due.size() < most_checks && busy_.insert(one.first).second) {
      due.push_back(first_ + static_cast<std::int64_t>(i));
      checking_.emplace(due.back(), one.first);
    } else {
      next_due_ms_ = std::min(next_due_ms_, std::max(one.due_ms, now.steady_ms + scan_pause_ms));
    }
  }
}

std::optional<std::int64_t> transaction_core::sleep_ms(const moment& now) const {
  if (stopped_)
    return std::nullopt;
  auto until = never;
  if (!halves_.looking && may_look(queue::half))
    until = std::min(until, halves_.rest_until_ms);
  if (!ops_.looking && may_look(queue::op))
    until = std::min(until, ops_.rest_until_ms);
  if (is_ready() && checking_.empty())
    until = std::min(until, next_due_ms_);
  if (is_ready() && doubling_ == 0 && !doubles_.empty())
    until = std::min(until, doubles_rest_until_ms_);
  if (until == never)
    return std::nullopt;
  return std::max<std::int64_t>(until - now.steady_ms, 1);
}

// -- what the queues say -------------------------------------------------------------------------

void transaction_core::found(const std::vector<half>& halves, std::int64_t next, std::int64_t end,
                             const moment& now) {
  halves_.looking = false;
  for (auto& one : halves) {
    if (one.at < read_)
      continue;
    add_gap(one.at); // damaged ones, that nobody can read
    add(one, now);
  }
  add_gap(std::min(next, end)); // there is nothing behind the end
  halves_read_ = halves_read_ || read_ >= end;
  halves_.rest_until_ms = read_ < end ? 0 : now.steady_ms + look_pause_ms;
  advance();
}

void transaction_core::add_gap(std::int64_t to) {
  for (; read_ < to; ++read_) {
    ahead_.erase(read_);
    slots_.push_back({0, read_, slot_state::done});
  }
}

void transaction_core::add(const half& what, const moment& now) {
  slot added{0, what.first, slot_state::open};
  auto newest = newest_of(what.first);
  if (ahead_.erase(what.at) > 0) {
    added.state = slot_state::done;
    if (newest == what.at)
      newest_.erase(what.first);
  } else if (newest > what.at) {
    added.state = slot_state::doubled;
    doubles_.push_back(what.at);
  } else if (what.first != what.at) {
    if (auto* before = slot_of(newest); before != nullptr && before->state == slot_state::open) {
      before->state = slot_state::doubled;
      --open_;
      doubles_.push_back(newest);
    }
    newest_[what.first] = what.at;
  }
  if (added.state == slot_state::open) {
    auto wait = what.written_again ? limits_.check_interval_ms
                                   : std::max(limits_.timeout_ms, what.immunity_ms);
    auto wall = std::max<std::int64_t>(now.wall_ms, 0);
    auto stored = std::clamp<std::int64_t>(what.stored_ms, 0, wall);
    auto left = std::max<std::int64_t>(0, wait - (wall - stored));
    added.due_ms = now.steady_ms + std::min(left, wait);
    next_due_ms_ = std::min(next_due_ms_, added.due_ms);
    ++open_;
  }
  slots_.push_back(added);
  ++read_;
}

void transaction_core::found_done(const std::vector<std::int64_t>& halves, std::int64_t next,
                                  std::int64_t end, const moment& now) {
  ops_.looking = false;
  for (auto at : halves) {
    largest_done_ = std::max(largest_done_, at);
    mark_done(at);
  }
  if (std::min(next, end) > op_read_) {
    op_read_ = std::min(next, end);
    if (op_marks_.size() >= most_marks)
      op_marks_.back() = {op_read_, largest_done_};
    else
      op_marks_.push_back({op_read_, largest_done_});
  }
  ops_read_ = ops_read_ || op_read_ >= end;
  ops_.rest_until_ms = op_read_ < end ? 0 : now.steady_ms + look_pause_ms;
  advance();
}

void transaction_core::look_failed(queue which, const moment& now) {
  of(which).looking = false;
  of(which).rest_until_ms = now.steady_ms + look_rest_ms;
}

void transaction_core::moved(queue which, std::int64_t to, const moment& now) {
  if (to == (which == queue::half ? read_ : op_read_))
    return look_failed(which, now);
  of(which).looking = false;
  if (which == queue::op) {
    op_read_ = to;
    op_first_ = std::min(op_first_, to);
    op_marks_.clear();
    op_marks_.push_back({op_read_, largest_done_});
  } else {
    slots_.clear();
    newest_.clear();
    doubles_.clear();
    open_ = 0;
    first_ = read_ = to;
    ahead_.erase(ahead_.begin(), ahead_.lower_bound(to));
  }
  advance();
}

// -- what becomes of them ------------------------------------------------------------------------

transaction_core::slot* transaction_core::slot_of(std::int64_t at) noexcept {
  return at < first_ || at >= read_ ? nullptr : &slots_[static_cast<std::size_t>(at - first_)];
}

std::int64_t transaction_core::newest_of(std::int64_t first) const {
  auto known = newest_.find(first);
  return known == newest_.end() ? first : known->second;
}

bool transaction_core::is_done(std::int64_t at) {
  if (at >= read_)
    return ahead_.count(at) > 0;
  auto* one = slot_of(at);
  return one == nullptr || one->state == slot_state::done;
}

void transaction_core::mark_done(std::int64_t at) {
  if (at >= read_) {
    ahead_.insert(at);
    return;
  }
  auto* one = slot_of(at);
  if (one == nullptr || one->state == slot_state::done)
    return;
  if (one->state == slot_state::open)
    --open_;
  one->state = slot_state::done;
  if (auto known = newest_.find(one->first); known != newest_.end() && known->second == at)
    newest_.erase(known);
}

void transaction_core::advance() {
  for (; !slots_.empty() && slots_.front().state == slot_state::done; ++first_)
    slots_.pop_front();
  for (; !op_marks_.empty() && op_marks_.front().largest < first_; op_marks_.pop_front())
    op_first_ = op_marks_.front().next;
}

void transaction_core::checked(std::int64_t at, outcome what, std::int64_t to, const moment& now) {
  auto known = checking_.find(at);
  if (known == checking_.end())
    return;
  auto first = known->second;
  checking_.erase(known);
  busy_.erase(first);
  // The op queue may have said before that this one is done: where it waits now is news all the
  // same.
  if (what == outcome::again && to >= first_ && !is_done(to))
    newest_[first] = std::max(newest_of(first), to);
  auto* one = slot_of(at);
  if (one == nullptr) // it is done already, or the queue was moved
    return;
  if (what == outcome::later) {
    one->due_ms = now.steady_ms + store_rest_ms;
    next_due_ms_ = std::min(next_due_ms_, one->due_ms);
    return;
  }
  mark_done(at);
  advance();
}

void transaction_core::doubled(std::int64_t at, bool stored, const moment& now) {
  doubling_ -= doubling_ > 0;
  if (stored) {
    mark_done(at);
    return advance();
  }
  doubles_.push_back(at);
  doubles_rest_until_ms_ = now.steady_ms + store_rest_ms;
}

transaction_core::claim transaction_core::claim_for(std::int64_t first) {
  if (!is_ready() || stopped_ || busy_.count(first) > 0)
    return {answer::wait, 0};
  auto at = TROUPE_MUTANT("first-half-named") ? first : newest_of(first);
  if (is_done(at)) // or it was written again, beyond what is read
    return {halves_read_ ? answer::done : answer::later, at};
  if (at >= read_ && ahead_.size() >= limits_.most_ahead)
    return {answer::later, at};
  busy_.insert(first);
  return {answer::go, at};
}

void transaction_core::resolved(std::int64_t first) {
  busy_.erase(first);
  mark_done(newest_of(first));
  advance();
}

} // namespace troupe::storage
