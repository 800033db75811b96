#include "actors/queue_manager.hpp"

#include "actors/queue_share.hpp"
#include "storage/format/properties.hpp"
#include "storage/mutant.hpp"

#include <algorithm>
#include <utility>

namespace troupe {

namespace {

/// Entries that one pull with a filter looks at, at most.
constexpr std::size_t max_scanned_entries = 800;
/// How long the bounds of a topic wait for what is in the log and not yet in the queues.
constexpr auto bounds_patience = std::chrono::seconds(1);
/// How long a pull at the end of a queue waits for queues that catch up with the log.
constexpr milliseconds catch_up_patience{5000};
constexpr auto probe_timeout = std::chrono::seconds(10);

caf::error no_reader() {
  return make_caf_error(errc::unavailable, "no reader of the log runs any more; restart the node");
}

/// The hashes are sorted: sessions see to it.
bool matches(const std::vector<std::int32_t>& tag_hashes, std::int64_t tags_code) {
  return tag_hashes.empty() || std::binary_search(tag_hashes.begin(), tag_hashes.end(),
                                                  static_cast<std::int32_t>(tags_code));
}

bool may_wait(pull_status status) {
  return status == pull_status::nothing_new || status == pull_status::no_queue;
}

bool past_the_end(pull_status status) {
  return may_wait(status) || status == pull_status::offset_too_large;
}

caf::error behind_error() {
  return make_caf_error(errc::unavailable,
                        "the queues were started again and are behind the log; try again");
}

} // namespace

log_offset queue_manager_state::visible_log_end() const noexcept {
  return options_.store.flush == storage::flush_policy::async ? applied()
                                                              : std::min(applied(), flushed_);
}

storage::result<queue_offset>
queue_manager_state::visible_end(const storage::consume_queue& queue) const {
  if (options_.store.flush == storage::flush_policy::async || queue.log_end() <= flushed_ ||
      TROUPE_MUTANT("shown-before-flush"))
    return queue.next();
  return queue.find_first(flushed_); // with synchronous flush only what is durable is shown
}

/// True if nobody knows yet that the queue does not reach to where somebody wants to read.
bool queue_manager_state::denies_too_much(const pull_response& answer) const noexcept {
  bool denies = answer.status == pull_status::offset_too_large ||
                (answer.status == pull_status::no_queue && answer.next > 0);
  return denies && !complete() && !TROUPE_MUTANT("behind-not-told");
}

caf::error queue_manager_state::incomplete() const {
  if (catching_up())
    return behind_error();
  return make_caf_error(errc::unavailable,
                        "the queues do not reach to the end of the log, so it is not known what is "
                        "there; see troupe status, and troupe store verify");
}

/// Reads entries up to one that is damaged or cannot be read. If that is the first one: a damaged
/// one is given without content, and what may be readable later is an error.
storage::result<void>
queue_manager_state::read_entries(const storage::consume_queue& queue, queue_offset from,
                                  std::size_t count,
                                  std::vector<storage::queue_entry>& entries) const {
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
bool queue_manager_state::expired(const storage::consume_queue& queue, queue_offset number) const {
  if (number <= queue.min())
    return true;
  auto before = queue.entry(number - 1);
  return !before || !before.value().valid() || before.value().offset < log_min_;
}

storage::result<void> queue_manager_state::look_up(const pull_request& request,
                                                   read_request& found) {
  found.topic = request.topic;
  found.queue_id = request.queue_id;
  auto& answer = found.answer;
  auto* queue = table_->find(request.topic, request.queue_id);
  answer.min =
      queue ? first_living(request.topic, *queue) : first_number(request.topic, request.queue_id);
  answer.max = answer.min;
  if (queue) {
    TROUPE_TRY(auto end, visible_end(*queue));
    answer.max = std::max(answer.min, end);
  }
  answer.next = request.from;
  if (request.from < answer.min && queue == nullptr && !complete()) {
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
    answer.status = queue ? pull_status::nothing_new : pull_status::no_queue;
  } else {
    auto wanted = request.tag_hashes.empty()
                      ? static_cast<std::size_t>(request.max_messages)
                      : std::max<std::size_t>(max_scanned_entries, request.max_messages);
    wanted = std::min(wanted, static_cast<std::size_t>(answer.max - request.from));
    std::vector<storage::queue_entry> entries;
    TROUPE_TRY(read_entries(*queue, answer.next, wanted, entries));
    std::uint64_t bytes = 0;
    for (auto& entry : entries) {
      // What a damaged one has for its tags code says nothing.
      bool damaged = !entry.valid() || (entry.offset < log_min_ && !expired(*queue, answer.next));
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
  }
  return boost::outcome_v2::success();
}

caf::result<read_request> queue_manager_state::pull(const pull_request& request) {
  read_request found;
  if (auto done = look_up(request, found); !done)
    return to_caf(done.error());
  if (found.answer.status == pull_status::found)
    return found;
  bool may_come =
      catching_up() && past_the_end(found.answer.status) && !TROUPE_MUTANT("behind-not-told");
  auto wait = milliseconds{request.wait_ms};
  if (may_come)
    wait = std::max(wait, catch_up_patience);
  bool no_room = stopping_ || parked_.size() >= options_.queue_manager.parked_pulls;
  if (may_come ? no_room : denies_too_much(found.answer))
    return incomplete();
  if (!may_come && (!may_wait(found.answer.status) || wait.count() == 0 || no_room))
    return found;
  kept_promise<read_request> promise{self_};
  park({request, promise, self_->clock().now() + wait});
  arm_pulse();
  return promise;
}

void queue_manager_state::park(parked_pull pull) {
  auto& wanted = pull.request;
  auto* queue = table_->find(wanted.topic, wanted.queue_id);
  if (queue != nullptr && queue->log_end() > flushed_ &&
      options_.store.flush == storage::flush_policy::sync)
    unflushed_.emplace(wanted.topic, wanted.queue_id);
  parked_.add(wanted.topic, wanted.queue_id, pull.deadline, std::move(pull));
}

void queue_manager_state::answer_parked(parked_pull& pull, bool at_deadline) {
  read_request found;
  if (auto done = look_up(pull.request, found); !done) {
    pull.promise.deliver(to_caf(done.error()));
    return;
  }
  auto status = found.answer.status;
  if (status == pull_status::found)
    pull.promise.deliver(std::move(found));
  else if (!at_deadline && (may_wait(status) || (catching_up() && past_the_end(status))))
    park(std::move(pull)); // not visible yet
  else if ((catching_up() && past_the_end(status)) || denies_too_much(found.answer))
    pull.promise.deliver(incomplete());
  else
    pull.promise.deliver(std::move(found));
}

void queue_manager_state::wake(const std::string& topic, std::int32_t queue) {
  if (TROUPE_MUTANT("parked-not-woken"))
    return;
  for (auto& pull : parked_.take(topic, queue))
    answer_parked(pull, false);
}

/// After a flush: only for these something may have become visible.
void queue_manager_state::wake_flushed() {
  for (auto& [topic, queue] : std::exchange(unflushed_, {}))
    wake(topic, queue);
}

void queue_manager_state::wake_all() {
  if (TROUPE_MUTANT("parked-not-woken"))
    return;
  for (auto& pull : parked_.take_all())
    answer_parked(pull, stopping_);
}

const reader_actor& queue_manager_state::next_reader() {
  return roles_.readers[reader_turn_++ % roles_.readers.size()];
}

caf::result<key_read> queue_manager_state::query(const key_query& query) {
  // The index knows hashes and seconds: more are looked at than are wanted.
  auto offsets = index_->query(query.topic, query.key, storage::key_index::max_found,
                               query.begin_ms, query.end_ms);
  if (!offsets)
    return to_caf(offsets.error());
  key_read candidates{query, std::move(offsets.value())};
  auto dead = dead_.find(query.topic); // what lies before is of a deleted topic
  auto begin = dead == dead_.end() ? log_min_ : dead->second.deleted_at;
  std::erase_if(candidates.offsets,
                [begin, end = visible_log_end()](auto o) { return o < begin || o >= end; });
  std::sort(candidates.offsets.begin(), candidates.offsets.end());
  return candidates;
}

queue_offset queue_manager_state::first_number(const std::string& topic, std::int32_t queue) const {
  if (TROUPE_MUTANT("numbers-begin-again"))
    return 0;
  auto dead = dead_.find(topic);
  auto index = static_cast<std::size_t>(queue);
  auto kept = numbers_->of(topic, queue);
  return dead != dead_.end() && index < dead->second.next_offsets.size()
             ? std::max(dead->second.next_offsets[index], kept)
             : kept;
}

/// Where a queue begins for those who read. Files of a deleted topic that could not be removed hold
/// its messages until the next start.
queue_offset queue_manager_state::first_living(const std::string& topic,
                                               const storage::consume_queue& queue) const {
  if (TROUPE_MUTANT("dead-dispatched")) // which would be hidden here
    return queue.min();
  auto dead = dead_.find(topic);
  auto index = static_cast<std::size_t>(queue.queue_id());
  return dead != dead_.end() && index < dead->second.next_offsets.size()
             ? std::max(dead->second.next_offsets[index], queue.min())
             : queue.min();
}

storage::result<bounds_read> queue_manager_state::look_up_bounds(const std::string& topic,
                                                                 wanted_queue only) const {
  bounds_read request;
  auto* found = table_->find(topic);
  auto known = found == nullptr ? 0 : found->by_id.size();
  auto dead = dead_.find(topic);
  const auto made_behind = dead == dead_.end() ? 0 : dead->second.next_offsets.size();
  auto numbered = made_behind;
  if (auto kept = numbers_->all().find(topic); kept != numbers_->all().end())
    numbered = std::max(numbered, kept->second.size());
  const auto hash = topic_hash(topic);
  for (std::size_t i = 0; i < std::max(known, numbered); ++i) {
    auto* queue = i < known ? found->by_id[i].get() : nullptr;
    auto id = static_cast<std::int32_t>(i);
    bool asked = !only || *only == id;
    bool own = share_of(hash, id, shares_) == share_ || TROUPE_MUTANT("bounds-of-others");
    if (!asked || !own) // its keeper knows it
      continue;
    auto begin = queue ? first_living(topic, *queue) : first_number(topic, id);
    if (!queue && begin <= 0)
      continue;
    auto end = begin;
    log_offset last = -1;
    if (queue) {
      TROUPE_TRY(auto visible, visible_end(*queue));
      end = std::max(begin, visible);
    }
    if (end > begin) {
      auto entry = queue->entry(end - 1);
      if (entry.has_error() && entry.error().code != errc::corrupt)
        return std::move(entry).error();
      if (entry && !entry.value().filler())
        last = entry.value().offset;
    }
    // Numbers that were only kept had messages before, since the topic was made.
    auto first = i < made_behind ? dead->second.next_offsets[i] : 0;
    request.queues.push_back({id, begin, end, -1, first});
    request.last_records.push_back(last);
  }
  return request;
}

caf::result<bounds_read> queue_manager_state::bounds(const std::string& topic, wanted_queue queue,
                                                     log_offset end) {
  kept_promise<bounds_read> promise{self_};
  bounds_.push_back({end, topic, queue, promise, self_->clock().now() + bounds_patience});
  answer_bounds();
  if (!bounds_.empty())
    arm_pulse();
  return promise;
}

void queue_manager_state::answer_bounds() {
  auto now = self_->clock().now();
  auto visible = visible_log_end();
  std::erase_if(bounds_, [&](waiting_bounds& waiting) {
    bool may_come = failure_.empty() && !stopping_ && !read_only_;
    if ((waiting.end > visible || catching_up()) && waiting.deadline > now && may_come)
      return false;
    if (catching_up()) {
      waiting.promise.deliver(behind_error());
      return true;
    }
    auto found = look_up_bounds(waiting.topic, waiting.queue);
    if (!found)
      waiting.promise.deliver(to_caf(found.error()));
    else
      waiting.promise.deliver(std::move(found.value()));
    return true;
  });
}

caf::result<queue_offset> queue_manager_state::search(const std::string& topic, std::int32_t queue,
                                                      std::int64_t time_ms) {
  auto* found = table_->find(topic, queue);
  if (found == nullptr && !complete())
    return incomplete();
  if (found == nullptr)
    return first_number(topic, queue);
  auto end = visible_end(*found);
  if (!end)
    return to_caf(end.error());
  auto search = std::make_shared<time_search>();
  search->topic = topic;
  search->queue = queue;
  search->low = first_living(topic, *found);
  search->high = search->end = std::max(search->low, end.value());
  search->time_ms = time_ms;
  search->promise = kept_promise<queue_offset>{self_};
  auto answer = search->promise;
  probe(search);
  return answer;
}

void queue_manager_state::probe(std::shared_ptr<time_search> search) {
  // Store times rise with the queue's numbers, so this is an ordinary lower bound.
  if (search->low < search->high) {
    search->probe = search->low + (search->high - search->low) / 2;
    ask_store_time(search);
  } else if (search->low >= search->end && !complete()) {
    search->promise.deliver(incomplete()); // it may be among those that are missing
  } else {
    search->promise.deliver(search->low);
  }
}

void queue_manager_state::ask_store_time(std::shared_ptr<time_search> search) {
  auto* queue = table_->find(search->topic, search->queue);
  if (queue == nullptr) {
    search->promise.deliver(search->low);
    return;
  }
  if (roles_.readers.empty()) {
    search->promise.deliver(no_reader());
    return;
  }
  auto middle = search->low + (search->high - search->low) / 2;
  auto entry = queue->entry(search->probe);
  if (!entry) {
    no_store_time(search, entry.error());
    return;
  }
  self_->request(next_reader(), probe_timeout, search_atom_v, entry.value().offset)
      .then(
          [this, search, middle](std::int64_t store_ms) {
            if (store_ms >= search->time_ms)
              search->high = middle;
            else
              search->low = search->probe + 1;
            probe(search);
          },
          [this, search](const caf::error& why) { no_store_time(search, from_caf(why)); });
}

void queue_manager_state::no_store_time(std::shared_ptr<time_search> search,
                                        const storage::error& why) {
  if (why.code == errc::offset_too_small) { // expired, and so are those before it
    search->low = search->probe + 1;
    probe(search);
  } else if (why.code != errc::corrupt && why.code != errc::not_found) {
    // Nothing is known about the message, so going on would be guessing.
    search->promise.deliver(
        make_caf_error(errc::unavailable, "searching by time: " + why.message + "; try again"));
  } else if (++search->probe < search->high) { // damaged: the next one says which half it is
    ask_store_time(search);
  } else {
    search->high = search->low + (search->high - search->low) / 2;
    probe(search);
  }
}

} // namespace troupe
