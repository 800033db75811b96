#include "actors/queue_manager.hpp"

#include "storage/log_file.hpp"
#include "storage/logging.hpp"
#include "storage/mutant.hpp"
#include "storage/topic_table.hpp"

#include <algorithm>
#include <limits>
#include <utility>

namespace troupe {

namespace {

constexpr auto write_retry_pause = std::chrono::milliseconds(100);
/// How often parked pulls are looked at for their deadline.
constexpr auto parked_interval = std::chrono::milliseconds(50);
/// Syncing thousands of files takes seconds: afterwards the disk rests this many times as long, but
/// not for ever, since what came meanwhile has to be done again after a crash.
constexpr int sync_rest = 8;
constexpr std::chrono::seconds longest_rest{30};
constexpr auto writer_patience = std::chrono::seconds(1);
/// Nobody has said yet how far the log went when this queue-manager took over.
constexpr auto unknown_end = std::numeric_limits<log_offset>::max();
constexpr auto sync_timeout = std::chrono::minutes(10);

} // namespace

// -- starting ------------------------------------------------------------------------------------

void queue_manager_state::start(queue_manager_actor::stateful_pointer<queue_manager_state> actor,
                                queue_manager_setup setup) {
  self_ = actor;
  options_ = setup.options;
  files_ = setup.files;
  clock_ = setup.clock;
  if (setup.replacement)
    look_again(setup);
  log_min_ = setup.log_min;
  read_only_ = setup.read_only;
  if (setup.restarted)
    catch_up_to_ = unknown_end;
  for (auto& t : setup.tombstones)
    dead_[t.topic] = t.deleted_at;
  if (auto opened = open(setup); !opened) {
    storage::log_error("queues.unreadable", {{"reason", opened.error().message}});
    self_->quit(to_caf(opened.error()));
  }
}

/// Files may have been deleted since the node's start, topics too; and the newest checkpoint says
/// how far the queues can be trusted.
void queue_manager_state::look_again(queue_manager_setup& setup) const {
  setup.trust_queues = false;
  setup.log_min = storage::log_start(*files_, options_.store, setup.log_min);
  if (auto known = storage::load_checkpoint(*files_, storage::checkpoint_path(options_.store)))
    setup.checkpoint = known.value();
  if (auto dead = storage::tombstone_table::load(*files_, options_.store)) {
    setup.tombstones.clear();
    for (auto& t : dead.value().all())
      setup.tombstones.push_back({t.topic, t.deleted_at, t.next_offsets});
  }
}

storage::result<void> queue_manager_state::open(const queue_manager_setup& setup) {
  storage::queue_table_options own;
  own.tail_entries = options_.queue_manager.tail_entries;
  own.read_only = setup.read_only;
  if (options_.queue_manager.open_files > 0)
    own.open_files = options_.queue_manager.open_files;
  TROUPE_TRY(auto queues, storage::recover_queues(*files_, options_.store, own, *clock_,
                                                  {setup.log_min, setup.log_end, setup.checkpoint,
                                                   setup.trust_queues, dead_}));
  table_ = std::move(queues.table);
  index_ = std::move(queues.index);
  for (auto& warning : table_->warnings())
    storage::log_warning("queues.ignored", {{"what", warning}});
  rebuilt_ = !queues.rebuild_reason.empty();
  if (rebuilt_)
    storage::log_warning("queues.rebuild", {{"from", log_min_}, {"reason", queues.rebuild_reason}});
  applied_ = queues.applied;
  durable_ = applied_;
  checkpoint_stale_ = !setup.read_only && (!queues.vouched || rebuilt_ || queues.removed_dead);
  flushed_ = setup.flushed;
  return boost::outcome_v2::success();
}

void queue_manager_state::rebuild(const std::string& why) {
  storage::log_warning("queues.rebuild", {{"from", log_min_}, {"reason", why}});
  rebuilt_ = true;
  applied_ = log_min_;
  if (auto done = storage::discard_queues(*files_, options_.store, *table_, *index_, log_min_);
      !done)
    failed(done.error(), apply_tries_);
}

// -- applying ------------------------------------------------------------------------------------

void queue_manager_state::add(const position_list& list) {
  waiting_.push_back(list);
  if (!retry_pending_)
    work();
}

void queue_manager_state::work() {
  while (!waiting_.empty() && failure_.empty()) {
    auto& batch = *waiting_.front().batch;
    if (batch.from > applied_ && batch.to > applied_) {
      // Something is missing before it: the dispatcher goes back to where we are.
      waiting_.clear();
      self_->send(roles_.dispatcher, resume_atom_v, applied_);
      return;
    }
    if (batch.to > applied_) {
      auto done = apply(batch);
      if (!done) {
        failed(done.error(), apply_tries_);
        return;
      }
      if (!done.value())
        return;
      applied_ = batch.to;
      if (!batch.positions.empty())
        last_store_ms_ = std::max(last_store_ms_, batch.positions.back().store_timestamp);
    }
    apply_tries_ = 0;
    waiting_.pop_front();
    self_->send(roles_.dispatcher, applied_atom_v, applied_);
  }
  answer_states();
  answer_waiting();
  if (applied_ > durable_)
    arm_pulse();
}

storage::result<bool> queue_manager_state::apply(const storage::position_batch& given) {
  auto filtered = dead_.empty() ? std::nullopt : without_dead(given);
  auto& batch = filtered ? *filtered : given;
  auto queues = table_->queue_count();
  std::vector<std::pair<std::string, std::int32_t>> touched;
  storage::queue_table::applied done;
  done.count = done_in_front_;
  auto outcome = table_->apply(
      batch, done_in_front_, done,
      [&](storage::queue_table::topic_queues& topic, storage::consume_queue& queue) {
        if (!parked_.empty() && (touched.empty() || touched.back().second != queue.queue_id() ||
                                 touched.back().first != topic.name))
          touched.emplace_back(topic.name, queue.queue_id());
      });
  done_in_front_ = done.count;
  if (table_->queue_count() != queues)
    report_topics(batch);
  for (auto& [topic, queue] : touched)
    wake(topic, queue);
  TROUPE_TRY(outcome);
  if (done.gap) {
    done_in_front_ = 0;
    if (rebuilt_)
      return storage::error{errc::needs_repair,
                            "the log lacks messages of a queue before offset " +
                                std::to_string(batch.positions[done.count].offset) +
                                ": see troupe store verify"};
    rebuild("entries are missing");
    waiting_.clear();
    self_->send(roles_.dispatcher, resume_atom_v, applied_);
    return false;
  }
  if (!batch.key_hashes.empty() && !TROUPE_MUTANT("keys-forgotten")) {
    TROUPE_TRY(index_->add(batch));
  }
  done_in_front_ = 0;
  return true;
}

std::optional<storage::position_batch>
queue_manager_state::without_dead(const storage::position_batch& batch) const {
  auto is_dead = [&](const storage::position& p) {
    if (TROUPE_MUTANT("dead-dispatched"))
      return false;
    auto found = dead_.find(batch.topics[p.topic]);
    return found != dead_.end() && p.offset < found->second;
  };
  if (std::none_of(batch.positions.begin(), batch.positions.end(), is_dead))
    return std::nullopt;
  storage::position_batch rest{batch.from, batch.to, batch.topics, {}, {}};
  std::size_t key = 0;
  for (auto& p : batch.positions) {
    if (!is_dead(p)) {
      rest.positions.push_back(p);
      for (std::size_t k = 0; k < p.keys; ++k)
        rest.key_hashes.push_back(batch.key_hashes[key + k]);
    }
    key += p.keys;
  }
  return rest;
}

void queue_manager_state::failed(const storage::error& why, int& tries) {
  bool final = why.code == errc::needs_repair || ++tries >= options_.store.queue_write_retries;
  storage::log_warning("queues.write_failed", {{"try", tries}, {"reason", why.message}});
  if (!final) {
    retry_pending_ = true;
    self_->delayed_send(self_, write_retry_pause, retry_atom_v);
    return;
  }
  failure_ = "writing the queues failed (" + why.message +
             "); restart the node when the cause is gone: reads go on";
  if (roles_.writer)
    self_->send(roles_.writer, write_refusal{errc::write_stopped, failure_});
  answer_states();
  answer_waiting();
  stop_promise_.deliver(stop_report{failure_});
}

void queue_manager_state::retry() {
  retry_pending_ = false;
  work();
}

/// Topics that only the queues on disk know, as after the loss of topics.json.
void queue_manager_state::report_known_topics() {
  std::map<std::string, std::int32_t> highest;
  table_->for_each(
      [&](const storage::queue_table::topic_queues& topic, const storage::consume_queue& queue) {
        highest[topic.name] = std::max(highest[topic.name], queue.queue_id());
      });
  for (auto& [topic, queue] : highest)
    if (dead_.count(topic) == 0)
      self_->send(roles_.registrar, seen_atom_v, topic, queue);
}

void queue_manager_state::report_topics(const storage::position_batch& batch) {
  std::map<std::uint32_t, std::int32_t> highest;
  for (auto& p : batch.positions)
    highest[p.topic] = std::max(highest[p.topic], p.queue_id);
  for (auto& [topic, queue] : highest)
    self_->send(roles_.registrar, seen_atom_v, batch.topics[topic], queue);
}

void queue_manager_state::flushed(const log_flushed& what) {
  flushed_ = std::max(flushed_, what.end);
  if (!parked_.empty() && options_.store.flush == storage::flush_policy::sync)
    wake_all();
  answer_waiting();
}

void queue_manager_state::remove(const tombstone& dead) {
  dead_[dead.topic] = dead.deleted_at;
  done_in_front_ = 0; // counted without the records that are dead now; those done are skipped
  checkpoint_stale_ = true;
  if (auto removed = table_->remove(dead.topic); !removed)
    storage::log_warning("queues.remove_failed",
                         {{"topic", dead.topic}, {"reason", removed.error().message}});
  arm_pulse();
}

void queue_manager_state::drop(log_offset min) {
  if (TROUPE_MUTANT("queues-not-shortened"))
    return;
  log_min_ = std::max(log_min_, min);
  checkpoint_stale_ = true;
  storage::result<void> done = table_->drop_until(min);
  if (done)
    done = index_->drop_until(min);
  if (!done)
    storage::log_warning("queues.drop_failed", {{"reason", done.error().message}});
  arm_pulse();
}

// -- making it durable ---------------------------------------------------------------------------

bool queue_manager_state::wants_sync() const noexcept {
  return applied_ > durable_ || checkpoint_stale_;
}

void queue_manager_state::arm_pulse() {
  auto now = self_->clock().now();
  auto wait = std::chrono::duration_cast<milliseconds>(next_sync_ - now);
  wait = std::clamp(wait, milliseconds{1}, options_.flusher.queue_interval);
  if (!parked_.empty() || !bounds_.empty())
    wait = std::min<milliseconds>(wait, parked_interval);
  if (pulse_pending_ && pulse_at_ <= now + wait)
    return;
  pulse_pending_ = true;
  pulse_at_ = now + wait;
  self_->delayed_send(self_, wait, write_atom_v);
}

void queue_manager_state::pulse() {
  auto now = self_->clock().now();
  if (!pulse_pending_ || now < pulse_at_)
    return; // one that was armed sooner came first
  pulse_pending_ = false;
  for (auto& pull : parked_.take_expired(now))
    answer_parked(pull, true);
  answer_bounds();
  if (now >= next_sync_)
    sync();
  if (!parked_.empty() || !bounds_.empty() || (wants_sync() && !syncing_ && failure_.empty()))
    arm_pulse();
}

void queue_manager_state::sync() {
  if (syncing_ || !failure_.empty() || !wants_sync())
    return;
  storage::result<void> written = table_->write_out();
  if (written)
    written = index_->write_out();
  if (!written) {
    next_sync_ = self_->clock().now() + write_retry_pause;
    failed(written.error(), write_tries_);
    return;
  }
  write_tries_ = 0;
  syncing_ = true;
  auto running = std::make_shared<running_sync>();
  running->queues = table_->unsynced();
  running->index = index_->unsynced();
  running->applied = applied_;
  checkpoint_stale_ = false;
  running->began = self_->clock().now();
  self_->request(roles_.queue_flusher, sync_timeout, sync_request(*running))
      .then([this, running](const queue_synced&) { synced(*running); },
            [this](const caf::error& why) {
              syncing_ = false;
              checkpoint_stale_ = true;
              auto code = from_caf(why).code;
              if ((code == errc::connection_lost || code == errc::maybe_stored) && !stopping_) {
                // The queue-flusher died, and another one comes; or the disk takes its time.
                next_sync_ = self_->clock().now() + options_.flusher.queue_interval;
                arm_pulse();
                return;
              }
              write_tries_ = options_.store.queue_write_retries; // a failed sync is final
              failed(from_caf(why), write_tries_);
            });
}

queue_sync queue_manager_state::sync_request(const running_sync& sync) const {
  queue_sync request;
  request.files = sync.queues.files;
  request.files.insert(request.files.end(), sync.index.files.begin(), sync.index.files.end());
  request.directories = sync.queues.directories;
  request.directories.insert(request.directories.end(), sync.index.directories.begin(),
                             sync.index.directories.end());
  request.applied = sync.applied;
  request.last_store_ms = last_store_ms_;
  request.queue_count = table_->queue_count();
  request.entry_total = table_->entry_total();
  request.index_files = static_cast<std::uint32_t>(index_->file_count());
  return request;
}

void queue_manager_state::synced(const running_sync& done) {
  syncing_ = false;
  table_->synced(done.queues);
  index_->synced(done.index);
  durable_ = std::max(durable_, done.applied);
  auto now = self_->clock().now();
  auto rest =
      std::min<caf::actor_clock::duration_type>(sync_rest * (now - done.began), longest_rest);
  next_sync_ =
      now + std::max<caf::actor_clock::duration_type>(options_.flusher.queue_interval, rest);
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
  if (!wants_sync() && !syncing_)
    stop_promise_.deliver(stop_report{});
  else
    sync();
  return answer;
}

// -- state ---------------------------------------------------------------------------------------

caf::result<queue_state> queue_manager_state::state_at(log_offset end) {
  kept_promise<queue_state> promise{self_};
  states_.push_back({end, promise});
  answer_states();
  return promise;
}

void queue_manager_state::answer_states() {
  std::erase_if(states_, [&](waiting_state& waiting) {
    if (waiting.end > applied_ && failure_.empty())
      return false;
    if (waiting.end <= applied_)
      waiting.promise.deliver(current_state());
    else
      waiting.promise.deliver(make_caf_error(errc::write_stopped, failure_));
    return true;
  });
}

queue_state queue_manager_state::current_state() const {
  queue_state state;
  state.applied = applied_;
  table_->for_each(
      [&](const storage::queue_table::topic_queues& topic, const storage::consume_queue& queue) {
        auto& next = state.next_offsets[topic.name];
        auto id = static_cast<std::size_t>(queue.queue_id());
        if (next.size() <= id)
          next.resize(id + 1, 0);
        next[id] = queue.next();
      });
  return state;
}

queue_manager_status queue_manager_state::status() const {
  queue_manager_status s;
  s.applied = applied_;
  s.durable = durable_;
  s.queues = table_->queue_count();
  s.entries = table_->entry_total();
  s.parked_pulls = parked_.size();
  s.failure = failure_;
  return s;
}

/// Answers those who wait for more than one queue.
void queue_manager_state::answer_waiting() {
  answer_bounds();
  if (catch_up_to_ == 0 || catching_up())
    return;
  catch_up_to_ = 0;
  wake_all();
}

void queue_manager_state::ask_catch_up_end() {
  auto known = [this](log_offset end) {
    catch_up_to_ = end;
    answer_waiting();
  };
  self_->request(roles_.writer, writer_patience, status_atom_v)
      .then([known](const writer_status& writer) { known(writer.end); },
            [known](const caf::error&) { known(0); });
}

void queue_manager_state::set_roles(const role_table& table) {
  roles_ = table;
  if (catch_up_to_ == unknown_end)
    ask_catch_up_end();
  if (!std::exchange(topics_reported_, true))
    report_known_topics();
  self_->send(roles_.dispatcher, applied_atom_v, applied_);
  if (!failure_.empty())
    self_->send(roles_.writer, write_refusal{errc::write_stopped, failure_});
  if (wants_sync())
    arm_pulse();
}

queue_manager_actor::behavior_type
queue_manager(queue_manager_actor::stateful_pointer<queue_manager_state> self,
              queue_manager_setup setup) {
  auto& state = self->state;
  state.start(self, std::move(setup));
  return {
      [&state](const position_list& list) { state.add(list); },
      [&state](const pull_request& request) { return state.pull(request); },
      [&state](const key_query& query) { return state.query(query); },
      [&state](bounds_atom, const std::string& topic, log_offset end) {
        return state.bounds(topic, end);
      },
      [&state](search_atom, const std::string& topic, std::int32_t queue, std::int64_t time_ms) {
        return state.search(topic, queue, time_ms);
      },
      [&state](const log_flushed& what) { state.flushed(what); },
      [&state](remove_atom, const tombstone& dead) { state.remove(dead); },
      [&state](drop_atom, log_offset min) { state.drop(min); },
      [&state](resume_atom, log_offset end) { return state.state_at(end); },
      [&state](status_atom) { return state.status(); },
      [&state](stop_atom) { return state.stop(); },
      [&state](const role_table& table) { state.set_roles(table); },
      [&state](write_atom) { state.pulse(); },
      [&state](retry_atom) { state.retry(); },
  };
}

} // namespace troupe
