#include "actors/queue_flusher.hpp"

#include "actors/patience.hpp"
#include "storage/mutant.hpp"
#include "storage/os/parallel.hpp"
#include "storage/passing.hpp"

#include <algorithm>
#include <atomic>
#include <functional>
#include <utility>

namespace troupe {

namespace {

/// The file system joins flushes that come at the same time into one: thousands of files are synced
/// some fifty times as fast with this many threads as with one, and no faster with more.
constexpr std::size_t sync_threads = 16;

/// For a log whose flusher is in another process.
constexpr auto flush_patience = std::chrono::seconds(5);

using sync_function = std::function<storage::result<void>(const std::string& path)>;

/// Syncs every path, or says why that failed: nothing is known about the others then.
storage::result<void> sync_each(const std::vector<std::string>& paths, std::size_t threads,
                                const sync_function& sync) {
  threads = std::min(threads, paths.size());
  std::vector<storage::result<void>> outcomes(threads, boost::outcome_v2::success());
  std::atomic<std::size_t> next = 0;
  storage::run_parallel(threads, [&](std::size_t thread) {
    for (auto i = next++; i < paths.size() && outcomes[thread]; i = next++) {
      outcomes[thread] = sync(paths[i]);
      if (!outcomes[thread])
        next = paths.size(); // no use in the rest
    }
  });
  // What may pass must not hide an error that is final.
  auto worst =
      std::ranges::find_if(outcomes, [](auto& o) { return !o && !may_pass(o.error().code); });
  if (worst == outcomes.end())
    worst = std::ranges::find_if(outcomes, [](auto& o) { return !o; });
  if (worst != outcomes.end())
    return std::move(*worst);
  return boost::outcome_v2::success();
}

} // namespace

void queue_flusher_state::start(queue_flusher_actor::stateful_pointer<queue_flusher_state> actor,
                                queue_flusher_setup setup) {
  self_ = actor;
  options_ = setup.options;
  files_ = setup.files;
  threads_ = is_simulated(self_->system()) ? 1 : sync_threads;
}

caf::result<queue_synced> queue_flusher_state::sync(queue_sync request) {
  if (failed_.code != errc::none)
    return to_caf(failed_);
  kept_promise<queue_synced> promise{self_};
  auto held = std::make_shared<queue_sync>(std::move(request));
  if (TROUPE_MUTANT("checkpoint-before-flush"))
    (void)save(*held, {held->applied, held->last_store_ms});
  // What was said to be durable stays so: a flusher that stops, or is away, need not say it again.
  if (log_ && log_->run == held->run && log_->end >= held->applied) {
    finish(*held, promise);
    return promise;
  }
  waiting_ = {held, promise};
  ask_log();
  return promise;
}

void queue_flusher_state::ask_log() {
  auto& held = *waiting_->request;
  auto question = ++questions_;
  self_
      ->request(roles_.flusher, patience(self_, roles_.flusher, flush_patience), flush_atom_v,
                held.run, held.applied)
      .then(
          [this, question](const log_flushed& log) {
            if (question != questions_)
              return;
            log_ = log;
            auto done = *std::exchange(waiting_, std::nullopt);
            finish(*done.request, done.promise);
          },
          [this, question](caf::error& why) {
            if (question != questions_)
              return;
            auto failed = *std::exchange(waiting_, std::nullopt);
            // That the log is in doubt says nothing of the queues' own files. Another run of it
            // begins with what is durable.
            auto cause = from_caf(why);
            if (cause.code == errc::write_stopped)
              failed.promise.deliver(make_caf_error(errc::unavailable, cause.message));
            else
              failed.promise.deliver(std::move(why));
          });
}

/// What was asked over a link that has been replaced nobody answers.
void queue_flusher_state::set_roles(const role_table& table) {
  bool other = table.flusher != roles_.flusher;
  roles_ = table;
  if (other && roles_.flusher && waiting_)
    ask_log();
}

/// The log is durable as far as the queues have it.
void queue_flusher_state::finish(const queue_sync& request,
                                 const kept_promise<queue_synced>& promise) {
  auto began = self_->clock().now();
  auto done = sync_files(request);
  if (done)
    done = save(request, *log_);
  if (done) {
    auto took = std::chrono::ceil<std::chrono::milliseconds>(self_->clock().now() - began);
    promise.deliver(queue_synced{request.applied, static_cast<std::uint32_t>(took.count())});
    return;
  }
  // Without descriptors the queue-manager still holds the files; without room the old checkpoint
  // stays.
  if (!may_pass(done.error().code))
    failed_ = done.error();
  promise.deliver(to_caf(done.error()));
}

storage::result<void> queue_flusher_state::sync_files(const queue_sync& request) {
  // The queue-manager keeps each file open until it hears that this went well, so a write error
  // from before is still reported here.
  if (TROUPE_MUTANT("queues-not-synced"))
    return boost::outcome_v2::success();
  auto sync_file = [this](const std::string& path) -> storage::result<void> {
    auto file = files_->open(path, storage::open_mode::read_write);
    if (!file && file.error().code == errc::not_found)
      return boost::outcome_v2::success(); // deleted meanwhile
    TROUPE_TRY(file);
    // Final whatever the cause was, also if the file system noticed late that it is full.
    if (auto done = file.value()->sync(); !done)
      return storage::error{errc::io_error, done.error().message};
    return boost::outcome_v2::success();
  };
  auto sync_directory = [this](const std::string& path) -> storage::result<void> {
    auto done = files_->sync_directory(path);
    if (!done && done.error().code == errc::not_found)
      return boost::outcome_v2::success();
    if (!done && done.error().code == errc::no_space)
      return storage::error{errc::io_error, done.error().message};
    return done;
  };
  TROUPE_TRY(sync_each(request.files, threads_, sync_file));
  return sync_each(request.directories, threads_, sync_directory);
}

storage::result<void> queue_flusher_state::save(const queue_sync& request, const log_flushed& log) {
  auto path = storage::checkpoint_path(options_.store);
  TROUPE_TRY(auto content, storage::load_checkpoint(*files_, path));
  // The times are those of records that were durable before the syncs began. One millisecond
  // earlier, since a record of the same millisecond may have come after the flush.
  content.log_time = std::max<std::int64_t>(0, log.store_ms - 1);
  if (request.last_store_ms > 0) {
    content.queue_time = request.last_store_ms;
    content.index_time = request.last_store_ms;
  }
  content.safe_offset = request.applied;
  content.queue_count = static_cast<std::uint32_t>(request.queue_count);
  content.entry_total = request.entry_total;
  content.index_files = request.index_files;
  content.sizes = storage::file_sizes::of(options_.store);
  return storage::save_checkpoint(*files_, path, content);
}

queue_flusher_actor::behavior_type
queue_flusher(queue_flusher_actor::stateful_pointer<queue_flusher_state> self,
              queue_flusher_setup setup) {
  auto& state = self->state;
  state.start(self, std::move(setup));
  return {
      [&state](queue_sync& request) { return state.sync(std::move(request)); },
      [&state](const role_table& table) { state.set_roles(table); },
  };
}

} // namespace troupe
