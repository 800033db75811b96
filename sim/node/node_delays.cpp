// What is promised of messages that are to come later. While one waits it is a message like others,
// in RocketMQ's topic for that; when its time has come it is stored once more, where it was sent.

#include "sim/node/node_ledger.hpp"
#include "storage/format/delayed_message.hpp"
#include "storage/format/properties.hpp"

#include <algorithm>
#include <map>
#include <string>
#include <tuple>
#include <utility>

namespace troupe::sim {

namespace {

std::string name_of(const ledger_entry& entry) {
  return "message " + std::to_string(entry.number) + " (level " + std::to_string(entry.level) +
         ", for " + entry.later.topic + " queue " + std::to_string(entry.later.queue) +
         ", waits at position " + std::to_string(entry.position) + ", offset " +
         std::to_string(entry.offset) + ")";
}

} // namespace

void node_ledger::put_off(ledger_entry& entry, std::int32_t level,
                          const storage::delay_levels& delays) {
  entry.level = level;
  entry.later.topic = std::exchange(entry.topic, std::string(storage::delay_topic));
  entry.later.queue = entry.queue;
  entry.queue = storage::delay_queue(std::min(level, delays.highest()));
  entry.later.ms = delays.of(level).value();
  entry.later.set_back_ms = set_back_ms_;
  entry.later.ends = ends_;
}

bool node_ledger::has_waited(const ledger_entry& entry, const seen_message& seen) {
  return entry.level > 0 && seen.topic != storage::delay_topic;
}

/// It was stored no earlier than its time, by the clock that gave both times. What that was set
/// back in between may have been waited for as well.
node_ledger::problem node_ledger::check_copy(const ledger_entry& entry,
                                             const seen_message& seen) const {
  auto name = name_of(entry);
  if (seen.topic != entry.later.topic || seen.queue != entry.later.queue)
    return name + " has come to " + seen.topic + " queue " + std::to_string(seen.queue);
  if (entry.state == put_state::refused)
    return name + " was refused as not stored, and has come";
  if (entry.state == put_state::gone && !entry.later.expired)
    return name + " was not there after an earlier restart, and has come";
  auto set_back = set_back_ms_ - entry.later.set_back_ms;
  auto early = entry.sent_ms + entry.later.ms - set_back - seen.stored_ms;
  if (early > 0)
    return name + " has come " + std::to_string(early) + " ms before its time";
  return std::nullopt;
}

/// Nothing comes twice unless who delivers it ended in between; nor, where no clock was set back,
/// before its time, which is counted from when it was stored.
node_ledger::problem node_ledger::check_copies(const copies& there,
                                               const std::vector<seen_message>& waiting) const {
  if (log_damaged_)
    return std::nullopt;
  for (auto& [number, all] : there) {
    auto& entry = entries_[number];
    auto most = 1 + ends_ - entry.later.ends;
    if (all.size() > most && !doubtful_)
      return name_of(entry) + " has come " + std::to_string(all.size()) + " times, and could " +
             std::to_string(most);
  }
  for (auto& message : waiting) {
    auto& entry = *find(message.body);
    auto came = there.find(entry.number);
    if (came == there.end() || set_back_ms_ > 0)
      continue;
    for (auto& copy : came->second)
      if (copy.stored_ms < message.stored_ms + entry.later.ms)
        return name_of(entry) + " has come " + std::to_string(copy.stored_ms - message.stored_ms) +
               " ms after it was stored";
  }
  return doubtful_ ? std::nullopt : check_copies_order(there);
}

/// Of one level, in one queue, and while nothing ended: as they waited.
node_ledger::problem node_ledger::check_copies_order(const copies& there) const {
  std::map<std::tuple<std::string, std::int32_t, std::int32_t>, std::vector<std::uint64_t>> queues;
  for (auto& [number, all] : there) {
    auto& entry = entries_[number];
    if (entry.later.ends == ends_ && entry.position >= 0)
      queues[{entry.later.topic, entry.later.queue, entry.queue}].push_back(number);
  }
  for (auto& [queue, numbers] : queues) {
    std::sort(numbers.begin(), numbers.end(), [this](std::uint64_t a, std::uint64_t b) {
      return entries_[a].position < entries_[b].position;
    });
    for (std::size_t i = 1; i < numbers.size(); ++i)
      if (there.at(numbers[i]).front().position < there.at(numbers[i - 1]).front().position)
        return name_of(entries_[numbers[i]]) + " has come before " +
               name_of(entries_[numbers[i - 1]]);
  }
  return std::nullopt;
}

node_ledger::problem node_ledger::undelivered(const std::vector<seen_message>& seen) const {
  std::set<std::uint64_t> came;
  for (auto& message : seen)
    if (auto* entry = find(message.body); entry != nullptr && has_waited(*entry, message))
      came.insert(entry->number);
  for (auto& message : seen) {
    auto* entry = find(message.body);
    if (entry == nullptr || entry->level == 0 || came.count(entry->number) > 0)
      continue;
    auto& topic = entry->later.topic;
    bool removed = topics_.deleted_at(topic) > entry->deleted_before || topics_.vanishing(topic);
    if (!removed)
      return name_of(*entry) + " waits, and does not come";
  }
  return std::nullopt;
}

} // namespace troupe::sim
