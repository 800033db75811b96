#include "net/remoting/client_groups.hpp"

#include <algorithm>

namespace troupe::remoting {

client_groups::names client_groups::heartbeat(connection_id from, const remoting::heartbeat& h,
                                              std::int64_t now_ms) {
  names changed;
  for (auto& group : h.producer_groups)
    producers_[group][from] = {h.client_id, now_ms, h.language, h.version};
  for (auto& data : h.consumers) {
    auto& group = consumers_[data.group];
    auto& known = group.members[from];
    bool news = known.client_id != h.client_id;
    known = {h.client_id, now_ms, h.language, h.version};
    group.newest = data;
    group.newest.subscriptions.clear();
    if (subscribe(group, data) || news)
      changed.push_back(data.group);
  }
  return changed;
}

/// The newest version of each subscription counts, and what a member no longer names is dropped.
bool client_groups::subscribe(group_state& group, const consumer_data& data) {
  bool changed = false;
  std::set<std::string_view> named;
  for (auto& s : data.subscriptions) {
    named.insert(s.topic);
    auto [found, added] = group.subscriptions.try_emplace(s.topic, s);
    if (added) {
      changed = true;
    } else if (s.version > found->second.version) {
      changed |= s.expression != found->second.expression;
      found->second = s;
    }
  }
  changed |= std::erase_if(group.subscriptions,
                           [&](auto& entry) { return named.count(entry.first) == 0; }) > 0;
  return changed;
}

bool client_groups::remove(const std::string& group, connection_id from) {
  auto found = consumers_.find(group);
  if (found == consumers_.end() || found->second.members.erase(from) == 0)
    return false;
  if (found->second.members.empty())
    consumers_.erase(found);
  return true;
}

client_groups::names client_groups::leave(connection_id from, const std::string& producer_group,
                                          const std::string& consumer_group) {
  if (auto found = producers_.find(producer_group); found != producers_.end()) {
    found->second.erase(from);
    if (found->second.empty())
      producers_.erase(found);
  }
  if (remove(consumer_group, from))
    return {consumer_group};
  return {};
}

client_groups::names client_groups::forget(connection_id from) {
  for (auto at = producers_.begin(); at != producers_.end();) {
    at->second.erase(from);
    at = at->second.empty() ? producers_.erase(at) : std::next(at);
  }
  names changed;
  for (auto& [name, group] : consumers_)
    if (group.members.count(from) > 0)
      changed.push_back(name);
  for (auto& name : changed)
    remove(name, from);
  return changed;
}

client_groups::names client_groups::expire(std::int64_t silent_since_ms) {
  std::set<connection_id> silent;
  auto look = [&](const std::map<connection_id, member>& members) {
    for (auto& [id, m] : members)
      if (m.seen_ms < silent_since_ms)
        silent.insert(id);
  };
  for (auto& [name, members] : producers_)
    look(members);
  for (auto& [name, group] : consumers_)
    look(group.members);
  std::set<std::string> changed;
  for (auto id : silent)
    for (auto& name : forget(id))
      changed.insert(name);
  return {changed.begin(), changed.end()};
}

client_groups::names client_groups::client_ids(const std::string& group) const {
  names ids;
  if (auto found = consumers_.find(group); found != consumers_.end())
    for (auto& [id, m] : found->second.members)
      if (std::find(ids.begin(), ids.end(), m.client_id) == ids.end())
        ids.push_back(m.client_id);
  return ids;
}

std::vector<connection_id> client_groups::connections(const std::string& group) const {
  std::vector<connection_id> ids;
  if (auto found = consumers_.find(group); found != consumers_.end())
    for (auto& [id, m] : found->second.members)
      ids.push_back(id);
  return ids;
}

std::vector<group_client> client_groups::clients_of(const member_map& members) {
  std::vector<group_client> clients;
  for (auto& [id, m] : members)
    clients.push_back({id, m.client_id, m.language, m.version});
  return clients;
}

std::vector<group_client> client_groups::consumers(const std::string& group) const {
  auto found = consumers_.find(group);
  return found == consumers_.end() ? std::vector<group_client>()
                                   : clients_of(found->second.members);
}

std::vector<group_client> client_groups::producers(const std::string& group) const {
  auto found = producers_.find(group);
  return found == producers_.end() ? std::vector<group_client>() : clients_of(found->second);
}

std::optional<consumer_data> client_groups::consumer_group(const std::string& group) const {
  auto found = consumers_.find(group);
  if (found == consumers_.end())
    return std::nullopt;
  auto data = found->second.newest;
  for (auto& [topic, wanted] : found->second.subscriptions)
    data.subscriptions.push_back(wanted);
  return data;
}

client_groups::names client_groups::subscribers(const std::string& topic) const {
  names groups;
  for (auto& [name, group] : consumers_)
    if (group.subscriptions.count(topic) > 0)
      groups.push_back(name);
  return groups;
}

const subscription* client_groups::find(const std::string& group, const std::string& topic) const {
  auto consumers = consumers_.find(group);
  if (consumers == consumers_.end())
    return nullptr;
  auto found = consumers->second.subscriptions.find(topic);
  return found == consumers->second.subscriptions.end() ? nullptr : &found->second;
}

} // namespace troupe::remoting
