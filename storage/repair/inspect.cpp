#include "storage/repair/inspect.hpp"

#include "storage/index/index_file.hpp"
#include "storage/os/dry_run.hpp"
#include "storage/recovery/queue_recovery.hpp"
#include "storage/recovery/store.hpp"
#include "storage/tables/topic_table.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <optional>
#include <utility>

namespace troupe::storage {

namespace {

/// How many entries the index files hold by their headers.
result<std::uint64_t> count_index_entries(file_system& fs, const store_files& files) {
  std::uint64_t entries = 0;
  for (auto& path : files.indexes) {
    TROUPE_TRY(auto opened, fs.open(path, open_mode::read));
    std::array<std::byte, index_geometry::header_bytes> bytes{};
    TROUPE_TRY(auto count, opened->read_at(0, bytes));
    auto header = load_index_header(bytes.data());
    if (count == bytes.size() && header.next_entry > 1)
      entries += header.next_entry - 1;
  }
  return entries;
}

} // namespace

std::size_t store_summary::queue_count() const noexcept {
  std::size_t count = 0;
  for (auto& [name, topic] : topics)
    count += topic.queues.size();
  return count;
}

namespace {

/// Which topics were deleted, and which are there. A store without such a file has none of that.
struct known_topics {
  std::optional<tombstone_table> dead;
  std::optional<topic_table> living;

  known_topics(file_system& fs, const options& settings, const finding_sink& report) {
    if (auto loaded = tombstone_table::load(fs, settings))
      dead = std::move(loaded).value();
    else
      report({settings.directory, 0, loaded.error().message});
    if (auto loaded = topic_table::load(fs, settings))
      living = std::move(loaded).value();
    else
      report({settings.directory, 0, loaded.error().message});
  }
  /// Where its last deletion was: what lies below is dead.
  log_offset deleted_at(std::string_view topic) const {
    auto* found = dead ? dead->find(topic) : nullptr;
    return found == nullptr ? 0 : found->deleted_at;
  }
  bool is_deleted(std::string_view topic) const {
    return dead && dead->find(topic) != nullptr && living && living->find(topic) == nullptr;
  }
};

} // namespace

result<store_summary> summarize(file_system& fs, const store_files& files,
                                const finding_sink& report) {
  store_summary out;
  const known_topics known(fs, files.settings, report);
  for (auto& queue : files.queues)
    out.topics[queue.topic].queues.insert(queue.id);
  auto add = [&](const record_view& message) {
    out.record_bytes += message.size;
    out.body_bytes += message.body.size();
    if (out.first_store_time == 0)
      out.first_store_time = message.store_timestamp;
    out.last_store_time = std::max(out.last_store_time, message.store_timestamp);
    auto topic = out.topics.find(message.topic);
    if (topic == out.topics.end())
      topic = out.topics.try_emplace(std::string(message.topic)).first;
    if (message.offset < known.deleted_at(message.topic)) {
      topic->second.dead_messages += 1;
      return;
    }
    topic->second.messages += 1;
    topic->second.bytes += message.size;
    if (message.has_queue_entry())
      topic->second.queues.insert(message.queue_id);
  };
  TROUPE_TRY(out.log, walk_messages(fs, files, report, add));
  for (auto& [name, topic] : out.topics)
    topic.deleted = known.is_deleted(name);
  TROUPE_TRY(out.index_entries, count_index_entries(fs, files));
  return out;
}

namespace {

/// Starts on a file system that forgets what is written.
start_forecast try_to_start(file_system& fs, const store_files& files, const wall_clock& clock) {
  dry_run_file_system dry(fs);
  auto began = std::chrono::steady_clock::now();
  auto opened = open_store(dry, files.settings, clock);
  if (opened.has_error()) {
    start_forecast none;
    none.refused = std::move(opened).error();
    return none;
  }
  auto& log = opened.value().log;
  start_forecast found;
  found.from = log.scanned_from;
  found.to = log.end;
  found.cut = log.cut;
  found.read_only = log.needs_repair.has_value();
  if (files.queues_elsewhere)
    return found;
  queue_table_options own;
  own.read_only = found.read_only;
  auto queues = recover_queues(
      dry, files.settings, own, clock,
      {log.min_offset, log.end, opened.value().known, opened.value().after_orderly_stop});
  if (queues.has_error()) {
    found.refused = std::move(queues).error();
    return found;
  }
  found.rebuild_reason = std::move(queues.value().rebuild_reason);
  found.replay = readable_until(log.gaps, log.end, queues.value().applied) - queues.value().applied;
  found.milliseconds = std::chrono::duration_cast<std::chrono::milliseconds>(
                           std::chrono::steady_clock::now() - began)
                           .count();
  return found;
}

} // namespace

result<verified_store> verify_store(file_system& fs, const store_files& files,
                                    const wall_clock& clock, const finding_sink& report) {
  verified_store out;
  auto deleted = tombstone_table::load(fs, files.settings);
  if (deleted.has_error())
    report({files.settings.directory, 0, deleted.error().message});
  queue_check queues(fs, files, deleted.has_value() ? &deleted.value() : nullptr, report);
  result<void> failure = boost::outcome_v2::success();
  TROUPE_TRY(out.log, walk_messages(fs, files, report, [&](const record_view& message) {
               if (failure.has_value())
                 failure = queues.add(message);
             }));
  TROUPE_TRY(std::move(failure));
  if (out.log.torn_tail && !files.abort_marker)
    report(*out.log.torn_tail);
  out.queues_checked = files.queues_looked_at;
  if (out.queues_checked) {
    TROUPE_TRY(out.queues, queues.finish(out.log));
    TROUPE_TRY(out.index, index_check(fs, files, report).run(out.log.end));
  }
  out.start = try_to_start(fs, files, clock);
  if (out.start.refused)
    report({files.settings.directory, 0,
            "a node would refuse to start: " + out.start.refused->message});
  return out;
}

} // namespace troupe::storage
