#include "sim/store/store_process.hpp"

#include <utility>
#include <variant>

namespace troupe::sim {

using storage::errc;
using storage::error;
using storage::result;

namespace {

result<void> done() {
  return boost::outcome_v2::success();
}

} // namespace

/// What the dispatcher asks for is answered at once.
result<void> store_process::carry_out(const storage::dispatch_core::actions& then) {
  using core = storage::dispatch_core;
  for (auto& one : then) {
    if (std::holds_alternative<core::meet_writer>(one)) {
      TROUPE_TRY(carry_out(follow_.writer_met(run, log_->end())));
    } else if (auto* queues = std::get_if<core::meet_queues>(&one)) {
      TROUPE_TRY(carry_out(follow_.queues_met(queues->meeting, {run, applied(), 1, 0})));
    } else if (auto* writer = std::get_if<core::ask_end>(&one)) {
      TROUPE_TRY(carry_out(follow_.end_known(writer->question, log_->end())));
    } else if (auto* asked = std::get_if<core::read>(&one)) {
      TROUPE_TRY(replay(*asked));
    } else if (auto* list = std::get_if<core::pass>(&one)) {
      waiting_.push_back(list->what.content);
    } else if (auto* room = std::get_if<core::credit>(&one)) {
      TROUPE_CHECK(room->end <= applied());
    } else if (std::holds_alternative<core::arm>(one)) {
      retry_due_ = true;
    }
  }
  return done();
}

result<void> store_process::replay(const storage::dispatch_core::read& asked) {
  auto found = view_->positions(asked.from, asked.to, asked.count);
  if (!found) {
    TROUPE_TRY(carry_out(follow_.unreadable(asked.question, found.error(), now())));
    return std::move(found).error();
  }
  auto batch = std::make_shared<const storage::position_batch>(std::move(found).value());
  TROUPE_TRY(carry_out(follow_.replayed(
      asked.question, {run, batch->from, batch->to, batch->positions.size(), batch}, now())));
  if (batch->to > asked.from)
    return done();
  return error{errc::corrupt, "the log cannot be read on from " + std::to_string(asked.from) +
                                  ", it ends at " + std::to_string(log_->end())};
}

result<void> store_process::apply_next() {
  auto batch = std::move(waiting_.front());
  waiting_.pop_front();
  if (auto done = apply(*batch); !done) {
    waiting_.push_front(std::move(batch)); // the next step tries again, if it may
    return done;
  }
  return carry_out(follow_.applied(0, applied()));
}

result<void> store_process::apply_waiting() {
  while (!waiting_.empty()) {
    TROUPE_TRY(apply_next());
  }
  return done();
}

/// All that the queues lack, in pieces.
result<void> store_process::read_again() {
  waiting_.clear();
  order_.recount();
  TROUPE_TRY(carry_out(follow_.resume(0, applied())));
  return apply_waiting();
}

} // namespace troupe::sim
