#include "actors/dispatcher.hpp"

#include "actors/patience.hpp"
#include "storage/cores/apply_core.hpp"
#include "storage/logging.hpp"
#include "storage/mutant.hpp"

#include <algorithm>
#include <chrono>
#include <limits>
#include <utility>

namespace troupe {

namespace {

/// Positions read from the log at a time while catching up.
constexpr std::uint32_t replay_count = 4096;
constexpr auto writer_patience = std::chrono::seconds(1);
constexpr auto queues_patience = std::chrono::seconds(1);
constexpr auto replay_timeout = std::chrono::seconds(30);
constexpr auto replay_pause = std::chrono::milliseconds(100);
/// Of so many pauses one is written to the log.
constexpr std::uint64_t pauses_told = 100;
/// After that the node need not wait for the queues any more.
constexpr auto unreadable_patience = std::chrono::seconds(5);
/// What it says to the writer it takes back itself: no queue-manager has this number.
/// As far as there are records.
constexpr auto unknown_end = std::numeric_limits<log_offset>::max();

} // namespace

void dispatcher_state::add(const position_list& list) {
  if (list.run != run_) // of a log that is not known yet: whoever meets its writer reads it there
    return;
  written_ = std::max(written_, list.batch->to);
  if (!started_ || list.batch->to > next_)
    held_.push_back(list);
  drop_known();
  work();
}

void dispatcher_state::work() {
  drop_known(); // it may have been held while nobody knew how far the queues are
  while (started_ && catching_up_ == catching_up::no && !held_.empty()) {
    auto list = held_.front();
    auto& batch = *list.batch;
    if (storage::apply_core::place_of(batch.from, batch.to, next_) ==
        storage::apply_core::place::continues) {
      held_.pop_front();
      pass_on(list);
      drop_known();
    } else {
      // A gap before it, or an overlap with what was read from the log: the log has it all.
      find_end();
    }
  }
}

/// What was read from the log is confirmed by itself, and its credit given back: the writer's
/// batches of the same must not stay beside it.
void dispatcher_state::drop_known() {
  while (started_ && !held_.empty() && held_.front().batch->to <= next_)
    held_.pop_front();
}

void dispatcher_state::pass_on(const position_list& list) {
  next_ = list.batch->to;
  self_->send(roles_.queue_manager, list);
}

/// Only what the writer has written may be read: behind it a write may be going on.
void dispatcher_state::find_end() {
  catching_up_ = catching_up::asking;
  auto go_on = [this, epoch = epoch_](log_offset end) {
    if (epoch != epoch_)
      return;
    written_ = std::max(written_, end);
    read_log();
  };
  self_->request(roles_.writer, writer_patience, status_atom_v)
      .then([go_on](const writer_status& writer) { go_on(writer.end); },
            [this, go_on, epoch = epoch_](const caf::error& why) {
              if (shows_writer_ended(self_, roles_, from_caf(why)) ||
                  TROUPE_MUTANT("silence-taken-for-death")) {
                // Without a writer nobody writes: all that is there may be read.
                go_on(written_ > 0 ? written_ : unknown_end);
              } else if (epoch == epoch_) {
                // It is silent or out of reach, not dead: it may be in the middle of a write.
                catching_up_ = catching_up::asking_again;
                self_->delayed_send(self_, replay_pause, retry_atom_v);
              }
            });
}

/// All of the log has been passed on; the queues may need to know that nothing is behind it.
void dispatcher_state::caught_up() {
  catching_up_ = catching_up::no;
  self_->send(roles_.queue_manager, ended_atom_v, written_);
  work();
}

void dispatcher_state::read_log() {
  if (roles_.readers.empty()) { // goes on when one is there
    catching_up_ = catching_up::pausing;
    return;
  }
  auto end = written_;
  if (!held_.empty() && held_.front().batch->from > next_)
    end = std::min(end, held_.front().batch->from);
  if (next_ >= end) {
    caught_up();
    return;
  }
  catching_up_ = catching_up::reading;
  auto epoch = epoch_;
  asked_ = roles_.readers.front();
  self_->request(asked_, replay_timeout, replay_atom_v, next_, end, replay_count)
      .then(
          [this, epoch](const position_list& list) {
            if (epoch == epoch_)
              replayed(list);
          },
          [this, epoch](const caf::error& why) {
            if (epoch == epoch_)
              pause(from_caf(why));
          });
}

/// The reader is away or the log cannot be read now: the same question again, later.
void dispatcher_state::pause(const storage::error& why) {
  auto now = self_->clock().now();
  if (pauses_ == 0)
    unreadable_since_ = now;
  if (pauses_++ % pauses_told == 0)
    storage::log_warning("log.unreadable", {{"from", next_}, {"reason", render(why)}});
  ++all_pauses_;
  if (unreadable_.code == errc::none && now - unreadable_since_ >= unreadable_patience)
    tell_unreadable(why);
  catching_up_ = catching_up::pausing;
  self_->delayed_send(self_, replay_pause, retry_atom_v);
}

/// The queues follow no further until it is readable again. Nobody knows when, so nobody should
/// wait for it.
void dispatcher_state::tell_unreadable(const storage::error& why) {
  unreadable_ = {bar_source::dispatcher,
                 why.code == errc::corrupt ? errc::needs_repair : errc::unavailable,
                 "the queues cannot follow the log, which is not readable from " +
                     std::to_string(next_) + " on (" + why.message + "); reads go on up to there"};
  tell_all(unreadable_);
}

void dispatcher_state::readable_again() {
  pauses_ = 0;
  if (unreadable_.code != errc::none)
    tell_all({bar_source::dispatcher, std::exchange(unreadable_, {}).code, {}});
}

/// One that was out of reach may not have heard that the log is unreadable, or that this is over.
void dispatcher_state::tell_writer() {
  if (unreadable_.code != errc::none) {
    self_->send(roles_.writer, unreadable_);
    return;
  }
  for (auto code : {errc::needs_repair, errc::unavailable})
    self_->send(roles_.writer, write_bar{bar_source::dispatcher, code, {}});
}

void dispatcher_state::tell_all(const write_bar& what) {
  self_->send(roles_.node, failed_atom_v, what);
  self_->send(roles_.queue_manager, failed_atom_v, what);
}

void dispatcher_state::replayed(const position_list& list) {
  if (list.batch->to <= next_ && written_ != unknown_end) {
    pause({errc::corrupt, "nothing valid is where a message was written: see troupe store verify"});
    return;
  }
  if (list.batch->to <= next_) { // the end of the log
    written_ = next_;
    caught_up();
    return;
  }
  readable_again();
  replayed_ += list.batch->positions.size();
  // The next piece is asked for when the queues have this one: catching up needs no more memory
  // than `replay_count` positions.
  catching_up_ = catching_up::feeding;
  pass_on({list.batch, run_});
  drop_known();
  if (applied_ >= next_) // they had it already
    read_log();
}

/// Everything is in the queues that is in those of each queue-manager.
void dispatcher_state::applied(std::uint32_t share, log_offset end) {
  if (!started_)
    return;
  auto& by = applied_by_[share];
  by = std::max(by, end);
  if (applied_by_.size() < queue_managers_)
    return;
  auto slowest =
      std::ranges::min_element(applied_by_, {}, [](const auto& one) { return one.second; });
  if (TROUPE_MUTANT("credit-of-the-fastest"))
    slowest = std::ranges::max_element(applied_by_, {}, [](const auto& one) { return one.second; });
  if (slowest->second <= applied_)
    return;
  applied_ = slowest->second;
  give_credit();
  if (catching_up_ == catching_up::feeding && applied_ >= next_)
    read_log();
}

void dispatcher_state::give_credit() {
  if (writer_met_ && missing_ == 0)
    self_->send(roles_.writer, applied_atom_v, applied_);
}

void dispatcher_state::resume(log_offset from) {
  ++epoch_;
  started_ = true;
  next_ = from;
  // Queues that were started again may know less than those before them confirmed.
  applied_ = from;
  applied_by_.clear();
  if (applied_ > 0 && !TROUPE_MUTANT("credit-said-once")) // the writer may have missed one
    give_credit();
  find_end();
}

void dispatcher_state::retry() {
  if (std::exchange(meet_writer_again_, false) && !writer_met_)
    meet_writer();
  if (std::exchange(meet_again_, false) && !started_)
    meet_queues();
  if (catching_up_ == catching_up::pausing)
    read_log();
  else if (catching_up_ == catching_up::asking_again)
    find_end();
}

dispatcher_status dispatcher_state::status() const {
  return {next_, applied_, replayed_, all_pauses_};
}

/// One that is new may have begun another run of the log; of one that was out of reach some batches
/// are lost.
void dispatcher_state::meet_writer() {
  auto whom = roles_.writer;
  if (!whom)
    return;
  self_->request(whom, writer_patience, follow_atom_v)
      .then(
          [this, whom](const log_state& log) {
            if (whom == roles_.writer)
              writer_met(log);
          },
          [this, whom](const caf::error&) {
            if (whom != roles_.writer || writer_met_ || std::exchange(meet_writer_again_, true) ||
                TROUPE_MUTANT("writer-asked-once"))
              return;
            self_->delayed_send(self_, replay_pause, retry_atom_v);
          });
}

void dispatcher_state::writer_met(const log_state& log) {
  writer_met_ = true;
  if (log.run != run_) {
    run_ = log.run;
    ++epoch_;
    held_.clear();
    catching_up_ = catching_up::no;
    applied_ = 0;
    written_ = log.end;
    readable_again(); // it may have been repaired; else that is found out again
    meet_queues();    // once the writer has met them in this run
    return;
  }
  written_ = std::max(written_, log.end);
  if (applied_ > 0 && !TROUPE_MUTANT("credit-said-once"))
    give_credit();
  tell_writer();
  if (started_ && catching_up_ == catching_up::no)
    find_end();
}

/// A queue-manager that is new knows what the log has up to some place; it goes on there. What it
/// knows of another run of the log it has to forget first, which the writer sees to.
void dispatcher_state::meet_queues() {
  auto whom = roles_.queue_manager;
  started_ = false; // what comes meanwhile is held
  auto meeting = ++meetings_;
  if (!whom)
    return;
  auto again = [this, meeting] {
    if (meeting != meetings_ || std::exchange(meet_again_, true) ||
        TROUPE_MUTANT("queues-asked-once"))
      return;
    self_->delayed_send(self_, replay_pause, retry_atom_v);
  };
  self_->request(whom, queues_patience, status_atom_v)
      .then(
          [this, meeting, again](const queue_manager_status& queues) {
            if (meeting != meetings_)
              return;
            if (roles_.writer_ended) // nobody else says which run it was
              run_ = queues.run;
            if (queues.run != run_) {
              again();
              return;
            }
            queue_managers_ = std::max<std::size_t>(1, queues.parts.size());
            missing_ = queues.missing;
            resume(queues.applied);
          },
          [again](const caf::error&) { again(); });
}

void dispatcher_state::set_roles(const role_table& table) {
  auto other_writer = table.writer != roles_.writer;
  auto other_queues = table.queue_manager != roles_.queue_manager;
  roles_ = table;
  if (other_writer) {
    writer_met_ = false;
    meet_writer();
  }
  if (other_queues && !TROUPE_MUTANT("queues-not-met"))
    meet_queues();
  // A reader that is gone, or out of reach, does not answer.
  bool unanswered = catching_up_ == catching_up::reading && !TROUPE_MUTANT("reader-awaited") &&
                    std::ranges::find(roles_.readers, asked_) == roles_.readers.end();
  if (unanswered)
    ++epoch_;
  if (started_ && (unanswered || catching_up_ == catching_up::pausing))
    read_log();
}

dispatcher_actor::behavior_type
dispatcher(dispatcher_actor::stateful_pointer<dispatcher_state> self) {
  auto& state = self->state;
  state.start(self);
  return {
      [&state](const position_list& list) { state.add(list); },
      [&state](applied_atom, std::uint32_t share, log_offset end) { state.applied(share, end); },
      [&state](resume_atom, std::uint32_t, log_offset from) { state.resume(from); },
      [&state](status_atom) { return state.status(); },
      [&state](const role_table& table) { state.set_roles(table); },
      [&state](retry_atom) { state.retry(); },
  };
}

} // namespace troupe
