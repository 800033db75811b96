#include "actors/queue_manager.hpp"

#include "actors/patience.hpp"
#include "storage/log/log_file.hpp"
#include "storage/logging.hpp"
#include "storage/mutant.hpp"
#include "storage/tables/topic_table.hpp"

#include <algorithm>
#include <limits>
#include <utility>

namespace troupe {

namespace {

constexpr auto writer_patience = std::chrono::seconds(1);
/// Nobody has said yet how far the log went when this queue-manager took over.
constexpr auto unknown_end = std::numeric_limits<log_offset>::max();
/// Places of damaged messages that are remembered, so that each is told once.
constexpr std::size_t most_damage_told = 1000;
} // namespace

// -- starting ------------------------------------------------------------------------------------

void queue_manager_state::start(queue_manager_actor::stateful_pointer<queue_manager_state> actor,
                                queue_manager_setup setup) {
  self_ = actor;
  options_ = setup.options;
  files_ = setup.files;
  clock_ = setup.clock;
  share_ = setup.share;
  shares_ = setup.shares;
  if (setup.replacement)
    look_again(setup);
  run_ = setup.run;
  log_min_ = setup.log_min;
  read_only_ = setup.read_only;
  catch_up_to_ = setup.restarted ? unknown_end : setup.log_end;
  for (auto& t : setup.tombstones)
    dead_[t.topic] = t;
  // They end with this actor, and it with them: another one has others.
  for (auto* one : {&queue_reader_, &search_reader_}) {
    *one = spawn_blocking(self_->system(), queue_reader, files_);
    self_->monitor(*one);
    self_->attach_functor([reader = *one](const caf::error&) {
      caf::anon_send_exit(reader, caf::exit_reason::user_shutdown);
    });
  }
  self_->set_down_handler([this](const caf::down_msg&) {
    self_->quit(make_caf_error(errc::connection_lost, "a queue-reader ended"));
  });
  if (auto opened = open(setup); !opened) {
    storage::log_error("queues.unreadable", {{"reason", opened.error().message}});
    self_->quit(to_caf(opened.error()));
  }
}

/// Files may have been deleted since the node's start, topics too; and the newest checkpoint says
/// how far the queues can be trusted.
void queue_manager_state::look_again(queue_manager_setup& setup) const {
  setup.trust_queues = false;
  if (auto known = storage::load_checkpoint(*files_, storage::checkpoint_path(options_.store)))
    setup.checkpoint = known.value();
  if (!setup.log_is_here)
    return;
  setup.log_min = storage::log_start(*files_, options_.store, setup.log_min);
  if (auto dead = storage::tombstone_table::load(*files_, options_.store))
    setup.tombstones = dead.value().all();
}

storage::result<void> queue_manager_state::open(const queue_manager_setup& setup) {
  storage::queue_table_options own;
  own.read_only = setup.read_only;
  own.tail_entries = options_.queue_manager.tail_entries;
  if (options_.queue_manager.open_files > 0)
    own.open_files = options_.queue_manager.open_files;
  storage::queue_recovery_plan plan{
      setup.log_min, setup.log_end, setup.checkpoint, setup.trust_queues, {}, setup.log_is_here};
  for (auto& [topic, dead] : dead_)
    plan.dead[topic] = dead.deleted_at;
  TROUPE_TRY(auto queues, storage::recover_queues(*files_, options_.store, own, *clock_, plan));
  table_ = std::move(queues.table);
  index_ = std::move(queues.index);
  numbers_ = std::move(queues.numbers);
  for (auto& warning : table_->warnings())
    storage::log_warning("queues.ignored", {{"what", warning}});
  auto rebuilt = !queues.rebuild_reason.empty();
  if (rebuilt)
    storage::log_warning("queues.rebuild", {{"from", log_min_}, {"reason", queues.rebuild_reason}});
  order_.opened(queues.applied, queues.compare_until, rebuilt, read_only_);
  rhythm_ = storage::sync_rhythm({.interval = options_.flusher.queue_interval,
                                  .tries = options_.store.queue_write_retries,
                                  .read_only = read_only_});
  rhythm_.opened(applied(), !queues.vouched || rebuilt || queues.removed_dead);
  flushed_ = setup.flushed;
  return boost::outcome_v2::success();
}

void queue_manager_state::rebuild(const std::string& why) {
  storage::log_warning("queues.rebuild", {{"from", log_min_}, {"reason", why}});
  catch_up_to_ = std::max({catch_up_to_, applied(), order_.compare_until()});
  order_.emptied(log_min_);
  rhythm_.moved(applied());
  auto kept = storage::discard_queues(*files_, options_.store, *table_, *index_, log_min_);
  if (kept)
    numbers_ = std::move(kept.value());
  else
    act(rhythm_.apply_failed(kept.error().code), kept.error());
}

// -- what others say ------------------------------------------------------------------------------

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
  if (what.run != run_)
    return;
  if (!TROUPE_MUTANT("flush-notice-dropped"))
    flushed_ = std::max(flushed_, what.end);
  wake_flushed();
  answer_waiting();
}

