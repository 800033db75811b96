#include "storage/queue_recovery.hpp"

#include <algorithm>
#include <limits>
#include <vector>

namespace troupe::storage {

namespace {

/// What a checkpoint vouches for is about to go: it must not be believed any more if the process
/// dies before all is built again.
result<void> void_checkpoint(file_system& fs, const options& o, bool only_index) {
  auto path = checkpoint_path(o);
  TROUPE_TRY(auto known, load_checkpoint(fs, path));
  if (!known.extension_valid)
    return boost::outcome_v2::success();
  known.index_files = std::numeric_limits<std::uint32_t>::max();
  if (!only_index) {
    known.safe_offset = 0;
    known.queue_count = 0;
    known.entry_total = 0;
  }
  return save_checkpoint(fs, path, known);
}

/// Checks what the checkpoint says about them, which may be a reason to build them again.
result<void> keep_vouched(file_system& fs, const options& o, recovered_queues& queues,
                          const queue_recovery_plan& plan) {
  auto& known = plan.known;
  // What was written later is read again from the log.
  TROUPE_TRY(queues.table->truncate(known.safe_offset));
  if (!plan.trust_queues) {
    TROUPE_TRY(queues.index->cut(known.safe_offset));
  }
  TROUPE_TRY(queues.table->remove_empty());
  if (queues.table->queue_count() != known.queue_count ||
      queues.table->entry_total() != known.entry_total) {
    queues.rebuild_reason = "the checkpoint speaks of other queues";
    return boost::outcome_v2::success();
  }
  queues.applied = known.safe_offset;
  // Files of the index that went with the oldest of the log, or got lost. It is made anew; the
  // queues skip what they know, and keep the numbers of those that have no more records.
  if (queues.index->file_count() < known.index_files) {
    TROUPE_TRY(void_checkpoint(fs, o, true));
    TROUPE_TRY(queues.index->cut(plan.log_min));
    queues.applied = plan.log_min;
  }
  return boost::outcome_v2::success();
}

/// Queues of deleted topics go: a crash came before they were removed, or took the removal back. A
/// topic that was made again goes on in the same queues; then all are built again.
result<void> remove_dead(recovered_queues& queues, const queue_recovery_plan& plan) {
  for (auto& [topic, deleted_at] : plan.dead) {
    auto* found = queues.table->find(topic);
    if (found == nullptr)
      continue;
    bool dead = false;
    bool living = false;
    for (auto& queue : found->by_id) {
      if (!queue)
        continue;
      TROUPE_TRY(auto first_living, queue->find_first(deleted_at));
      dead = dead || first_living > queue->min();
      living = living || first_living < queue->next();
    }
    if (dead && living) {
      queues.rebuild_reason = "they hold messages of the deleted topic " + topic;
      return boost::outcome_v2::success();
    }
    if (dead) {
      TROUPE_TRY(queues.table->remove(topic));
      queues.removed_dead = true;
    }
  }
  return boost::outcome_v2::success();
}

/// Nobody sees them any more, though their files have to stay.
result<void> hide_dead(recovered_queues& queues, const queue_recovery_plan& plan) {
  for (auto& [topic, deleted_at] : plan.dead)
    if (auto* found = queues.table->find(topic))
      for (auto& queue : found->by_id)
        if (queue) {
          TROUPE_TRY(queue->hide_until(deleted_at));
        }
  return boost::outcome_v2::success();
}

/// As RocketMQ left them after an orderly stop; without any index file, all is indexed again.
result<void> keep_foreign(recovered_queues& queues, const queue_recovery_plan& plan) {
  auto end = std::max(queues.table->log_end(), plan.log_min);
  TROUPE_TRY(queues.index->cut(end));
  if (queues.index->file_count() > 0)
    queues.applied = end;
  return boost::outcome_v2::success();
}

} // namespace

result<recovered_queues> recover_queues(file_system& fs, const options& o,
                                        const queue_table_options& own, const wall_clock& clock,
                                        const queue_recovery_plan& plan) {
  recovered_queues queues;
  auto& known = plan.known;
  queues.vouched = known.extension_valid && known.safe_offset <= plan.log_end &&
                   known.safe_offset >= plan.log_min;
  log_offset trusted = 0;
  if (queues.vouched)
    trusted = known.safe_offset;
  else if (plan.trust_queues)
    trusted = plan.log_end;
  TROUPE_TRY(auto table, queue_table::open(fs, o, own, {plan.log_min, plan.log_end, trusted}));
  queues.table = std::move(table);
  TROUPE_TRY(auto index, key_index::open(fs, o, clock));
  queues.index = std::move(index);
  queues.applied = plan.log_min;
  if (own.read_only) {
    if (queues.vouched && queues.table->damaged().empty())
      queues.applied = known.safe_offset;
    TROUPE_TRY(hide_dead(queues, plan));
    return queues;
  }
  if (!plan.trust_queues) {
    queues.table->distrust();
    queues.index->distrust();
  }
  if (!queues.table->damaged().empty()) {
    queues.rebuild_reason = queues.table->damaged().front().reason;
  } else if (queues.vouched) {
    TROUPE_TRY(keep_vouched(fs, o, queues, plan));
  } else if (plan.trust_queues && queues.table->queue_count() > 0) {
    TROUPE_TRY(keep_foreign(queues, plan));
  } else if (queues.table->queue_count() > 0 || queues.index->file_count() > 0) {
    queues.rebuild_reason = "no checkpoint of this store vouches for them";
  }
  if (queues.rebuild_reason.empty()) {
    TROUPE_TRY(remove_dead(queues, plan));
  }
  if (!queues.rebuild_reason.empty()) {
    TROUPE_TRY(discard_queues(fs, o, *queues.table, *queues.index, plan.log_min));
    queues.applied = plan.log_min;
  }
  return queues;
}

result<void> discard_queues(file_system& fs, const options& o, queue_table& table, key_index& index,
                            log_offset log_min) {
  TROUPE_TRY(void_checkpoint(fs, o, false));
  std::vector<std::string> topics;
  table.for_each([&](const queue_table::topic_queues& topic, const consume_queue&) {
    if (topics.empty() || topics.back() != topic.name)
      topics.push_back(topic.name);
  });
  TROUPE_TRY(table.discard_damaged());
  for (auto& topic : topics) {
    TROUPE_TRY(table.remove(topic));
  }
  return index.cut(log_min);
}

} // namespace troupe::storage
