#include "storage/recovery/store.hpp"

#include "storage/logging.hpp"
#include "storage/mutant.hpp"
#include "storage/recovery/abort_marker.hpp"
#include "storage/recovery/queues_end.hpp"
#include "storage/recovery/size_check.hpp"
#include "storage/tables/offset_table.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <span>
#include <utility>
#include <vector>

namespace troupe::storage {

namespace {

/// No node leaves more than this unflushed: `dirty-budget` is 1 GiB at most, and writers that it
/// holds back have written one request more.
constexpr log_offset most_unflushed = static_cast<log_offset>(2 * gib);

/// Writes [from, to) of the file again, as it is.
result<void> write_again(file& log_file, std::uint64_t from, std::uint64_t to) {
  std::vector<std::byte> buffer(static_cast<std::size_t>(std::min<std::uint64_t>(mib, to - from)));
  while (from < to) {
    auto into = std::span(buffer).first(
        static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), to - from)));
    TROUPE_TRY(auto count, log_file.read_at(from, into));
    if (count == 0)
      return error{errc::io_error, log_file.path() + " became shorter while it was read"};
    std::array<byte_view, 1> parts{byte_view(buffer).first(count)};
    TROUPE_TRY(log_file.write_at(from, parts));
    from += count;
  }
  return boost::outcome_v2::success();
}

/// A process that died leaves its last records in the page cache only. Nobody may build on them,
/// and no checkpoint vouch for them, before they are on the disk. They are written again, because
/// after a failed flush the kernel takes pages for clean that never got there. An orderly stop
/// after a failed write may leave the beginning of that write, so its word is not taken.
result<void> make_durable(file_system& fs, const options& o, const recovered_log& log,
                          log_offset safe_offset) {
  auto size = static_cast<log_offset>(o.log_file_size_bytes);
  auto again = std::max({log.scanned_from, safe_offset, log.end - most_unflushed});
  // The file to go on with may be there by its cached name only, before its first record.
  auto behind = log.current ? log.end + 1 : log.end;
  for (auto start = log.scanned_from - log.scanned_from % size; start < behind; start += size) {
    auto path = log_file_path(o, start);
    TROUPE_TRY(auto file, fs.open(path, open_mode::read_write));
    auto from = std::max(start, again);
    auto to = std::min(start + size, log.end);
    if (from < to && !TROUPE_MUTANT("tail-not-rewritten")) {
      TROUPE_TRY(write_again(*file, static_cast<std::uint64_t>(from - start),
                             static_cast<std::uint64_t>(to - start)));
    }
    TROUPE_TRY(file->sync());
  }
  return fs.sync_directory(log_directory(o));
}

/// A power cut may take the end of the log, and with it the place of a deletion. What is written
/// there from now on is no part of what was deleted.
result<void> pull_back(tombstone_table& tombstones, log_offset end) {
  bool changed = false;
  for (auto& dead : tombstones.all()) {
    if (dead.deleted_at <= end)
      continue;
    tombstones.put({dead.topic, end, dead.next_offsets});
    changed = true;
  }
  if (changed) {
    TROUPE_TRY(tombstones.save());
  }
  return boost::outcome_v2::success();
}

/// A checkpoint from the first moment on: where it says that nothing was durable, nobody has to
/// guess that from the store times of what a power cut has left.
result<void> vouch_for_nothing(file_system& fs, const options& o, opened_store& store) {
  if (store.log.end > 0 || store.log.needs_repair || store.known.extension_valid)
    return boost::outcome_v2::success();
  store.known.extension_valid = true;
  store.known.sizes = file_sizes::of(o);
  return save_checkpoint(fs, checkpoint_path(o), store.known);
}

} // namespace

