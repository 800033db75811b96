#include "actors/membership.hpp"

#include "actors/unexpected.hpp"
#include "storage/format/record.hpp"
#include "storage/tables/offset_table.hpp"

#include <algorithm>

namespace troupe {

namespace {

constexpr auto pulse_interval = std::chrono::milliseconds(250);
/// A node of a map with the fixed part of what it holds.
constexpr std::size_t entry_bytes = 300;
/// As long as RocketMQ's longest.
constexpr std::size_t longest_client_id = 255;

std::size_t bytes_of_member(const std::string& group, const std::string& client_id) {
  return entry_bytes + group.size() + client_id.size();
}

std::size_t bytes_of_holder(const std::string& topic, const std::string& client_id) {
  return entry_bytes + topic.size() + client_id.size();
}

/// FNV-1a of all ids with their ends.
std::uint64_t mark_of(const std::vector<std::string>& ids) {
  std::uint64_t mark = 14695981039346656037ull;
  auto add = [&mark](unsigned char c) { mark = (mark ^ c) * 1099511628211ull; };
  for (auto& id : ids) {
    for (char c : id)
      add(static_cast<unsigned char>(c));
    add(0);
  }
  return mark == 0 ? 1 : mark;
}

storage::result<void> check_names(const std::string& group, const std::string& client_id) {
  TROUPE_TRY(storage::check_group_name(group));
  bool printable =
      std::all_of(client_id.begin(), client_id.end(), [](char c) { return c > 0x20 && c < 0x7f; });
  if (client_id.empty() || client_id.size() > longest_client_id || !printable)
    return storage::error{errc::invalid_argument,
                          "a client id has 1 to 255 printable characters of ASCII, no blanks"};
  return boost::outcome_v2::success();
}

storage::error full(const std::string& what, std::size_t limit) {
  return {errc::busy, "not joined: this node keeps at most " + std::to_string(limit) + " " + what};
}

} // namespace

void membership_state::start(membership_actor::stateful_pointer<membership_state> actor,
                             const membership_options& limits) {
  self_ = actor;
  limits_ = limits;
  self_->set_down_handler([this](const caf::down_msg& message) { down(message.source); });
}

// -- members that join ---------------------------------------------------------------------------

storage::result<void> membership_state::check_room(const group_join& request) const {
  auto found = groups_.find(request.group);
  if (found == groups_.end() && groups_.size() >= limits_.groups)
    return full("consumer groups", limits_.groups);
  if (found != groups_.end() && found->second.members.size() >= limits_.members)
    return full("members of one group", limits_.members);
  if (bytes_ + bytes_of_member(request.group, request.client_id) > limits_.bytes)
    return full("bytes of members", limits_.bytes);
  return boost::outcome_v2::success();
}

caf::result<group_members> membership_state::join(const group_join& request) {
  if (auto good = check_names(request.group, request.client_id); !good)
    return to_caf(good.error());
  auto sender = self_->current_sender();
  if (sender == nullptr)
    return make_caf_error(errc::invalid_argument, "who joins a group needs a session");
  auto who = caf::actor_cast<caf::actor_addr>(sender);
  auto found = groups_.find(request.group);
  bool known = found != groups_.end() && found->second.members.count(request.client_id) > 0;
  if (!known) {
    if (auto room = check_room(request); !room)
      return to_caf(room.error());
    bytes_ += bytes_of_member(request.group, request.client_id);
  }
  auto& g = groups_[request.group];
  auto& m = g.members[request.client_id];
  if (auto before = std::exchange(m.promise, {}); before.pending())
    before.deliver(list(request.group, g));
  m.session = who; // of one that came back the old session may not have ended yet
  m.seen = self_->clock().now();
  if (monitored_.insert(who).second)
    self_->monitor(caf::actor_cast<caf::actor>(sender));
  if (!known)
    changed(request.group, g);
  arm();
  auto now = list(request.group, g);
  if (request.known != now.mark || request.wait_ms == 0)
    return now;
  m.promise = kept_promise<group_members>{self_};
  m.known = request.known;
  m.answer_at = m.seen + std::min(milliseconds{request.wait_ms}, member_silence / 2);
  return m.promise;
}

storage::result<membership_state::group_map::iterator>
membership_state::group_of_sender(const std::string& group_name, const std::string& client_id) {
  auto found = groups_.find(group_name);
  if (found != groups_.end()) {
    auto m = found->second.members.find(client_id);
    if (m != found->second.members.end() &&
        m->second.session == caf::actor_cast<caf::actor_addr>(self_->current_sender()))
      return found;
  }
  return storage::error{errc::not_found,
                        client_id + " is no member of group " + group_name + " any more"};
}

caf::result<group_claim> membership_state::claim(const group_claim& request) {
  auto at = group_of_sender(request.group, request.client_id);
  if (!at)
    return to_caf(at.error());
  if (auto good = storage::check_topic_name(request.topic); !good)
    return to_caf(good.error());
  auto& queues = request.queues;
  if (queues.size() > storage::max_queues_per_topic ||
      std::any_of(queues.begin(), queues.end(), [](std::int32_t q) { return q < 0; }))
    return make_caf_error(errc::invalid_argument, "no topic has these queues");
  std::set<std::int32_t> wanted(queues.begin(), queues.end());
  auto& holders = at.value()->second.holders;
  std::erase_if(holders, [&](auto& held) {
    bool over = held.first.first == request.topic && held.second == request.client_id &&
                wanted.count(held.first.second) == 0;
    if (over)
      bytes_ -= bytes_of_holder(request.topic, request.client_id);
    return over;
  });
  group_claim answer{request.group, request.client_id, request.topic, {}};
  auto cost = bytes_of_holder(request.topic, request.client_id);
  for (auto queue : wanted) {
    auto held = holders.find({request.topic, queue});
    if (held == holders.end() && bytes_ + cost <= limits_.bytes) {
      held = holders.emplace(queue_key{request.topic, queue}, request.client_id).first;
      bytes_ += cost;
    }
    if (held != holders.end() && held->second == request.client_id)
      answer.queues.push_back(queue);
  }
  return answer;
}

caf::result<bool> membership_state::leave(const group_leave& request) {
  auto at = group_of_sender(request.group, request.client_id);
  if (!at)
    return false;
  remove(at.value(), request.client_id);
  return true;
}

void membership_state::remove(group_map::iterator at, const std::string& client_id) {
  auto& [group_name, g] = *at;
  auto gone = g.members.extract(client_id);
  bytes_ -= bytes_of_member(group_name, client_id);
  std::erase_if(g.holders, [&](auto& held) {
    if (held.second != client_id)
      return false;
    bytes_ -= bytes_of_holder(held.first.first, client_id);
    return true;
  });
  gone.mapped().promise.deliver(make_caf_error(
      errc::not_found, client_id + " is no member of group " + group_name + " any more"));
  changed(group_name, g);
  drop_if_empty(at);
}

void membership_state::pulse() {
  pulse_pending_ = false;
  auto now = self_->clock().now();
  std::vector<std::pair<std::string, std::string>> silent;
  for (auto& [group_name, g] : groups_)
    for (auto& [id, m] : g.members) {
      if (m.promise.pending() && m.answer_at <= now) {
        std::exchange(m.promise, {}).deliver(list(group_name, g));
        m.seen = now;
      }
      if (!m.promise.pending() && m.seen + member_silence <= now)
        silent.emplace_back(group_name, id);
    }
  for (auto& [group_name, id] : silent)
    if (auto at = groups_.find(group_name); at != groups_.end())
      remove(at, id);
  arm();
}

void membership_state::arm() {
  bool any = std::any_of(groups_.begin(), groups_.end(),
                         [](auto& entry) { return !entry.second.members.empty(); });
  if (!any || std::exchange(pulse_pending_, true))
    return;
  self_->delayed_send(self_, pulse_interval, pulse_atom_v);
}

// -- doors ---------------------------------------------------------------------------------------

void membership_state::report(const group_members& reported) {
  auto sender = self_->current_sender();
  if (sender == nullptr)
    return;
  auto door = caf::actor_cast<caf::actor_addr>(sender);
  if (monitored_.insert(door).second)
    self_->monitor(caf::actor_cast<caf::actor>(sender));
  if (reported.client_ids.empty() && groups_.count(reported.group) == 0)
    return;
  auto at = groups_.try_emplace(reported.group).first;
  if (reported.client_ids.empty())
    at->second.of_doors.erase(door);
  else
    at->second.of_doors[door] = reported.client_ids;
  changed(reported.group, at->second);
  drop_if_empty(at);
}

void membership_state::watch(const caf::strong_actor_ptr& watcher) {
  auto who = caf::actor_cast<caf::actor_addr>(watcher);
  if (monitored_.insert(who).second)
    self_->monitor(caf::actor_cast<caf::actor>(watcher));
  auto& to = watchers_[who] = caf::actor_cast<member_watcher>(watcher);
  for (auto& [group_name, g] : groups_)
    self_->send(to, list(group_name, g, who));
}

void membership_state::tell_watchers(const std::string& group_name, const group& g) {
  for (auto& [who, watcher] : watchers_)
    self_->send(watcher, list(group_name, g, who));
}

// -- both ----------------------------------------------------------------------------------------

void membership_state::down(const caf::actor_addr& who) {
  monitored_.erase(who);
  watchers_.erase(who);
  std::vector<std::pair<std::string, std::string>> gone;
  std::vector<std::string> names;
  for (auto& [group_name, g] : groups_) {
    for (auto& [id, m] : g.members)
      if (m.session == who)
        gone.emplace_back(group_name, id);
    if (g.of_doors.count(who) > 0)
      names.push_back(group_name);
  }
  for (auto& [group_name, id] : gone)
    if (auto at = groups_.find(group_name); at != groups_.end())
      remove(at, id);
  for (auto& group_name : names) {
    auto at = groups_.find(group_name);
    at->second.of_doors.erase(who);
    changed(group_name, at->second);
    drop_if_empty(at);
  }
}

void membership_state::changed(const std::string& group_name, group& g) {
  tell_watchers(group_name, g);
  auto now = list(group_name, g);
  for (auto& [id, m] : g.members)
    if (m.promise.pending() && m.known != now.mark) {
      m.seen = self_->clock().now();
      std::exchange(m.promise, {}).deliver(now);
    }
}

group_members membership_state::list(const std::string& group_name, const group& g,
                                     const caf::actor_addr& but) {
  std::set<std::string> ids;
  for (auto& [id, m] : g.members)
    ids.insert(id);
  for (auto& [door, has] : g.of_doors)
    if (door != but)
      ids.insert(has.begin(), has.end());
  group_members all{group_name, {ids.begin(), ids.end()}, 0};
  all.mark = mark_of(all.client_ids);
  return all;
}

void membership_state::drop_if_empty(group_map::iterator at) {
  if (at->second.members.empty() && at->second.of_doors.empty())
    groups_.erase(at);
}

membership_actor::behavior_type
membership(membership_actor::stateful_pointer<membership_state> self,
           const membership_options& limits) {
  auto& state = self->state;
  state.start(self, limits);
  ignore_unexpected(self, "membership");
  return {
      [&state](const group_join& request) { return state.join(request); },
      [&state](const group_claim& request) { return state.claim(request); },
      [&state](const group_leave& request) { return state.leave(request); },
      [&state](const group_members& reported) { state.report(reported); },
      [&state](watch_atom, const caf::strong_actor_ptr& watcher) { state.watch(watcher); },
      [&state](pulse_atom) { state.pulse(); },
  };
}

} // namespace troupe
