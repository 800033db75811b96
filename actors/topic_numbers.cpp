#include "actors/topic_numbers.hpp"

#include <algorithm>

namespace troupe {

topic_numbers::topic_numbers(std::vector<tombstone> deleted, const std::set<std::string>& living)
    : deleted_(std::move(deleted)) {
  for (auto& dead : deleted_)
    if (living.count(dead.topic) == 0)
      retired_[dead.topic] = dead;
}

void topic_numbers::learn(const queue_state& queues) {
  if (known_)
    return;
  known_ = true;
  for (auto& [topic, next] : queues.next_offsets)
    next_[topic] = next;
  for (auto& dead : deleted_)
    continue_behind(dead);
}

tombstone topic_numbers::retire(const std::string& topic, log_offset at) {
  tombstone dead{topic, at, of(topic)};
  retired_[topic] = dead;
  return dead;
}

void topic_numbers::revive(const tombstone& from) {
  retired_.erase(from.topic);
  continue_behind(from);
}

void topic_numbers::continue_behind(const tombstone& from) {
  auto& next = of(from.topic);
  next.resize(std::max(next.size(), from.next_offsets.size()), 0);
  for (std::size_t i = 0; i < from.next_offsets.size(); ++i)
    next[i] = std::max(next[i], from.next_offsets[i]);
}

} // namespace troupe
