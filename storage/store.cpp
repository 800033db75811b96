#include "storage/store.hpp"

#include "storage/abort_marker.hpp"
#include "storage/queue_table.hpp"

#include <algorithm>
#include <limits>
#include <utility>

namespace troupe::storage {

namespace {

/// Where the queues say that the log ends; only asked when no checkpoint of ours knows better.
result<log_offset> highest_queue_end(file_system& fs, const options& o) {
  queue_table_options own;
  own.read_only = true;
  constexpr auto anywhere = std::numeric_limits<log_offset>::max();
  TROUPE_TRY(auto table, queue_table::open(fs, o, own, {0, anywhere, anywhere}));
  return table->queue_count() == 0 ? log_offset{-1} : table->log_end();
}

/// A process that was killed leaves its last records in the page cache only. Nobody may build on
/// them, and no checkpoint vouch for them, before they are on the disk.
result<void> make_durable(file_system& fs, const options& o, const recovered_log& log) {
  auto size = static_cast<log_offset>(o.log_file_size_bytes);
  for (auto start = log.scanned_from - log.scanned_from % size; start < log.end; start += size) {
    auto path = log_directory(o) + "/" + offset_file_name(start);
    TROUPE_TRY(auto file, fs.open(path, open_mode::read_write));
    TROUPE_TRY(file->sync());
  }
  return fs.sync_directory(log_directory(o));
}

} // namespace

result<opened_store> open_store(file_system& fs, const options& o, const wall_clock& clock,
                                progress_sink progress) {
  opened_store store;
  TROUPE_TRY(make_directories(fs, o.directory));
  TROUPE_TRY(make_directories(fs, log_directory(o)));
  TROUPE_TRY(make_directories(fs, queue_directory(o)));
  TROUPE_TRY(make_directories(fs, index_directory(o)));
  TROUPE_TRY(auto lock, fs.lock(o.directory + "/lock"));
  store.lock = std::move(lock);
  store.after_orderly_stop = !abort_marker_exists(fs, o.directory);
  TROUPE_TRY(create_abort_marker(fs, o.directory));

  TROUPE_TRY(auto known, load_checkpoint(fs, checkpoint_path(o)));
  auto now = clock.now_ms();
  store.known = known.clamped(std::numeric_limits<log_offset>::max(), now);
  recovery_plan plan;
  plan.abnormal = !store.after_orderly_stop;
  plan.now_ms = now;
  plan.progress = std::move(progress);
  plan.log_time_ms = store.known.log_time;
  plan.minimum_time_ms = store.known.minimum_time();
  if (store.known.extension_valid)
    plan.safe_offset = store.known.safe_offset;
  else {
    TROUPE_TRY(auto end, highest_queue_end(fs, o));
    plan.highest_queue_end = end;
  }
  TROUPE_TRY(auto log, recover_log(fs, o, plan));
  if (!log.needs_repair) {
    TROUPE_TRY(make_durable(fs, o, log));
  }
  store.log = std::move(log);
  store.known = store.known.clamped(store.log.end, now);
  // After a clean start nothing was scanned: store times go on from what is known.
  store.log.last_store_timestamp = std::max(store.log.last_store_timestamp, store.known.log_time);

  TROUPE_TRY(auto topics, topic_table::load(fs, o));
  for (auto& [name, topic] : topics.topics())
    store.topics.insert(name);
  TROUPE_TRY(auto tombstones, tombstone_table::load(fs, o));
  store.tombstones = tombstones.all();
  return store;
}

result<void> close_store(file_system& fs, const options& o) {
  return remove_abort_marker(fs, o.directory);
}

} // namespace troupe::storage