/// Nobody has seen more of the log than this, also when the writer can no longer say so.
void queue_manager_state::log_ends(log_offset end) {
  if (catch_up_to_ == unknown_end)
    catch_up_to_ = end;
  answer_waiting();
}

void queue_manager_state::log_unreadable(const write_bar& why) {
  log_readable_ = why.reason.empty();
  if (why.code == errc::needs_repair && !log_readable_ && order_.comparing())
    stop_comparing();
  wake_all(); // whoever waits for the queues to catch up learns that they do not
  answer_waiting();
}

void queue_manager_state::damaged(const damaged_message& what) {
  if (damaged_.size() >= most_damage_told || !damaged_.insert(what.place).second)
    return;
  storage::log_warning("message.damaged", {{"place", what.place}, {"reason", what.reason}});
  if (damaged_.size() == most_damage_told)
    storage::log_warning("message.damaged_often",
                         {{"told", most_damage_told}, {"next", "the others are not told"}});
}

bool queue_manager_state::has_living(const tombstone& dead) const {
  auto* found = table_->find(dead.topic);
  return found != nullptr && std::ranges::any_of(found->by_id, [&](auto& queue) {
           return queue && queue->log_end() > dead.deleted_at;
         });
}

tombstone queue_manager_state::remove(const tombstone& dead) {
  if (auto known = dead_.find(dead.topic);
      known != dead_.end() && known->second.deleted_at >= dead.deleted_at)
    return dead;
  dead_[dead.topic] = dead;
  order_.recount(); // counted without the records that are dead now; those done are skipped
  rhythm_.stale();
  if (has_living(dead)) { // made again before this was heard: the next start builds its queues anew
    arm_pulse();
    return dead;
  }
  if (auto removed = table_->remove(dead.topic); !removed)
    storage::log_warning("queues.remove_failed",
                         {{"topic", dead.topic}, {"reason", removed.error().message}});
  let_go();
  arm_pulse();
  return dead;
}

/// Of files that are removed.
void queue_manager_state::let_go() {
  for (auto& one : {queue_reader_, search_reader_})
    self_->send(one, drop_atom_v);
}

void queue_manager_state::drop(log_offset min) {
  if (min <= log_min_ || TROUPE_MUTANT("queues-not-shortened"))
    return;
  log_min_ = min;
  rhythm_.stale();
  storage::result<void> done = table_->drop_until(min);
  if (done)
    done = index_->drop_until(min);
  if (!done)
    storage::log_warning("queues.drop_failed", {{"reason", done.error().message}});
  let_go();
  arm_pulse();
}

// -- state ---------------------------------------------------------------------------------------

/// What is behind the place where a run began was of the log's former end, which is lost: the next
/// queue-manager opens the queues without it.
caf::result<queue_manager_status> queue_manager_state::meet(log_run run, log_offset cut) {
  if (applied() > cut && !TROUPE_MUTANT("cut-forgotten")) {
    storage::log_warning("queues.cut", {{"applied", applied()}, {"log_begins_again_at", cut}});
    self_->quit(
        make_caf_error(errc::connection_lost, "the log begins again at " + std::to_string(cut)));
    return make_caf_error(errc::connection_lost, "the queues are opened again");
  }
  if (run != run_) {
    run_ = run;
    waiting_.clear();
    order_.recount();
    if (catch_up_to_ != unknown_end) // nobody has what the log has lost
      catch_up_to_ = std::min(catch_up_to_, cut);
    // A run begins with what recovery has made durable. The flusher's own word of it may have come
    // before this, and counted for nothing.
    if (cut != unknown_end) {
      flushed_ = cut;
      for (auto& [topic, dead] : dead_) // what is written there from now on is not what was deleted
        if (!TROUPE_MUTANT("deletion-not-pulled-back"))
          dead.deleted_at = std::min(dead.deleted_at, cut);
    }
    wake_flushed();
    answer_waiting();
  }
  return status();
}

