#include "storage/recovery/lost_messages.hpp"

#include <algorithm>
#include <limits>
#include <tuple>

namespace troupe::storage {

void lost_messages::add(const record_view& message) {
  if (!message.has_queue_entry() || message.queue_position < 0 ||
      message.queue_position == std::numeric_limits<queue_offset>::max())
    return;
  if (newest_ == nullptr || newest_->first.second != message.queue_id ||
      newest_->first.first != message.topic) {
    auto [found, is_new] = queues_.try_emplace({std::string(message.topic), message.queue_id});
    if (is_new) // what was before it may as well have expired
      found->second.next = message.queue_position;
    newest_ = &*found;
  }
  auto& queue = newest_->second;
  if (message.queue_position < queue.next)
    return;
  if (message.queue_position > queue.next)
    queue.runs.push_back({queue.next, message.queue_position, queue.pieces, pieces_.size()});
  queue.next = message.queue_position + 1;
  queue.pieces = pieces_.size();
}

result<void> lost_messages::ask(const queue_table& queues) {
  result<void> outcome = boost::outcome_v2::success();
  auto look = [&](const std::string& topic, const consume_queue& queue) -> result<void> {
    for (std::size_t i = 0; i < pieces_.size(); ++i) {
      TROUPE_TRY(auto from, queue.find_first(pieces_[i].from));
      TROUPE_TRY(auto to, queue.find_first(pieces_[i].to));
      if (from == to)
        continue;
      auto [found, is_new] = queues_.try_emplace({topic, queue.queue_id()});
      if (is_new)
        found->second.next = from;
      narrow(found->second, from, to, i);
    }
    return boost::outcome_v2::success();
  };
  queues.for_each([&](const queue_table::topic_queues& topic, const consume_queue& queue) {
    if (outcome.has_value())
      outcome = look(topic.name, queue);
  });
  return outcome;
}

/// The queue says that [from, to) were in that piece.
void lost_messages::narrow(queue_state& queue, queue_offset from, queue_offset to,
                           std::size_t piece) {
  std::vector<open_run> runs;
  for (auto& run : queue.runs) {
    open_run known{std::max(run.from, from), std::min(run.to, to), piece, piece + 1};
    if (known.from >= known.to || piece < run.first || piece >= run.last) {
      runs.push_back(run);
      continue;
    }
    if (run.from < known.from)
      runs.push_back({run.from, known.from, run.first, piece + 1});
    runs.push_back(known);
    if (known.to < run.to)
      runs.push_back({known.to, run.to, piece, run.last});
  }
  if (from <= queue.next && queue.next < to && piece >= queue.pieces) {
    runs.push_back({queue.next, to, piece, piece + 1});
    queue.next = to;
  }
  queue.runs = std::move(runs);
}

lost_messages::placed lost_messages::place() const {
  std::vector<candidate> open;
  for (auto& [name, queue] : queues_)
    for (auto& run : queue.runs)
      open.push_back({&name, run});
  // What must go first goes first; numbers of one queue stay in their order.
  std::ranges::stable_sort(open, {}, [](const candidate& c) { return c.run.last; });
  placed out;
  for (std::size_t i = 0; i < pieces_.size(); ++i)
    fill(i, open, out.by_piece.emplace_back());
  for (auto& [name, run] : open)
    if (run.from < run.to)
      out.homeless.push_back({name->first, name->second, run.from, run.to});
  return out;
}

void lost_messages::fill(std::size_t piece, std::vector<candidate>& open,
                         std::vector<lost_run>& into) const {
  auto room = pieces_[piece].room();
  for (auto& [name, run] : open) {
    if (run.from >= run.to || piece < run.first || piece >= run.last)
      continue;
    auto count = std::min<queue_offset>(run.to - run.from, room / placeholder_bytes(name->first));
    if (count == 0)
      continue;
    into.push_back({name->first, name->second, run.from, run.from + count});
    room -= count * placeholder_bytes(name->first);
    run.from += count;
  }
  std::ranges::sort(
      into, {}, [](const lost_run& run) { return std::tie(run.topic, run.queue_id, run.from); });
}

} // namespace troupe::storage
