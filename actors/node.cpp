#include "actors/node.hpp"

#include "actors/cleaner.hpp"
#include "actors/delayer.hpp"
#include "actors/dispatcher.hpp"
#include "actors/flusher.hpp"
#include "actors/membership.hpp"
#include "actors/patience.hpp"
#include "actors/reader.hpp"
#include "actors/registrar.hpp"
#include "actors/session.hpp"
#include "actors/transactor.hpp"
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

} // namespace

// -- starting ------------------------------------------------------------------------------------

void node_state::start(node_actor::stateful_pointer<node_state> actor, node_setup setup) {
  self_ = actor;
  setup_ = std::move(setup);
  started_ = self_->clock().now();
  for (auto& [peer, roles] : setup_.peers)
    seen_[peer].since = started_;
  queue_parts_.resize(std::max<std::size_t>(1, setup_.queue_nodes.size()));
  if (setup_.store) {
    tombstones_ = setup_.store->tombstones;
    auto& log = setup_.store->log;
    log_ = log_state{setup_.run,
                     log.min_offset,
                     log.end,
                     log.end,
                     log.end,
                     log.last_store_timestamp,
                     log.needs_repair ? log.needs_repair->message : std::string{},
                     true};
  }
  roles_.elsewhere = places_elsewhere();
  topics_.topics = std::make_shared<std::map<std::string, topic_info>>();
  self_->set_down_handler([this](const caf::down_msg& message) { down(message); });
  roles_.node = node_actor{self_};
  spawn_membership();
  add_roles();
  if (setup_.store && setup_.store->log.needs_repair)
    storage::log_error("log.needs_repair", {{"reason", setup_.store->log.needs_repair->message}});
  announce();
  ask_deletions();
  // A node that plays nothing which opens files serves at once, but for the topics.
  if (!plays(store_role::writer) &&
      std::ranges::all_of(parts_, [](const watched_role& r) { return r.state == role_running; }))
    serve();
}

template <class Handle>
void node_state::add_role(const char* role_name, bool replaceable, Handle role_table::*place,
                          Handle (node_state::*make)()) {
  watched_role r;
  r.name = role_name;
  r.replaceable = replaceable;
  r.spawn = [this, role_name, place, make] { roles_.*place = watch(role_name, (this->*make)()); };
  r.announce = [this, place] { self_->send(roles_.*place, roles_); };
  r.forget = [this, place] { roles_.*place = Handle{}; };
  r.needs_log = !std::is_same_v<Handle, dispatcher_actor> && // have no files
                !std::is_same_v<Handle, transactor_actor>;
  parts_.push_back(std::move(r));
  begin(parts_.back());
}

bool node_state::may_begin(const watched_role& r) const {
  return (!r.needs_log || log_) && (!r.needs_deletions || deletions_);
}

/// At once, or when there is what it has to know.
void node_state::begin(watched_role& r) {
  bool waits = !may_begin(r);
  set_state(r, waits ? role_waiting : role_running);
  if (!waits)
    r.spawn();
}

void node_state::set_state(watched_role& r, const char* state) {
  r.state = state;
  r.since = self_->clock().now();
}

void node_state::add_roles() {
  if (plays(store_role::writer))
    add_role("writer", false, &role_table::writer, &node_state::spawn_writer);
  if (plays(store_role::dispatcher))
    add_role("dispatcher", true, &role_table::dispatcher, &node_state::spawn_dispatcher);
  for (std::uint32_t share = 0; share < queue_count(); ++share)
    if (own_queues(share))
      add_queue_manager(share);
  if (plays(store_role::flusher))
    add_role("flusher", false, &role_table::flusher, &node_state::spawn_flusher);
  for (std::uint32_t share = 0; share < queue_count(); ++share)
    if (own_queues(share))
      add_queue_flusher(share);
  if (plays(store_role::cleaner))
    add_role("cleaner", true, &role_table::cleaner, &node_state::spawn_cleaner);
  if (plays(store_role::registrar))
    add_role("registrar", true, &role_table::registrar, &node_state::spawn_registrar);
  if (plays(store_role::registrar)) // whose directory it shares
    add_role("delayer", true, &role_table::delayer, &node_state::spawn_delayer);
  if (plays(store_role::door)) // its progress is the registrar's
    add_role("transactor", true, &role_table::transactor, &node_state::spawn_transactor);
  if (plays(store_role::readers))
    add_readers();
}

