#include "actors/node.hpp"

#include "actors/cleaner.hpp"
#include "actors/dispatcher.hpp"
#include "actors/flusher.hpp"
#include "actors/queue_flusher.hpp"
#include "actors/queue_manager.hpp"
#include "actors/reader.hpp"
#include "actors/registrar.hpp"
#include "actors/session.hpp"
#include "actors/writer.hpp"
#include "storage/logging.hpp"

#include <algorithm>
#include <limits>

namespace troupe {

namespace {

/// More deaths of one role in this time mean that starting it again does not help.
constexpr std::size_t restart_budget = 5;
constexpr auto restart_window = std::chrono::minutes(1);
constexpr auto status_timeout = std::chrono::seconds(1);

} // namespace

// -- starting ------------------------------------------------------------------------------------

void node_state::start(node_actor::stateful_pointer<node_state> actor, node_setup setup) {
  self_ = actor;
  setup_ = std::move(setup);
  started_ = self_->clock().now();
  for (auto& t : setup_.store->tombstones)
    tombstones_[t.topic] = {t.topic, t.deleted_at, t.next_offsets};
  topics_.topics = std::make_shared<std::map<std::string, topic_info>>();
  self_->set_down_handler([this](const caf::down_msg& message) { down(message); });
  spawn_all();
  announce();
  connect_queues();
}

void node_state::spawn_all() {
  roles_.node = node_actor{self_};
  roles_.registrar = spawn_registrar();
  for (std::size_t i = 0; i < std::max<std::size_t>(1, setup_.options.pull.readers); ++i)
    roles_.readers.push_back(spawn_reader());
  roles_.flusher = spawn_flusher();
  roles_.writer = spawn_writer();
  roles_.dispatcher = spawn_dispatcher();
  roles_.queue_flusher = spawn_queue_flusher();
  roles_.queue_manager = spawn_queue_manager();
  roles_.cleaner = spawn_cleaner();
}

namespace {

template <class Handle>
Handle watch(node_actor::stateful_pointer<node_state> self,
             std::map<caf::actor_addr, std::string>& watched, const char* role_name,
             Handle handle) {
  watched[handle.address()] = role_name;
  self->monitor(handle);
  return handle;
}

} // namespace

writer_actor node_state::spawn_writer() {
  writer_setup setup;
  setup.options = setup_.options;
  setup.files = setup_.files;
  setup.clock = setup_.clock;
  auto& log = setup_.store->log;
  setup.min = log.min_offset;
  setup.end = log.end;
  setup.last_store_ms = log.last_store_timestamp;
  setup.current = std::move(log.current);
  if (log.needs_repair)
    setup.read_only = log.needs_repair->message;
  for (auto& [topic, dead] : tombstones_)
    setup.tombstones.push_back(dead);
  setup.topics = setup_.store->topics;
  return watch(self_, watched_, "writer",
               spawn_blocking(self_->system(), writer, std::move(setup)));
}

flusher_actor node_state::spawn_flusher() {
  flusher_setup setup;
  setup.options = setup_.options;
  setup.files = setup_.files;
  setup.end = setup_.store->log.end;
  setup.store_ms = setup_.store->log.last_store_timestamp;
  setup.read_only = setup_.store->log.needs_repair.has_value();
  return watch(self_, watched_, "flusher",
               spawn_blocking(self_->system(), flusher, std::move(setup)));
}

dispatcher_actor node_state::spawn_dispatcher() {
  return watch(self_, watched_, "dispatcher", self_->system().spawn(dispatcher));
}

queue_flusher_actor node_state::spawn_queue_flusher() {
  queue_flusher_setup setup{setup_.options, setup_.files};
  return watch(self_, watched_, "queue-flusher",
               spawn_blocking(self_->system(), queue_flusher, std::move(setup)));
}

queue_manager_actor node_state::spawn_queue_manager() {
  queue_manager_setup setup;
  setup.options = setup_.options;
  setup.files = setup_.files;
  setup.clock = setup_.clock;
  setup.log_min = setup_.store->log.min_offset;
  // Once the node serves, the log grows, and the flusher says how far it is durable.
  setup.log_end = serving_ ? std::numeric_limits<log_offset>::max() : setup_.store->log.end;
  setup.flushed = serving_ ? 0 : setup_.store->log.end;
  setup.restarted = serving_;
  setup.checkpoint = setup_.store->known;
  setup.trust_queues = setup_.store->after_orderly_stop;
  setup.read_only = setup_.store->log.needs_repair.has_value();
  for (auto& [topic, dead] : tombstones_)
    setup.tombstones.push_back(dead);
  return watch(self_, watched_, "queue-manager",
               spawn_blocking(self_->system(), queue_manager, std::move(setup)));
}

reader_actor node_state::spawn_reader() {
  reader_setup setup{setup_.options, setup_.files, setup_.store->log.min_offset};
  return watch(self_, watched_, "reader",
               spawn_blocking(self_->system(), reader, std::move(setup)));
}

registrar_actor node_state::spawn_registrar() {
  registrar_setup setup{setup_.options, setup_.files, setup_.clock};
  return watch(self_, watched_, "registrar",
               spawn_blocking(self_->system(), registrar, std::move(setup)));
}

cleaner_actor node_state::spawn_cleaner() {
  cleaner_setup setup{setup_.options, setup_.files, setup_.clock};
  return watch(self_, watched_, "cleaner",
               spawn_blocking(self_->system(), cleaner, std::move(setup)));
}

void node_state::announce() {
  self_->send(roles_.writer, roles_);
  self_->send(roles_.flusher, roles_);
  self_->send(roles_.dispatcher, roles_);
  self_->send(roles_.queue_flusher, roles_);
  self_->send(roles_.queue_manager, roles_);
  self_->send(roles_.registrar, roles_);
  self_->send(roles_.cleaner, roles_);
  for (auto& [client, session] : sessions_)
    self_->send(session, roles_);
}

void node_state::connect_queues() {
  if (setup_.store->log.needs_repair) {
    // The log cannot be walked over its damage: the queues serve what they know.
    storage::log_error("log.needs_repair", {{"reason", setup_.store->log.needs_repair->message}});
    open_writer({});
    return;
  }
  auto queues = roles_.queue_manager;
  // A queue-manager that died comes back and gets here again.
  auto not_ready = [](const caf::error& why) {
    storage::log_error("queues.not_ready", {{"reason", render(from_caf(why))}});
  };
  self_->request(queues, caf::infinite, resume_atom_v, log_offset{0})
      .then(
          [this, queues, not_ready](const queue_state& state) {
            self_->send(roles_.dispatcher, resume_atom_v, state.applied);
            if (serving_)
              return;
            auto end = setup_.store->log.end;
            if (state.applied < end)
              storage::log_info("queues.catching_up", {{"from", state.applied}, {"to", end}});
            self_->request(queues, caf::infinite, resume_atom_v, end)
                .then([this](const queue_state& complete) { open_writer(complete); }, not_ready);
          },
          not_ready);
}

void node_state::open_writer(const queue_state& queues) {
  serving_ = true;
  self_->send(roles_.writer, queues);
  for (auto& promise : waiting_)
    promise.deliver(setup_.name);
  waiting_.clear();
}

caf::result<std::string> node_state::ready() {
  if (serving_)
    return setup_.name;
  waiting_.push_back(self_->make_response_promise<std::string>());
  return waiting_.back();
}

// -- clients -------------------------------------------------------------------------------------

caf::result<session_actor> node_state::open_session(const caf::strong_actor_ptr& client) {
  if (stopping_)
    return make_caf_error(errc::unavailable, "node " + setup_.name + " is stopping");
  if (sessions_.size() >= setup_.options.session.sessions)
    return make_caf_error(errc::busy, "node " + setup_.name + " has " +
                                          std::to_string(sessions_.size()) +
                                          " clients already, which is its limit ([session] "
                                          "sessions); try again later");
  auto made =
      self_->spawn<caf::monitored>(session, session_setup{setup_.options, client, roles_, topics_});
  sessions_[made.address()] = made;
  return made;
}

void node_state::topics_changed(const topic_map& topics) {
  topics_ = topics;
  for (auto& [client, session] : sessions_)
    self_->send(session, topics_);
}

// -- when one dies -------------------------------------------------------------------------------

void node_state::down(const caf::down_msg& message) {
  if (sessions_.erase(message.source) > 0)
    return;
  auto found = watched_.find(message.source);
  if (found == watched_.end() || stopping_)
    return;
  auto role_name = found->second;
  watched_.erase(found);
  auto why = render(from_caf(message.reason));
  storage::log_error("role.died", {{"role", role_name}, {"reason", why}});
  if (role_name == "reader")
    std::erase_if(roles_.readers,
                  [&](const reader_actor& r) { return r.address() == message.source; });
  if (role_name == "writer" || role_name == "flusher" || !may_restart(states_[role_name]))
    fail_stop(role_name, why);
  else
    restart(role_name);
}

bool node_state::may_restart(role& r) {
  auto now = self_->clock().now();
  while (!r.recent.empty() && now - r.recent.front() > restart_window)
    r.recent.pop_front();
  if (r.recent.size() >= restart_budget)
    return false;
  r.recent.push_back(now);
  ++r.restarts;
  return true;
}

void node_state::fail_stop(const std::string& role_name, const std::string& why) {
  states_[role_name].state = "stopped";
  self_->send(roles_.writer,
              write_refusal{errc::write_stopped, "the " + role_name + " stopped (" + why +
                                                     "); restart the node: reads go on"});
  if (role_name == "writer")
    roles_.writer = nullptr;
  announce();
}

void node_state::restart(const std::string& role_name) {
  // Files may have been deleted since the start.
  if (auto listed = storage::list_log(*setup_.files, setup_.options.store);
      listed && !listed.value().listing.files.empty())
    setup_.store->log.min_offset = listed.value().listing.files.front().start;
  bool queues = role_name == "queue-manager";
  if (queues) {
    // The newest checkpoint says how far the files can be trusted.
    auto path = storage::checkpoint_path(setup_.options.store);
    if (auto known = storage::load_checkpoint(*setup_.files, path))
      setup_.store->known = known.value();
    setup_.store->after_orderly_stop = false;
    if (auto dead = storage::tombstone_table::load(*setup_.files, setup_.options.store))
      for (auto& t : dead.value().all())
        tombstones_[t.topic] = {t.topic, t.deleted_at, t.next_offsets};
    roles_.queue_manager = spawn_queue_manager();
  } else if (role_name == "dispatcher") {
    roles_.dispatcher = spawn_dispatcher();
  } else if (role_name == "queue-flusher") {
    roles_.queue_flusher = spawn_queue_flusher();
  } else if (role_name == "reader") {
    roles_.readers.push_back(spawn_reader());
  } else if (role_name == "registrar") {
    roles_.registrar = spawn_registrar();
  } else if (role_name == "cleaner") {
    roles_.cleaner = spawn_cleaner();
  }
  announce();
  if (queues || role_name == "dispatcher")
    connect_queues();
}

// -- status --------------------------------------------------------------------------------------

template <class Status, class Handle>
void node_state::ask(const std::shared_ptr<gathering>& g, const Handle& whom,
                     Status node_status::*part) {
  if (!whom)
    return;
  ++g->open;
  auto finished = [g] {
    if (--g->open == 0)
      g->promise.deliver(std::move(g->status));
  };
  self_->request(whom, status_timeout, status_atom_v)
      .then(
          [g, part, finished](const Status& answer) {
            g->status.*part = answer;
            finished();
          },
          [finished](const caf::error&) { finished(); });
}

caf::result<node_status> node_state::status() {
  auto g = std::make_shared<gathering>();
  g->promise = self_->make_response_promise<node_status>();
  auto& s = g->status;
  s.node = setup_.name;
  s.cluster = setup_.cluster;
  s.directory = setup_.options.store.directory;
  s.flush = setup_.options.store.flush == storage::flush_policy::sync ? "sync" : "async";
  s.uptime_ms = std::chrono::duration_cast<milliseconds>(self_->clock().now() - started_).count();
  s.sessions = static_cast<std::uint32_t>(sessions_.size());
  s.max_message_bytes = setup_.options.store.max_message_size_bytes;
  for (auto* role_name : {"writer", "dispatcher", "queue-manager", "flusher", "queue-flusher",
                          "cleaner", "registrar", "reader"}) {
    auto& r = states_[role_name];
    s.roles.push_back({role_name, r.state, r.restarts});
  }
  ++g->open; // until all are asked
  ask(g, roles_.writer, &node_status::writer);
  ask(g, roles_.flusher, &node_status::flusher);
  ask(g, roles_.dispatcher, &node_status::dispatcher);
  ask(g, roles_.queue_manager, &node_status::queues);
  ask(g, roles_.cleaner, &node_status::cleaner);
  if (!roles_.writer)
    s.writer.refusal = "the writer stopped; restart the node";
  if (--g->open == 0)
    g->promise.deliver(std::move(g->status));
  return g->promise;
}

// -- stopping ------------------------------------------------------------------------------------

caf::result<stop_report> node_state::stop() {
  stop_promise_ = self_->make_response_promise<stop_report>();
  auto answer = stop_promise_;
  stopping_ = true;
  if (!roles_.writer) {
    finish_stop({"the writer had stopped: the next start recovers"});
    return answer;
  }
  // In the direction of a message: what was accepted is written, dispatched, flushed.
  self_->request(roles_.writer, caf::infinite, stop_atom_v)
      .then([this](log_offset end) { stop_queues(end); },
            [this](const caf::error& why) {
              finish_stop({"stopping the writer: " + render(from_caf(why))});
            });
  return answer;
}

void node_state::stop_queues(log_offset end) {
  if (setup_.store->log.needs_repair) {
    finish_stop({setup_.store->log.needs_repair->message});
    return;
  }
  auto failed = [this](const caf::error& why) {
    stop_flusher({"stopping the queues: " + render(from_caf(why))});
  };
  self_->request(roles_.queue_manager, caf::infinite, resume_atom_v, end)
      .then(
          [this, failed](const queue_state&) {
            self_->request(roles_.queue_manager, caf::infinite, stop_atom_v)
                .then([this](const stop_report& report) { stop_flusher(report); }, failed);
          },
          failed);
}

void node_state::stop_flusher(stop_report report) {
  auto finish = [this, report](const stop_report& last) {
    finish_stop({report.left_over.empty() ? last.left_over : report.left_over});
  };
  self_->request(roles_.flusher, caf::infinite, stop_atom_v)
      .then(
          [this, finish](const stop_report& flushed) {
            self_->request(roles_.registrar, caf::infinite, stop_atom_v)
                .then(
                    [finish, flushed](const stop_report& registered) {
                      finish(flushed.left_over.empty() ? registered : flushed);
                    },
                    [finish](const caf::error& why) { finish({render(from_caf(why))}); });
          },
          [finish](const caf::error& why) { finish({render(from_caf(why))}); });
}

void node_state::finish_stop(const stop_report& report) {
  stop_promise_.deliver(report);
  auto reason = caf::exit_reason::user_shutdown;
  for (auto& [client, session] : sessions_)
    self_->send_exit(session, reason);
  for (auto& [address, role_name] : watched_)
    self_->send_exit(caf::actor_cast<caf::actor>(address), reason);
  roles_ = {};
  self_->quit(reason);
}

node_actor::behavior_type node(node_actor::stateful_pointer<node_state> self, node_setup setup) {
  auto& state = self->state;
  state.start(self, std::move(setup));
  return {
      [&state](ready_atom) { return state.ready(); },
      [&state](status_atom) { return state.status(); },
      [&state](hello_atom, const caf::strong_actor_ptr& client) {
        return state.open_session(client);
      },
      [&state](const topic_map& topics) { state.topics_changed(topics); },
      [&state](stop_atom) { return state.stop(); },
  };
}

} // namespace troupe
