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
#include "storage/check.hpp"
#include "storage/logging.hpp"

#include <algorithm>
#include <limits>
#include <utility>

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
    tombstones_.push_back({t.topic, t.deleted_at, t.next_offsets});
  topics_.topics = std::make_shared<std::map<std::string, topic_info>>();
  self_->set_down_handler([this](const caf::down_msg& message) { down(message); });
  roles_.node = node_actor{self_};
  add_roles();
  if (setup_.store->log.needs_repair)
    storage::log_error("log.needs_repair", {{"reason", setup_.store->log.needs_repair->message}});
  announce();
}

template <class Handle>
void node_state::add_role(const char* role_name, bool replaceable, Handle role_table::*place,
                          Handle (node_state::*make)()) {
  role r;
  r.name = role_name;
  r.replaceable = replaceable;
  r.spawn = [this, role_name, place, make] { roles_.*place = watch(role_name, (this->*make)()); };
  r.announce = [this, place] { self_->send(roles_.*place, roles_); };
  parts_.push_back(std::move(r));
  parts_.back().spawn();
}

void node_state::add_roles() {
  add_role("writer", false, &role_table::writer, &node_state::spawn_writer);
  add_role("dispatcher", true, &role_table::dispatcher, &node_state::spawn_dispatcher);
  add_role("queue-manager", true, &role_table::queue_manager, &node_state::spawn_queue_manager);
  add_role("flusher", false, &role_table::flusher, &node_state::spawn_flusher);
  add_role("queue-flusher", true, &role_table::queue_flusher, &node_state::spawn_queue_flusher);
  add_role("cleaner", true, &role_table::cleaner, &node_state::spawn_cleaner);
  add_role("registrar", true, &role_table::registrar, &node_state::spawn_registrar);
  role reader;
  reader.name = "reader";
  reader.replaceable = true;
  reader.spawn = [this] { roles_.readers.push_back(watch("reader", spawn_reader())); };
  reader.announce = [this] {
    for (auto& one : roles_.readers)
      self_->send(one, roles_);
  };
  parts_.push_back(std::move(reader));
  for (std::size_t i = 0; i < std::max<std::size_t>(1, setup_.options.pull.readers); ++i)
    parts_.back().spawn();
}

node_state::role& node_state::find_role(const std::string& role_name) {
  auto found = std::find_if(parts_.begin(), parts_.end(),
                            [&](const role& r) { return r.name == role_name; });
  TROUPE_CHECK(found != parts_.end());
  return *found;
}

template <class Handle>
Handle node_state::watch(const std::string& role_name, Handle handle) {
  watched_[handle.address()] = role_name;
  self_->monitor(handle);
  return handle;
}

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
  setup.gaps = log.gaps;
  setup.tombstones = tombstones_;
  setup.topics = setup_.store->topics;
  return spawn_blocking(self_->system(), writer, std::move(setup));
}

flusher_actor node_state::spawn_flusher() {
  flusher_setup setup;
  setup.options = setup_.options;
  setup.files = setup_.files;
  setup.end = setup_.store->log.end;
  setup.store_ms = setup_.store->log.last_store_timestamp;
  setup.read_only = setup_.store->log.needs_repair.has_value();
  return spawn_blocking(self_->system(), flusher, std::move(setup));
}

dispatcher_actor node_state::spawn_dispatcher() {
  return self_->system().spawn(dispatcher);
}

queue_flusher_actor node_state::spawn_queue_flusher() {
  queue_flusher_setup setup{setup_.options, setup_.files};
  return spawn_blocking(self_->system(), queue_flusher, std::move(setup));
}

queue_manager_actor node_state::spawn_queue_manager() {
  queue_manager_setup setup;
  setup.options = setup_.options;
  setup.files = setup_.files;
  setup.clock = setup_.clock;
  setup.log_min = setup_.store->log.min_offset;
  // Once the writer is open the log grows, and the flusher says how far it is durable.
  setup.log_end = writer_open_ ? std::numeric_limits<log_offset>::max() : setup_.store->log.end;
  setup.flushed = writer_open_ ? 0 : setup_.store->log.end;
  setup.restarted = serving_;
  setup.replacement = find_role("queue-manager").restarts > 0;
  setup.checkpoint = setup_.store->known;
  setup.trust_queues = setup_.store->after_orderly_stop;
  setup.read_only = setup_.store->log.needs_repair.has_value();
  setup.tombstones = tombstones_;
  return spawn_blocking(self_->system(), queue_manager, std::move(setup));
}

reader_actor node_state::spawn_reader() {
  reader_setup setup;
  setup.options = setup_.options;
  setup.files = setup_.files;
  setup.min = setup_.store->log.min_offset;
  setup.replacement = find_role("reader").restarts > 0;
  return spawn_blocking(self_->system(), reader, std::move(setup));
}

registrar_actor node_state::spawn_registrar() {
  registrar_setup setup{setup_.options, setup_.files, setup_.clock};
  return spawn_blocking(self_->system(), registrar, std::move(setup));
}

