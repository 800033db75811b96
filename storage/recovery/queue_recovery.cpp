#include "storage/recovery/queue_recovery.hpp"

#include "storage/log/log_file.hpp"
#include "storage/logging.hpp"
#include "storage/mutant.hpp"
#include "storage/recovery/abort_marker.hpp"
#include "storage/recovery/index_compare.hpp"
#include "storage/recovery/queue_compare.hpp"
#include "storage/tables/topic_table.hpp"

#include <algorithm>
#include <limits>
#include <set>
#include <utility>
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

result<void> compare(file_system& fs, const options& o, const wall_clock& clock,
                     recovered_queues& queues, const compare_scope& scope) {
  TROUPE_TRY(auto compared, compare_queues(fs, o, *queues.table, clock, scope));
  queues.corrected = compared.corrected;
  queues.rebuild_reason = std::move(compared.reason);
  return boost::outcome_v2::success();
}

// -- numbers -------------------------------------------------------------------------------------

/// Entries of records that have expired are no use but for their numbers: the one behind the last
/// of them in a file of a damaged queue; 0 if it has none.
result<queue_offset> number_behind_expired(file_system& fs, const std::string& path,
                                           std::int64_t start, log_offset log_min) {
  constexpr std::size_t piece_entries = 3200;
  TROUPE_TRY(auto source, fs.open(path, open_mode::read));
  std::vector<std::byte> piece(piece_entries * queue_entry_bytes);
  queue_offset behind = 0;
  for (std::uint64_t at = 0; at < source->size(); at += piece.size()) {
    TROUPE_TRY(auto count, source->read_at(at, piece));
    for (std::size_t i = 0; i + queue_entry_bytes <= count; i += queue_entry_bytes) {
      auto entry = load_entry(piece.data() + i);
      if (entry.valid() && !entry.filler() && entry.end() <= log_min)
        behind = (start + static_cast<std::int64_t>(at + i)) /
                     static_cast<std::int64_t>(queue_entry_bytes) +
                 1;
    }
  }
  return behind;
}

result<queue_offset> number_in_damaged(file_system& fs, const options& o,
                                       const queue_table::damaged_queue& broken,
                                       log_offset log_min) {
  auto directory = queue_directory(o) + "/" + broken.topic + "/" + std::to_string(broken.queue_id);
  TROUPE_TRY(auto files, fs.list(directory));
  constexpr auto most = std::numeric_limits<std::int64_t>::max() / 2;
  for (auto file = files.rbegin(); file != files.rend(); ++file) {
    auto start = parse_offset_file_name(file->name);
    if (file->directory || !start || *start > most)
      continue;
    auto number = number_behind_expired(fs, directory + "/" + file->name, *start, log_min);
    if (number.has_value() && number.value() > 0)
      return number;
  }
  return queue_offset{0};
}

/// Of queues that are about to go: the log says the numbers of those that have messages in it.
result<queue_numbers> keep_numbers(file_system& fs, const options& o, const queue_table& table,
                                   log_offset log_min) {
  TROUPE_TRY(auto numbers, queue_numbers::load(fs, o));
  if (TROUPE_MUTANT("numbers-not-kept"))
    return numbers;
  table.for_each([&](const queue_table::topic_queues& topic, const consume_queue& queue) {
    if (queue.min() == queue.next())
      numbers.raise(topic.name, queue.queue_id(), queue.next());
  });
  for (auto& broken : table.damaged()) {
    TROUPE_TRY(auto number, number_in_damaged(fs, o, broken, log_min));
    numbers.raise(broken.topic, broken.queue_id, number);
  }
  TROUPE_TRY(numbers.save());
  return numbers;
}