/// Several actors play the one role.
void node_state::add_readers() {
  const auto count = std::max<std::size_t>(1, setup_.options.pull.readers);
  watched_role reader;
  reader.name = role_name<reader_actor>;
  reader.replaceable = true;
  reader.spawn = [this, count, begun = false]() mutable {
    for (std::size_t i = 0; i < (begun ? 1 : count); ++i)
      roles_.readers.push_back(watch(role_name<reader_actor>, spawn_reader()));
    begun = true;
  };
  reader.forget = [] {}; // each is taken out when it ends
  reader.announce = [this] {
    for (auto& one : roles_.readers)
      if (!is_elsewhere(self_, one))
        self_->send(one, roles_);
  };
  parts_.push_back(std::move(reader));
  begin(parts_.back());
}

node_state::watched_role& node_state::find_role(const std::string& role_name) {
  auto found = std::find_if(parts_.begin(), parts_.end(),
                            [&](const watched_role& r) { return r.name == role_name; });
  TROUPE_CHECK(found != parts_.end());
  return *found;
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
  setup.run = setup_.run;
  setup.tombstones = tombstones_;
  setup.topics = setup_.store->topics;
  setup.producers = std::make_shared<storage::producer_book>(std::move(setup_.store->producers));
  return spawn_blocking(self_->system(), writer, std::move(setup));
}

flusher_actor node_state::spawn_flusher() {
  flusher_setup setup;
  setup.options = setup_.options;
  setup.files = setup_.files;
  setup.end = log_->flushed;
  setup.store_ms = log_->store_ms;
  setup.read_only = !log_->read_only.empty();
  setup.run = log_->run;
  setup.keeps_checkpoint = !setup_.queues_beside_log;
  return spawn_blocking(self_->system(), flusher, std::move(setup));
}

dispatcher_actor node_state::spawn_dispatcher() {
  return self_->system().spawn(dispatcher);
}