caf::result<queue_state> queue_manager_state::state_at(log_offset end) {
  kept_promise<queue_state> promise{self_};
  states_.push_back({end, promise});
  answer_states();
  return promise;
}

void queue_manager_state::answer_states() {
  std::erase_if(states_, [&](waiting_state& waiting) {
    if (waiting.end > applied() && failure_.empty())
      return false;
    if (waiting.end <= applied())
      waiting.promise.deliver(current_state());
    else
      waiting.promise.deliver(make_caf_error(errc::write_stopped, failure_));
    return true;
  });
}

queue_state queue_manager_state::current_state() const {
  queue_state state;
  state.applied = applied();
  state.log_min = log_min_;
  table_->for_each(
      [&](const storage::queue_table::topic_queues& topic, const storage::consume_queue& queue) {
        auto& next = state.next_offsets[topic.name];
        auto id = static_cast<std::size_t>(queue.queue_id());
        if (next.size() <= id)
          next.resize(id + 1, 0);
        next[id] = queue.next();
      });
  for (auto& [topic, kept] : numbers_->all()) {
    auto& next = state.next_offsets[topic];
    next.resize(std::max(next.size(), kept.size()), 0);
    for (std::size_t id = 0; id < kept.size(); ++id)
      if (table_->find(topic, static_cast<std::int32_t>(id)) == nullptr)
        next[id] = std::max(next[id], kept[id]);
  }
  return state;
}

queue_manager_status queue_manager_state::status() const {
  queue_manager_status s;
  s.run = run_;
  s.applied = applied();
  s.durable = rhythm_.durable();
  s.queues = table_->queue_count();
  s.entries = table_->entry_total();
  s.parked_pulls = parked_.size();
  s.damaged_messages = damaged_.size();
  s.failure = failure_;
  s.share = share_;
  s.cold_reads = cold_reads_;
  return s;
}

/// Answers those who wait for more than one queue.
void queue_manager_state::answer_waiting() {
  answer_bounds();
  if (catch_up_to_ == 0 || behind())
    return;
  catch_up_to_ = 0;
  wake_all();
}

/// A writer that is silent is asked again; of one that is gone the dispatcher says what it left.
void queue_manager_state::ask_catch_up_end() {
  self_->request(roles_.writer, writer_patience, status_atom_v)
      .then([this](const writer_status& writer) { log_ends(writer.end); },
            [this](const caf::error& why) {
              ask_end_again_ = !shows_writer_ended(self_, roles_, from_caf(why));
              if (ask_end_again_)
                arm_pulse();
            });
}

void queue_manager_state::set_roles(const role_table& table) {
  roles_ = table;
  if (catch_up_to_ == unknown_end)
    ask_catch_up_end();
  if (!std::exchange(topics_reported_, true))
    report_known_topics();
  confirm();
  if (!failure_.empty())
    self_->send(roles_.writer,
                write_bar{bar_source::queues, errc::write_stopped, failure_, share_});
  tell_obstacle(); // also when there is none: one before this may have died with it
  if (rhythm_.wants_sync())
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
      [&state](read_request& request) { return state.compare(request); },
      [&state](const entry_suspicion& what) { state.suspect(what); },
      [&state](const key_query& query) { return state.query(query); },
      [&state](bounds_atom, const std::string& topic, std::int32_t queue, log_offset end) {
        return state.bounds(topic, queue, end);
      },
      [&state](bounds_atom, const std::string& topic, log_offset end) {
        return state.bounds(topic, std::nullopt, end);
      },
      [&state](search_atom, const std::string& topic, std::int32_t queue, std::int64_t time_ms) {
        return state.search(topic, queue, time_ms);
      },
      [&state](const log_flushed& what) { state.flushed(what); },
      [&state](ended_atom, log_offset end) { state.log_ends(end); },
      [&state](failed_atom, const write_bar& why) { state.log_unreadable(why); },
      [&state](const damaged_message& what) { state.damaged(what); },
      [&state](remove_atom, const tombstone& dead) { return state.remove(dead); },
      [&state](drop_atom, log_offset min) { state.drop(min); },
      [&state](meet_atom, log_run run, log_offset cut) { return state.meet(run, cut); },
      [&state](resume_atom, log_offset end) { return state.state_at(end); },
      [&state](status_atom) { return state.status(); },
      [&state](stop_atom) { return state.stop(); },
      [&state](const role_table& table) { state.set_roles(table); },
      [&state](flush_atom) { state.sync_soon(); },
      [&state](pulse_atom) { state.pulse(); },
      [&state](retry_atom) { state.retry(); },
  };
}

} // namespace troupe
