#include "actors/queue_manager.hpp"

#include "actors/patience.hpp"
#include "storage/logging.hpp"
#include "storage/mutant.hpp"

#include <algorithm>
#include <utility>

namespace troupe {

namespace {

/// Entries on each side of one in doubt that may be wrong as well: more than a page of a file has.
constexpr queue_offset most_neighbours = 256;
/// That readers look at, at one time: each may keep one busy for seconds.
constexpr std::size_t most_doubts = 4;
/// Places that were compared in vain and are remembered: each would be compared at every pull.
constexpr std::size_t most_compared = 1000;
constexpr auto search_patience = std::chrono::seconds(60);
constexpr auto writer_patience = std::chrono::seconds(1);

caf::error doubt_error(const std::string& why) {
  return make_caf_error(errc::unavailable,
                        "a queue entry is compared with the log: " + why + "; try again");
}

} // namespace

/// A pull of one message. The entry is read again first: another pull may have corrected it.
caf::result<read_request> queue_manager_state::compare(read_request& request) {
  auto* queue = table_->find(request.topic, request.queue_id);
  if (queue == nullptr || request.records.size() != 1)
    return doubt_error("its queue is gone");
  if (roles_.readers.empty())
    return doubt_error("no reader of the log runs");
  auto& where = request.records.front();
  auto place = place_in_queue(request.topic, request.queue_id, where.position);
  auto suspects = around(*queue, request.topic, where.position);
  if (!suspects)
    return to_caf(suspects.error());
  auto& given = suspects.value();
  auto& now = given.entries[static_cast<std::size_t>(given.suspect - given.first)];
  bool changed =
      where.size > 0 && now.valid() && (now.offset != where.offset || now.size != where.size);
  where.compared = compared_.count(place) > 0;
  if (changed)
    where = {now.offset, now.size, where.position, now.tags_code, where.compared};
  if (where.compared || changed)
    return std::move(request);
  if (doubts_ >= most_doubts)
    return doubt_error("others are looked at");
  auto doubt = std::make_shared<entry_doubt>();
  doubt->topic = request.topic;
  doubt->queue = request.queue_id;
  doubt->suspects = std::move(given);
  doubt->pull = std::move(request);
  doubt->promise = kept_promise<read_request>{self_};
  auto answer = doubt->promise;
  look_in_log(std::move(doubt));
  return answer;
}

void queue_manager_state::suspect(const entry_suspicion& what) {
  auto* queue = table_->find(what.topic, what.queue_id);
  auto place = place_in_queue(what.topic, what.queue_id, what.where.position);
  if (queue == nullptr || read_only_ || roles_.readers.empty() || doubts_ >= most_doubts ||
      compared_.count(place) > 0)
    return;
  auto suspects = around(*queue, what.topic, what.where.position);
  if (!suspects)
    return;
  auto& given = suspects.value();
  if (given.entries[static_cast<std::size_t>(given.suspect - given.first)].tags_code !=
      what.where.tags_code)
    return; // corrected meanwhile
  auto doubt = std::make_shared<entry_doubt>();
  doubt->topic = what.topic;
  doubt->queue = what.queue_id;
  doubt->suspects = std::move(given);
  look_in_log(std::move(doubt));
}

/// An entry that is beyond its file's end has no content.
storage::result<storage::suspect_entries>
queue_manager_state::around(const storage::consume_queue& queue, const std::string& topic,
                            queue_offset number) const {
  if (number < queue.min() || number >= queue.next())
    return storage::error{errc::unavailable, "a queue entry is gone; try again"};
  storage::suspect_entries around;
  around.suspect = number;
  around.first = std::max(queue.min(), number - most_neighbours);
  around.log_begin = log_min_;
  if (auto dead = dead_.find(topic); dead != dead_.end())
    around.log_begin = std::max(log_min_, dead->second.deleted_at);
  around.log_end = std::max(applied(), queue.log_end());
  for (auto n = around.first; n < std::min(queue.next(), number + most_neighbours + 1); ++n) {
    auto entry = queue.entry(n);
    if (entry.has_error() && entry.error().code != errc::corrupt)
      return std::move(entry).error();
    around.entries.push_back(entry ? entry.value() : storage::queue_entry{});
  }
  return around;
}

void queue_manager_state::look_in_log(std::shared_ptr<entry_doubt> doubt) {
  ++doubts_;
  self_
      ->request(next_reader(), search_patience,
                entry_search{doubt->topic, doubt->queue, doubt->suspects})
      .then(
          [this, doubt](const storage::right_entries& right) {
            --doubts_;
            if (right.entries.empty())
              missed_in_log(doubt, right);
            else
              compared(*doubt, right);
          },
          [this, doubt](const caf::error& why) {
            --doubts_;
            doubt->promise.deliver(doubt_error(from_caf(why).message));
          });
}

/// It is damaged, or lost with the end of a log whose next run these queues have not met yet: then
/// it is not theirs to say that it is passed over.
void queue_manager_state::missed_in_log(const std::shared_ptr<entry_doubt>& doubt,
                                        const storage::right_entries& right) {
  if (TROUPE_MUTANT("lost-end-passed-over") || (!roles_.writer && roles_.writer_ended)) {
    compared(*doubt, right);
    return;
  }
  self_->request(roles_.writer, patience(self_, roles_.writer, writer_patience), follow_atom_v)
      .then(
          [this, doubt, right](const log_state& log) {
            if (log.run == run_)
              compared(*doubt, right);
            else
              doubt->promise.deliver(doubt_error("the log began anew, and the queues do not know "
                                                 "yet where"));
          },
          [this, doubt, right](const caf::error& why) {
            if (shows_writer_ended(self_, roles_, from_caf(why)))
              compared(*doubt, right);
            else
              doubt->promise.deliver(doubt_error("nobody says whether the log still has it"));
          });
}

/// The message is shown also when its entry cannot be corrected.
void queue_manager_state::compared(entry_doubt& doubt, const storage::right_entries& right) {
  auto& given = doubt.suspects;
  auto& suspect = given.entries[static_cast<std::size_t>(given.suspect - given.first)];
  auto place = place_in_queue(doubt.topic, doubt.queue, given.suspect);
  if (!right.entries.empty())
    correct(doubt, right);
  else
    damaged({place, "its queue entry leads to no message of its own, and " + right.missing});
  auto at = given.suspect - right.first;
  auto& found = right.entries.empty() ? suspect : right.entries[static_cast<std::size_t>(at)];
  if (found == suspect && compared_.size() < most_compared)
    compared_.insert(place);
  if (!doubt.promise.pending())
    return;
  auto size = right.entries.empty() ? 0 : found.size;
  doubt.pull.records.front() = {found.offset, size, given.suspect, found.tags_code, true};
  doubt.promise.deliver(std::move(doubt.pull));
}

void queue_manager_state::correct(const entry_doubt& doubt, const storage::right_entries& right) {
  auto* queue = table_->find(doubt.topic, doubt.queue);
  auto before = doubt.suspects.entries.begin() + (right.first - doubt.suspects.first);
  if (queue == nullptr || std::equal(right.entries.begin(), right.entries.end(), before))
    return;
  storage::result<bool> done = false;
  if (!read_only_ && failure_.empty())
    done = queue->correct(right.first, right.entries);
  if (!done || !done.value()) {
    storage::log_warning("queue.not_corrected",
                         {{"topic", doubt.topic},
                          {"queue", doubt.queue},
                          {"message", doubt.suspects.suspect},
                          {"reason", done ? "the queue must not be written, or its other entries "
                                            "contradict the log"
                                          : done.error().message}});
    return;
  }
  auto number = right.first;
  for (auto& entry : right.entries) {
    if (entry != *before++)
      storage::log_warning("queue.corrected", {{"topic", doubt.topic},
                                               {"queue", doubt.queue},
                                               {"message", number},
                                               {"offset", entry.offset}});
    ++number;
  }
}

} // namespace troupe
