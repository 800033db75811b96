#include "actors/queue_find.hpp"

#include "storage/mutant.hpp"

#include <algorithm>
#include <utility>

namespace troupe {

namespace {

using storage::queue_entry;
using storage::result;

/// Entries that one pull with a filter looks at, at most.
constexpr std::size_t max_scanned_entries = 800;

/// The hashes are sorted: whoever asks sees to it.
bool matches(const std::vector<std::int32_t>& tag_hashes, std::int64_t tags_code) {
  return tag_hashes.empty() || std::binary_search(tag_hashes.begin(), tag_hashes.end(),
                                                  static_cast<std::int32_t>(tags_code));
}

/// Reads entries up to one that is damaged or cannot be read. If that is the first one: a damaged
/// one is given without content, and what may be readable later is an error.
result<void> read_entries(const findable_queue& queue, queue_offset from, std::size_t count,
                          std::vector<queue_entry>& entries) {
  auto read = queue.read(from, count, entries);
  if (read || !entries.empty())
    return boost::outcome_v2::success();
  if (read.error().code != errc::corrupt)
    return read;
  entries.emplace_back();
  return boost::outcome_v2::success();
}

/// Entries of messages that retention took come first: none follows one that is still there. They
/// are shown if the queue could not be shortened.
result<bool> expired(const findable_queue& queue, queue_offset number, log_offset log_min) {
  if (number <= queue.extent().min)
    return true;
  auto before = queue.entry(number - 1);
  if (!before && before.error().code == errc::not_resident)
    return std::move(before).error();
  return !before || !before.value().valid() || before.value().offset < log_min;
}

/// The entries that the pull is for, from `answer.next` on.
result<void> choose(const pull_request& request, const queue_sight& sight,
                    const findable_queue& queue, read_request& found) {
  auto& answer = found.answer;
  auto wanted = request.tag_hashes.empty()
                    ? static_cast<std::size_t>(request.max_messages)
                    : std::max<std::size_t>(max_scanned_entries, request.max_messages);
  wanted = std::min(wanted, static_cast<std::size_t>(answer.max - request.from));
  std::vector<queue_entry> entries;
  TROUPE_TRY(read_entries(queue, answer.next, wanted, entries));
  std::uint64_t bytes = 0;
  for (auto& entry : entries) {
    // What a damaged one has for its tags code says nothing.
    bool damaged = !entry.valid();
    if (!damaged && entry.offset < sight.log_min) {
      TROUPE_TRY(auto gone, expired(queue, answer.next, sight.log_min));
      damaged = !gone;
    }
    if (damaged || (matches(request.tag_hashes, entry.tags_code) && !entry.filler())) {
      bool full = found.records.size() >= request.max_messages ||
                  (!found.records.empty() && bytes + entry.size > request.max_bytes);
      if (full && TROUPE_MUTANT("full-answer-skips-one"))
        ++answer.next;
      if (full)
        break;
      bytes += entry.size;
      found.records.push_back(
          {entry.offset, damaged ? 0 : entry.size, answer.next, entry.tags_code});
    }
    ++answer.next;
  }
  answer.status = found.records.empty() ? pull_status::filtered : pull_status::found;
  return boost::outcome_v2::success();
}

} // namespace

result<queue_offset> visible_end(const findable_queue& queue, const queue_sight& sight) {
  auto extent = queue.extent();
  if (extent.log_end <= sight.durable || TROUPE_MUTANT("shown-before-flush"))
    return extent.next;
  return queue.find_first(sight.durable);
}

result<read_request> find_messages(const pull_request& request, const queue_sight& sight,
                                   const findable_queue* queue) {
  read_request found;
  found.topic = request.topic;
  found.queue_id = request.queue_id;
  auto& answer = found.answer;
  answer.min = answer.max = sight.min;
  if (queue != nullptr) {
    TROUPE_TRY(auto end, visible_end(*queue, sight));
    answer.max = std::max(answer.min, end);
  }
  answer.next = request.from;
  if (request.from < answer.min && queue == nullptr && !sight.complete) {
    // Only the number behind all that it had is known: what the log still has of it is to come.
    answer.status = pull_status::no_queue;
    answer.next = answer.min;
  } else if (request.from < answer.min) {
    answer.status = pull_status::offset_too_small;
    answer.next = TROUPE_MUTANT("expired-not-told") ? request.from : answer.min;
  } else if (request.from >= answer.max && TROUPE_MUTANT("end-leads-on")) {
    answer.status = pull_status::filtered;
    ++answer.next;
  } else if (request.from > answer.max) {
    answer.status = pull_status::offset_too_large;
    answer.next = answer.max;
  } else if (request.from == answer.max) {
    answer.status = queue != nullptr ? pull_status::nothing_new : pull_status::no_queue;
  } else {
    TROUPE_TRY(choose(request, sight, *queue, found));
  }
  return found;
}

result<void> add_bounds(std::int32_t queue_id, queue_offset first, const queue_sight& sight,
                        const findable_queue* queue, bounds_read& to) {
  auto end = sight.min;
  log_offset last = -1;
  if (queue != nullptr) {
    TROUPE_TRY(auto visible, visible_end(*queue, sight));
    end = std::max(end, visible);
    if (end > sight.min) {
      auto entry = queue->entry(end - 1);
      if (!entry && entry.error().code != errc::corrupt)
        return std::move(entry).error();
      if (entry && !entry.value().filler())
        last = entry.value().offset;
    }
  }
  to.queues.push_back({queue_id, sight.min, end, -1, first});
  to.last_records.push_back(last);
  return boost::outcome_v2::success();
}

} // namespace troupe
