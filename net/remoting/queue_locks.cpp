#include "net/remoting/queue_locks.hpp"

#include "net/remoting/command.hpp"
#include "net/remoting/json_members.hpp"

#include <limits>

namespace troupe::remoting {

namespace {

constexpr std::size_t most_queues = 10'000;

} // namespace

storage::result<lock_body> read_lock_body(storage::byte_view body) {
  TROUPE_TRY(auto object, read_json_body(body, "lock request"));
  json_members root(object, "lock request");
  lock_body wanted;
  TROUPE_TRY(wanted.client_id, root.text("clientId"));
  TROUPE_TRY(wanted.group, root.text("consumerGroup"));
  if (wanted.client_id.empty() || wanted.group.empty() || wanted.group.size() > longest_name ||
      wanted.client_id.size() > longest_name)
    return root.wrong("clientId and consumerGroup must have 1 to " + std::to_string(longest_name) +
                      " bytes");
  TROUPE_TRY(auto queues, root.objects("mqSet", most_queues));
  for (auto& entry : queues) {
    queue_name queue;
    TROUPE_TRY(queue.topic, entry.text("topic"));
    TROUPE_TRY(auto id, entry.integer("queueId"));
    if (queue.topic.size() > longest_name || id < 0 || id > std::numeric_limits<int>::max())
      return root.wrong("mqSet names no queue that can be");
    queue.queue_id = static_cast<std::int32_t>(id);
    wanted.queues.push_back(std::move(queue));
  }
  return wanted;
}

std::string write_locked_queues(const std::vector<queue_name>& queues, const std::string& broker) {
  std::string out = "{\"lockOKMQSet\":";
  append_json_list(out, queues, [&](const queue_name& queue) {
    out += "{\"brokerName\":";
    append_json_text(out, broker);
    out += ",\"queueId\":" + std::to_string(queue.queue_id) + ",\"topic\":";
    append_json_text(out, queue.topic);
    out += '}';
  });
  return out += '}';
}

bool queue_locks::count(connection_id from) {
  auto& own = counts_[from];
  if (own >= most_of_connection || total_ >= most_locks) {
    if (own == 0)
      counts_.erase(from);
    return false;
  }
  ++own;
  ++total_;
  return true;
}

void queue_locks::uncount(connection_id from) {
  --total_;
  auto own = counts_.find(from);
  if (--own->second == 0)
    counts_.erase(own);
}

queue_locks::lock_map::iterator queue_locks::erase(lock_map& locks, lock_map::iterator at) {
  uncount(at->second.from);
  return locks.erase(at);
}

std::vector<queue_name> queue_locks::lock(connection_id from, const lock_body& wanted,
                                          std::int64_t now_ms) {
  std::vector<queue_name> held;
  auto& locks = groups_[wanted.group];
  for (auto& queue : wanted.queues) {
    auto known = locks.find(queue);
    if (known != locks.end() && known->second.client_id != wanted.client_id &&
        known->second.until_ms() > now_ms)
      continue;
    if (known != locks.end())
      erase(locks, known);
    if (!count(from))
      continue;
    locks[queue] = {wanted.client_id, now_ms, from};
    held.push_back(queue);
  }
  if (locks.empty())
    groups_.erase(wanted.group);
  return held;
}

void queue_locks::unlock(const lock_body& given) {
  auto group = groups_.find(given.group);
  if (group == groups_.end())
    return;
  for (auto& queue : given.queues)
    if (auto found = group->second.find(queue);
        found != group->second.end() && found->second.client_id == given.client_id)
      erase(group->second, found);
  if (group->second.empty())
    groups_.erase(group);
}

void queue_locks::departed(connection_id from) {
  if (counts_.count(from) == 0)
    return;
  for (auto& [group, locks] : groups_)
    for (auto& [queue, lock] : locks)
      lock.orphan = lock.orphan || lock.from == from;
}

void queue_locks::expire(std::int64_t now_ms) {
  for (auto group = groups_.begin(); group != groups_.end();) {
    for (auto at = group->second.begin(); at != group->second.end();)
      at = at->second.until_ms() <= now_ms ? erase(group->second, at) : std::next(at);
    group = group->second.empty() ? groups_.erase(group) : std::next(group);
  }
}

} // namespace troupe::remoting
