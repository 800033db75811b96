#include "storage/cores/dispatch_core.hpp"

#include "storage/mutant.hpp"

#include <algorithm>
#include <utility>

namespace troupe::storage {

// -- what the writer sends -----------------------------------------------------------------------

dispatch_core::actions dispatch_core::arrived(batch what) {
  actions then;
  if (what.run != run_) // of a log that is not known yet: whoever meets its writer reads it there
    return then;
  written_ = std::max(written_, what.to);
  if (!started_ || what.to > next_)
    held_.push_back(std::move(what));
  work(then);
  return then;
}

void dispatch_core::work(actions& then) {
  drop_known(); // it may have been held while nobody knew how far the queues are
  while (started_ && catching_up_ == catching_up::no && !held_.empty()) {
    if (held_.front().from == next_) {
      auto first = std::move(held_.front());
      held_.pop_front();
      pass_on(std::move(first), false, then);
      drop_known();
    } else {
      // A gap before it, or an overlap with what was read from the log: the log has it all.
      find_end(then);
    }
  }
}

/// What was read from the log is confirmed by itself, and its credit given back: the writer's
/// batches of the same must not stay beside it.
void dispatch_core::drop_known() {
  while (started_ && !held_.empty() && held_.front().to <= next_)
    held_.pop_front();
}

void dispatch_core::pass_on(batch what, bool awaited, actions& then) {
  next_ = what.to;
  then.emplace_back(pass{std::move(what), awaited});
}

// -- reading the log -----------------------------------------------------------------------------

/// Only what the writer has written may be read: behind it a write may be going on.
void dispatch_core::find_end(actions& then) {
  catching_up_ = catching_up::asking;
  then.emplace_back(ask_end{epoch_});
}

dispatch_core::actions dispatch_core::end_known(std::uint64_t question, std::int64_t end) {
  actions then;
  if (question != epoch_)
    return then;
  written_ = std::max(written_, end);
  read_log(then);
  return then;
}

dispatch_core::actions dispatch_core::end_unanswered(std::uint64_t question, bool writer_ended) {
  if (writer_ended || TROUPE_MUTANT("silence-taken-for-death")) {
    // Without a writer nobody writes: all that is there may be read.
    return end_known(question, written_ > 0 ? written_ : unknown_end);
  }
  actions then;
  if (question == epoch_) {
    // It is silent or out of reach, not dead: it may be in the middle of a write.
    catching_up_ = catching_up::asking_again;
    then.emplace_back(arm{});
  }
  return then;
}

void dispatch_core::read_log(actions& then) {
  if (!roles_.readers) { // goes on when one is there
    catching_up_ = catching_up::pausing;
    return;
  }
  auto end = written_;
  if (!held_.empty() && held_.front().from > next_)
    end = std::min(end, held_.front().from);
  if (next_ >= end) {
    caught_up(then);
    return;
  }
  catching_up_ = catching_up::reading;
  then.emplace_back(read{epoch_, next_, end, piece_});
}

void dispatch_core::caught_up(actions& then) {
  catching_up_ = catching_up::no;
  then.emplace_back(ended{written_});
  work(then);
}

dispatch_core::actions dispatch_core::replayed(std::uint64_t question, const batch& what,
                                               time_point now) {
  actions then;
  if (question != epoch_)
    return then;
  if (what.to <= next_ && written_ != unknown_end) {
    pause_for(
        {errc::corrupt, "nothing valid is where a message was written: see troupe store verify"},
        now, then);
    return then;
  }
  if (what.to <= next_) { // the end of the log
    written_ = next_;
    caught_up(then);
    return then;
  }
  readable_again(then);
  replayed_ += what.count;
  // The next piece is asked for when the queues have this one: catching up needs no more memory
  // than `piece_` positions.
  catching_up_ = catching_up::feeding;
  pass_on({run_, what.from, what.to, what.count, what.content}, true, then);
  drop_known();
  if (applied_ >= next_) // they had it already
    read_log(then);
  return then;
}

dispatch_core::actions dispatch_core::unreadable(std::uint64_t question, const error& why,
                                                 time_point now) {
  actions then;
  if (question == epoch_)
    pause_for(why, now, then);
  return then;
}

/// The reader is away or the log cannot be read now: the same question again, later.
void dispatch_core::pause_for(const error& why, time_point now, actions& then) {
  if (pauses_ == 0)
    unreadable_since_ = now;
  if (pauses_++ % pauses_told == 0)
    then.emplace_back(warn{next_, why});
  ++all_pauses_;
  if (barred_.code == errc::none && now - unreadable_since_ >= unreadable_patience)
    bar_writing(why, then);
  catching_up_ = catching_up::pausing;
  then.emplace_back(arm{});
}

/// The queues follow no further until it is readable again. Nobody knows when, so nobody should
/// wait for it.
void dispatch_core::bar_writing(const error& why, actions& then) {
  barred_.code = why.code == errc::corrupt ? errc::needs_repair : errc::unavailable;
  barred_.reason = "the queues cannot follow the log, which is not readable from " +
                   std::to_string(next_) + " on (" + why.message + "); reads go on up to there";
  then.emplace_back(barred_);
}

void dispatch_core::readable_again(actions& then) {
  pauses_ = 0;
  if (barred_.code != errc::none)
    then.emplace_back(bar{std::exchange(barred_, {}).code, {}, bar::audience::all});
}

/// One that was out of reach may not have heard that the log is unreadable, or that this is over.
void dispatch_core::tell_writer(actions& then) const {
  if (barred_.code != errc::none) {
    then.emplace_back(bar{barred_.code, barred_.reason, bar::audience::writer});
    return;
  }
  for (auto code : {errc::needs_repair, errc::unavailable})
    then.emplace_back(bar{code, {}, bar::audience::writer});
}

dispatch_core::actions dispatch_core::retry() {
  actions then;
  if (std::exchange(meet_writer_again_, false) && !writer_met_)
    meet_the_writer(then);
  // One that wanted to resume meanwhile has not said how many they are.
  if (std::exchange(meet_queues_again_, false) && !queues_met_)
    ask_the_queues(then);
  if (catching_up_ == catching_up::pausing)
    read_log(then);
  else if (catching_up_ == catching_up::asking_again)
    find_end(then);
  return then;
}

// -- how far the queues are ----------------------------------------------------------------------

/// Everything is in the queues that is in those of each queue-manager.
dispatch_core::actions dispatch_core::applied(std::uint32_t share, std::int64_t end) {
  actions then;
  if (!started_ || !queues_met_) // who the others are is not known yet
    return then;
  auto& by = applied_by_[share];
  by = std::max(by, end);
  if (applied_by_.size() < queue_managers_)
    return then;
  auto slowest =
      std::ranges::min_element(applied_by_, {}, [](const auto& one) { return one.second; });
  if (TROUPE_MUTANT("credit-of-the-fastest"))
    slowest = std::ranges::max_element(applied_by_, {}, [](const auto& one) { return one.second; });
  if (slowest->second <= applied_)
    return then;
  applied_ = slowest->second;
  give_credit(then);
  if (catching_up_ == catching_up::feeding && applied_ >= next_)
    read_log(then);
  return then;
}

void dispatch_core::give_credit(actions& then) const {
  if (writer_met_ && queues_met_ && missing_ == 0)
    then.emplace_back(credit{applied_});
}

/// What the others have is as much as before: this one may be ahead of them.
dispatch_core::actions dispatch_core::resume(std::uint32_t share, std::int64_t from) {
  actions then;
  applied_by_[share] = from; // less than it confirmed, if it was built again
  auto slowest = std::min(from, applied_);
  if (applied_by_.size() >= queue_managers_)
    slowest = std::min_element(applied_by_.begin(), applied_by_.end(), [](auto& a, auto& b) {
                return a.second < b.second;
              })->second;
  begin_at(from, slowest, then);
  return then;
}

void dispatch_core::begin_at(std::int64_t from, std::int64_t applied, actions& then) {
  ++epoch_;
  started_ = true;
  next_ = from;
  applied_ = applied;
  if (applied_ > 0 && !TROUPE_MUTANT("credit-said-once")) // the writer may have missed one
    give_credit(then);
  find_end(then);
}

// -- meeting the others --------------------------------------------------------------------------

/// One that is new may have begun another run of the log; of one that was out of reach some batches
/// are lost.
void dispatch_core::meet_the_writer(actions& then) const {
  if (roles_.writer)
    then.emplace_back(meet_writer{});
}

dispatch_core::actions dispatch_core::writer_silent() {
  actions then;
  if (writer_met_ || std::exchange(meet_writer_again_, true) || TROUPE_MUTANT("writer-asked-once"))
    return then;
  then.emplace_back(arm{});
  return then;
}

dispatch_core::actions dispatch_core::writer_met(std::uint64_t run, std::int64_t end) {
  actions then;
  writer_met_ = true;
  if (run != run_) {
    run_ = run;
    ++epoch_;
    held_.clear();
    catching_up_ = catching_up::no;
    applied_ = 0;
    written_ = end;
    readable_again(then);  // it may have been repaired; else that is found out again
    meet_the_queues(then); // once the writer has met them in this run
    return then;
  }
  written_ = std::max(written_, end);
  if (applied_ > 0 && !TROUPE_MUTANT("credit-said-once"))
    give_credit(then);
  tell_writer(then);
  if (started_ && catching_up_ == catching_up::no)
    find_end(then);
  return then;
}

/// A queue-manager that is new knows what the log has up to some place; it goes on there. What it
/// knows of another run of the log it has to forget first, which the writer sees to.
void dispatch_core::meet_the_queues(actions& then) {
  started_ = false; // what comes meanwhile is held
  queues_met_ = false;
  ask_the_queues(then);
}

void dispatch_core::ask_the_queues(actions& then) {
  ++meetings_;
  if (roles_.queues)
    then.emplace_back(meet_queues{meetings_});
}

dispatch_core::actions dispatch_core::queues_met(std::uint64_t meeting,
                                                 const queues_state& queues) {
  actions then;
  if (meeting != meetings_)
    return then;
  if (roles_.writer_ended) // nobody else says which run it was
    run_ = queues.run;
  if (queues.run != run_)
    return queues_silent(meeting);
  queue_managers_ = std::max<std::size_t>(1, queues.managers);
  missing_ = queues.missing;
  // Queues that were started again may know less than those before them confirmed.
  applied_by_.clear();
  queues_met_ = true;
  begin_at(queues.applied, queues.applied, then);
  return then;
}

dispatch_core::actions dispatch_core::queues_silent(std::uint64_t meeting) {
  actions then;
  if (meeting != meetings_ || std::exchange(meet_queues_again_, true) ||
      TROUPE_MUTANT("queues-asked-once"))
    return then;
  then.emplace_back(arm{});
  return then;
}

dispatch_core::actions dispatch_core::roles_changed(const roles& now) {
  actions then;
  roles_ = now;
  if (now.other_writer) {
    writer_met_ = false;
    meet_the_writer(then);
  }
  if (now.other_queues && !TROUPE_MUTANT("queues-not-met"))
    meet_the_queues(then);
  // A reader that is gone, or out of reach, does not answer.
  bool unanswered = catching_up_ == catching_up::reading && !TROUPE_MUTANT("reader-awaited") &&
                    now.asked_reader_gone;
  if (unanswered)
    ++epoch_;
  if (started_ && (unanswered || catching_up_ == catching_up::pausing))
    read_log(then);
  return then;
}

} // namespace troupe::storage