result<opened_store> open_store(file_system& fs, const options& o, const wall_clock& clock,
                                progress_sink progress) {
  opened_store store;
  TROUPE_TRY(make_directories(fs, o.directory));
  TROUPE_TRY(make_directories(fs, log_directory(o)));
  TROUPE_TRY(make_directories(fs, queue_directory(o)));
  TROUPE_TRY(make_directories(fs, index_directory(o)));
  TROUPE_TRY(make_directories(fs, config_directory(o)));
  TROUPE_TRY(auto lock, fs.lock(o.directory + "/lock"));
  store.lock = std::move(lock);
  TROUPE_TRY(auto known, load_checkpoint(fs, checkpoint_path(o)));
  TROUPE_TRY(check_sizes(fs, o, known.sizes)); // before anything is changed
  store.after_orderly_stop = !abort_marker_exists(fs, o.directory);
  auto settled = store.after_orderly_stop || groups_are_settled(fs, o.directory);
  if (!TROUPE_MUTANT("abort-not-written")) {
    TROUPE_TRY(create_abort_marker(fs, o.directory));
  }

  auto now = clock.now_ms();
  store.known = known.clamped(std::numeric_limits<log_offset>::max(), now);
  recovery_plan plan;
  plan.abnormal = !store.after_orderly_stop;
  plan.now_ms = now;
  plan.progress = std::move(progress);
  plan.log_time_ms = store.known.log_time;
  plan.minimum_time_ms = store.known.minimum_time();
  plan.file_size_known = known.sizes.log_bytes == o.log_file_size_bytes;
  if (store.known.extension_valid)
    plan.safe_offset = store.known.safe_offset;
  else {
    TROUPE_TRY(plan.highest_queue_end, end_known_to_queues(fs, o));
  }
  TROUPE_TRY(auto log, recover_log(fs, o, plan));
  if (!log.needs_repair && !TROUPE_MUTANT("tail-not-synced")) {
    TROUPE_TRY(make_durable(fs, o, log, plan.safe_offset));
  }
  // What is left open here the registrar settles when the queues are where the log ends.
  if (settled && known.extension_valid && !log.cut && !log.needs_repair &&
      abort_marker_exists(fs, o.directory)) {
    TROUPE_TRY(settle_groups(fs, o.directory));
  }
  store.log = std::move(log);
  store.known = store.known.clamped(store.log.end, now);
  TROUPE_TRY(vouch_for_nothing(fs, o, store));
  // After a clean start nothing was scanned: store times go on from what is known, which is a
  // millisecond less than the last one. Our own word counts also if the clock was set back since.
  auto& vouched = known.extension_valid ? known : store.known;
  if (vouched.log_time > 0)
    store.log.last_store_timestamp = std::max(store.log.last_store_timestamp, vouched.log_time + 1);

  // A process that died may have replaced a table without making that durable. What is shown from
  // now on must not be undone by a power cut.
  TROUPE_TRY(fs.sync_directory(config_directory(o)));
  TROUPE_TRY(auto topics, topic_table::load(fs, o));
  for (auto& [name, topic] : topics.topics())
    store.topics.insert(name);
  TROUPE_TRY(auto tombstones, tombstone_table::load(fs, o));
  if (!store.log.needs_repair) {
    TROUPE_TRY(pull_back(tombstones, store.log.end));
    TROUPE_TRY(auto producers, producer_book::recover(fs, o, store.log));
    store.producers = std::move(producers);
  }
  store.tombstones = tombstones.all();
  // Read again by the registrar; a file that cannot be is said now, before anything is served.
  TROUPE_TRY(offset_table::load(fs, o));
  for (auto& warning : store.log.warnings)
    log_warning("log.recovered",
                {{"file", warning.file}, {"offset", warning.offset}, {"what", warning.text}});
  return store;
}

result<std::unique_ptr<file_lock>> open_queue_directory(file_system& fs, const options& o) {
  TROUPE_TRY(make_directories(fs, o.directory));
  if (auto log = fs.list(log_directory(o)); log.has_value() && !log.value().empty())
    return error{errc::invalid_argument,
                 o.directory + " holds a log: it is the directory of a whole store, and the queues "
                               "of another one need theirs"};
  TROUPE_TRY(auto lock, fs.lock(o.directory + "/lock"));
  TROUPE_TRY(auto known, load_checkpoint(fs, checkpoint_path(o)));
  TROUPE_TRY(check_sizes(fs, o, known.sizes));
  TROUPE_TRY(make_directories(fs, queue_directory(o)));
  TROUPE_TRY(make_directories(fs, index_directory(o)));
  TROUPE_TRY(make_directories(fs, config_directory(o)));
  return lock;
}

result<void> close_store(file_system& fs, const options& o) {
  TROUPE_TRY(check_directory_is_ours(fs, o.directory));
  return remove_abort_marker(fs, o.directory);
}

} // namespace troupe::storage
