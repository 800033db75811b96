// How a queue-manager applies positions to its queues and the index.

#include "actors/queue_manager.hpp"

#include "actors/queue_share.hpp"
#include "storage/logging.hpp"
#include "storage/mutant.hpp"
#include "storage/recovery/queue_compare.hpp"

#include <algorithm>
#include <utility>

namespace troupe {

namespace {

/// Entries that queues which must not be written may have beside their files.
constexpr std::size_t most_in_memory = 1 << 20;
constexpr milliseconds confirm_pause{10};

/// Without the positions for which `leave_out(position)` is true; nothing if that would be the
/// same.
template <class Predicate>
std::optional<storage::position_batch> without(const storage::position_batch& batch,
                                               const Predicate& leave_out) {
  if (std::none_of(batch.positions.begin(), batch.positions.end(), leave_out))
    return std::nullopt;
  storage::position_batch rest{batch.from, batch.to, batch.topics, {}, {}};
  std::size_t key = 0;
  for (auto& p : batch.positions) {
    if (!leave_out(p)) {
      rest.positions.push_back(p);
      for (std::size_t k = 0; k < p.keys; ++k)
        rest.key_hashes.push_back(batch.key_hashes[key + k]);
    }
    key += p.keys;
  }
  return rest;
}

} // namespace

void queue_manager_state::add(const position_list& list) {
  if (list.run != run_ && !TROUPE_MUTANT("positions-of-another-run"))
    return;
  waiting_.push_back(list);
  if (!rhythm_.retrying())
    work();
}

void queue_manager_state::work() {
  while (!waiting_.empty() && failure_.empty()) {
    auto& batch = *waiting_.front().batch;
    auto step = order_.judge(batch.from, batch.to);
    if (step == storage::apply_core::step::read_again) {
      read_again();
      return;
    }
    if (step == storage::apply_core::step::apply) {
      auto done = apply(batch);
      if (!done) {
        act(rhythm_.apply_failed(done.error().code), done.error());
        return;
      }
      if (!done.value())
        return;
      order_.finished(batch.to);
      if (!batch.positions.empty())
        last_store_ms_ = batch.positions.back().store_timestamp;
    }
    act(rhythm_.applied(applied()));
    confirm_soon(waiting_.front());
    waiting_.pop_front();
  }
  answer_states();
  answer_waiting();
  act(rhythm_.worked(table_->wants_sync(), self_->clock().now()));
}

/// Confirmations that nobody waits for are few: one for much, or for all of some time. The writer
/// goes on without them until a good part of its credit is used up.
void queue_manager_state::confirm_soon(const position_list& applied) {
  unconfirmed_ += applied.batch->positions.size();
  auto much = options_.dispatcher.mailbox_capacity / 16;
  if (applied.awaited || unconfirmed_ >= much) {
    confirm();
  } else if (!confirm_at_) {
    confirm_at_ = self_->clock().now() + confirm_pause;
    arm_pulse();
  }
}

void queue_manager_state::confirm() {
  unconfirmed_ = 0;
  confirm_at_.reset();
  self_->send(roles_.dispatcher, applied_atom_v, share_, applied());
}

storage::result<bool> queue_manager_state::apply(const storage::position_batch& given) {
  auto living = dead_.empty() ? std::nullopt : without_dead(given);
  auto& batch = living ? *living : given;
  auto own = shares_ == 1 ? std::nullopt : own_of(batch);
  TROUPE_TRY(auto done, apply_own(own ? *own : batch));
  if (!done)
    return false;
  // The first of several keeps the index of all.
  if (share_ == 0 && !batch.key_hashes.empty() && !read_only_ && !TROUPE_MUTANT("keys-forgotten")) {
    TROUPE_TRY(index_->add(batch));
  }
  return true;
}

/// False if the log has to be read again.
storage::result<bool> queue_manager_state::apply_own(const storage::position_batch& batch) {
  if (order_.compares(batch.from)) {
    TROUPE_TRY(auto right, agrees(batch));
    if (!right)
      return false;
  }
  auto queues = table_->queue_count();
  std::vector<std::pair<std::string, std::int32_t>> touched;
  storage::queue_table::applied done;
  auto first = order_.begin(batch.from, batch.to);
  done.count = first;
  auto outcome = table_->apply(
      batch, first, done,
      [&](storage::queue_table::topic_queues& topic, storage::consume_queue& queue) {
        ++added_;
        if (!parked_.empty() && (touched.empty() || touched.back().second != queue.queue_id() ||
                                 touched.back().first != topic.name))
          touched.emplace_back(topic.name, queue.queue_id());
      });
  order_.got_to(done.count);
  if (table_->queue_count() != queues)
    report_topics(batch);
  for (auto& [topic, queue] : touched)
    wake(topic, queue);
  TROUPE_TRY(outcome);
  if (done.gap) {
    if (order_.found_gap() == storage::apply_core::gap::damaged)
      return storage::error{errc::needs_repair,
                            "the log lacks messages of a queue before offset " +
                                std::to_string(batch.positions[done.count].offset) +
                                ": see troupe store verify"};
    build_again("entries are missing");
    return false;
  }
  if (read_only_ && added_ > most_in_memory)
    return storage::error{errc::needs_repair, "more than " + std::to_string(most_in_memory) +
                                                  " entries are not in the files, which must not "
                                                  "be written before `troupe store repair`"};
  return true;
}

void queue_manager_state::build_again(const std::string& why) {
  rebuild(why);
  read_again();
}

/// The dispatcher goes back to where the queues are.
void queue_manager_state::read_again() {
  waiting_.clear();
  self_->send(roles_.dispatcher, resume_atom_v, share_, applied());
}

/// Queues away from the log's files are compared with it as it is read again.
storage::result<bool> queue_manager_state::agrees(const storage::position_batch& batch) {
  TROUPE_TRY(auto compared, storage::compare_records(*table_, batch, order_.compare_until()));
  if (!compared.reason.empty()) {
    build_again(compared.reason);
    return false;
  }
  order_.compared(batch.to);
  return true;
}

/// The log is damaged there, which is no evidence against the queues.
void queue_manager_state::stop_comparing() {
  order_.stop_comparing();
  rhythm_.moved(applied());
  read_again();
}

/// Those of its share of the queues.
std::optional<storage::position_batch>
queue_manager_state::own_of(const storage::position_batch& batch) const {
  std::vector<std::uint32_t> hashes; // as `batch.topics`
  for (auto& topic : batch.topics)
    hashes.push_back(topic_hash(topic));
  return without(batch, [&](const storage::position& p) {
    return share_of(hashes[p.topic], p.queue_id, shares_) != share_;
  });
}

std::optional<storage::position_batch>
queue_manager_state::without_dead(const storage::position_batch& batch) const {
  std::vector<log_offset> dead_until; // as `batch.topics`
  for (auto& topic : batch.topics) {
    auto found = dead_.find(topic);
    dead_until.push_back(found == dead_.end() ? 0 : found->second.deleted_at);
  }
  return without(batch, [&](const storage::position& p) {
    return p.offset < dead_until[p.topic] && !TROUPE_MUTANT("dead-dispatched");
  });
}

} // namespace troupe
