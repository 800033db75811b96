#include "storage/cores/flush_core.hpp"

#include "storage/check.hpp"

#include <algorithm>
#include <utility>

namespace troupe::storage {

std::vector<flush_core::log_file> flush_core::flush::files(std::int64_t file_size) const {
  std::vector<log_file> all;
  for (auto start = from.end - from.end % file_size; start < to.end; start += file_size)
    all.push_back({start, start + file_size <= to.end});
  return all;
}

flush_core::actions flush_core::new_run(std::uint64_t run, const mark& written,
                                        const mark& flushed) {
  TROUPE_CHECK(!flushing_);
  actions then;
  for (auto& w : std::exchange(waiting_, {}))
    then.answers.push_back({w.who, outcome::other_run});
  run_ = run;
  written_ = written;
  flushed_ = flushed;
  failed_ = writer_ended_ = false;
  return then;
}

flush_core::actions flush_core::go_on() noexcept {
  actions then;
  if (written_.end > flushed_.end)
    then.wake = wakes();
  return then;
}

flush_core::actions flush_core::written(const mark& to) noexcept {
  if (to.end > written_.end)
    written_ = to;
  return go_on();
}

flush_core::actions flush_core::wait(std::uint64_t run, std::int64_t end, std::uint64_t who) {
  actions then;
  if (run != run_) {
    then.answers.push_back({who, outcome::other_run});
    return then;
  }
  waiting_.push_back({end, who});
  if (writer_ended_)
    written_.end = std::max(written_.end, end);
  if (failed_ || end <= flushed_.end)
    then.answers = answer_waiting();
  else
    then.wake = wakes();
  return then;
}

flush_core::actions flush_core::writer_ended() noexcept {
  writer_ended_ = true;
  for (auto& w : waiting_)
    written_.end = std::max(written_.end, w.end);
  return go_on();
}

void flush_core::stop(std::int64_t end) noexcept {
  written_.end = std::max(written_.end, end);
}

std::optional<flush_core::flush> flush_core::begin_flush() noexcept {
  awake_ = false;
  if (failed_ || flushing_ || written_.end <= flushed_.end)
    return std::nullopt;
  flushing_ = written_;
  return flush{flushed_, written_};
}

flush_core::actions flush_core::flushed() {
  TROUPE_CHECK(flushing_ && !failed_);
  TROUPE_CHECK(flushing_->end > flushed_.end);
  flushed_ = *std::exchange(flushing_, std::nullopt);
  ++count_;
  actions then;
  then.answers = answer_waiting();
  then.tell = true;
  if (written_.end > flushed_.end)
    then.wake = wakes();
  return then;
}

flush_core::actions flush_core::failed() {
  flushing_.reset();
  actions then;
  if (std::exchange(failed_, true))
    return then;
  then.answers = answer_waiting();
  then.tell = true;
  return then;
}

flush_core::wake_up flush_core::wakes() noexcept {
  if (failed_ || awake_)
    return wake_up::none;
  auto under_way = flushing_ ? flushing_->end : flushed_.end;
  awake_ = !waiting_.empty() || written_.end - under_way > resting_bytes_;
  return awake_ ? wake_up::now : wake_up::unhurried;
}

std::vector<flush_core::answer> flush_core::answer_waiting() {
  std::vector<answer> answers;
  while (!waiting_.empty() && (failed_ || waiting_.front().end <= flushed_.end)) {
    auto& first = waiting_.front();
    answers.push_back({first.who, first.end > flushed_.end ? outcome::failed : outcome::durable});
    waiting_.pop_front();
  }
  return answers;
}

} // namespace troupe::storage
