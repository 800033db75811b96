#include "actors/queue_manager.hpp"

#include "storage/logging.hpp"

#include <algorithm>
#include <utility>

namespace troupe {

namespace {

using storage::sync_rhythm;

constexpr auto sync_timeout = std::chrono::minutes(10);

} // namespace

// -- when it fails -------------------------------------------------------------------------------

void queue_manager_state::act(const sync_rhythm::actions& then, const storage::error& why) {
  if (then.warn_of_try > 0)
    storage::log_warning("queues.write_failed",
                         {{"try", then.warn_of_try}, {"reason", why.message}});
  if (then.give_up)
    give_up(why);
  if (then.block)
    blocked(why);
  if (then.unblock)
    unblocked();
  if (then.retry)
    self_->delayed_send(self_, *then.retry, retry_atom_v);
  if (then.stopped)
    stop_promise_.deliver(stop_report{failure_});
  if (then.log_unknown)
    stop_promise_.deliver(stop_report{"the log's flusher did not say that the log is durable: the "
                                      "next start compares the queues with it"});
  if (then.sync)
    sync();
  if (then.arm)
    arm_pulse();
}

void queue_manager_state::give_up(const storage::error& why) {
  failure_ = "writing the queues failed (" + why.message +
             "); restart the node when the cause is gone: reads go on";
  if (roles_.writer)
    self_->send(roles_.writer,
                write_bar{bar_source::queues, errc::write_stopped, failure_, share_});
  answer_states();
  answer_waiting();
  stop_promise_.deliver(stop_report{failure_});
}

void queue_manager_state::retry() {
  rhythm_.retrying_now();
  work();
}

void queue_manager_state::blocked(const storage::error& why) {
  obstacle_ = "writing the queues failed (" + why.message +
              "); reads go on, and writing when the cause is gone";
  tell_obstacle();
}

/// A node that waits for the queues in order to start serves reads meanwhile.
void queue_manager_state::tell_obstacle() {
  write_bar bar{bar_source::queues, obstacle_code, obstacle_, share_};
  if (roles_.writer)
    self_->send(roles_.writer, bar);
  bool tell = obstacle_.empty() ? node_knows_obstacle_ : !states_.empty();
  if (roles_.node && tell)
    self_->send(roles_.node, failed_atom_v, bar);
  node_knows_obstacle_ = !obstacle_.empty() && (tell || node_knows_obstacle_);
}

void queue_manager_state::unblocked() {
  obstacle_.clear();
  storage::log_info("queues.unblocked");
  tell_obstacle();
}

// -- making it durable ---------------------------------------------------------------------------

void queue_manager_state::sync_soon() {
  rhythm_.soon(self_->clock().now());
  arm_pulse();
}

std::optional<queue_manager_state::time_point> queue_manager_state::next_due(time_point now) const {
  auto due = parked_.next_deadline();
  auto or_at = [&due](time_point when) { due = due ? std::min(*due, when) : when; };
  if (!bounds_.empty())
    or_at(bounds_.front().deadline);
  if (confirm_at_)
    or_at(*confirm_at_);
  if (ask_end_again_)
    or_at(now + sync_rhythm::obstacle_pause);
  if (auto wait = rhythm_.wait(now))
    or_at(now + *wait);
  return due;
}

/// Those who wait are many, and mostly wake by a word of somebody else: there is one pulse for all,
/// when the first of them has to be looked at.
void queue_manager_state::arm_pulse() {
  if (auto due = next_due(self_->clock().now()))
    timer_.arm(self_, *due, pulse_atom_v);
}

void queue_manager_state::pulse() {
  auto now = self_->clock().now();
  timer_.came(now);
  if (std::exchange(ask_end_again_, false) && behind())
    ask_catch_up_end();
  for (auto& pull : parked_.take_expired(now))
    find_again(std::move(pull), pull_stage::ended);
  if (!bounds_.empty() && bounds_.front().deadline <= now)
    answer_bounds();
  if (confirm_at_ && *confirm_at_ <= now)
    confirm();
  if (rhythm_.due(now))
    sync();
  arm_pulse();
}

void queue_manager_state::sync() {
  if (!may_sync())
    return;
  storage::result<void> written = table_->write_out();
  if (written)
    written = index_->write_out();
  if (!written) {
    act(rhythm_.write_failed(written.error().code, self_->clock().now()), written.error());
    arm_pulse();
    return;
  }
  auto running = std::make_shared<running_sync>();
  // Entries of a batch that is half applied lie behind what the checkpoint vouches for.
  storage::result<storage::queue_table::totals> totals = table_->all_totals();
  if (order_.ahead())
    totals = table_->totals_until(applied());
  if (!totals) {
    storage::log_warning("queues.not_counted", {{"reason", totals.error().message}});
    rhythm_.not_counted(self_->clock().now());
    arm_pulse();
    return;
  }
  running->totals = totals.value();
  rhythm_.begun();
  running->queues = table_->unsynced();
  running->index = index_->unsynced();
  running->applied = applied();
  self_->request(roles_.queue_flusher, sync_timeout, sync_request(*running))
      .then([this, running](const queue_synced& done) { synced(*running, done); },
            [this](const caf::error& error) {
              auto why = from_caf(error);
              bool log_elsewhere = roles_.elsewhere.count(role_name<flusher_actor>) > 0;
              act(rhythm_.sync_failed(why.code, log_elsewhere, self_->clock().now()), why);
            });
}

queue_sync queue_manager_state::sync_request(const running_sync& sync) const {
  queue_sync request;
  request.files = sync.queues.files;
  request.files.insert(request.files.end(), sync.index.files.begin(), sync.index.files.end());
  request.directories = sync.queues.directories;
  request.directories.insert(request.directories.end(), sync.index.directories.begin(),
                             sync.index.directories.end());
  request.run = run_;
  request.applied = sync.applied;
  request.last_store_ms = last_store_ms_;
  request.queue_count = sync.totals.queues;
  request.entry_total = sync.totals.entries;
  request.index_files = static_cast<std::uint32_t>(index_->file_count());
  return request;
}

void queue_manager_state::synced(const running_sync& done, const queue_synced& answer) {
  table_->synced(done.queues);
  index_->synced(done.index);
  act(rhythm_.synced(done.applied, milliseconds{answer.disk_ms}, self_->clock().now()));
}

caf::result<stop_report> queue_manager_state::stop() {
  stopping_ = true;
  rhythm_.stop();
  wake_all();
  answer_bounds();
  if (!failure_.empty())
    return stop_report{failure_};
  stop_promise_ = kept_promise<stop_report>{self_};
  auto answer = stop_promise_;
  if (rhythm_.blocked())
    work(); // once more, and then without waiting for the disk
  act(rhythm_.stop_goes_on());
  return answer;
}

} // namespace troupe
