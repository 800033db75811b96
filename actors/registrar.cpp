#include "actors/registrar.hpp"

#include "storage/logging.hpp"
#include "storage/mutant.hpp"

#include <algorithm>

namespace troupe {

namespace {

constexpr auto save_interval = std::chrono::seconds(5);
constexpr auto retire_timeout = std::chrono::seconds(10);
constexpr std::int32_t default_queues = 8;

topic_info info_of(const storage::topic_config& t) {
  return {t.name, t.read_queues, t.write_queues, t.perm};
}

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
  return boost::outcome_v2::success();
}

// -- topics --------------------------------------------------------------------------------------

caf::result<topic_info> registrar_state::create(const topic_info& wanted) {
  if (auto* known = topics_->find(wanted.name)) {
    if (known->write_queues == wanted.write_queues && known->read_queues == wanted.read_queues)
      return info_of(*known);
    return make_caf_error(errc::exists, "topic " + wanted.name + " exists already, with " +
                                            std::to_string(known->write_queues) + " queues");
  }
  storage::topic_config config{wanted.name, wanted.read_queues, wanted.write_queues, wanted.perm};
  auto done = topics_->put(config);
  if (done)
    done = topics_->save(setup_.clock->now_ms());
  if (!done) {
    topics_->erase(wanted.name);
    return to_caf(done.error());
  }
  keep(wanted.name);
  announce();
  return wanted;
}

caf::result<topic_info> registrar_state::update(const topic_info& wanted) {
  if (topics_->find(wanted.name) == nullptr)
    return create(wanted);
  auto before = *topics_;
  auto done = topics_->put({wanted.name, wanted.read_queues, wanted.write_queues, wanted.perm});
  if (done)
    done = topics_->save(setup_.clock->now_ms());
  if (!done) {
    *topics_ = std::move(before);
    return to_caf(done.error());
  }
  announce();
  return wanted;
}

caf::result<tombstone> registrar_state::remove(const std::string& topic) {
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
  offsets_->remove_topic(dead.topic);
  save_offsets();
  self_->send(roles_.queue_manager, remove_atom_v, dead);
  announce();
  promise.deliver(dead);
}

storage::result<void> registrar_state::bury(const tombstone& dead) {
  // First the tombstone: a topic that is gone without one would come back from the log.
  tombstones_->put({dead.topic, dead.deleted_at, dead.next_offsets});
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
    from = {dead->topic, dead->deleted_at, dead->next_offsets};
  self_->send(roles_.writer, revive_atom_v, std::move(from));
}

void registrar_state::seen(const std::string& topic, std::int32_t queue) {
  auto* known = topics_->find(topic);
  // Queues with messages are for reading, whatever else was set: the file may be one from before.
  if (known != nullptr && known->read_queues > queue)
    return;
  if (known == nullptr && tombstones_->find(topic) != nullptr)
    return; // deleted while its last messages were on their way
  auto queues = std::max(queue + 1, known ? known->read_queues : default_queues);
  storage::topic_config config{topic, queues, known ? known->write_queues : queues,
                               known ? known->perm : 6};
  storage::log_info("topic.restored", {{"topic", topic}, {"queues", queues}});
  auto done = topics_->put(config);
  if (done)
    done = topics_->save(setup_.clock->now_ms());
  if (!done)
    storage::log_warning("topic.not_restored",
                         {{"topic", topic}, {"reason", done.error().message}});
  announce();
}

topic_list registrar_state::list() const {
  topic_list result;
  for (auto& [topic, config] : topics_->topics())
    result.topics.push_back(info_of(config));
  return result;
}

topic_map registrar_state::snapshot() const {
  auto all = std::make_shared<std::map<std::string, topic_info>>();
  for (auto& [topic, config] : topics_->topics())
    all->emplace(topic, info_of(config));
  return {std::move(all)};
}

void registrar_state::announce() {
  self_->send(roles_.node, snapshot());
}

// -- group offsets -------------------------------------------------------------------------------

caf::result<group_offset> registrar_state::fetch(const group_offset& which) const {
  auto result = which;
  result.offset = offsets_->find(which.group, which.topic, which.queue_id).value_or(-1);
  return result;
}

caf::result<group_offset> registrar_state::store(const group_offset& what) {
  if (topics_->find(what.topic) == nullptr)
    return make_caf_error(errc::not_found, "there is no topic " + what.topic);
  if (TROUPE_MUTANT("progress-not-kept"))
    return what;
  if (auto done = offsets_->store(what.group, what.topic, what.queue_id, what.offset); !done)
    return to_caf(done.error());
  if (!save_pending_) {
    save_pending_ = true;
    self_->delayed_send(self_, save_interval, write_atom_v);
  }
  return what;
}

// -- groups --------------------------------------------------------------------------------------

group_list registrar_state::groups(const std::string& group) const {
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
  auto before = groups_->find(what.group);
  auto done = groups_->put(what.group, what.json);
  if (done)
    done = save_groups(what.group, before);
  if (!done)
    return to_caf(done.error());
  return what;
}

caf::result<group_settings> registrar_state::forget_group(const group_settings& which,
                                                          bool offsets) {
  auto before = groups_->find(which.group);
  if (groups_->erase(which.group))
    if (auto done = save_groups(which.group, before); !done)
      return to_caf(done.error());
  if (offsets) {
    offsets_->remove_group(which.group);
    save_offsets();
    if (offsets_->changed())
      return make_caf_error(errc::io_error, "the offsets of group " + which.group +
                                                " are removed, and that could not be saved yet");
  }
  return which;
}

/// Makes the groups durable, or brings back what was before.
storage::result<void>
registrar_state::save_groups(const std::string& group,
                             const std::optional<boost::json::value>& before) {
  auto done = groups_->save(setup_.clock->now_ms());
  if (!done)
    groups_->restore(group, before);
  return done;
}

void registrar_state::save_offsets() {
  save_pending_ = false;
  if (!offsets_->changed())
    return;
  if (auto done = offsets_->save(setup_.clock->now_ms()); !done) {
    storage::log_warning("offsets.not_saved", {{"reason", done.error().message}});
    save_pending_ = true;
    self_->delayed_send(self_, save_interval, write_atom_v);
  }
}

stop_report registrar_state::stop() {
  if (TROUPE_MUTANT("progress-not-saved"))
    return {};
  if (offsets_->changed())
    if (auto done = offsets_->save(setup_.clock->now_ms()); !done)
      return {"group offsets were not saved: " + done.error().message};
  return {};
}

void registrar_state::set_roles(const role_table& table) {
  roles_ = table;
  announce();
  if (has_roles_)
    return;
  has_roles_ = true;
  // A registrar before this one may have died in the middle of a creation or a deletion.
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
      [&state](write_atom) { state.save_offsets(); },
  };
}

} // namespace troupe
