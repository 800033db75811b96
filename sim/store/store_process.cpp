#include "sim/store/store_process.hpp"

#include "sim/trace_hash.hpp"
#include "storage/format/properties.hpp"
#include "storage/log/retention.hpp"
#include "storage/recovery/queue_recovery.hpp"

#include <algorithm>
#include <utility>

namespace troupe::sim {

using storage::errc;
using storage::error;
using storage::log_offset;
using storage::result;

namespace {

result<void> done() {
  return boost::outcome_v2::success();
}

error stopped_before() {
  return {errc::write_stopped, "an earlier error stopped this part of the process"};
}

} // namespace

store_process::store_process(storage::file_system& disk, const storage::options& o,
                             const run_knobs& knobs, run_clock& clock, storage_ledger& ledger)
    : disk_(disk), options_(o), knobs_(knobs), clock_(clock), ledger_(ledger),
      rhythm_({.tries = o.queue_write_retries}) {}

// -- starting ------------------------------------------------------------------------------------

result<void> store_process::recover() {
  TROUPE_TRY(auto opened, storage::open_store(disk_, options_, clock_));
  recovered_ = std::move(opened);
  if (recovered_.log.needs_repair)
    return *recovered_.log.needs_repair;
  min_ = recovered_.log.min_offset;
  storage::queue_table_options own;
  own.tail_entries = knobs_.tail_entries;
  own.open_files = knobs_.open_files;
  TROUPE_TRY(auto queues, storage::recover_queues(disk_, options_, own, clock_,
                                                  {min_, recovered_.log.end, recovered_.known,
                                                   recovered_.after_orderly_stop}));
  table_ = std::move(queues.table);
  index_ = std::move(queues.index);
  numbers_ = std::move(queues.numbers);
  order_.opened(queues.applied, 0, !queues.rebuild_reason.empty(), false);
  rhythm_.opened(applied(), !queues.vouched || rebuilt() || queues.removed_dead);
  return done();
}

result<void> store_process::catch_up() {
  view_ = std::make_unique<storage::log_view>(disk_, options_, min_);
  auto end = recovered_.log.end;
  storage::flush_core::mark durable{end, recovered_.log.last_store_timestamp};
  flusher_.new_run(run, durable, durable);
  store_time_ = storage::store_time(durable.store_ms);
  log_ = std::make_unique<storage::commit_log>(options_, end, std::move(recovered_.log.current));
  auto file_size = static_cast<log_offset>(options_.log_file_size_bytes);
  if (end % file_size != 0) {
    TROUPE_TRY(flusher_file(end - end % file_size));
  }
  positions_.start(end);
  storage::dispatch_core::roles all{.writer = true, .queues = true, .readers = true};
  all.other_writer = all.other_queues = true;
  TROUPE_TRY(carry_out(follow_.roles_changed(all)));
  TROUPE_TRY(apply_waiting());
  table_->for_each(
      [&](const storage::queue_table::topic_queues& topic, const storage::consume_queue& queue) {
        for (std::uint32_t t = 0; t < knobs_.topics; ++t)
          if (topic.name == topic_name(t))
            next_[{t, queue.queue_id()}] = queue.next();
      });
  for (std::uint32_t t = 0; t < knobs_.topics; ++t)
    for (std::int32_t id = 0; id < static_cast<std::int32_t>(knobs_.queues); ++id)
      if (table_->find(topic_name(t), id) == nullptr && numbers_->of(topic_name(t), id) > 0)
        next_[{t, id}] = numbers_->of(topic_name(t), id);
  return done();
}

// -- appending -----------------------------------------------------------------------------------

struct store_process::drawn_message {
  std::uint32_t topic = 0;
  std::int32_t queue_id = 0;
  std::int32_t sysflag = 0;
  std::vector<std::byte> body;
  std::string properties;
  std::string key;
};

store_process::drawn_message store_process::draw_message(random_source& random) {
  drawn_message m;
  m.topic = static_cast<std::uint32_t>(random.below(knobs_.topics));
  m.queue_id = static_cast<std::int32_t>(random.below(knobs_.queues));
  auto size = random.below(knobs_.body_bytes + std::uint64_t{1});
  if (random.one_in(12))
    size = random.below(options_.log_file_size_bytes); // some fit into no file
  m.body.resize(random.one_in(20) ? 0 : size);
  if (knobs_.equal_sizes)
    m.body.resize(knobs_.body_bytes % 64);
  auto content = random.next();
  for (auto& b : m.body) {
    content = content * 6364136223846793005 + 1442695040888963407;
    b = static_cast<std::byte>(content >> 56);
  }
  storage::properties_builder properties;
  bool fits = true;
  if (random.one_in(2) || knobs_.equal_sizes)
    fits &= properties.add(storage::property::tags, "tag" + std::to_string(random.below(5)));
  if (random.percent(60) || knobs_.equal_sizes) {
    m.key = "key" + std::to_string(random.below(1000) + (knobs_.equal_sizes ? 1000 : 0));
    fits &= properties.add(storage::property::keys, m.key);
  }
  TROUPE_CHECK(fits);
  m.properties = properties.take();
  if (random.one_in(20))
    m.sysflag = static_cast<std::int32_t>(random.between(1, 3) << 2); // of a transaction
  return m;
}

result<void> store_process::append(random_source random) {
  if (stopped())
    return stopped_before();
  auto count = random.between(1, 6);
  for (std::uint64_t i = 0; i < count; ++i) {
    auto message = draw_message(random);
    TROUPE_TRY(auto fits, stage(message));
    if (!fits) { // in this file, or in any
      TROUPE_TRY(write_staged());
      TROUPE_TRY(add_file());
      TROUPE_TRY(auto stored, stage(message));
      TROUPE_CHECK(stored);
    }
  }
  return write_staged();
}

/// False when a new file is needed first.
result<bool> store_process::stage(const drawn_message& message) {
  auto topic = topic_name(message.topic);
  storage::record_fields fields{
      .topic = topic,
      .queue_id = message.queue_id,
      .sysflag = message.sysflag,
      .born_timestamp = clock_.now,
      .born_host = storage::host::ipv4(0x7f000001, 1),
      .store_host = storage::host::ipv4(options_.store_host_ipv4, options_.store_port),
      .body = message.body,
      .properties = message.properties,
  };
  TROUPE_TRY(storage::check_fields(fields, options_));
  auto type = message.sysflag & storage::sysflag::transaction_mask;
  put_record put;
  put.queued = type == 0 || type == storage::sysflag::transaction_commit;
  put.topic = message.topic;
  put.queue_id = message.queue_id;
  auto& next = next_[{put.topic, put.queue_id}];
  storage::record_place place;
  place.queue_position = put.queued ? next : 0;
  place.store_timestamp = store_time_.at(clock_.now);
  switch (log_->stage(fields, place)) {
  case storage::commit_log::stage_result::needs_file:
    return false;
  case storage::commit_log::stage_result::too_large:
    return true;
  case storage::commit_log::stage_result::staged:
    break;
  }
  store_time_.note(place.store_timestamp);
  put.offset = place.offset;
  put.queue_position = place.queue_position;
  put.size = storage::encoded_size(fields, options_.record_crc);
  put.key = message.key;
  put.keyed = !put.key.empty() && type != storage::sysflag::transaction_rollback;
  std::vector<std::byte> bytes(put.size);
  storage::encode_record(fields, place, options_.record_crc, bytes);
  put.bytes_hash = hash_of(bytes);
  put.body_hash = hash_of(message.body);
  auto view = storage::decode_record(bytes, place.offset, storage::verify::structure).view;
  put.tags_code = storage::tags_code(topic, storage::indexed_properties(view.properties),
                                     place.store_timestamp, options_.delays);
  positions_.add(view);
  next += put.queued ? 1 : 0;
  staged_.push_back(std::move(put));
  return true;
}

result<void> store_process::write_staged() {
  if (log_->staged_bytes() == 0)
    return done();
  for (auto& put : staged_)
    ledger_.staged(std::move(put));
  staged_.clear();
  if (auto written = log_->commit(); !written) {
    write_failed_ = true;
    return written;
  }
  ledger_.written(log_->end());
  flusher_.written({log_->end(), store_time_.last()});
  auto batch = std::make_shared<const storage::position_batch>(positions_.take(log_->end()));
  positions_.start(log_->end());
  return carry_out(follow_.arrived({run, batch->from, batch->to, batch->positions.size(), batch}));
}

/// The flusher makes the file and keeps it open, the writer opens it for itself.
result<void> store_process::add_file() {
  auto start = log_->next_file_start();
  if (open_.count(start) == 0) {
    TROUPE_TRY(auto made, storage::create_log_file(disk_, options_, start));
    open_[start] = std::move(made);
  }
  auto path = open_[start]->path();
  TROUPE_TRY(auto opened, disk_.open(path, storage::open_mode::read_write));
  log_->add_file(start, std::move(opened));
  return done();
}

// -- flushing ------------------------------------------------------------------------------------

result<void> store_process::flush() {
  auto flush = flusher_.begin_flush();
  if (!flush)
    return flusher_.has_failed() && log_->end() > flusher_.durable().end ? stopped_before()
                                                                         : done();
  if (auto synced = sync_log(*flush); !synced) {
    flusher_.failed();
    return synced;
  }
  flusher_.flushed();
  ledger_.flushed(flusher_.durable().end);
  return done();
}

/// What the queue-flusher asks for before it syncs the queues.
result<void> store_process::flush_to(log_offset end) {
  auto asked = flusher_.wait(run, end, 0).answers;
  if (asked.empty())
    return flush();
  return asked.front().what == storage::flush_core::outcome::durable ? done() : stopped_before();
}

result<void> store_process::sync_log(const storage::flush_core::flush& flush) {
  for (auto& part : flush.files(static_cast<log_offset>(options_.log_file_size_bytes))) {
    TROUPE_TRY(auto file, flusher_file(part.start));
    TROUPE_TRY(file->sync());
    if (part.full)
      open_.erase(part.start);
  }
  return done();
}

result<std::shared_ptr<storage::file>> store_process::flusher_file(log_offset start) {
  if (auto found = open_.find(start); found != open_.end())
    return found->second;
  auto path = storage::log_file_path(options_, start);
  TROUPE_TRY(auto opened, disk_.open(path, storage::open_mode::read_write));
  open_[start] = opened;
  return opened;
}

// -- queues --------------------------------------------------------------------------------------

result<void> store_process::dispatch(random_source random) {
  if (queues_failed())
    return stopped_before();
  auto count = random.between(1, 4);
  if (std::exchange(retry_due_, false)) {
    TROUPE_TRY(carry_out(follow_.retry()));
  }
  for (; count > 0 && !waiting_.empty(); --count) {
    TROUPE_TRY(apply_next());
  }
  return done();
}

result<void> store_process::apply(const storage::position_batch& batch) {
  using storage::apply_core;
  for (;;) {
    auto next = order_.judge(batch.from, batch.to);
    if (next != apply_core::step::apply)
      return next == apply_core::step::skip ? done() : read_again();
    auto applied = try_apply(batch);
    if (applied)
      return applied.value() ? done() : read_again();
    auto then = rhythm_.apply_failed(applied.error().code);
    if (then.give_up || then.block)
      return std::move(applied).error();
  }
}

/// False if the queues were emptied.
result<bool> store_process::try_apply(const storage::position_batch& batch) {
  storage::queue_table::applied so_far;
  auto first = order_.begin(batch.from, batch.to);
  so_far.count = first;
  auto outcome = table_->apply(batch, first, so_far,
                               [](storage::queue_table::topic_queues&, storage::consume_queue&) {});
  order_.got_to(so_far.count);
  TROUPE_TRY(outcome);
  if (so_far.gap) {
    if (order_.found_gap() == storage::apply_core::gap::damaged)
      return error{errc::needs_repair, "the log lacks messages of a queue before offset " +
                                           std::to_string(batch.positions[so_far.count].offset)};
    order_.emptied(min_);
    rhythm_.moved(applied());
    TROUPE_TRY(auto kept, storage::discard_queues(disk_, options_, *table_, *index_, min_));
    numbers_ = std::move(kept);
    return false;
  }
  TROUPE_TRY(index_->add(batch));
  order_.finished(batch.to);
  if (!batch.positions.empty())
    applied_ms_ = batch.positions.back().store_timestamp;
  rhythm_.applied(applied());
  return true;
}

/// The queue-manager writes out and notes what is to be synced, with the numbers of now: also when
/// nothing is new, since a checkpoint that is written again must do no harm.
result<void> store_process::begin_sync() {
  rhythm_.stale();
  rhythm_.soon(now());
  if (queues_failed() || !rhythm_.due(now()))
    return done();
  for (auto written = write_out(); !written; written = write_out()) {
    auto then = rhythm_.write_failed(written.error().code, now());
    if (then.give_up || then.block) // the next step tries again, if it may
      return written;
  }
  // Entries of a batch that is half applied lie behind what the checkpoint vouches for.
  auto totals = order_.ahead() ? table_->totals_until(applied()) : table_->all_totals();
  if (!totals) {
    rhythm_.not_counted(now());
    return std::move(totals).error();
  }
  running_sync sync{table_->unsynced(), index_->unsynced(), {}};
  sync.content.safe_offset = applied();
  sync.content.queue_time = sync.content.index_time = applied_ms_;
  sync.content.queue_count = static_cast<std::uint32_t>(totals.value().queues);
  sync.content.entry_total = totals.value().entries;
  sync.content.index_files = static_cast<std::uint32_t>(index_->file_count());
  syncing_ = std::move(sync);
  rhythm_.begun();
  return done();
}

result<void> store_process::write_out() {
  TROUPE_TRY(table_->write_out());
  return index_->write_out();
}

/// The queue-flusher makes it durable. That the log is in doubt says nothing of the queues' files.
result<void> store_process::finish_sync() {
  if (!syncing_ || queues_failed())
    return done();
  auto sync = *std::exchange(syncing_, std::nullopt);
  auto flushed = flush_to(sync.content.safe_offset);
  auto finished = flushed ? sync_queue_files(sync) : flushed;
  if (!finished) {
    rhythm_.sync_failed(flushed ? finished.error().code : errc::unavailable, false, now());
    return finished;
  }
  table_->synced(sync.queues);
  index_->synced(sync.index);
  rhythm_.synced(sync.content.safe_offset, {}, now());
  return done();
}

result<void> store_process::sync_queue_files(const running_sync& sync) {
  auto files = sync.queues.files;
  files.insert(files.end(), sync.index.files.begin(), sync.index.files.end());
  for (auto& path : files) {
    auto file = disk_.open(path, storage::open_mode::read_write);
    if (!file && file.error().code == errc::not_found)
      continue; // deleted meanwhile
    TROUPE_TRY(file);
    if (auto synced = file.value()->sync(); !synced) // final, whatever the cause was
      return error{errc::io_error, synced.error().message};
  }
  auto directories = sync.queues.directories;
  directories.insert(directories.end(), sync.index.directories.begin(),
                     sync.index.directories.end());
  for (auto& path : directories) {
    auto synced = disk_.sync_directory(path);
    if (!synced && synced.error().code != errc::not_found)
      return error{errc::io_error, synced.error().message};
  }
  auto path = storage::checkpoint_path(options_);
  TROUPE_TRY(auto content, storage::load_checkpoint(disk_, path));
  auto& noted = sync.content;
  content.log_time = std::max<std::int64_t>(0, flusher_.durable().store_ms - 1);
  if (noted.queue_time > 0)
    content.queue_time = content.index_time = noted.queue_time;
  content.safe_offset = noted.safe_offset;
  content.queue_count = noted.queue_count;
  content.entry_total = noted.entry_total;
  content.index_files = noted.index_files;
  content.sizes = storage::file_sizes::of(options_);
  return storage::save_checkpoint(disk_, path, content);
}

// -- deleting and stopping -----------------------------------------------------------------------

result<void> store_process::clean(random_source random) {
  TROUPE_TRY(auto listed, storage::list_log(disk_, options_));
  auto file_size = static_cast<log_offset>(options_.log_file_size_bytes);
  std::vector<storage::retained_file> files;
  for (auto& file : listed.listing.files)
    files.push_back({file.start + file_size, file.modified_ms});
  auto rule = options_;
  rule.file_reserved_time_ms = static_cast<std::int64_t>(random.below(200));
  storage::retention_input input;
  input.files = files;
  input.safe_until = rhythm_.durable();
  input.now_ms = clock_.now;
  input.asked = true;
  auto decision = storage::decide_retention(rule, input);
  for (std::size_t i = 0; i < decision.drop && files[i].end <= log_->end(); ++i) {
    ledger_.dropping(files[i].end);
    TROUPE_TRY(disk_.remove(storage::log_file_path(options_, files[i].end - file_size)));
    TROUPE_TRY(disk_.sync_directory(storage::log_directory(options_)));
    ledger_.dropped(files[i].end);
    min_ = files[i].end;
  }
  while (!open_.empty() && open_.begin()->first + file_size <= min_)
    open_.erase(open_.begin());
  view_->drop_until(min_);
  TROUPE_TRY(table_->drop_until(min_));
  return index_->drop_until(min_);
}

result<void> store_process::stop() {
  rhythm_.stop();
  while (!waiting_.empty() || retry_due_) {
    TROUPE_TRY(dispatch(random_source(0)));
  }
  TROUPE_TRY(finish_sync());
  TROUPE_TRY(begin_sync());
  TROUPE_TRY(finish_sync());
  TROUPE_TRY(flush());
  if (queues_failed() || flusher_.has_failed())
    return stopped_before();
  TROUPE_TRY(storage::remove_unused_log_files(disk_, options_, open_, log_->end()));
  return storage::close_store(disk_, options_);
}

} // namespace troupe::sim