/// A queue whose files lost all entries: if it is the only one, the checkpoint's sum says which
/// number it had reached.
result<void> keep_missing_number(file_system& fs, const options& o, const queue_table& table,
                                 const checkpoint& known) {
  std::vector<std::pair<std::string, std::int32_t>> empty;
  table.for_each([&](const queue_table::topic_queues& topic, const consume_queue& queue) {
    if (queue.log_end() == 0)
      empty.emplace_back(topic.name, queue.queue_id());
  });
  std::uint64_t others = 0;
  table.for_each([&](const queue_table::topic_queues&, const consume_queue& queue) {
    others += queue.log_end() == 0 ? 0 : static_cast<std::uint64_t>(queue.next());
  });
  if (empty.size() != 1 || known.queue_count != table.queue_count() || known.entry_total <= others)
    return boost::outcome_v2::success();
  TROUPE_TRY(auto numbers, queue_numbers::load(fs, o));
  numbers.raise(empty.front().first, empty.front().second,
                static_cast<queue_offset>(known.entry_total - others));
  return numbers.save();
}

/// The log's files are elsewhere: it is read again from a record on that an entry names, the first
/// one behind `recent`.
result<void> read_again(recovered_queues& queues, log_offset recent) {
  auto until = queues.applied;
  auto from = until;
  result<void> searched = boost::outcome_v2::success();
  queues.table->for_each([&](const queue_table::topic_queues&, const consume_queue& queue) {
    if (!searched || queue.log_end() <= recent)
      return;
    auto number = queue.find_first(recent);
    if (!number) {
      searched = std::move(number).error();
    } else if (number.value() < queue.next()) {
      auto entry = queue.entry(number.value());
      if (!entry)
        searched = std::move(entry).error();
      else if (entry.value().valid() && !entry.value().filler())
        from = std::min(from, entry.value().offset);
    }
  });
  if (!searched && searched.error().code == errc::corrupt) {
    queues.rebuild_reason = searched.error().message;
    return boost::outcome_v2::success();
  }
  TROUPE_TRY(searched);
  if (from < until) {
    queues.applied = from;
    queues.compare_until = until;
  }
  return boost::outcome_v2::success();
}

// -- what vouches --------------------------------------------------------------------------------

