#include "net/remoting/ordered_batch.hpp"

#include <algorithm>
#include <utility>

namespace troupe::remoting {

using storage::queue_offset;

ordered_batch::ordered_batch(std::string attempt, std::int64_t pop_ms, std::int64_t due_ms,
                             const std::vector<queue_offset>& positions,
                             const ordered_batch* before)
    : attempt_(std::move(attempt)), pop_ms_(pop_ms) {
  bool same = before != nullptr && before->is_attempt(attempt_);
  for (auto position : positions) {
    message added{position, due_ms};
    if (before != nullptr)
      for (auto& old : before->messages_)
        if (old.position == position)
          added.tries = same ? old.tries : old.tries + 1;
    messages_.push_back(added);
  }
}

ordered_batch::message* ordered_batch::find(queue_offset position) noexcept {
  auto found = std::find_if(messages_.begin(), messages_.end(),
                            [&](const message& each) { return each.position == position; });
  return found == messages_.end() ? nullptr : &*found;
}

ordered_batch::ack_outcome ordered_batch::acknowledge(queue_offset position, std::int64_t pop_ms) {
  if (pop_ms != pop_ms_)
    return ack_outcome::other_pop;
  auto* found = find(position);
  if (found == nullptr)
    return ack_outcome::not_here;
  found->acknowledged = true;
  return ack_outcome::done;
}

bool ordered_batch::change(queue_offset position, std::int64_t pop_ms, std::int64_t due_ms) {
  auto* found = pop_ms == pop_ms_ ? find(position) : nullptr;
  if (found == nullptr || found->acknowledged)
    return false;
  found->due_ms = due_ms;
  return true;
}

std::optional<std::int64_t> ordered_batch::blocked_until() const noexcept {
  std::optional<std::int64_t> last;
  for (auto& each : messages_)
    if (!each.acknowledged)
      last = std::max(last.value_or(each.due_ms), each.due_ms);
  return last;
}

queue_offset ordered_batch::next() const noexcept {
  for (auto& each : messages_)
    if (!each.acknowledged)
      return each.position;
  return messages_.back().position + 1;
}

std::vector<ordered_batch::tries> ordered_batch::tried() const {
  std::vector<tries> all;
  for (auto& each : messages_)
    if (each.tries > 0)
      all.push_back({each.position, each.tries});
  return all;
}

std::int32_t ordered_batch::least_tries() const noexcept {
  std::int32_t least = messages_.front().tries;
  for (auto& each : messages_)
    least = std::min(least, each.tries);
  return least;
}

} // namespace troupe::remoting
