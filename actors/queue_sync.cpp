#include "actors/queue_manager.hpp"

#include "actors/passing.hpp"
#include "storage/logging.hpp"

#include <algorithm>
#include <utility>

namespace troupe {

namespace {

constexpr auto write_retry_pause = std::chrono::milliseconds(100);
/// How long to wait while room or descriptors are missing.
constexpr auto obstacle_pause = std::chrono::seconds(1);
/// Syncing thousands of files takes seconds: afterwards the disk rests this many times as long, but
/// not for ever, since what came meanwhile has to be done again after a crash.
constexpr int sync_rest = 8;
constexpr std::chrono::seconds longest_rest{30};
constexpr auto sync_timeout = std::chrono::minutes(10);

} // namespace

// -- when it fails -------------------------------------------------------------------------------

void queue_manager_state::failed(const storage::error& why, int& tries) {
  bool out_of_tries = ++tries >= options_.store.queue_write_retries;
  if (obstacle_.empty())
    storage::log_warning("queues.write_failed", {{"try", tries}, {"reason", why.message}});
  // Entries stay in memory until they are written: when the disk takes them again, it goes on.
  bool for_good = why.code == errc::needs_repair || why.code == errc::write_stopped;
  if (for_good || (out_of_tries && stopping_)) {
    give_up(why);
    return;
  }
  if (out_of_tries)
    blocked(why);
  retry_pending_ = true;
  self_->delayed_send(self_, out_of_tries ? obstacle_pause : write_retry_pause, retry_atom_v);
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
  retry_pending_ = false;
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
  // Each way to the disk has to get through.
  if (obstacle_.empty() || apply_tries_ > 0 || write_tries_ > 0)
    return;
  obstacle_.clear();
  storage::log_info("queues.unblocked");
  tell_obstacle();
}

// -- making it durable ---------------------------------------------------------------------------

void queue_manager_state::sync_soon() {
  next_sync_ = std::min(next_sync_, self_->clock().now());
  arm_pulse();
}

bool queue_manager_state::wants_sync() const noexcept {
  return (applied_ > durable_ || checkpoint_stale_) && !read_only_;
}

bool queue_manager_state::may_sync() const noexcept {
  return wants_sync() && !syncing_ && failure_.empty();
}

std::optional<queue_manager_state::time_point> queue_manager_state::next_due(time_point now) const {
  auto due = parked_.next_deadline();
  auto or_at = [&due](time_point when) { due = due ? std::min(*due, when) : when; };
  if (!bounds_.empty())
    or_at(bounds_.front().deadline);
  if (ask_end_again_)
    or_at(now + obstacle_pause);
  if (may_sync())
    or_at(next_sync_);
  return due;
}

/// Those who wait are many, and mostly wake by a word of somebody else: there is one pulse for all,
/// when the first of them has to be looked at.
void queue_manager_state::arm_pulse() {
  auto now = self_->clock().now();
  auto due = next_due(now);
  if (!due)
    return;
  auto wait = std::max(std::chrono::ceil<milliseconds>(*due - now), milliseconds{1});
  if (!pulses_.empty() && pulses_.back() <= now + wait)
    return;
  pulses_.push_back(now + wait);
  self_->delayed_send(self_, wait, pulse_atom_v);
}

void queue_manager_state::pulse() {
  auto now = self_->clock().now();
  while (!pulses_.empty() && pulses_.back() <= now)
    pulses_.pop_back();
  if (std::exchange(ask_end_again_, false) && behind())
    ask_catch_up_end();
  for (auto& pull : parked_.take_expired(now))
    answer_parked(pull, true);
  if (!bounds_.empty() && bounds_.front().deadline <= now)
    answer_bounds();
  if (now >= next_sync_)
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
    failed(written.error(), write_tries_);
    next_sync_ = self_->clock().now();
    next_sync_ += obstacle_.empty() ? write_retry_pause : milliseconds{obstacle_pause};
    arm_pulse();
    return;
  }
  auto running = std::make_shared<running_sync>();
  // Entries of a batch that is half applied lie behind what the checkpoint vouches for.
  storage::result<storage::queue_table::totals> totals = table_->all_totals();
  if (front_begun_ || applied_ < compare_until_)
    totals = table_->totals_until(applied_);
  if (!totals) {
    storage::log_warning("queues.not_counted", {{"reason", totals.error().message}});
    next_sync_ = self_->clock().now() + options_.flusher.queue_interval;
    arm_pulse();
    return;
  }
  running->totals = totals.value();
  syncing_ = true;
  running->queues = table_->unsynced();
  running->index = index_->unsynced();
  running->applied = applied_;
  checkpoint_stale_ = false;
  self_->request(roles_.queue_flusher, sync_timeout, sync_request(*running))
      .then([this, running](const queue_synced& done) { synced(*running, done); },
            [this](const caf::error& why) {
              syncing_ = false;
              checkpoint_stale_ = true;
              auto code = from_caf(why).code;
              bool later = code == errc::connection_lost || code == errc::maybe_stored ||
                           code == errc::unavailable;
              if (later && !stopping_) {
                // The queue-flusher died, and another one comes; the disk takes its time; or the
                // log's flusher is away.
                next_sync_ = self_->clock().now() + options_.flusher.queue_interval;
                arm_pulse();
                return;
              }
              if (later && roles_.elsewhere.count(role_name<flusher_actor>) > 0) {
                // It stops too, and nothing may be vouched for that the log may not have.
                stop_promise_.deliver(
                    stop_report{"the log's flusher did not say that the log is durable: the next "
                                "start compares the queues with it"});
                return;
              }
              write_tries_ = options_.store.queue_write_retries;
              if (may_pass(code))
                failed(from_caf(why), write_tries_);
              else
                give_up(from_caf(why)); // a failed sync: what was written is in doubt
              next_sync_ = self_->clock().now() + obstacle_pause;
              if (failure_.empty()) // such as no room for the checkpoint
                arm_pulse();
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
  syncing_ = false;
  write_tries_ = 0;
  unblocked();
  table_->synced(done.queues);
  index_->synced(done.index);
  durable_ = std::max(durable_, done.applied);
  auto rest = std::min<milliseconds>(sync_rest * milliseconds(answer.disk_ms), longest_rest);
  next_sync_ = self_->clock().now() + std::max<milliseconds>(options_.flusher.queue_interval, rest);
  if (stop_promise_.pending()) {
    if (wants_sync()) {
      sync();
      return;
    }
    stop_promise_.deliver(stop_report{failure_});
  }
  if (wants_sync())
    arm_pulse();
}

caf::result<stop_report> queue_manager_state::stop() {
  stopping_ = true;
  wake_all();
  answer_bounds();
  if (!failure_.empty())
    return stop_report{failure_};
  stop_promise_ = kept_promise<stop_report>{self_};
  auto answer = stop_promise_;
  if (!obstacle_.empty())
    work(); // once more, and then without waiting for the disk
  if (!wants_sync() && !syncing_)
    stop_promise_.deliver(stop_report{});
  else
    sync();
  return answer;
}

} // namespace troupe