reader_actor node_state::spawn_reader() {
  reader_setup setup;
  setup.options = setup_.options;
  setup.files = setup_.files;
  setup.min = log_->min;
  setup.replacement = setup_.store == nullptr || find_role(role_name<reader_actor>).restarts > 0;
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

delayer_actor node_state::spawn_delayer() {
  delayer_setup setup{setup_.options, setup_.files, setup_.clock};
  return spawn_blocking(self_->system(), delayer, std::move(setup));
}

transactor_actor node_state::spawn_transactor() {
  return self_->system().spawn(transactor, transactor_setup{setup_.options, setup_.clock});
}

/// No role of the store: nothing of it is on disk, and its clients tell it again who they are.
void node_state::spawn_membership() {
  roles_.membership = self_->spawn<caf::monitored>(troupe::membership, setup_.options.membership);
}

caf::strong_actor_ptr node_state::membership() const {
  return caf::actor_cast<caf::strong_actor_ptr>(roles_.membership);
}

void node_state::announce() {
  join_queues();
  for (auto& r : parts_)
    if (r.state == role_running)
      r.announce();
  tell_doors(roles_);
}

/// The writer has met the queues: it takes messages from now on.
void node_state::writer_opened(const queue_state& queues) {
  writer_open_ = true;
  // Before an operator has decided nobody knows which messages are gone.
  if (log_->read_only.empty())
    unsettled_ = queues;
  if (!roles_.registrar)
    told_late();
  settle_groups();
  serve();
}

void node_state::serve_reads(const write_bar& why) {
  self_->send(roles_.writer, why);
  serve();
}

/// Clients may come, as soon as it is known which topics there are.
void node_state::serve() {
  may_serve_ = true;
  if (serving_ || (!topics_known_ && plays(store_role::door)))
    return;
  serving_ = true;
  say_waiting();
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

void node_state::log_unreadable(const write_bar& why) {
  if (stopping_) {
    leave_over(why.reason);
    if (!why.reason.empty())
      stop_rest(); // nobody knows when the queues get there
    return;
  }
  if (log_ && !log_->read_only.empty()) { // said already, and it stays so
    serve();
    return;
  }
  if (may_serve_ && unreadable_ == why.reason) // another one has said it
    return;
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

/// Also what it was told when it came, so that it can begin.
void node_state::attach_door(const door_actor& door) {
  self_->monitor(door);
  doors_[door.address()] = door;
  self_->send(door, topics_);
  self_->send(door, roles_);
}

void node_state::topics_changed(const topic_map& topics) {
  topics_ = topics;
  topics_known_ = true;
  tell_doors(topics_);
  for (auto& [peer, roles] : peers_)
    tell_topics(roles);
  if (may_serve_ && !serving_)
    serve();
}

// -- when one dies -------------------------------------------------------------------------------

void node_state::down(const caf::down_msg& message) {
  if (doors_.erase(message.source) > 0)
    return;
  if (sessions_.erase(message.source) > 0) {
    guests_.remove(message.source);
    return;
  }
  if (roles_.membership && roles_.membership.address() == message.source && !stopping_) {
    storage::log_error("role.died",
                       {{"role", "membership"}, {"reason", describe_end(message.reason)}});
    spawn_membership();
    announce();
    return;
  }
  if (queue_count() > 1 && roles_.queue_manager &&
      roles_.queue_manager.address() == message.source && !stopping_) {
    roles_.queue_manager = nullptr;
    announce();
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
  r.forget(); // nobody is offered who has ended
  if (r.replaceable && may_restart(r))
    restart(r);
  else
    fail_stop(r, why);
}

bool node_state::may_restart(watched_role& r) {
  auto now = self_->clock().now();
  while (!r.recent.empty() && now - r.recent.front() > restart_window)
    r.recent.pop_front();
  if (r.recent.size() >= restart_budget)
    return false;
  r.recent.push_back(now);
  ++r.restarts;
  return true;
}

void node_state::fail_stop(watched_role& r, const std::string& why) {
  set_state(r, role_stopped);
  r.failure = "the " + r.name + " stopped (" + why + ")";
  roles_.writer_ended = roles_.writer_ended || r.name == role_name<writer_actor>;
  tell_failures();
  announce();
  offer_roles();
  if (serving_)
    return;
  start_failure_ = {errc::unavailable, "node " + setup_.name + " cannot serve: " + r.failure +
                                           "; see the log for why"};
  for (auto& promise : waiting_)
    promise.deliver(to_caf(start_failure_));
  waiting_.clear();
}

/// To a writer that is new, too: it takes no messages without them.
void node_state::tell_failures() {
  for (auto& r : parts_) {
    if (r.state != role_stopped)
      continue;
    auto said = r.failure + "; restart the node: reads go on";
    if (r.name == role_name<flusher_actor>)
      self_->send(roles_.writer, flush_failure{said});
    else
      self_->send(roles_.writer, write_bar{bar_source::node, errc::write_stopped, said});
  }
}

void node_state::restart(watched_role& r) {
  // It opens its files by what the writer says now, and the registrar.
  if (!setup_.store && r.needs_log)
    log_.reset();
  if (r.needs_deletions)
    deletions_.reset();
  begin(r);
  announce();
  offer_roles();
  if (r.state == role_waiting)
    retry();
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
      [&state](attach_atom, const door_actor& door) { state.attach_door(door); },
      [&state](const queue_state& queues) { state.writer_opened(queues); },
      [&state](failed_atom, const write_bar& why) { state.log_unreadable(why); },
      [&state](stop_atom) { return state.stop(); },
      [&state](attach_atom, const caf::strong_actor_ptr& links) { state.set_links(links); },
      [&state](const peer_up& peer) { state.peer_is_up(peer); },
      [&state](const peer_down& peer) { state.peer_is_down(peer); },
      [&state](list_atom) { return state.links(); },
      [&state](fetch_atom) { return state.membership(); },
      [&state](retry_atom) { state.retry(); },
  };
}

} // namespace troupe