/// Checks what the checkpoint says about them, which may be a reason to build them again.
result<void> keep_vouched(file_system& fs, const options& o, const wall_clock& clock,
                          recovered_queues& queues, const queue_recovery_plan& plan) {
  auto& known = plan.known;
  // What was written later is read again from the log.
  if (auto cut = queues.table->truncate(known.safe_offset); !cut) {
    if (cut.error().code != errc::corrupt)
      return cut;
    queues.rebuild_reason = cut.error().message;
    return boost::outcome_v2::success();
  }
  if (!plan.trust_queues) {
    TROUPE_TRY(queues.index->cut(known.safe_offset));
  }
  TROUPE_TRY(keep_missing_number(fs, o, *queues.table, known));
  TROUPE_TRY(queues.table->remove_empty());
  if (known.only_log()) {
    queues.rebuild_reason = "they were kept in another directory";
    return boost::outcome_v2::success();
  }
  if (queues.table->queue_count() != known.queue_count ||
      queues.table->entry_total() != known.entry_total) {
    queues.rebuild_reason = "the checkpoint speaks of other queues";
    return boost::outcome_v2::success();
  }
  auto recent =
      std::max(plan.log_min, known.safe_offset - static_cast<log_offset>(o.compared_bytes));
  if (TROUPE_MUTANT("queues-not-compared"))
    recent = known.safe_offset;
  queues.applied = known.safe_offset;
  if (plan.log_is_here) {
    TROUPE_TRY(
        compare(fs, o, clock, queues,
                {plan.log_min, recent, known.safe_offset, plan.dead, std::set<std::string>{}}));
  } else {
    TROUPE_TRY(read_again(queues, recent));
  }
  if (!queues.rebuild_reason.empty())
    return boost::outcome_v2::success();
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

/// As RocketMQ left them after an orderly stop; without any index file, all is indexed again. Its
/// checkpoint does not say which queues there were, so all of the log is compared with them.
result<void> keep_foreign(file_system& fs, const options& o, const wall_clock& clock,
                          recovered_queues& queues, const queue_recovery_plan& plan) {
  auto end = std::max(queues.table->log_end(), plan.log_min);
  compare_scope scope{plan.log_min, plan.log_min, end, plan.dead, std::nullopt};
  TROUPE_TRY(auto topics, topic_table::load(fs, o));
  for (auto& [name, topic] : topics.topics()) {
    if (!scope.topics)
      scope.topics.emplace();
    scope.topics->insert(name);
  }
  log_info("queues.comparing", {{"from", plan.log_min},
                                {"to", end},
                                {"reason", "no checkpoint of this store vouches for them"}});
  TROUPE_TRY(compare(fs, o, clock, queues, scope));
  if (!queues.rebuild_reason.empty())
    return boost::outcome_v2::success();
  TROUPE_TRY(queues.index->cut(end));
  if (queues.index->file_count() > 0)
    queues.applied = end;
  return boost::outcome_v2::success();
}

/// What hides keys is taken away, to be indexed again from the log; the queues skip what they know.
result<void> keep_sound_index(file_system& fs, const options& o, recovered_queues& queues,
                              const queue_recovery_plan& plan) {
  auto end = std::max(queues.applied, queues.compare_until);
  if (end <= plan.log_min)
    return boost::outcome_v2::success();
  auto files = queues.index->paths();
  index_scope scope{files, plan.log_min, end, o.compared_bytes, o.compared_bytes, plan.dead};
  if (!plan.log_is_here) // what can be seen without it
    scope = {files, end, end, 0, 0, {}};
  auto fault = compare_index(fs, o, scope);
  if (fault.has_error()) {
    log_warning("index.not_compared", {{"reason", fault.error().message}});
    return boost::outcome_v2::success();
  }
  if (!fault.value())
    return boost::outcome_v2::success();
  auto& [place, reason] = *fault.value();
  TROUPE_TRY(void_checkpoint(fs, o, true));
  TROUPE_TRY(queues.applied, queues.index->forget_from(place, plan.log_min));
  log_warning("index.rebuild", {{"file", place < files.size() ? files[place] : ""},
                                {"from", queues.applied},
                                {"reason", reason}});
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
  TROUPE_TRY(auto numbers, queue_numbers::load(fs, o));
  queues.numbers = std::move(numbers);
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
    TROUPE_TRY(keep_vouched(fs, o, clock, queues, plan));
  } else if (plan.trust_queues && plan.log_is_here && queues.table->queue_count() > 0) {
    TROUPE_TRY(keep_foreign(fs, o, clock, queues, plan));
  } else if (queues.table->queue_count() > 0 || queues.index->file_count() > 0) {
    queues.rebuild_reason = "no checkpoint of this store vouches for them";
  }
  if (queues.rebuild_reason.empty()) {
    TROUPE_TRY(remove_dead(queues, plan));
  }
  if (queues.rebuild_reason.empty()) {
    TROUPE_TRY(keep_sound_index(fs, o, queues, plan));
  }
  if (!queues.rebuild_reason.empty()) {
    TROUPE_TRY(auto kept, discard_queues(fs, o, *queues.table, *queues.index, plan.log_min));
    queues.numbers = std::move(kept);
    queues.applied = plan.log_min;
    queues.compare_until = 0;
  }
  return queues;
}

result<queue_numbers> discard_queues(file_system& fs, const options& o, queue_table& table,
                                     key_index& index, log_offset log_min) {
  TROUPE_TRY(unsettle_groups(fs, o.directory)); // they may come back shorter
  TROUPE_TRY(auto numbers, keep_numbers(fs, o, table, log_min));
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
  TROUPE_TRY(index.cut(log_min));
  return numbers;
}

} // namespace troupe::storage
