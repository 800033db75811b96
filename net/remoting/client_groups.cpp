#include "net/remoting/client_groups.hpp"

#include <algorithm>
#include <limits>

namespace troupe::remoting {

namespace {

/// A node of a map with the fixed part of what it holds.
constexpr std::size_t entry_bytes = 200;

std::size_t bytes_of(const std::string& group, const std::string& client_id) {
  return entry_bytes + group.size() + client_id.size();
}

std::size_t bytes_of(const consumer_data& data, const std::string& client_id) {
  auto bytes = bytes_of(data.group, client_id) + data.from_where.size();
  for (auto& s : data.subscriptions) // the topic is a key, too
    bytes += entry_bytes + 2 * s.topic.size() + s.expression.size() + s.expression_type.size() +
             (filters_by_sql(s.expression_type) ? sql_filter::most_bytes(s.expression.size())
                                                : most_tags * sizeof(std::int32_t));
  return bytes;
}

storage::error over(const std::string& what, std::size_t limit) {
  return {storage::errc::too_large,
          "the heartbeat is not taken: " + what + ", at most " + std::to_string(limit)};
}

} // namespace

storage::result<void> client_groups::check_limits(connection_id from,
                                                  const remoting::heartbeat& h) const {
  auto known = usage_.find(from);
  auto own = known == usage_.end() ? usage{} : known->second;
  auto others = bytes_ - own.bytes;
  // A group that is named again is counted by what is said of it now.
  auto add = [&](const member_map* members, std::size_t more) {
    auto again = members == nullptr ? member_map::const_iterator{} : members->find(from);
    if (members == nullptr || again == members->end())
      ++own.groups;
    else
      own.bytes -= std::min(own.bytes, again->second.bytes);
    own.bytes += more;
  };
  for (auto& group : h.producer_groups) {
    auto found = producers_.find(group);
    add(found == producers_.end() ? nullptr : &found->second, bytes_of(group, h.client_id));
  }
  for (auto& data : h.consumers) {
    auto found = consumers_.find(data.group);
    add(found == consumers_.end() ? nullptr : &found->second.members, bytes_of(data, h.client_id));
  }
  if (own.groups > limits_.groups_of_connection)
    return over("groups of one connection", limits_.groups_of_connection);
  if (own.bytes > limits_.bytes_of_connection)
    return over("bytes of the groups of one connection", limits_.bytes_of_connection);
  if (others + own.bytes > limits_.bytes)
    return over("bytes of the groups of all connections", limits_.bytes);
  return boost::outcome_v2::success();
}

void client_groups::remember(connection_id from, member& known, const remoting::heartbeat& h,
                             std::int64_t now_ms, std::size_t bytes) {
  auto& used = usage_[from];
  if (known.bytes == 0)
    ++used.groups;
  used.bytes += bytes - known.bytes;
  bytes_ += bytes - known.bytes;
  known = {h.client_id, now_ms, h.language, h.version, bytes};
}

void client_groups::forget_member(connection_id from, const member& gone) {
  auto used = usage_.find(from);
  bytes_ -= gone.bytes;
  used->second.bytes -= gone.bytes;
  if (--used->second.groups == 0)
    usage_.erase(used);
}

void client_groups::forget_producer(connection_id from, const member& gone) {
  produces_no_more(from, gone.client_id);
  forget_member(from, gone);
}

void client_groups::produces_no_more(connection_id from, const std::string& client_id) {
  auto known = producer_ids_.find({client_id, from});
  if (known != producer_ids_.end() && --known->second == 0)
    producer_ids_.erase(known);
}

storage::result<client_groups::names>
client_groups::heartbeat(connection_id from, const remoting::heartbeat& h, std::int64_t now_ms) {
  TROUPE_TRY(check_limits(from, h));
  names changed;
  for (auto& group : h.producer_groups) {
    auto& known = producers_[group][from];
    if (known.client_id != h.client_id) {
      produces_no_more(from, known.client_id);
      ++producer_ids_[{h.client_id, from}];
    }
    remember(from, known, h, now_ms, bytes_of(group, h.client_id));
  }
  for (auto& data : h.consumers) {
    auto& group = consumers_[data.group];
    auto& known = group.members[from];
    bool news = known.client_id != h.client_id;
    remember(from, known, h, now_ms, bytes_of(data, h.client_id));
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
    auto known = group.subscriptions.find(s.topic);
    bool added = known == group.subscriptions.end();
    if (!added && s.version <= known->second.version)
      continue;
    changed |= added || s.expression != known->second.expression ||
               s.expression_type != known->second.expression_type;
    group.subscriptions.insert_or_assign(
        s.topic, known_subscription{s, filter_of(s.expression_type, s.expression)});
  }
  changed |= std::erase_if(group.subscriptions,
                           [&](auto& entry) { return named.count(entry.first) == 0; }) > 0;
  return changed;
}

bool client_groups::remove(const std::string& group, connection_id from) {
  auto found = consumers_.find(group);
  if (found == consumers_.end())
    return false;
  auto gone = found->second.members.extract(from);
  if (gone.empty())
    return false;
  forget_member(from, gone.mapped());
  if (found->second.members.empty())
    consumers_.erase(found);
  return true;
}

client_groups::names client_groups::leave(connection_id from, const std::string& producer_group,
                                          const std::string& consumer_group) {
  if (auto found = producers_.find(producer_group); found != producers_.end()) {
    if (auto gone = found->second.extract(from); !gone.empty())
      forget_producer(from, gone.mapped());
    if (found->second.empty())
      producers_.erase(found);
  }
  if (remove(consumer_group, from))
    return {consumer_group};
  return {};
}

client_groups::names client_groups::forget(connection_id from) {
  for (auto at = producers_.begin(); at != producers_.end();) {
    if (auto gone = at->second.extract(from); !gone.empty())
      forget_producer(from, gone.mapped());
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

bool client_groups::is_broadcasting(const std::string& group) const {
  auto found = consumers_.find(group);
  return found != consumers_.end() && !found->second.newest.clustering;
}

client_groups::names client_groups::consumer_groups() const {
  names groups;
  for (auto& [name, group] : consumers_)
    groups.push_back(name);
  return groups;
}

client_groups::names client_groups::producer_groups() const {
  names groups;
  for (auto& [name, members] : producers_)
    groups.push_back(name);
  return groups;
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

std::optional<connection_id> client_groups::producer(const std::string& client_id) const {
  auto behind = producer_ids_.upper_bound({client_id, std::numeric_limits<connection_id>::max()});
  if (behind == producer_ids_.begin() || std::prev(behind)->first.first != client_id)
    return std::nullopt;
  return std::prev(behind)->first.second;
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

const known_subscription* client_groups::find(const std::string& group,
                                              const std::string& topic) const {
  auto consumers = consumers_.find(group);
  if (consumers == consumers_.end())
    return nullptr;
  auto found = consumers->second.subscriptions.find(topic);
  return found == consumers->second.subscriptions.end() ? nullptr : &found->second;
}

} // namespace troupe::remoting