cleaner_actor node_state::spawn_cleaner() {
  cleaner_setup setup{setup_.options, setup_.files, setup_.clock};
  return spawn_blocking(self_->system(), cleaner, std::move(setup));
}

void node_state::announce() {
  for (auto& r : parts_)
    r.announce();
  for (auto& [client, session] : sessions_)
    self_->send(session, roles_);
}

/// The writer has met the queues: it takes messages from now on.
void node_state::writer_opened(const queue_state& queues) {
  writer_open_ = true;
  // Before an operator has decided nobody knows which messages are gone.
  if (!setup_.store->log.needs_repair)
    self_->send(roles_.registrar, queues);
  serve();
}

void node_state::serve_reads(const write_refusal& why) {
  self_->send(roles_.writer, why);
  serve();
}

/// Clients may come, as soon as it is known which topics there are.
void node_state::serve() {
  may_serve_ = true;
  if (!topics_known_)
    return;
  serving_ = true;
  for (auto& promise : waiting_)
    promise.deliver(setup_.name);
  waiting_.clear();
}

caf::result<std::string> node_state::ready() {
  if (serving_)
    return setup_.name;
  if (start_failure_.code != errc::none)
    return to_caf(start_failure_);
  waiting_.emplace_back(self_);
  return waiting_.back();
}

void node_state::log_unreadable(const write_refusal& why) {
  if (stopping_) {
    leave_over(why.reason);
    if (!why.reason.empty())
      stop_rest(); // nobody knows when the queues get there
    return;
  }
  if (setup_.store->log.needs_repair) { // said already, and it stays so
    serve();
    return;
  }
  unreadable_ = why.reason;
  serve_reads(why);
}

// -- clients -------------------------------------------------------------------------------------

caf::result<session_actor> node_state::open_session(const caf::strong_actor_ptr& client) {
  if (stopping_)
    return make_caf_error(errc::unavailable, "node " + setup_.name + " is stopping");
  // Who asks for somebody else is the front.
  bool guest = client != nullptr && client != self_->current_sender();
  if (guest) {
    if (auto known = guests_.find(client))
      return known;
    if (auto room = guests_.admit(client, setup_.options.session, self_->clock().now()); !room)
      return to_caf(room.error());
  }
  auto made =
      self_->spawn<caf::monitored>(session, session_setup{setup_.options, client, roles_, topics_});
  sessions_[made.address()] = made;
  if (guest)
    guests_.add(client, made);
  return made;
}

void node_state::topics_changed(const topic_map& topics) {
  topics_ = topics;
  topics_known_ = true;
  for (auto& [client, session] : sessions_)
    self_->send(session, topics_);
  if (may_serve_ && !serving_)
    serve();
}

// -- when one dies -------------------------------------------------------------------------------

void node_state::down(const caf::down_msg& message) {
  if (sessions_.erase(message.source) > 0) {
    guests_.remove(message.source);
    return;
  }
  auto found = watched_.find(message.source);
  if (found == watched_.end() || stopping_)
    return;
  auto& r = find_role(found->second);
  watched_.erase(found);
  auto why = describe_end(message.reason);
  storage::log_error("role.died", {{"role", r.name}, {"reason", why}});
  std::erase_if(roles_.readers,
                [&](const reader_actor& reader) { return reader.address() == message.source; });
  if (r.replaceable && may_restart(r))
    restart(r);
  else
    fail_stop(r, why);
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

void node_state::fail_stop(role& r, const std::string& why) {
  r.state = role_stopped;
  auto what = "the " + r.name + " stopped (" + why + ")";
  auto said = what + "; restart the node: reads go on";
  if (r.name == "flusher")
    self_->send(roles_.writer, flush_failure{said});
  else
    self_->send(roles_.writer, write_refusal{errc::write_stopped, said});
  if (r.name == "writer")
    roles_.writer = nullptr;
  announce();
  if (serving_)
    return;
  start_failure_ = {errc::unavailable,
                    "node " + setup_.name + " cannot serve: " + what + "; see the log for why"};
  for (auto& promise : waiting_)
    promise.deliver(to_caf(start_failure_));
  waiting_.clear();
}

void node_state::restart(role& r) {
  r.spawn();
  announce();
}

// -- status --------------------------------------------------------------------------------------

template <class Status, class Handle>
void node_state::ask(const std::shared_ptr<gathering>& g, const char* role_name, const Handle& whom,
                     Status node_status::*part) {
  if (find_role(role_name).state != role_running)
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
          [g, role_name, finished](const caf::error&) {
            for (auto& r : g->status.roles)
              if (r.role == role_name)
                r.state = role_silent;
            finished();
          });
}

