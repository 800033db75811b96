#include "actors/cleaner.hpp"

#include "storage/log/log_file.hpp"
#include "storage/log/retention.hpp"
#include "storage/logging.hpp"
#include "storage/mutant.hpp"
#include "storage/recovery/abort_marker.hpp"

#include <algorithm>
#include <chrono>
#include <ctime>
#include <utility>
#include <vector>

namespace troupe {

namespace {

constexpr auto answer_timeout = std::chrono::seconds(10);

int local_hour(std::int64_t now_ms) {
  auto seconds = static_cast<std::time_t>(now_ms / 1000);
  std::tm local{};
  ::localtime_r(&seconds, &local);
  return local.tm_hour;
}

} // namespace

void cleaner_state::start(cleaner_actor::stateful_pointer<cleaner_state> actor,
                          cleaner_setup setup) {
  self_ = actor;
  setup_ = std::move(setup);
}

void cleaner_state::set_roles(const role_table& table) {
  auto same = table.writer == roles_.writer && table.flusher == roles_.flusher &&
              table.queue_manager == roles_.queue_manager && table.readers == roles_.readers;
  told_ = told_ && table.writer == roles_.writer;
  begin_told_ = begin_told_ && (same || TROUPE_MUTANT("begin-said-once"));
  roles_ = table;
  if (!running_) {
    running_ = true;
    pulse();
  }
}

void cleaner_state::rest() {
  self_->delayed_send(self_, setup_.options.cleaner.interval, pulse_atom_v);
}

void cleaner_state::pulse() {
  // Nothing goes before its entries are durable in the queues.
  self_->request(roles_.queue_manager, answer_timeout, status_atom_v)
      .then([this](const queue_manager_status& queues) { look(queues.durable); },
            [this](const caf::error&) { look(0); });
}

void cleaner_state::look(log_offset durable) {
  auto& options = setup_.options.store;
  if (auto ours = storage::check_directory_is_ours(*setup_.files, options.directory); !ours)
    return directory_gone(ours.error());
  auto usage = setup_.files->usage(options.directory);
  auto listed = storage::list_log(*setup_.files, options);
  if (!usage || !listed) {
    status_.failure = usage ? listed.error().message : usage.error().message;
    rest();
    return;
  }
  status_.failure.clear();
  status_.disk_used_percent = usage.value().used_percent();
  auto size = static_cast<log_offset>(options.log_file_size_bytes);
  std::vector<storage::retained_file> files;
  for (auto& file : listed.value().listing.files)
    files.push_back({file.start + size, file.modified_ms});
  storage::retention_input input;
  input.files = files;
  input.safe_until = durable;
  input.now_ms = setup_.clock->now_ms();
  input.local_hour = local_hour(input.now_ms);
  input.used_percent = status_.disk_used_percent;
  input.disk_bytes = usage.value().total_bytes;
  input.disk_full = disk_full_;
  input.clock_believed = believe_clock(input.now_ms, listed.value().listing.files);
  auto decision = storage::decide_retention(options, input);
  if (decision.disk_full != disk_full_) {
    disk_full_ = decision.disk_full;
    storage::log_warning(disk_full_ ? "disk.full" : "disk.has_room",
                         {{"used_percent", status_.disk_used_percent}});
    told_ = false;
  }
  // Also at the first look: the cleaner before this one may have stopped the writer.
  if (!told_)
    tell_writer();
  auto& entries = listed.value().listing.files;
  if (!begin_told_ && !entries.empty()) {
    begin_told_ = true;
    if (auto begin = entries.front().start; begin > 0)
      tell_begin(begin);
  }
  remove(std::span(entries).first(std::min(decision.drop, entries.size())));
  rest();
}

/// Said again and again to the writer: what fails because of it must not hide it. Never taken back:
/// what was written meanwhile is elsewhere.
void cleaner_state::directory_gone(const storage::error& why) {
  if (status_.failure != why.message)
    storage::log_error("store.gone", {{"reason", why.message}});
  status_.failure = why.message;
  self_->send(roles_.writer, write_bar{bar_source::cleaner, why.code, why.message});
  rest();
}

/// Also says it, in the log once a jump and in `status` as long as it counts.
bool cleaner_state::believe_clock(std::int64_t now_ms,
                                  std::span<const storage::log_file_entry> files) {
  std::int64_t newest = 0;
  for (auto& file : files)
    newest = std::max(newest, file.modified_ms);
  auto steady =
      std::chrono::duration_cast<std::chrono::milliseconds>(self_->clock().now().time_since_epoch())
          .count();
  auto reserved = setup_.options.store.file_reserved_time_ms;
  if (clock_.look(now_ms, steady, newest))
    storage::log_warning("clock.jumped",
                         {{"now_ms", now_ms}, {"nothing_expires_for_ms", reserved}});
  auto believed = clock_.believed(reserved);
  status_.clock = believed ? ""
                           : "the clock jumped, or the node was down for more than a day: "
                             "nothing expires before file-reserved-time has passed since";
  return believed;
}

void cleaner_state::tell_writer() {
  told_ = true;
  auto& options = setup_.options.store;
  std::string reason;
  if (disk_full_ && !TROUPE_MUTANT("full-disk-ignored"))
    reason = "the disk of " + options.directory + " is " +
             std::to_string(status_.disk_used_percent) +
             " % full (disk-space-warning-level-ratio = " +
             std::to_string(options.disk_warning_percent) +
             "); reads go on, and writes when it is back at " +
             std::to_string(options.disk_clean_forcibly_percent) + " %";
  self_->send(roles_.writer, write_bar{bar_source::cleaner, errc::disk_full, reason});
}

/// Removes files, the oldest first, and tells everybody where the log begins now. All of them are
/// durable in the log and in the queues: nobody writes there. It may take a while, but no other
/// actor waits for it.
void cleaner_state::remove(std::span<const storage::log_file_entry> files) {
  auto& options = setup_.options.store;
  log_offset min = 0;
  for (auto& file : files) {
    auto gone = setup_.files->remove(storage::log_file_path(options, file.start));
    if (gone) {
      min = file.start + static_cast<log_offset>(options.log_file_size_bytes);
      ++status_.files_deleted;
      gone = setup_.files->sync_directory(storage::log_directory(options));
    }
    if (!gone) { // the next round tries again
      status_.failure = "deleting log files: " + gone.error().message;
      break;
    }
  }
  if (min == 0)
    return;
  storage::log_info("log.deleted", {{"until", min}});
  tell_begin(min);
}

/// Also those who come new, or were out of reach: they may have looked at the files before the last
/// ones went.
void cleaner_state::tell_begin(log_offset min) {
  self_->send(roles_.writer, drop_atom_v, min);
  self_->send(roles_.flusher, drop_atom_v, min);
  self_->send(roles_.queue_manager, drop_atom_v, min);
  for (auto& reader : roles_.readers)
    self_->send(reader, drop_atom_v, min);
}

cleaner_actor::behavior_type cleaner(cleaner_actor::stateful_pointer<cleaner_state> self,
                                     cleaner_setup setup) {
  auto& state = self->state;
  state.start(self, std::move(setup));
  return {
      [&state](status_atom) { return state.status(); },
      [&state](const role_table& table) { state.set_roles(table); },
      [&state](pulse_atom) { state.pulse(); },
  };
}

} // namespace troupe
