#include "actors/session.hpp"

#include "actors/unexpected.hpp"
#include "storage/format/system_topics.hpp"
#include "storage/mutant.hpp"

#include <algorithm>
#include <utility>

namespace troupe {

namespace {

/// While the node stops: how often is looked whether all changes are answered.
constexpr auto stop_look = std::chrono::milliseconds(100);

std::int64_t clock_ms(caf::actor_clock::time_point at) {
  return std::chrono::duration_cast<milliseconds>(at.time_since_epoch()).count();
}

} // namespace

void session_state::start(session_actor::stateful_pointer<session_state> actor,
                          const session_setup& setup) {
  self_ = actor;
  options_ = setup.options;
  roles = setup.roles;
  topics = setup.topics;
  credit_ = std::make_shared<client_credit>(options_.session);
  puts_.emplace(self_, options_);
  puts_->set_roles(roles);
  pulls_.emplace(self_, options_);
  pulls_->set_roles(roles);
  if (setup.client != nullptr) {
    self_->set_down_handler([this](const caf::down_msg&) { self_->quit(); });
    self_->monitor(caf::actor_cast<caf::actor>(setup.client));
  }
}

// -- open requests -------------------------------------------------------------------------------

storage::result<void> session_state::admit(const charge& wanted) const {
  if (stopping_)
    return storage::error{errc::unavailable, "the node is stopping"};
  return credit_->admit(wanted);
}

session_state::request_id session_state::open(std::function<void(const storage::error&)> fail,
                                              const charge& taken, milliseconds more_time) {
  auto deadline = self_->clock().now() + options_.session.deadline + more_time;
  open_[next_id_] = {deadline, std::move(fail), taken, {}};
  deadlines_.emplace(deadline, next_id_);
  credit_->take(taken);
  arm();
  return next_id_++;
}

bool session_state::close(request_id id) {
  auto found = open_.find(id);
  if (found == open_.end())
    return false;
  credit_->give_back(found->second.taken);
  deadlines_.erase({found->second.deadline, id});
  open_.erase(found);
  return true;
}

void session_state::arm() {
  if (!deadlines_.empty())
    timer_.arm(self_, deadlines_.begin()->first, pulse_atom_v);
}

void session_state::expire() {
  auto now = self_->clock().now();
  timer_.came(now);
  storage::error late{errc::maybe_stored, "no answer within " +
                                              std::to_string(options_.session.deadline.count()) +
                                              " ms: the request may have taken effect"};
  while (!deadlines_.empty() && deadlines_.begin()->first <= now) {
    auto id = deadlines_.begin()->second;
    open_[id].fail(late);
    close(id);
  }
  arm();
  end_stop();
  if (stop_promise_.pending())
    self_->delayed_send(self_, stop_look, pulse_atom_v);
}

void session_state::work() {
  puts_->work();
  pulls_->work();
  end_stop();
}

/// Whoever reads asks again elsewhere or later, and may wait for long; a change that is not
/// answered is in doubt.
bool session_state::owes_changes() const {
  auto registrar = caf::actor_cast<caf::actor_addr>(roles.registrar);
  return !puts_->empty() || held_puts_ > 0 ||
         std::any_of(open_.begin(), open_.end(), [&](auto& entry) {
           return roles.registrar && entry.second.asked == registrar;
         });
}

void session_state::end_stop() {
  if (stop_promise_.pending() && !owes_changes())
    stop_promise_.deliver(true);
}

caf::result<bool> session_state::stop() {
  stopping_ = true;
  pulls_->stop();
  if (!owes_changes())
    return true;
  stop_promise_ = kept_promise<bool>{self_};
  self_->delayed_send(self_, stop_look, pulse_atom_v);
  return stop_promise_;
}

// -- producing -----------------------------------------------------------------------------------

caf::result<put_response> session_state::put(put_request request) {
  kept_promise<put_response> promise{self_};
  // Those behind one that is held wait with it, or they would be stored before it.
  auto* topic = find_topic(request.topic);
  if (held_puts_ == 0 && topic != nullptr) {
    store(std::move(request), topic, promise);
    return promise;
  }
  // The topic may have been created a moment ago through another session.
  auto id = open(promise, {1, request.messages.size()});
  if (!id)
    return promise;
  ++held_puts_;
  auto held = std::make_shared<put_request>(std::move(request));
  auto since = self_->clock().now();
  refresh_topics([this, id = *id, held, promise, since] {
    --held_puts_;
    if (!close(id))
      return;
    auto* known = find_topic(held->topic);
    if (spend_time(*held, since))
      store(std::move(*held), known, promise);
    else
      promise.deliver(
          refused(*held, {errc::busy, "not stored: the topics were not known in time"}));
  });
  return promise;
}

/// Takes the time since then from what the producer waits; false when nothing is left.
bool session_state::spend_time(put_request& request, caf::actor_clock::time_point since) const {
  if (request.time_left_ms == 0)
    return true;
  auto left =
      std::int64_t{request.time_left_ms} - (clock_ms(self_->clock().now()) - clock_ms(since));
  if (left <= 0)
    return false;
  request.time_left_ms = static_cast<std::uint32_t>(left);
  return true;
}

/// Learns the topics, all that was created before included; without an answer `then` goes on with
/// what was known.
void session_state::refresh_topics(std::function<void()> then) {
  refreshes_[next_refresh_] = std::move(then);
  ask_topics(next_refresh_++);
}

void session_state::ask_topics(std::uint64_t refresh) {
  // The answer is as good for those who asked before: their question, or the answer, may be lost,
  // and what is held is passed on in its order.
  auto go_on = [this, refresh] {
    while (!refreshes_.empty() && refreshes_.begin()->first <= refresh)
      refreshes_.extract(refreshes_.begin()).mapped()();
  };
  self_->request(roles.registrar, patience(self_, roles.registrar, longest_patience), watch_atom_v)
      .then(
          [this, go_on](const topic_map& newest) {
            topics = newest;
            go_on();
          },
          [this, go_on, whom = roles.registrar](const caf::error&) {
            if (whom == roles.registrar)
              go_on();
          });
}

const topic_info* session_state::find_topic(const std::string& topic) const {
  auto found = topics.topics->find(topic);
  return found == topics.topics->end() ? nullptr : &found->second;
}

void session_state::store(put_request request, const topic_info* topic,
                          kept_promise<put_response> promise) {
  if (stopping_)
    promise.deliver(refused(request, {errc::unavailable, "not stored: the node is stopping"}));
  else
    puts_->store(credit_, std::move(request), topic, std::move(promise));
}

// -- other processes -----------------------------------------------------------------------------

/// What was asked of an actor in another process that is out of reach now is answered by nobody.
template <class Handle>
void session_state::replace(const Handle& before, const Handle& now) {
  if (!before || before == now || !is_elsewhere(self_, before))
    return;
  storage::error lost{errc::connection_lost, std::string("the connection to the ") +
                                                 role_name<Handle> +
                                                 " broke: the request may have taken effect"};
  auto who = caf::actor_cast<caf::actor_addr>(before);
  std::vector<request_id> asked;
  for (auto& [id, request] : open_)
    if (request.asked == who)
      asked.push_back(id);
  for (auto id : asked) {
    open_[id].fail(lost);
    close(id);
  }
}

void session_state::set_roles(const role_table& table) {
  auto before = std::exchange(roles, table);
  if (before.writer && TROUPE_MUTANT("old-writer-kept"))
    roles.writer = before.writer;
  puts_->set_roles(roles);
  pulls_->set_roles(roles);
  replace(before.queue_manager, roles.queue_manager);
  replace(before.registrar, roles.registrar);
  if (before.registrar != roles.registrar) // who was asked before may not have heard of it
    for (auto& [refresh, then] : refreshes_)
      ask_topics(refresh);
  replace(before.flusher, roles.flusher);
  for (auto& one : before.readers)
    if (std::find(roles.readers.begin(), roles.readers.end(), one) == roles.readers.end())
      replace(one, reader_actor{});
}

session_actor::behavior_type session(session_actor::stateful_pointer<session_state> self,
                                     const session_setup& setup) {
  auto& state = self->state;
  state.start(self, setup);
  ignore_unexpected(self, "session");
  return {
      [&state](put_request& request) { return state.put(std::move(request)); },
      [&state](pull_request& request) { return state.pull(std::move(request)); },
      [&state](const key_query& query) { return state.query(query); },
      [&state](fetch_atom, log_offset offset) { return state.fetch(offset); },
      [&state](search_atom, const std::string& topic, std::int32_t queue, std::int64_t time_ms) {
        return state.forward<queue_offset>(0, state.roles.queue_manager, search_atom_v, topic,
                                           queue, time_ms);
      },
      [&state](create_atom, const topic_info& topic) { return state.create(topic); },
      [&state](update_atom, const topic_info& topic) {
        return state.change<topic_info>(topic.name, update_atom_v, topic);
      },
      [&state](remove_atom, const std::string& topic) {
        return state.change<tombstone>(topic, remove_atom_v, topic);
      },
      [&state](list_atom) {
        return state.forward<topic_list>(0, state.roles.registrar, list_atom_v);
      },
      [&state](bounds_atom, const std::string& topic) { return state.describe(topic); },
      [&state](bounds_atom, const std::string& topic, std::int32_t queue) {
        return state.describe(topic, queue);
      },
      [&state](fetch_atom, const group_offset& which) {
        return state.forward<group_offset>(0, state.roles.registrar, fetch_atom_v, which);
      },
      [&state](store_atom, const group_offset& what) {
        return state.forward<group_offset>(0, state.roles.registrar, store_atom_v, what);
      },
      [&state](list_atom, const std::string& group) {
        return state.forward<group_list>(0, state.roles.registrar, list_atom_v, group);
      },
      [&state](store_atom, const group_settings& what) {
        return state.forward<group_settings>(0, state.roles.registrar, store_atom_v, what);
      },
      [&state](remove_atom, const group_settings& which, bool offsets) {
        return state.forward<group_settings>(0, state.roles.registrar, remove_atom_v, which,
                                             offsets);
      },
      [&state](status_atom) {
        return state.forward<node_status>(0, state.roles.node, status_atom_v);
      },
      [&state](group_join& request) { return state.join(std::move(request)); },
      [&state](const group_claim& request) {
        return state.forward<group_claim>(0, state.roles.membership, request);
      },
      [&state](const group_leave& request) {
        return state.forward<bool>(0, state.roles.membership, request);
      },
      [&state](const topic_map& topics) { state.topics = topics; },
      [&state](watch_atom) {
        return state.forward<topic_map>(0, state.roles.registrar, watch_atom_v);
      },
      [&state](const role_table& roles) { state.set_roles(roles); },
      [&state](stop_atom) { return state.stop(); },
      [&state](work_atom) { state.work(); },
      [&state](pulse_atom) { state.expire(); },
  };
}

} // namespace troupe
