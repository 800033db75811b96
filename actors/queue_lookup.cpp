#include "actors/queue_manager.hpp"

#include "actors/queue_share.hpp"
#include "storage/format/properties.hpp"
#include "storage/mutant.hpp"

#include <algorithm>
#include <utility>

namespace troupe {

namespace {

/// How long the bounds of a topic wait for what is in the log and not yet in the queues.
constexpr auto bounds_patience = std::chrono::seconds(1);
/// How long a pull at the end of a queue waits for queues that catch up with the log.
constexpr milliseconds catch_up_patience{5000};
/// How often a look-up begins again since the queue was changed meanwhile.
constexpr int most_tries = 3;

caf::error no_reader() {
  return make_caf_error(errc::unavailable, "no reader of the log runs any more; restart the node");
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

// -- pulls ---------------------------------------------------------------------------------------

queue_sight queue_manager_state::sight_of(const std::string& topic, std::int32_t id,
                                          const storage::consume_queue* queue) const {
  queue_sight sight;
  sight.min = queue != nullptr ? first_living(topic, *queue) : first_number(topic, id);
  sight.log_min = log_min_;
  if (options_.store.flush == storage::flush_policy::sync)
    sight.durable = flushed_; // only what is durable is shown
  sight.complete = complete();
  return sight;
}

/// `not_resident` if the disk has to be waited for, which is not for this thread.
storage::result<read_request> queue_manager_state::find(const pull_request& request) {
  auto* queue = table_->find(request.topic, request.queue_id);
  auto sight = sight_of(request.topic, request.queue_id, queue);
  if (queue == nullptr)
    return find_messages(request, sight, nullptr);
  resident_queue resident(*queue, table_->files());
  return find_messages(request, sight, &resident);
}

caf::result<read_request> queue_manager_state::pull(const pull_request& request) {
  auto found = find(request);
  if (found && found.value().answer.status == pull_status::found)
    return std::move(found).value();
  kept_promise<read_request> promise{self_};
  settle({request, promise, {}}, pull_stage::asked, std::move(found));
  return promise;
}

void queue_manager_state::settle(parked_pull pull, pull_stage at,
                                 storage::result<read_request> found, int tries) {
  if (!found && found.error().code == errc::not_resident)
    find_elsewhere(std::move(pull), at, tries);
  else if (!found)
    pull.promise.deliver(to_caf(found.error()));
  else if (found.value().answer.status == pull_status::found)
    pull.promise.deliver(std::move(found).value());
  else if (at == pull_stage::asked)
    answer_asked(std::move(pull), std::move(found).value());
  else
    answer_parked(std::move(pull), at, std::move(found).value());
}

/// A queue-reader waits for the disk. What is applied meanwhile has woken nobody of this pull: if
/// there is more to see now than it saw, or another queue, it is looked up again.
void queue_manager_state::find_elsewhere(parked_pull pull, pull_stage at, int tries) {
  auto& wanted = pull.request;
  auto* queue = table_->find(wanted.topic, wanted.queue_id);
  waiting_find work{wanted, sight_of(wanted.topic, wanted.queue_id, queue), queue->view()};
  storage::queue_view seen;
  seen.queue = work.queue.queue;
  seen.cuts = work.queue.cuts;
  auto waiting = std::make_shared<parked_pull>(std::move(pull));
  auto has_changed = [this, waiting, seen] {
    auto& request = waiting->request;
    auto* now = table_->find(request.topic, request.queue_id);
    return now == nullptr || now->cut_since(seen);
  };
  auto again = [this, waiting, at, tries] {
    auto found = find(waiting->request);
    settle(std::move(*waiting), stopping_ ? pull_stage::ended : at, std::move(found), tries + 1);
  };
  auto shown = std::pair{work.queue.at.next, flushed_};
  ++cold_reads_;
  self_->request(queue_reader_, caf::infinite, std::move(work))
      .then(
          [=, this](read_request& found) {
            auto changed = has_changed();
            if (!changed && past_the_end(found.answer.status)) {
              auto* now = table_->find(waiting->request.topic, waiting->request.queue_id);
              changed = std::pair{now->next(), flushed_} != shown;
            }
            if (changed && tries < most_tries)
              again();
            else
              settle(std::move(*waiting), changed || stopping_ ? pull_stage::ended : at,
                     std::move(found), tries);
          },
          [=, this](const caf::error& error) {
            auto why = from_caf(error);
            bool gone = why.code == errc::not_found || why.code == errc::offset_too_small;
            if ((gone || has_changed()) && tries < most_tries)
              again();
            else
              waiting->promise.deliver(to_caf(why));
          });
}

void queue_manager_state::answer_asked(parked_pull pull, read_request found) {
  auto status = found.answer.status;
  bool may_come = catching_up() && past_the_end(status) && !TROUPE_MUTANT("behind-not-told");
  auto wait = milliseconds{pull.request.wait_ms};
  if (may_come)
    wait = std::max(wait, catch_up_patience);
  bool no_room = stopping_ || parked_.size() >= options_.queue_manager.parked_pulls;
  if (may_come ? no_room : denies_too_much(found.answer)) {
    pull.promise.deliver(incomplete());
  } else if (!may_come && (!may_wait(status) || wait.count() == 0 || no_room)) {
    pull.promise.deliver(std::move(found));
  } else {
    pull.deadline = self_->clock().now() + wait;
    park(std::move(pull));
    arm_pulse();
  }
}

void queue_manager_state::park(parked_pull pull) {
  auto& wanted = pull.request;
  auto* queue = table_->find(wanted.topic, wanted.queue_id);
  if (queue != nullptr && queue->log_end() > flushed_ &&
      options_.store.flush == storage::flush_policy::sync)
    unflushed_.emplace(wanted.topic, wanted.queue_id);
  parked_.add(wanted.topic, wanted.queue_id, pull.deadline, std::move(pull));
}

void queue_manager_state::answer_parked(parked_pull pull, pull_stage at, read_request found) {
  auto status = found.answer.status;
  if (at == pull_stage::woken && (may_wait(status) || (catching_up() && past_the_end(status)))) {
    park(std::move(pull)); // not visible yet
    arm_pulse();
  } else if ((catching_up() && past_the_end(status)) || denies_too_much(found.answer)) {
    pull.promise.deliver(incomplete());
  } else {
    pull.promise.deliver(std::move(found));
  }
}

void queue_manager_state::find_again(parked_pull pull, pull_stage at) {
  auto found = find(pull.request);
  settle(std::move(pull), at, std::move(found));
}

void queue_manager_state::wake(const std::string& topic, std::int32_t queue) {
  if (TROUPE_MUTANT("parked-not-woken"))
    return;
  for (auto& pull : parked_.take(topic, queue))
    find_again(std::move(pull), pull_stage::woken);
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
    find_again(std::move(pull), stopping_ ? pull_stage::ended : pull_stage::woken);
}

const reader_actor& queue_manager_state::next_reader() {
  return roles_.readers[reader_turn_++ % roles_.readers.size()];
}

// -- keys, bounds, times -------------------------------------------------------------------------

caf::result<key_read> queue_manager_state::query(const key_query& query) {
  kept_promise<key_read> promise{self_};
  // The index knows hashes and seconds: more are looked at than are wanted.
  self_
      ->request(search_reader_, caf::infinite,
                index_->lookup(query.topic, query.key, storage::key_index::max_found,
                               query.begin_ms, query.end_ms))
      .then(
          [this, query, promise](storage::index_query::answer& found) {
            index_->report_damaged(found.damaged);
            promise.deliver(candidates(query, std::move(found.found)));
          },
          [promise](caf::error& why) { promise.deliver(std::move(why)); });
  return promise;
}

/// Those that are shown, in the order of the log.
key_read queue_manager_state::candidates(const key_query& query,
                                         std::vector<log_offset> offsets) const {
  auto dead = dead_.find(query.topic); // what lies before is of a deleted topic
  auto begin = dead == dead_.end() ? log_min_ : dead->second.deleted_at;
  std::erase_if(offsets,
                [begin, end = visible_log_end()](auto o) { return o < begin || o >= end; });
  std::sort(offsets.begin(), offsets.end());
  return {query, std::move(offsets)};
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

/// Of some queues perhaps not before the disk was waited for.
storage::result<waiting_bounds_find> queue_manager_state::find_bounds(const std::string& topic,
                                                                      wanted_queue only) const {
  waiting_bounds_find result;
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
    auto sight = sight_of(topic, id, queue);
    // Numbers that were only kept had messages before, since the topic was made.
    auto first = i < made_behind ? dead->second.next_offsets[i] : 0;
    storage::result<void> added = boost::outcome_v2::success();
    if (queue != nullptr) {
      resident_queue resident(*queue, table_->files());
      added = add_bounds(id, first, sight, &resident, result.known);
    } else if (sight.min > 0) {
      added = add_bounds(id, first, sight, nullptr, result.known);
    }
    if (!added && added.error().code == errc::not_resident)
      result.parts.push_back({id, first, sight, queue->view()});
    else if (!added)
      return std::move(added).error();
  }
  return result;
}

void queue_manager_state::answer_bounds_of(const waiting_bounds& waiting, int tries) {
  auto found = find_bounds(waiting.topic, waiting.queue);
  if (!found)
    return waiting.promise.deliver(to_caf(found.error()));
  if (found.value().parts.empty())
    return waiting.promise.deliver(std::move(found.value().known));
  ++cold_reads_;
  self_->request(queue_reader_, caf::infinite, std::move(found).value())
      .then([waiting](bounds_read& all) { waiting.promise.deliver(std::move(all)); },
            [this, waiting, tries](caf::error& why) {
              if (tries < most_tries) // a file went meanwhile, perhaps
                answer_bounds_of(waiting, tries + 1);
              else
                waiting.promise.deliver(std::move(why));
            });
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
    answer_bounds_of(waiting);
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
  if (roles_.readers.empty())
    return no_reader();
  kept_promise<queue_offset> promise{self_};
  time_search work{time_ms, sight_of(topic, queue, found), found->view(), next_reader()};
  self_->request(search_reader_, caf::infinite, std::move(work))
      .then(
          [this, promise](const time_found& first) {
            if (first.at_end && !complete())
              promise.deliver(incomplete()); // it may be among those that are missing
            else
              promise.deliver(first.number);
          },
          [promise](caf::error& why) { promise.deliver(std::move(why)); });
  return promise;
}

} // namespace troupe
