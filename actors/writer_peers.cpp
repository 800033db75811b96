// What the other roles tell the writer, and how it meets them.

#include "actors/writer.hpp"

#include "actors/patience.hpp"
#include "storage/logging.hpp"
#include "storage/mutant.hpp"

#include <algorithm>
#include <limits>

namespace troupe {

namespace {

constexpr auto queues_patience = std::chrono::seconds(5);

} // namespace

void writer_state::set_roles(const role_table& table) {
  auto other_flusher = table.flusher != roles_.flusher;
  auto other_queues = table.queue_manager != roles_.queue_manager;
  auto other_dispatcher = table.dispatcher != roles_.dispatcher;
  roles_ = table;
  has_roles_ = true;
  if (!TROUPE_MUTANT("file-said-once"))
    file_requested_ = false;
  if (other_flusher) {
    bars_.lift(bar_source::log_file, errc::no_space); // of the one before; this one says it
    meet_flusher();
  }
  if (log_->bytes_left_in_file() == 0 && log_->wants_file())
    want_file();
  if (other_queues)
    meet_queues();
  if (other_dispatcher)
    meet_dispatcher();
}

/// It asks where the log ends as soon as it has found this actor, which may be sooner than the
/// other way round: what was written in between went nowhere. It sees the gap.
void writer_state::meet_dispatcher() {
  if (!is_elsewhere(self_, roles_.dispatcher) || TROUPE_MUTANT("end-not-said"))
    return;
  storage::position_batch nothing;
  nothing.from = nothing.to = log_->end();
  self_->send(
      roles_.dispatcher,
      position_list{std::make_shared<const storage::position_batch>(std::move(nothing)), run_});
}

/// It may be another one than flushed before, in a process of its own: what that one was told by
/// the disk, an error too, this one does not know.
void writer_state::meet_flusher() {
  if (!roles_.flusher)
    return;
  if (is_elsewhere(self_, roles_.flusher))
    sync_alone();
  if (!TROUPE_MUTANT("log-not-attached"))
    self_->send(roles_.flusher, attach_atom_v, log());
  told_ = log_->end();
}

/// Of a log whose flush nobody waits for it is told once a flush: what it says then is the time to
/// tell it more.
void writer_state::tell_flusher() {
  auto end = log_->end();
  if (end <= told_ || (told_ > flushed_ && end - told_ < options_.resting_bytes()))
    return;
  told_ = end;
  self_->send(roles_.flusher, log_written{end, store_time_.last()});
}

void writer_state::sync_alone() {
  auto end = log_->end();
  if (end <= flushed_ || !flush_failure_.empty())
    return;
  if (auto done = log_->sync(); !done)
    flush_failed({"flushing the commit log failed (" + done.error().message +
                  "); restart the node to recover: reads go on"});
  else
    flushed({end, store_time_.last(), run_});
}

/// Numbers go on where the queues end, once they have all that the log held at the start. What they
/// have behind that, when they are met first, the log has lost.
void writer_state::meet_queues() {
  auto whom = roles_.queue_manager;
  if (!whom)
    return;
  auto cut = numbers_.known() ? std::numeric_limits<log_offset>::max() : start_;
  self_->request(whom, patience(self_, whom, queues_patience), meet_atom_v, run_, cut)
      .then([this](const queue_manager_status& queues) { queues_met(queues); },
            [this, whom](const caf::error& why) {
              if (from_caf(why).code == errc::maybe_stored && whom == roles_.queue_manager)
                meet_queues(); // it is silent; when it died, another one comes
            });
}

void writer_state::queues_met(const queue_manager_status& queues) {
  if (numbers_.known())
    return;
  auto end = storage::readable_until(gaps_, start_, queues.applied);
  if (queues.applied < end)
    storage::log_info("queues.catching_up", {{"from", queues.applied}, {"to", end}});
  ask_queues(end);
}

void writer_state::ask_queues(log_offset end) {
  auto whom = roles_.queue_manager;
  self_->request(whom, patience(self_, whom, queues_patience), resume_atom_v, end)
      .then([this](const queue_state& complete) { set_queues(complete); },
            [this, whom, end](const caf::error& e) {
              auto why = from_caf(e);
              // It died, or one of several is away: another one comes that speaks for all.
              if (why.code == errc::connection_lost || why.code == errc::unavailable ||
                  whom != roles_.queue_manager)
                return;
              if (why.code == errc::maybe_stored) { // it is silent, or still catches up
                ask_queues(end);
                return;
              }
              storage::log_error("queues.not_ready", {{"reason", render(why)}});
              self_->send(roles_.node, failed_atom_v,
                          write_bar{bar_source::queues, why.code, why.message});
            });
}

void writer_state::set_queues(const queue_state& state) {
  if (!numbers_.known())
    self_->send(roles_.node, state);
  numbers_.learn(state);
  work();
}

void writer_state::confirm(log_offset end) {
  credit_.confirm(end);
}

void writer_state::flushed(const log_flushed& what) {
  if (what.run != run_ && !TROUPE_MUTANT("flush-of-another-run"))
    return;
  flushed_ = std::max(flushed_, what.end);
  log_->flushed(flushed_);
  tell_flusher();
  answer_flushed();
  keep_sequences();
  if (!bundles_.empty() && !flush_runs())
    wake();
}

void writer_state::flush_failed(const flush_failure& why) {
  flush_failure_ = why.reason;
  answer_flushed();
  refuse({bar_source::flusher, errc::write_stopped, why.reason});
}

void writer_state::refuse(const write_bar& why) {
  auto bar = why;
  if (bar.source == bar_source::log_file) // whatever keeps it away: for clients there is no room
    bar.code = errc::no_space;
  bars_.note(bar);
  tell_node(why);
  if (!bundles_.empty()) // some may wait for a flush that does not come any more
    wake();
}

/// A node that waits for the queues serves reads meanwhile, if they cannot get to the end of the
/// log. Who finds that out may be in another process, and tells the node there.
void writer_state::tell_node(const write_bar& why) {
  bool of_queues =
      why.code == errc::needs_repair || why.code == errc::unavailable || why.code == errc::busy;
  if (!of_queues || (why.reason.empty() ? !node_knows_ : numbers_.known()))
    return;
  node_knows_ = !why.reason.empty();
  self_->send(roles_.node, failed_atom_v, why);
}

caf::result<tombstone> writer_state::retire(const std::string& topic) {
  if (log_->failed()) // what it left behind the end may be found and taken for a new message
    return make_caf_error(errc::write_stopped,
                          "a write to the log failed; restart the node, it will recover");
  if (auto* damaged = bars_.find(bar_source::writer, errc::needs_repair))
    return make_caf_error(errc::needs_repair, damaged->reason);
  if (!numbers_.known()) // the topic, made again, would begin at 0
    return make_caf_error(errc::unavailable, "the queues are not recovered yet; try again later");
  return numbers_.retire(topic, log_->end());
}

void writer_state::revive(const tombstone& from) {
  numbers_.revive(from);
}

} // namespace troupe
