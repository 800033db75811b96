// The node among the other processes of its store.

#include "actors/node.hpp"

#include "actors/patience.hpp"
#include "storage/logging.hpp"
#include "storage/mutant.hpp"

#include <algorithm>
#include <utility>

namespace troupe {

namespace {

constexpr auto retry_pause = std::chrono::seconds(1);
constexpr auto writer_patience = std::chrono::seconds(1);
constexpr auto queues_patience = std::chrono::seconds(5);

/// As a role is called between nodes; cluster.ini has other words for some.
struct role_word {
  std::string_view word;
  store_role role;
};
constexpr role_word words[] = {
    {role_name<writer_actor>, store_role::writer},
    {role_name<flusher_actor>, store_role::flusher},
    {role_name<cleaner_actor>, store_role::cleaner},
    {role_name<reader_actor>, store_role::readers},
    {role_name<dispatcher_actor>, store_role::dispatcher},
    {role_name<queue_manager_actor>, store_role::queue_manager},
    {role_name<registrar_actor>, store_role::registrar},
};

std::optional<store_role> role_of_word(std::string_view word) {
  for (auto& w : words)
    if (w.word == word)
      return w.role;
  return std::nullopt;
}

/// Calls `what` with each role that one actor plays, and its place, but for the queue-manager, of
/// which there may be several.
template <class Table, class Function>
void for_each_place(Table& roles, const Function& what) {
  what(store_role::writer, roles.writer);
  what(store_role::flusher, roles.flusher);
  what(store_role::cleaner, roles.cleaner);
  what(store_role::dispatcher, roles.dispatcher);
  what(store_role::registrar, roles.registrar);
}

template <class Handle>
void offer(std::vector<offered_role>& all, const Handle& who,
           const std::string& role = role_name<Handle>) {
  if (who)
    all.push_back({role, caf::actor_cast<caf::strong_actor_ptr>(who)});
}

} // namespace

// -- who is there --------------------------------------------------------------------------------

void node_state::set_links(const caf::strong_actor_ptr& switchboard) {
  switchboard_ = switchboard;
  offer_roles();
  retry();
}

/// What this process plays, and the node itself.
void node_state::offer_roles() {
  if (!switchboard_)
    return;
  role_offer all;
  for_each_place(roles_, [&](store_role role, const auto& who) {
    if (plays(role))
      offer(all.roles, who);
  });
  for (std::uint32_t share = 0; share < queue_count(); ++share)
    if (own_queues(share))
      offer(all.roles, queue_parts_[share].manager, queue_name(share));
  for (auto& one : roles_.readers)
    if (!is_elsewhere(self_, one))
      offer(all.roles, one);
  offer(all.roles, roles_.node);
  caf::anon_send(caf::actor_cast<caf::actor>(switchboard_), std::move(all));
}

/// A node plays what cluster.ini gives it, whatever it says of itself.
bool node_state::may_offer(const std::string& peer, const offered_role& given) const {
  auto role = role_of_word(given.role);
  auto known = setup_.peers.find(peer);
  if (known == setup_.peers.end() || !given.port)
    return false;
  for (std::uint32_t share = 0; share < queue_count(); ++share)
    if (given.role == queue_name(share))
      return has_queues(peer, share);
  return role ? known->second.has(*role) : given.role == role_name<node_actor>;
}

void node_state::take_role(const offered_role& given) {
  for_each_place(roles_, [&](store_role, auto& place) {
    using handle = std::decay_t<decltype(place)>;
    if (given.role == role_name<handle>)
      place = caf::actor_cast<handle>(given.port);
  });
  for (std::uint32_t share = 0; share < queue_count(); ++share)
    if (given.role == queue_name(share))
      queue_parts_[share].manager = caf::actor_cast<queue_manager_actor>(given.port);
  if (given.role == role_name<reader_actor>)
    roles_.readers.push_back(caf::actor_cast<reader_actor>(given.port));
}

void node_state::drop_role(const offered_role& given) {
  auto is_given = [&](const auto& who) {
    return caf::actor_cast<caf::strong_actor_ptr>(who) == given.port;
  };
  for_each_place(roles_, [&](store_role, auto& place) {
    if (is_given(place))
      place = std::decay_t<decltype(place)>{};
  });
  for (auto& part : queue_parts_)
    if (is_given(part.manager))
      part.manager = nullptr;
  std::erase_if(roles_.readers, is_given);
}

void node_state::peer_is_up(const peer_up& peer) {
  seen_[peer.node] = {self_->clock().now(), {}};
  auto& roles = peers_[peer.node];
  for (auto& given : peer.roles) {
    if (!may_offer(peer.node, given))
      continue;
    roles.push_back(given);
    take_role(given);
  }
  roles_changed();
  if (topics_known_ && !TROUPE_MUTANT("topics-said-once"))
    tell_topics(roles);
}

/// The registrar tells only its own node of changes.
void node_state::tell_topics(const std::vector<offered_role>& peer) {
  if (!plays(store_role::registrar))
    return;
  for (auto& given : peer)
    if (given.role == role_name<node_actor>)
      self_->send(caf::actor_cast<node_actor>(given.port), topics_);
}

/// Silence is not death: nothing more is concluded than that these handles are of no use now.
void node_state::peer_is_down(const peer_down& peer) {
  auto found = peers_.find(peer.node);
  if (found == peers_.end())
    return;
  for (auto& given : found->second)
    drop_role(given);
  peers_.erase(found);
  seen_[peer.node] = {self_->clock().now(), peer.reason};
  roles_changed();
}

void node_state::roles_changed() {
  announce();
  tell_failures();
  if (!log_)
    ask_log();
  ask_deletions();
  settle_groups();
  say_waiting();
}

// -- the log -------------------------------------------------------------------------------------

/// Those that open files begin when the writer has recovered the log.
void node_state::ask_log() {
  if (setup_.store || asking_log_ || !roles_.writer || stopping_)
    return;
  asking_log_ = true;
  self_->request(roles_.writer, writer_patience, follow_atom_v)
      .then(
          [this](const log_state& log) {
            asking_log_ = false;
            log_known(log);
          },
          [this](const caf::error&) { // asked again in a while
            asking_log_ = TROUPE_MUTANT("log-asked-once");
          });
}

void node_state::log_known(const log_state& log) {
  log_ = log;
  ask_deletions();
  begin_waiting();
}

void node_state::begin_waiting() {
  bool begun = false;
  for (auto& r : parts_) {
    if (r.state != role_waiting || !may_begin(r))
      continue;
    begin(r);
    begun = true;
  }
  if (!begun)
    return;
  announce();
  offer_roles();
  if (!plays(store_role::writer) &&
      std::ranges::none_of(parts_, [](const watched_role& r) { return r.state == role_waiting; }))
    serve();
}

/// Groups that are beyond their queues are set back once in a run of the log, by the queues as they
/// were before its first new message: later ones may have taken the numbers that a group has seen.
void node_state::settle_groups() {
  if (!unsettled_ || !roles_.registrar || std::exchange(settling_, true))
    return;
  self_->request(roles_.registrar, queues_patience, *unsettled_)
      .then(
          [this] {
            settling_ = false;
            unsettled_.reset();
          },
          [this](const caf::error&) { // with the next change of roles, or the timer
            settling_ = false;
            told_late();
            retry_later();
          });
}

/// Groups may have stored since where new messages ended: of a queue that began at 0 nobody can
/// tell any more what was stored before.
void node_state::told_late() {
  if (unsettled_)
    unsettled_->log_min = 0;
}

void node_state::retry() {
  if (auto step = std::exchange(stop_step_, {}))
    return step();
  retry_pending_ = false;
  if (!log_)
    ask_log();
  ask_deletions();
  settle_groups();
  say_waiting();
  bool begun =
      std::ranges::none_of(parts_, [](const watched_role& r) { return r.state == role_waiting; });
  bool waits = !serving_ || !log_ || !begun || unsettled_;
  if (spread() && waits)
    retry_later();
}

void node_state::retry_later() {
  if (!stopping_ && !std::exchange(retry_pending_, true))
    self_->delayed_send(self_, retry_pause, retry_atom_v);
}

// -- for people ----------------------------------------------------------------------------------

std::string node_state::nodes_with(store_role role) const {
  std::string names;
  for (auto& [peer, roles] : setup_.peers)
    if (roles.has(role))
      names += (names.empty() ? "" : ", ") + peer;
  return names;
}

std::map<std::string, std::string> node_state::places_elsewhere() const {
  std::map<std::string, std::string> places;
  for (auto& w : words)
    if (auto names = nodes_with(w.role);
        !names.empty() && !plays(w.role) && w.role != store_role::queue_manager)
      places[std::string(w.word)] = names;
  for (std::uint32_t share = 0; share < queue_count(); ++share)
    if (!own_queues(share))
      places[queue_name(share)] =
          queue_count() > 1 ? setup_.queue_nodes[share] : nodes_with(store_role::queue_manager);
  return places;
}

std::string node_state::waits_for() const {
  auto of = [this](store_role role) {
    return "node " + nodes_with(role) + " (" + std::string(name_of(role)) + ")";
  };
  if (stopping_)
    return stop_waits_;
  if (serving_)
    return {};
  if (!plays(store_role::writer) && !log_)
    return of(store_role::writer);
  auto waits_for_deletions = [this](const watched_role& r) {
    return r.needs_deletions && r.state == role_waiting && !deletions_;
  };
  if (!plays(store_role::registrar) && std::ranges::any_of(parts_, waits_for_deletions))
    return of(store_role::registrar);
  if (plays(store_role::writer) && !writer_open_ && queues_elsewhere()) {
    auto away = away_queues();
    return away.empty()
               ? of(store_role::queue_manager) + " to catch up with the log"
               : "node " + away + " (" + std::string(name_of(store_role::queue_manager)) + ")";
  }
  if (plays(store_role::door) && !topics_known_ && !plays(store_role::registrar))
    return of(store_role::registrar);
  return {};
}

void node_state::say_waiting() {
  if (!spread() || stopping_)
    return;
  auto now = waits_for();
  if (now == said_waiting_)
    return;
  said_waiting_ = now;
  if (!now.empty())
    storage::log_info("node.waiting", {{"for", now}});
}

} // namespace troupe
