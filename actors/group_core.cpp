#include "actors/group_core.hpp"

#include "storage/check.hpp"
#include "storage/format/record.hpp"
#include "storage/tables/offset_table.hpp"

#include <algorithm>

namespace troupe {

namespace {

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

storage::error not_a_member(const std::string& group, const std::string& client_id) {
  return {errc::not_found, client_id + " is no member of group " + group + " any more"};
}

storage::error full(const std::string& what, std::size_t limit) {
  return {errc::busy, "not joined: this node keeps at most " + std::to_string(limit) + " " + what};
}

} // namespace

group_core::group_core(const membership_options& limits) : limits_(limits) {}

// -- members that join ---------------------------------------------------------------------------

storage::result<void> group_core::check_room(const group_join& request) const {
  auto found = groups_.find(request.group);
  if (found == groups_.end() && groups_.size() >= limits_.groups)
    return full("consumer groups", limits_.groups);
  if (found != groups_.end() && found->second.members.size() >= limits_.members)
    return full("members of one group", limits_.members);
  if (bytes_ + bytes_of_member(request.group, request.client_id) > limits_.bytes)
    return full("bytes of members", limits_.bytes);
  return boost::outcome_v2::success();
}

storage::result<std::optional<group_members>> group_core::join(party session,
                                                               const group_join& request,
                                                               question who, time_point now,
                                                               actions& out) {
  auto found = groups_.find(request.group);
  if (request.client_id.empty()) { // only asks
    TROUPE_TRY(storage::check_group_name(request.group));
    return std::optional(list(request.group, found == groups_.end() ? group() : found->second));
  }
  TROUPE_TRY(check_names(request.group, request.client_id));
  bool known = found != groups_.end() && found->second.members.count(request.client_id) > 0;
  if (!known) {
    TROUPE_TRY(check_room(request));
    bytes_ += bytes_of_member(request.group, request.client_id);
    ++members_;
  }
  auto& g = groups_[request.group];
  auto& m = g.members[request.client_id];
  if (auto before = std::exchange(m.waiting, {}))
    out.answers.push_back({*before, list(request.group, g)});
  m.session = session; // of one that came back the old session may not have ended yet
  m.seen = now;
  if (!known)
    changed(request.group, g, now, out);
  auto members = list(request.group, g);
  if (request.known != members.mark || request.wait_ms == 0)
    return std::optional(std::move(members));
  m.waiting = who;
  m.known = request.known;
  m.answer_at = now + std::min(milliseconds{request.wait_ms}, member_silence / 2);
  return std::nullopt;
}

storage::result<group_core::group_map::iterator>
group_core::group_of(party session, const std::string& name, const std::string& client_id) {
  auto found = groups_.find(name);
  if (found != groups_.end()) {
    auto m = found->second.members.find(client_id);
    if (m != found->second.members.end() && m->second.session == session)
      return found;
  }
  return not_a_member(name, client_id);
}

storage::result<group_claim> group_core::claim(party session, const group_claim& request) {
  TROUPE_TRY(auto at, group_of(session, request.group, request.client_id));
  TROUPE_TRY(storage::check_topic_name(request.topic));
  auto& queues = request.queues;
  if (queues.size() > storage::max_queues_per_topic ||
      std::any_of(queues.begin(), queues.end(), [](std::int32_t q) { return q < 0; }))
    return storage::error{errc::invalid_argument, "no topic has these queues"};
  std::set<std::int32_t> wanted(queues.begin(), queues.end());
  auto& holders = at->second.holders;
  std::erase_if(holders, [&](auto& held) {
    bool over = held.first.first == request.topic && held.second == request.client_id &&
                wanted.count(held.first.second) == 0;
    if (over)
      bytes_ -= bytes_of_holder(request.topic, request.client_id);
    return over;
  });
  group_claim result{request.group, request.client_id, request.topic, {}};
  auto cost = bytes_of_holder(request.topic, request.client_id);
  for (auto queue : wanted) {
    auto held = holders.find({request.topic, queue});
    if (held == holders.end() && bytes_ + cost <= limits_.bytes) {
      held = holders.emplace(queue_key{request.topic, queue}, request.client_id).first;
      bytes_ += cost;
    }
    if (held != holders.end() && held->second == request.client_id)
      result.queues.push_back(queue);
  }
  return result;
}

bool group_core::leave(party session, const group_leave& request, time_point now, actions& out) {
  auto at = group_of(session, request.group, request.client_id);
  if (!at)
    return false;
  remove(at.value(), request.client_id, now, out);
  return true;
}

void group_core::remove(group_map::iterator at, const std::string& client_id, time_point now,
                        actions& out) {
  auto& [name, g] = *at;
  auto gone = g.members.extract(client_id);
  TROUPE_CHECK(!gone.empty());
  bytes_ -= bytes_of_member(name, client_id);
  --members_;
  std::erase_if(g.holders, [&](auto& held) {
    if (held.second != client_id)
      return false;
    bytes_ -= bytes_of_holder(held.first.first, client_id);
    return true;
  });
  if (gone.mapped().waiting)
    out.answers.push_back({*gone.mapped().waiting, not_a_member(name, client_id)});
  changed(name, g, now, out);
  drop_if_empty(at);
}

void group_core::tick(time_point now, actions& out) {
  std::vector<std::pair<std::string, std::string>> silent;
  for (auto& [name, g] : groups_)
    for (auto& [id, m] : g.members) {
      if (m.waiting && m.answer_at <= now) {
        out.answers.push_back({*std::exchange(m.waiting, {}), list(name, g)});
        m.seen = now;
      }
      if (!m.waiting && m.seen + member_silence <= now)
        silent.emplace_back(name, id);
    }
  for (auto& [name, id] : silent)
    if (auto at = groups_.find(name); at != groups_.end())
      remove(at, id, now, out);
}

// -- doors ---------------------------------------------------------------------------------------

void group_core::report(party door, const group_members& reported, time_point now, actions& out) {
  if (reported.client_ids.empty() && groups_.count(reported.group) == 0)
    return;
  auto at = groups_.try_emplace(reported.group).first;
  if (reported.client_ids.empty())
    at->second.of_doors.erase(door);
  else
    at->second.of_doors[door] = reported.client_ids;
  changed(reported.group, at->second, now, out);
  drop_if_empty(at);
}

void group_core::watch(party door, actions& out) {
  watchers_.insert(door);
  for (auto& [name, g] : groups_)
    out.notices.push_back({door, list(name, g, door)});
}

// -- both ----------------------------------------------------------------------------------------

void group_core::gone(party who, time_point now, actions& out) {
  watchers_.erase(who);
  std::vector<std::pair<std::string, std::string>> gone;
  std::vector<std::string> names;
  for (auto& [name, g] : groups_) {
    for (auto& [id, m] : g.members)
      if (m.session == who)
        gone.emplace_back(name, id);
    if (g.of_doors.count(who) > 0)
      names.push_back(name);
  }
  for (auto& [name, id] : gone)
    if (auto at = groups_.find(name); at != groups_.end())
      remove(at, id, now, out);
  for (auto& name : names) {
    auto at = groups_.find(name);
    at->second.of_doors.erase(who);
    changed(name, at->second, now, out);
    drop_if_empty(at);
  }
}

void group_core::changed(const std::string& name, group& g, time_point now, actions& out) {
  for (auto door : watchers_)
    out.notices.push_back({door, list(name, g, door)});
  auto members = list(name, g);
  for (auto& [id, m] : g.members)
    if (m.waiting && m.known != members.mark) {
      m.seen = now;
      out.answers.push_back({*std::exchange(m.waiting, {}), members});
    }
}

group_members group_core::list(const std::string& name, const group& g, party but) {
  std::set<std::string> ids;
  for (auto& [id, m] : g.members)
    ids.insert(id);
  for (auto& [door, has] : g.of_doors)
    if (door != but)
      ids.insert(has.begin(), has.end());
  group_members all{name, {ids.begin(), ids.end()}, 0};
  all.mark = mark_of(all.client_ids);
  return all;
}

void group_core::drop_if_empty(group_map::iterator at) {
  if (at->second.members.empty() && at->second.of_doors.empty())
    groups_.erase(at);
}

} // namespace troupe
