#include "actors/registrar.hpp"

#include "storage/logging.hpp"
#include "storage/mutant.hpp"
#include "storage/recovery/abort_marker.hpp"

#include <algorithm>
#include <utility>

namespace troupe {

namespace {

constexpr auto retire_timeout = std::chrono::seconds(10);
constexpr auto queues_patience = std::chrono::seconds(1);
/// Between two saves of topics or settings.
constexpr auto tables_pause = std::chrono::milliseconds(100);
constexpr std::int32_t default_queues = 8;
/// Offsets in one answer: some 100 bytes each.
constexpr std::size_t most_listed = 200'000;

} // namespace

void registrar_state::start(registrar_actor::stateful_pointer<registrar_state> actor,
                            registrar_setup setup) {
  self_ = actor;
  setup_ = setup;
  if (auto loaded = load(); !loaded) {
    storage::log_error("registrar.unreadable", {{"reason", loaded.error().message}});
    self_->quit(to_caf(loaded.error()));
  }
}

storage::result<void> registrar_state::load() {
  auto& files = *setup_.files;
  auto& options = setup_.options.store;
  TROUPE_TRY(topics_, storage::topic_table::load(files, options));
  TROUPE_TRY(tombstones_, storage::tombstone_table::load(files, options));
  TROUPE_TRY(offsets_, storage::offset_table::load(files, options));
  TROUPE_TRY(groups_, storage::group_table::load(files, options));
  for (auto* warnings : {&topics_->warnings(), &tombstones_->warnings(), &offsets_->warnings(),
                         &groups_->warnings()})
    for (auto& text : *warnings)
      storage::log_warning("registrar.ignored", {{"what", text}});
  save_offsets(); // what only the journal had, or a .bak
  return boost::outcome_v2::success();
}

// -- topics --------------------------------------------------------------------------------------

caf::result<topic_info> registrar_state::create(const topic_info& wanted) {
  auto* known = topics_->find(wanted.name);
  if (known != nullptr && waiting_topics_.empty())
    return *known;
  return save_later(wish::create, wanted);
}

caf::result<topic_info> registrar_state::update(const topic_info& wanted) {
  return save_later(wish::change, wanted);
}

caf::result<topic_info> registrar_state::save_later(wish what, const topic_info& topic) {
  if (!room_to_wait())
    return make_caf_error(errc::busy, "topic " + topic.name +
                                          " is not made or changed: too many are at once; try "
                                          "again");
  topic_request request{what, topic, kept_promise<topic_info>{self_}};
  waiting_topics_.push_back(request);
  schedule_tables();
  return request.promise;
}

bool registrar_state::room_to_wait() const {
  return waiting_topics_.size() + waiting_settings_.size() < most_waiting_requests;
}

/// Behind what is in the mailbox now, and not at once after the last save.
void registrar_state::schedule_tables() {
  if (std::exchange(tables_timer_, true))
    return;
  auto now = self_->clock().now();
  if (now >= next_tables_save_)
    self_->send(self_, work_atom_v);
  else
    self_->delayed_send(self_, next_tables_save_ - now, work_atom_v);
}

void registrar_state::commit() {
  offsets_timer_ = false;
  commit_offsets();
  if (tables_timer_ && self_->clock().now() >= next_tables_save_) // or this was for offsets
    save_tables();
}

void registrar_state::save_tables() {
  tables_timer_ = false;
  save_topics();
  save_settings();
  next_tables_save_ = self_->clock().now() + tables_pause;
}

/// One save for all that wait, each of which is answered; without the save none of it happened.
void registrar_state::save_topics() {
  auto waiting = std::exchange(waiting_topics_, {});
  std::vector<former_topic> undo;
  std::vector<storage::result<void>> outcomes;
  for (auto& request : waiting)
    outcomes.push_back(apply(request, undo));
  storage::result<void> saved = boost::outcome_v2::success();
  if (!undo.empty())
    saved = topics_->save(setup_.clock->now_ms());
  for (auto old = undo.rbegin(); old != undo.rend(); ++old)
    if (!saved)
      topics_->restore(old->name, std::move(old->before));
    else if (!old->before.config)
      keep(old->name); // it is new
  for (std::size_t i = 0; i < waiting.size(); ++i)
    answer(waiting[i], outcomes[i] ? saved : outcomes[i]);
  if (saved && !undo.empty())
    announce();
}

storage::result<void> registrar_state::apply(const topic_request& request,
                                             std::vector<former_topic>& undo) {
  auto& wanted = request.topic;
  if (request.what == wish::restore)
    return restore(wanted, undo);
  auto* known = topics_->find(wanted.name);
  if (known == nullptr) {
    TROUPE_TRY(check_new(request));
  } else if (request.what == wish::create) {
    return boost::outcome_v2::success(); // it stays as it is
  }
  restored_.erase(wanted.name); // its numbers are somebody's wish now
  return put(wanted, undo);
}

storage::result<void> registrar_state::check_new(const topic_request& request) const {
  const auto most = setup_.options.store.max_topics;
  const auto there = topics_->topics().size();
  if (there < most)
    return boost::outcome_v2::success();
  return storage::error{errc::too_large, "topic " + request.topic.name +
                                             " is not made: there are " + std::to_string(there) +
                                             ", and max-topics is " + std::to_string(most) +
                                             "; delete some, or raise it"};
}

storage::result<void> registrar_state::restore(const topic_info& least,
                                               std::vector<former_topic>& undo) {
  auto* known = topics_->find(least.name);
  if (!needs_restoring(least.name, least.read_queues))
    return boost::outcome_v2::success();
  auto queues = std::max(least.read_queues, known ? known->read_queues : default_queues);
  storage::log_info("topic.restored", {{"topic", least.name}, {"queues", queues}});
  restored_.insert(least.name);
  return put({least.name, queues, known ? known->write_queues : queues, known ? known->perm : 6},
             undo);
}

storage::result<void> registrar_state::put(const topic_info& topic,
                                           std::vector<former_topic>& undo) {
  former_topic former{topic.name, topics_->describe(topic.name)};
  TROUPE_TRY(topics_->put({topic.name, topic.read_queues, topic.write_queues, topic.perm}));
  undo.push_back(std::move(former));
  return boost::outcome_v2::success();
}

void registrar_state::answer(const topic_request& request, const storage::result<void>& done) {
  auto& topic = request.topic.name;
  if (!done)
    say_if_full(done.error());
  if (request.what == wish::restore) { // nobody waits for it
    if (!done)
      storage::log_warning("topic.not_restored",
                           {{"topic", topic}, {"reason", done.error().message}});
  } else if (done) {
    request.promise.deliver(*topics_->find(topic));
  } else {
    request.promise.deliver(to_caf(done.error()));
  }
}

/// Clients ask again and again: one line is enough.
void registrar_state::say_if_full(const storage::error& why) {
  if (why.code == errc::too_large && !std::exchange(full_said_, true))
    storage::log_warning("registrar.full", {{"reason", why.message}});
}

caf::result<tombstone> registrar_state::remove(const std::string& topic) {
  save_topics(); // it may be one of those that wait
  if (topics_->find(topic) == nullptr)
    return make_caf_error(errc::not_found, "there is no topic " + topic);
  if (!roles_.writer)
    return make_caf_error(errc::write_stopped, "topic " + topic +
                                                   " is still there: the writer stopped; restart "
                                                   "the node");
  kept_promise<tombstone> promise{self_};
  // The writer refuses the topic from here on, so nothing new comes behind the tombstone.
  self_->request(roles_.writer, retire_timeout, remove_atom_v, topic)
      .then([this, promise](const tombstone& dead) { removed(dead, promise); },
            [this, promise, topic](const caf::error& why) {
              keep(topic); // the writer may get round to it yet
              auto refused = from_caf(why);
              auto text = "topic " + topic + " is still there: the writer did not let it go (" +
                          refused.message + ")";
              if (refused.code == errc::needs_repair)
                promise.deliver(make_caf_error(refused.code, std::move(text)));
              else
                promise.deliver(make_caf_error(errc::busy, text + "; try again"));
            });
  return promise;
}

void registrar_state::removed(const tombstone& dead, const kept_promise<tombstone>& promise) {
  auto topics = *topics_;
  auto tombstones = *tombstones_;
  if (auto done = bury(dead); !done) {
    // As it was before, here and in the files.
    *topics_ = std::move(topics);
    *tombstones_ = std::move(tombstones);
    auto undone = topics_->save(setup_.clock->now_ms());
    if (undone)
      undone = tombstones_->save();
    if (!undone)
      storage::log_error("topic.half_deleted",
                         {{"topic", dead.topic}, {"reason", undone.error().message}});
    keep(dead.topic);
    promise.deliver(to_caf(done.error()));
    return;
  }
  restored_.erase(dead.topic);
  offsets_->remove_topic(dead.topic);
  if (auto done = forget_offsets(); !done)
    storage::log_warning("offsets.not_saved", {{"reason", done.error().message}});
  announce();
  auto& dying = dying_[dead.topic];
  dying.deleted_at = dead.deleted_at;
  dying.waiting.push_back(promise);
  tell_queues(dead);
}

/// Who is told that a topic is gone sees none of its messages any more. A queue-manager that died
/// has not heard of it; the next one is told again.
void registrar_state::tell_queues(const tombstone& dead) {
  if (!roles_.queue_manager)
    return;
  self_->request(roles_.queue_manager, queues_patience, remove_atom_v, dead)
      .then(
          [this](const tombstone& gone) {
            auto dying = dying_.find(gone.topic);
            if (dying == dying_.end() || dying->second.deleted_at > gone.deleted_at)
              return;
            for (auto& promise : dying->second.waiting)
              promise.deliver(gone);
            dying_.erase(dying);
          },
          [this, dead](const caf::error& why) {
            if (from_caf(why).code == errc::maybe_stored && dying_.count(dead.topic) > 0 &&
                !TROUPE_MUTANT("removal-said-once"))
              tell_queues(dead); // it is silent: it may hear of it yet
          });
}

/// It may have been started before the last deletions were on disk.
void registrar_state::meet_queues() {
  for (auto& dead : tombstones_->all())
    tell_queues(dead);
}

deleted_topics registrar_state::deleted() const {
  return {tombstones_->all()};
}

storage::result<void> registrar_state::bury(const tombstone& dead) {
  // First the tombstone: a topic that is gone without one would come back from the log.
  tombstones_->put(dead);
  if (!TROUPE_MUTANT("tombstone-not-saved")) {
    TROUPE_TRY(tombstones_->save());
  }
  topics_->erase(dead.topic);
  return topics_->save(setup_.clock->now_ms());
}

/// The writer takes the topic's messages, whatever it heard before.
void registrar_state::keep(const std::string& topic) {
  tombstone from;
  from.topic = topic;
  if (auto* dead = tombstones_->find(topic))
    from = *dead;
  self_->send(roles_.writer, revive_atom_v, std::move(from));
}

/// True for a topic that the file lacks: what the file says of one counts, whatever else is found
/// in the queues. One that was restored in this life may grow.
bool registrar_state::needs_restoring(const std::string& topic, std::int32_t queues) const {
  if (auto* known = topics_->find(topic))
    return known->read_queues < queues && restored_.count(topic) > 0;
  return tombstones_->find(topic) == nullptr; // or its last messages are on their way
}

void registrar_state::seen(const std::string& topic, std::int32_t queue) {
  if (!needs_restoring(topic, queue + 1) || !room_to_wait())
    return; // it may be seen again
  waiting_topics_.push_back({wish::restore, {topic, queue + 1, queue + 1, 6}, {}});
  schedule_tables();
}

topic_list registrar_state::list() const {
  topic_list result;
  for (auto& [topic, config] : topics_->topics())
    result.topics.push_back(config);
  return result;
}

topic_map registrar_state::snapshot() {
  if (announced_.topics == nullptr)
    announced_ = {all_topics()};
  return announced_;
}

std::shared_ptr<const std::map<std::string, topic_info>> registrar_state::all_topics() const {
  auto& topics = topics_->topics();
  return std::make_shared<std::map<std::string, topic_info>>(topics.begin(), topics.end());
}

void registrar_state::announce() {
  announced_ = {all_topics()};
  self_->send(roles_.node, announced_);
}

// -- groups --------------------------------------------------------------------------------------

caf::result<group_list> registrar_state::groups(const std::string& group) const {
  if (group.empty() && offsets_->size() > most_listed)
    return make_caf_error(errc::too_large, "there are " + std::to_string(offsets_->size()) +
                                               " offsets of groups, too many for one answer: "
                                               "name a group");
  group_list found;
  for (auto& [of, settings] : groups_->groups())
    if (group.empty() || of == group)
      found.settings.push_back({of, settings});
  offsets_->for_each([&](std::string_view topic, std::string_view of, const auto& queues) {
    if (group.empty() || of == group)
      for (auto& [queue, offset] : queues)
        found.offsets.push_back({std::string(of), std::string(topic), queue, offset});
  });
  return found;
}

caf::result<group_settings> registrar_state::set_group(const group_settings& what) {
  if (!room_to_wait())
    return make_caf_error(errc::busy, "the settings of group " + what.group +
                                          " are not stored: too many are at once; try again");
  settings_request request{what, kept_promise<group_settings>{self_}};
  waiting_settings_.push_back(request);
  schedule_tables();
  return request.promise;
}

/// As `save_topics`.
void registrar_state::save_settings() {
  auto waiting = std::exchange(waiting_settings_, {});
  std::vector<std::pair<std::string, std::optional<boost::json::value>>> undo;
  std::vector<storage::result<void>> outcomes;
  for (auto& [what, promise] : waiting) {
    auto before = groups_->find(what.group);
    outcomes.push_back(groups_->put(what.group, what.json));
    if (outcomes.back())
      undo.emplace_back(what.group, std::move(before));
  }
  storage::result<void> saved = boost::outcome_v2::success();
  if (!undo.empty())
    saved = groups_->save(setup_.clock->now_ms());
  if (!saved)
    for (auto old = undo.rbegin(); old != undo.rend(); ++old)
      groups_->restore(old->first, old->second);
  for (std::size_t i = 0; i < waiting.size(); ++i)
    if (auto& done = outcomes[i] ? saved : outcomes[i]; done)
      waiting[i].promise.deliver(waiting[i].what);
    else
      waiting[i].promise.deliver(to_caf(done.error()));
}

caf::result<group_settings> registrar_state::forget_group(const group_settings& which,
                                                          bool offsets) {
  save_settings(); // its own may be among those that wait
  auto before = groups_->find(which.group);
  if (groups_->erase(which.group))
    if (auto done = groups_->save(setup_.clock->now_ms()); !done) {
      groups_->restore(which.group, before);
      return to_caf(done.error());
    }
  if (offsets) {
    offsets_->remove_group(which.group);
    if (auto done = forget_offsets(); !done)
      return make_caf_error(done.error().code, "the offsets of group " + which.group +
                                                   " are removed, but may be back after a crash: " +
                                                   done.error().message);
  }
  return which;
}

stop_report registrar_state::stop() {
  save_tables();
  commit_offsets();
  save_offsets();
  // The next start reads the journal too.
  if (auto kept = offsets_->sync_journal(); !kept)
    return {"group offsets were not saved: " + kept.error().message};
  return {};
}

void registrar_state::set_roles(const role_table& table) {
  auto other_queues = table.queue_manager != roles_.queue_manager;
  auto other_writer = table.writer != roles_.writer;
  roles_ = table;
  if (announced_.topics == nullptr || !TROUPE_MUTANT("topics-said-once"))
    announce();
  if (other_queues && !TROUPE_MUTANT("removal-said-once"))
    meet_queues();
  if (other_writer && roles_.writer) {
    learned_ = false;
    if (storage::groups_are_settled(*setup_.files, setup_.options.store.directory))
      stored_since_.clear();
  }
  // A registrar before this one may have died in the middle of a creation or a deletion, and what
  // it said to a writer elsewhere may be lost.
  if (other_writer && roles_.writer)
    for (auto& [topic, config] : topics_->topics())
      keep(topic);
}

registrar_actor::behavior_type registrar(registrar_actor::stateful_pointer<registrar_state> self,
                                         registrar_setup setup) {
  auto& state = self->state;
  state.start(self, std::move(setup));
  return {
      [&state](create_atom, const topic_info& wanted) { return state.create(wanted); },
      [&state](update_atom, const topic_info& wanted) { return state.update(wanted); },
      [&state](remove_atom, const std::string& topic) { return state.remove(topic); },
      [&state](list_atom) { return state.list(); },
      [&state](deleted_atom) { return state.deleted(); },
      [&state](watch_atom) { return state.snapshot(); },
      [&state](seen_atom, const std::string& topic, std::int32_t queue) {
        state.seen(topic, queue);
      },
      [&state](fetch_atom, const group_offset& which) { return state.fetch(which); },
      [&state](store_atom, const group_offset& what) { return state.store(what); },
      [&state](list_atom, const std::string& group) { return state.groups(group); },
      [&state](store_atom, const group_settings& what) { return state.set_group(what); },
      [&state](remove_atom, const group_settings& which, bool offsets) {
        return state.forget_group(which, offsets);
      },
      [&state](stop_atom) { return state.stop(); },
      [&state](const role_table& table) { state.set_roles(table); },
      [&state](const queue_state& queues) { state.learn(queues); },
      [&state](save_atom) { state.save_in_turn(); },
      [&state](work_atom) { state.commit(); },
  };
}

} // namespace troupe