caf::result<node_status> node_state::status() {
  auto g = std::make_shared<gathering>();
  g->promise = kept_promise<node_status>{self_};
  auto& s = g->status;
  s.node = setup_.name;
  s.cluster = setup_.cluster;
  s.directory = setup_.options.store.directory;
  s.flush = setup_.options.store.flush == storage::flush_policy::sync ? "sync" : "async";
  s.uptime_ms = std::chrono::duration_cast<milliseconds>(self_->clock().now() - started_).count();
  s.sessions = static_cast<std::uint32_t>(sessions_.size());
  s.max_message_bytes = setup_.options.store.max_message_size_bytes;
  for (auto& r : parts_)
    s.roles.push_back({r.name, r.state, r.restarts});
  ++g->open; // until all are asked
  ask(g, "writer", roles_.writer, &node_status::writer);
  ask(g, "flusher", roles_.flusher, &node_status::flusher);
  ask(g, "dispatcher", roles_.dispatcher, &node_status::dispatcher);
  ask(g, "queue-manager", roles_.queue_manager, &node_status::queues);
  ask(g, "cleaner", roles_.cleaner, &node_status::cleaner);
  if (!roles_.writer)
    s.writer.refusal = "the writer stopped; restart the node";
  if (--g->open == 0)
    g->promise.deliver(std::move(g->status));
  return g->promise;
}

// -- stopping ------------------------------------------------------------------------------------

caf::result<stop_report> node_state::stop() {
  if (stopping_)
    return make_caf_error(errc::busy, "the node is stopping already");
  stop_promise_ = kept_promise<stop_report>{self_};
  auto answer = stop_promise_;
  stopping_ = true;
  if (setup_.store->log.needs_repair)
    leave_over(setup_.store->log.needs_repair->message);
  for (auto& r : parts_)
    if (r.state == role_stopped)
      leave_over("the " + r.name + " had stopped: the next start recovers");
  leave_over(unreadable_);
  // In the direction of a message: what was accepted is written, dispatched, flushed. Who is dead
  // is left out, and the others save what they have.
  self_->request(roles_.writer, caf::infinite, stop_atom_v)
      .then([this](log_offset end) { stop_queues(end); },
            [this](const caf::error& why) {
              leave_over("stopping the writer: " + render(from_caf(why)));
              stop_queues(unknown_log_end);
            });
  return answer;
}

void node_state::leave_over(const std::string& what) {
  if (left_over_.empty())
    left_over_ = what;
}

void node_state::stop_queues(log_offset end) {
  log_end_ = end;
  // If something was left over already, nobody may be there who brings the queues up to the end.
  auto reachable = left_over_.empty() ? end : log_offset{0};
  awaits_queues_ = true;
  self_->request(roles_.queue_manager, caf::infinite, resume_atom_v, reachable)
      .then([this](const queue_state&) { stop_rest(); },
            [this](const caf::error& why) {
              leave_over("stopping the queues: " + render(from_caf(why)));
              stop_rest();
            });
}

void node_state::stop_rest() {
  if (!std::exchange(awaits_queues_, false))
    return;
  stop_role("queue-manager", roles_.queue_manager, [this] { stop_flusher(); });
}

void node_state::stop_flusher() {
  auto then = [this] { stop_role("registrar", roles_.registrar, [this] { finish_stop(); }); };
  stop_role("flusher", roles_.flusher, then, log_end_);
}

template <class Handle, class... Arguments>
void node_state::stop_role(const char* role_name, const Handle& whom, std::function<void()> next,
                           Arguments... arguments) {
  self_->request(whom, caf::infinite, stop_atom_v, arguments...)
      .then(
          [this, next](const stop_report& report) {
            leave_over(report.left_over);
            next();
          },
          [this, role_name, next](const caf::error& why) {
            leave_over(std::string{"stopping the "} + role_name + ": " + render(from_caf(why)));
            next();
          });
}

void node_state::finish_stop() {
  stop_promise_.deliver(stop_report{left_over_});
  auto reason = caf::exit_reason::user_shutdown;
  for (auto& [client, session] : sessions_)
    self_->send_exit(session, reason);
  for (auto& [address, role_name] : watched_)
    self_->send_exit(caf::actor_cast<caf::actor>(address), reason);
  roles_ = {};
  self_->quit(reason);
}

node_actor::behavior_type node(node_actor::stateful_pointer<node_state> self, node_setup setup) {
  // Nobody watches who watches all others: what it throws, for want of a thread for one of them, is
  // said by the process's own handler, and ends it.
  self->set_exception_handler(
      [](caf::scheduled_actor*, std::exception_ptr&) -> caf::error { std::terminate(); });
  auto& state = self->state;
  state.start(self, std::move(setup));
  return {
      [&state](ready_atom) { return state.ready(); },
      [&state](status_atom) { return state.status(); },
      [&state](hello_atom, const caf::strong_actor_ptr& client) {
        return state.open_session(client);
      },
      [&state](const topic_map& topics) { state.topics_changed(topics); },
      [&state](const queue_state& queues) { state.writer_opened(queues); },
      [&state](failed_atom, const write_refusal& why) { state.log_unreadable(why); },
      [&state](stop_atom) { return state.stop(); },
  };
}

} // namespace troupe
