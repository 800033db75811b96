#include "actors/flusher.hpp"

#include "actors/patience.hpp"
#include "storage/check.hpp"
#include "storage/logging.hpp"
#include "storage/mutant.hpp"
#include "storage/os/sparse_file.hpp"
#include "storage/recovery/checkpoint.hpp"

#include <algorithm>
#include <utility>

namespace troupe {

namespace {

/// How long to wait before a file that could not be created is tried again.
constexpr auto create_retry = std::chrono::seconds(1);

} // namespace

void flusher_state::start(flusher_actor::stateful_pointer<flusher_state> actor,
                          flusher_setup setup) {
  self_ = actor;
  options_ = std::move(setup.options);
  files_ = setup.files;
  keeps_checkpoint_ = setup.keeps_checkpoint && !setup.read_only;
  core_ = storage::flush_core{options_.resting_bytes()};
  log_state log;
  log.run = setup.run;
  log.flushed = log.end = setup.end;
  log.store_ms = setup.store_ms;
  if (setup.read_only)
    log.read_only = "it needs a repair";
  begin(log);
}

void flusher_state::begin(const log_state& log) {
  act(core_.new_run(log.run, {log.end, log.store_ms}, {log.flushed, log.store_ms}));
  open_.clear();
  failure_.clear();
  // Its writer asks for the file that it needs; what it has heard of the one that another run
  // wanted would stand in its way for ever.
  wanted_file_ = -1;
  if (std::exchange(barred_, false))
    self_->send(roles_.writer, write_bar{bar_source::log_file, errc::no_space, {}});
  // Opened now, before anything more is written to it: a write-back error must find somebody to
  // tell.
  auto size = static_cast<log_offset>(options_.store.log_file_size_bytes);
  if (log.end % size != 0 && log.read_only.empty())
    if (auto opened = file_of(log.end - log.end % size); !opened)
      fail(opened.error());
}

/// The writer says so whenever it meets this actor. Of a new run nothing that was known before
/// counts: its writer has recovered the log, and has seen to it that what it says is durable.
void flusher_state::attach(const log_state& log) {
  if (log.run == core_.run()) { // some of what it said may have been lost on the way
    written({log.end, log.store_ms});
    return;
  }
  begin(log);
  act(core_.go_on());
  self_->send(roles_.queue_manager, flushed());
}

caf::result<log_flushed> flusher_state::flush_to(log_run run, log_offset end) {
  kept_promise<log_flushed> promise{self_};
  waiting_[++last_waiting_] = promise;
  act(core_.wait(run, end, last_waiting_));
  return promise;
}

void flusher_state::written(const log_written& what) {
  act(core_.written({what.end, what.store_ms}));
}

void flusher_state::act(const storage::flush_core::actions& then) {
  for (auto& one : then.answers)
    answer(one);
  if (then.tell && !failure_.empty()) {
    self_->send(roles_.writer, flush_failure{failure_});
  } else if (then.tell) {
    self_->send(roles_.writer, flushed());
    if (options_.store.flush == storage::flush_policy::sync)
      self_->send(roles_.queue_manager, flushed());
  }
  wake(then.wake);
}

void flusher_state::wake(storage::flush_core::wake_up when) {
  using storage::flush_core;
  if (when == flush_core::wake_up::none)
    return;
  auto due = began_ + options_.flusher.interval;
  if (when == flush_core::wake_up::unhurried && self_->clock().now() < due)
    return rest_.arm(self_, due, pulse_atom_v);
  // Behind everything that is in the mailbox now: those requests join this flush.
  self_->send(self_, pulse_atom_v);
}

void flusher_state::answer(const storage::flush_core::answer& what) {
  using storage::flush_core;
  auto promise = std::move(waiting_.extract(what.who).mapped());
  if (what.what == flush_core::outcome::durable)
    promise.deliver(flushed());
  else if (what.what == flush_core::outcome::failed)
    promise.deliver(make_caf_error(errc::write_stopped, failure_));
  else
    promise.deliver(
        make_caf_error(errc::unavailable, "this is not the run of the log that is flushed"));
}

log_flushed flusher_state::flushed() const {
  return {core_.durable().end, core_.durable().store_ms, core_.run()};
}

void flusher_state::pulse() {
  rest_.came(self_->clock().now());
  auto flush = core_.begin_flush();
  if (!flush)
    return;
  began_ = self_->clock().now();
  auto done = sync(*flush);
  if (!done && TROUPE_MUTANT("flush-tried-again"))
    done = sync(*flush);
  if (!done && !TROUPE_MUTANT("flush-error-ignored")) {
    fail(done.error());
    return;
  }
  using std::chrono::microseconds;
  auto took = std::chrono::duration_cast<microseconds>(self_->clock().now() - began_).count();
  flush_us_.add(static_cast<std::uint64_t>(std::max<std::int64_t>(took, 0)));
  flush_bytes_.add(static_cast<std::uint64_t>(flush->to.end - flush->from.end));
  auto then = core_.flushed();
  arm_checkpoint();
  act(then);
}

storage::result<void> flusher_state::sync(const storage::flush_core::flush& flush) {
  for (auto& part : flush.files(static_cast<log_offset>(options_.store.log_file_size_bytes))) {
    TROUPE_TRY(auto file, file_of(part.start));
    TROUPE_TRY(file->sync());
    if (part.full)
      open_.erase(part.start);
  }
  return boost::outcome_v2::success();
}

storage::result<std::shared_ptr<storage::file>> flusher_state::file_of(log_offset start) {
  if (auto found = open_.find(start); found != open_.end())
    return found->second;
  auto path = storage::log_file_path(options_.store, start);
  TROUPE_TRY(auto opened, files_->open(path, storage::open_mode::read_write));
  open_[start] = opened;
  return opened;
}

void flusher_state::fail(const storage::error& why) {
  if (core_.has_failed())
    return;
  failure_ = "flushing the commit log failed (" + why.message +
             "); restart the node to recover: reads go on";
  act(core_.failed());
}

// -- the checkpoint ------------------------------------------------------------------------------

/// Not with every flush: it costs as much, and is only a hint where a recovery may begin.
void flusher_state::arm_checkpoint() {
  if (!keeps_checkpoint_ || core_.durable().end <= checkpoint_ ||
      std::exchange(checkpoint_pending_, true))
    return;
  self_->delayed_send(self_, options_.flusher.queue_interval, save_atom_v);
}

void flusher_state::keep_checkpoint() {
  checkpoint_pending_ = false;
  save_checkpoint();
  arm_checkpoint();
}

/// Of the log alone. To RocketMQ the times say that no queue is durable, so it builds them again.
void flusher_state::save_checkpoint() {
  if (!keeps_checkpoint_ || core_.durable().end <= checkpoint_)
    return;
  auto path = storage::checkpoint_path(options_.store);
  auto done = [&]() -> storage::result<void> {
    TROUPE_TRY(auto content, storage::load_checkpoint(*files_, path));
    // One millisecond earlier: a record of the same one may have come after the flush.
    content.log_time = std::max<std::int64_t>(0, core_.durable().store_ms - 1);
    content.queue_time = content.index_time = 0;
    content.safe_offset =
        TROUPE_MUTANT("log-checkpoint-ahead") ? core_.written().end : core_.durable().end;
    content.queue_count = storage::queues_elsewhere;
    content.entry_total = 0;
    content.index_files = 0;
    content.sizes = storage::file_sizes::of(options_.store);
    return storage::save_checkpoint(*files_, path, content);
  }();
  if (done)
    checkpoint_ = core_.durable().end;
  else
    storage::log_warning("checkpoint.not_saved", {{"reason", done.error().message}});
}

// -- files ---------------------------------------------------------------------------------------

void flusher_state::create(log_offset start) {
  wanted_file_ = start;
  if (!roles_.writer)
    return; // the writer heard of us first: done when we hear of it
  wanted_file_ = -1;
  if (start < core_.written().end)
    return;                     // an old question: the file is written to, and may be gone already
  if (open_.count(start) > 0) { // made already: the writer asked again when the roles changed
    self_->send(roles_.writer, extended_atom_v, start);
    return;
  }
  auto made = make_file(start);
  if (!made) {
    wanted_file_ = start;
    barred_ = true;
    self_->send(roles_.writer,
                write_bar{bar_source::log_file, made.error().code,
                          made.error().message + "; writing goes on when there is room again"});
    self_->delayed_send(self_, create_retry, retry_atom_v);
    return;
  }
  open_[start] = std::move(made.value());
  barred_ = false;
  self_->send(roles_.writer, extended_atom_v, start);
}

/// Not on a full disk, also where the cleaner is away and cannot say that it is.
storage::result<std::shared_ptr<storage::file>> flusher_state::make_file(log_offset start) {
  auto& directory = options_.store.directory;
  bool cleaner_is_near = roles_.cleaner && !is_elsewhere(self_, roles_.cleaner);
  auto usage = files_->usage(directory);
  auto percent = usage ? usage.value().used_percent() : 0;
  if (!cleaner_is_near && percent > options_.store.disk_warning_percent)
    return storage::error{errc::no_space,
                          "the disk of " + directory + " is " + std::to_string(percent) +
                              " % full (disk-space-warning-level-ratio = " +
                              std::to_string(options_.store.disk_warning_percent) + ")"};
  auto made = storage::create_log_file(*files_, options_.store, start);
  if (!made && made.error().code == errc::exists)
    return made_before(start);
  return made;
}

/// By a flusher in another process, which did not get round to say so.
storage::result<std::shared_ptr<storage::file>> flusher_state::made_before(log_offset start) {
  auto path = storage::log_file_path(options_.store, start);
  TROUPE_TRY(auto there, files_->open(path, storage::open_mode::read_write));
  auto size = options_.store.log_file_size_bytes;
  TROUPE_TRY(auto unused, storage::holds_only_zeros(*there, 0, there->size()));
  if (there->size() != size || !unused)
    return storage::error{errc::exists, path + " is there already, and is no unused file of " +
                                            std::to_string(size) + " bytes"};
  TROUPE_TRY(there->sync());
  TROUPE_TRY(files_->sync_directory(storage::log_directory(options_.store)));
  return there;
}

/// The file was made for one who may not know it. (A writer that has recovered the log since may
/// have removed it: it asks for it again, until this actor has heard of the new run.)
void flusher_state::tell_file() {
  if (!open_.empty() && open_.rbegin()->first >= core_.written().end &&
      !TROUPE_MUTANT("file-said-once"))
    self_->send(roles_.writer, extended_atom_v, open_.rbegin()->first);
}

void flusher_state::retry_create() {
  if (wanted_file_ >= 0)
    create(wanted_file_);
}

void flusher_state::drop(log_offset min) {
  auto size = static_cast<log_offset>(options_.store.log_file_size_bytes);
  while (!open_.empty() && open_.begin()->first + size <= min)
    open_.erase(open_.begin());
}

stop_report flusher_state::stop(log_offset end) {
  wanted_file_ = -1;
  core_.stop(end);
  pulse();
  save_checkpoint();
  stop_report report;
  report.left_over = failure_;
  // A writer that did not say where it stopped may be writing behind what is known here.
  if (end == unknown_log_end)
    return report;
  auto removed = storage::remove_unused_log_files(*files_, options_.store, open_, end);
  if (!removed)
    report.left_over += removed.error().message;
  return report;
}

flusher_status flusher_state::status() const {
  return {core_.durable().end, core_.flushes(), failure_, flush_us_.read(), flush_bytes_.read()};
}

void flusher_state::set_roles(const role_table& table) {
  roles_ = table;
  // Whoever is new does not know it yet.
  if (!TROUPE_MUTANT("flushed-said-once")) {
    self_->send(roles_.writer, flushed());
    self_->send(roles_.queue_manager, flushed());
  }
  if (!failure_.empty())
    self_->send(roles_.writer, flush_failure{failure_});
  if (table.writer_ended)
    act(core_.writer_ended());
  tell_file();
  retry_create();
}

flusher_actor::behavior_type flusher(flusher_actor::stateful_pointer<flusher_state> self,
                                     flusher_setup setup) {
  auto& state = self->state;
  state.start(self, std::move(setup));
  return {
      [&state](flush_atom, log_run run, log_offset end) { return state.flush_to(run, end); },
      [&state](attach_atom, const log_state& log) { state.attach(log); },
      [&state](const log_written& what) { state.written(what); },
      [&state](extend_atom, log_offset start) { state.create(start); },
      [&state](drop_atom, log_offset min) { state.drop(min); },
      [&state](status_atom) { return state.status(); },
      [&state](stop_atom, log_offset end) { return state.stop(end); },
      [&state](const role_table& table) { state.set_roles(table); },
      [&state](pulse_atom) { state.pulse(); },
      [&state](retry_atom) { state.retry_create(); },
      [&state](save_atom) { state.keep_checkpoint(); },
  };
}

} // namespace troupe
