#include "storage/recovery/recovery.hpp"

#include "storage/log/log_scan.hpp"
#include "storage/log/quarantine.hpp"
#include "storage/mutant.hpp"

#include <algorithm>
#include <utility>

namespace troupe::storage {

namespace {

/// Every store syncs its log at least this often: what it wrote so long before its newest record is
/// durable, also where no checkpoint says so.
constexpr std::int64_t surely_synced_ms = 60'000;

/// One recovery at work.
class log_recovery {
public:
  log_recovery(file_system& fs, const options& o, const recovery_plan& plan,
               std::vector<log_file_entry> files, recovered_log& out)
      : fs_(fs), options_(o), plan_(plan), scan_(fs, o, std::move(files)), out_(out) {}

  result<void> run();

private:
  /// Valid records behind the place where the log stops.
  struct rest_of_log {
    log_offset end = 0;
    bool holds_records = false;
    bool holds_durable = false;
    bool file_is_clean = true;   ///< zeros from the end of the log to the end of its file
    bool behind_is_clean = true; ///< zeros in the files behind that
    std::vector<log_gap> gaps;
    std::optional<log_scan::record> last;
  };

  void distrust_checkpoint();
  result<log_offset> choose_start();
  result<std::optional<log_offset>> start_by_safe_offset();
  result<log_offset> start_by_queues();
  result<log_offset> start_by_time();
  result<log_scan::run> find_end();
  bool ends_before_checkpoint(const log_scan::run& found) const;
  result<rest_of_log> look_behind(log_offset end, const std::optional<log_scan::record>& last);
  result<void> look_for_bytes(log_offset end, rest_of_log& rest);
  bool nothing_known() const;
  bool stopped_unvouched() const;
  bool known_durable(const log_scan::record& record, log_offset log_end) const;
  void refuse_writes(const log_scan::run& found, rest_of_log rest);
  log_offset durable_until(log_offset end) const;
  void refuse_shorter(log_offset durable);
  result<void> cut(const log_scan::run& found, const rest_of_log& rest);
  result<void> quarantine(log_offset from, log_offset to);
  void warn(log_offset offset, std::string text);

  file_system& fs_;
  const options& options_;
  recovery_plan plan_;
  log_scan scan_;
  std::optional<log_scan::record> before_start_; ///< ends where the check begins
  recovered_log& out_;
};

result<void> log_recovery::run() {
  out_.min_offset = scan_.begin();
  scan_.report_to(plan_.progress);
  distrust_checkpoint();
  TROUPE_TRY(auto found, find_end());
  TROUPE_TRY(auto rest, look_behind(found.end, found.last));
  TROUPE_TRY(look_for_bytes(found.end, rest));
  out_.end = found.end;
  if (auto& newest = found.last ? found.last : before_start_)
    out_.last_store_timestamp = newest->store_timestamp;
  if (rest.holds_durable || !scan_.unreadable().empty()) {
    refuse_writes(found, std::move(rest));
  } else if (auto durable = durable_until(found.end); durable > found.end) {
    refuse_shorter(durable);
  } else {
    TROUPE_TRY(cut(found, rest));
  }
  if (auto known = plan_.highest_queue_end; known > out_.end)
    warn(out_.end, "the log ends here, but records up to " + std::to_string(known) +
                       " were known; they are lost");
  return boost::outcome_v2::success();
}

/// Forgets checkpoint values that cannot be true.
void log_recovery::distrust_checkpoint() {
  auto impossible = [&](std::int64_t time) { return time < 0 || time > plan_.now_ms; };
  if (impossible(plan_.log_time_ms) || impossible(plan_.minimum_time_ms)) {
    warn(scan_.begin(), "the checkpoint's times are negative or in the future; they are not used");
    plan_.log_time_ms = 0;
    plan_.minimum_time_ms = 0;
  }
}

result<log_scan::run> log_recovery::find_end() {
  TROUPE_TRY(auto from, choose_start());
  TROUPE_TRY(auto found, scan_.walk(from));
  if (from != scan_.begin() && ends_before_checkpoint(found)) {
    warn(found.end, "the checkpoint is newer than the log; all of the log is checked");
    from = scan_.begin();
    TROUPE_TRY(found, scan_.walk(from));
  }
  out_.scanned_from = from;
  return found;
}

/// Durable records are missing, so what the checkpoint says about the rest is in doubt too.
bool log_recovery::ends_before_checkpoint(const log_scan::run& found) const {
  return plan_.safe_offset > found.end ||
         (found.last && plan_.log_time_ms > found.last->store_timestamp);
}

/// A record's start from which on the log has to be checked.
result<log_offset> log_recovery::choose_start() {
  TROUPE_TRY(auto safe, start_by_safe_offset());
  if (safe)
    return *safe;
  return plan_.abnormal ? start_by_time() : start_by_queues();
}

result<std::optional<log_offset>> log_recovery::start_by_safe_offset() {
  auto safe = plan_.safe_offset;
  if (safe < scan_.begin() || safe > scan_.limit())
    return std::optional<log_offset>{};
  // At the end of the log a record before it is all there is to see.
  TROUPE_TRY(before_start_, scan_.record_ending_at(safe));
  if (before_start_)
    return std::optional(safe);
  TROUPE_TRY(auto continues, scan_.continues_at(safe));
  if (continues)
    return std::optional(safe);
  return std::optional(scan_.file_start(std::min(safe, scan_.limit() - 1)));
}

/// RocketMQ's rule after an orderly stop: the file in which the queues' knowledge ends.
result<log_offset> log_recovery::start_by_queues() {
  for (auto at = scan_.files().rbegin(); at != scan_.files().rend(); ++at) {
    auto& file = *at;
    if (file.start > plan_.highest_queue_end)
      continue;
    TROUPE_TRY(auto first, scan_.continues_at(file.start));
    if (first)
      return file.start;
  }
  return scan_.begin();
}

/// RocketMQ's rule after a crash: the last file that begins with a record known to be durable.
result<log_offset> log_recovery::start_by_time() {
  if (plan_.minimum_time_ms == 0)
    return scan_.begin();
  for (auto at = scan_.files().rbegin(); at != scan_.files().rend(); ++at) {
    auto& file = *at;
    TROUPE_TRY(auto first, scan_.record_at(file.start));
    if (first && first->store_timestamp != 0 && first->store_timestamp <= plan_.minimum_time_ms)
      return file.start;
  }
  return scan_.begin();
}

result<log_recovery::rest_of_log>
log_recovery::look_behind(log_offset end, const std::optional<log_scan::record>& last) {
  rest_of_log rest;
  rest.end = end;
  std::int64_t first_time = 0; ///< of what lies right behind the damage
  for (;;) {
    TROUPE_TRY(auto found, scan_.find(rest.end));
    if (!found) {
      rest.holds_durable =
          rest.holds_durable || (first_time > 0 && nothing_known() && rest.last &&
                                 rest.last->store_timestamp - first_time >= surely_synced_ms);
      return rest;
    }
    if (first_time == 0)
      first_time = found->store_timestamp;
    rest.gaps.push_back({rest.end, found->offset});
    rest.holds_records = true;
    // An exact offset counts also where the clock was set back, and the newer record looks older.
    rest.holds_durable =
        rest.holds_durable || found->offset < plan_.safe_offset ||
        ((known_durable(*found, end) || stopped_unvouched()) && !scan_.is_leftover(*found, last));
    TROUPE_TRY(auto more, scan_.walk(found->offset));
    rest.end = more.end;
    rest.last = more.last;
  }
}

/// Before anything is decided: a page that cannot be read looks like zeros, and is not clean.
result<void> log_recovery::look_for_bytes(log_offset end, rest_of_log& rest) {
  auto file_end = scan_.file_start(end) + static_cast<log_offset>(options_.log_file_size_bytes);
  TROUPE_TRY(rest.file_is_clean, scan_.all_zero(end, file_end));
  TROUPE_TRY(rest.behind_is_clean, scan_.all_zero(file_end, scan_.limit()));
  return boost::outcome_v2::success();
}

/// An orderly stop, which leaves all of the log durable, and nothing that says where it ended.
bool log_recovery::stopped_unvouched() const {
  return !plan_.abnormal && nothing_known();
}

/// There is no checkpoint to go by.
bool log_recovery::nothing_known() const {
  return plan_.safe_offset < 0 && plan_.log_time_ms <= 0;
}

/// True if the checkpoint vouches for the record, which lies behind the place where the log ends.
bool log_recovery::known_durable(const log_scan::record& record, log_offset log_end) const {
  if (record.offset < plan_.safe_offset)
    return true;
  // Older than what was durable before: the clock was set back, and times say nothing.
  if (before_start_ && record.store_timestamp < before_start_->store_timestamp)
    return false;
  if (record.store_timestamp < plan_.log_time_ms)
    return true;
  auto file = scan_.file_start(record.offset);
  if (file > log_end && file < plan_.safe_offset)
    return true; // a later file that holds synced data
  // Of several records in one millisecond the sync may have covered only the first. A checkpoint
  // with an exact offset settles it; without one nothing is cut that may have been durable.
  return plan_.safe_offset < 0 && record.store_timestamp == plan_.log_time_ms;
}

void log_recovery::refuse_writes(const log_scan::run& found, rest_of_log rest) {
  auto readable = scan_.unreadable().empty();
  auto text = readable ? log_file_path(options_, found.end) + ", log offset " +
                             std::to_string(found.end) + ": damage in the middle of the log (" +
                             (*found.problem != '\0' ? found.problem : "zeros") + ")"
                       : scan_.unreadable() + ": a part of the log cannot be read";
  text += "; the node can only read until an operator decides: run `troupe store repair`";
  warn(found.end, text);
  out_.needs_repair = error{errc::needs_repair, std::move(text)};
  out_.end = rest.end;
  out_.gaps = std::move(rest.gaps);
  if (rest.last)
    out_.last_store_timestamp = rest.last->store_timestamp;
}

log_offset log_recovery::durable_until(log_offset end) const {
  durable_end vouched{plan_.safe_offset, plan_.abnormal ? -1 : plan_.highest_queue_end,
                      plan_.log_time_ms};
  auto newest = out_.last_store_timestamp;
  return vouched.behind(end, newest > 0 ? std::optional(newest) : std::nullopt);
}

/// What was durable is not there: somebody took it away, or the disk lied.
/// Whether it can be had back, only an operator knows; new messages in its place would end that.
void log_recovery::refuse_shorter(log_offset durable) {
  auto text = log_file_path(options_, out_.end) + ": the log ends at " + std::to_string(out_.end) +
              ", but it was durable up to " + std::to_string(durable) +
              "; put the missing files back, or accept the loss with `troupe store repair`; until "
              "then the node can only read";
  warn(out_.end, text);
  out_.needs_repair = error{errc::needs_repair, std::move(text)};
  out_.gaps.push_back({out_.end, durable});
}

/// Takes everything behind the end away, in an order that leaves the same end whenever it stops.
result<void> log_recovery::cut(const log_scan::run& found, const rest_of_log& rest) {
  auto end = found.end;
  if (end == scan_.limit())
    return boost::outcome_v2::success(); // ends with its last file
  auto start = scan_.file_start(end);
  out_.cut = !rest.file_is_clean || !rest.behind_is_clean;
  if (rest.holds_records) {
    TROUPE_TRY(quarantine(end, rest.end));
  }
  for (auto at = scan_.files().rbegin(); at != scan_.files().rend(); ++at) {
    auto& file = *at;
    if (file.start <= start)
      break;
    TROUPE_TRY(fs_.remove(log_file_path(options_, file.start)));
    // Each by itself, the newest first: else a power cut may leave one behind a gap.
    TROUPE_TRY(fs_.sync_directory(log_directory(options_)));
  }
  TROUPE_TRY(auto current, fs_.open(log_file_path(options_, end), open_mode::read_write));
  if (!rest.file_is_clean && !TROUPE_MUTANT("tail-not-cleared")) {
    TROUPE_TRY(
        current->zero_range(static_cast<std::uint64_t>(end - start), options_.log_file_size_bytes));
    TROUPE_TRY(current->sync());
  }
  if (out_.cut)
    warn(end, std::string("the log was cut here (") +
                  (*found.problem != '\0' ? found.problem : "nothing was written") + ")");
  out_.current = std::move(current);
  return boost::outcome_v2::success();
}

result<void> log_recovery::quarantine(log_offset from, log_offset to) {
  TROUPE_TRY(auto path, copy_to_quarantine(fs_, options_, from, to, plan_.now_ms));
  warn(from, "valid records up to " + std::to_string(to) + " behind a damaged one were copied to " +
                 path);
  out_.quarantine = std::move(path);
  return boost::outcome_v2::success();
}

void log_recovery::warn(log_offset offset, std::string text) {
  out_.warnings.push_back({log_file_path(options_, offset), offset, std::move(text)});
}

/// A log without files: a new store, or one whose log was taken away.
result<void> accept_empty(const options& o, const recovery_plan& plan) {
  auto known = std::max(plan.highest_queue_end, plan.safe_offset);
  if (known > 0 && !plan.accept_empty_log)
    return error{errc::needs_repair,
                 log_directory(o) + " holds no log, but records up to log offset " +
                     std::to_string(known) +
                     " were known; put the files back, or run `troupe store repair`"};
  return boost::outcome_v2::success();
}

/// A last file that lost its end gets its size again; what is missing is found as in any tail. If
/// it is the only file, its length may as well be what the setting was before.
result<void> extend_tail(file_system& fs, const options& o, const recovery_plan& plan,
                         log_directory_state& state, recovered_log& recovered) {
  auto path = log_file_path(o, state.short_tail->start);
  TROUPE_TRY(auto tail, fs.open(path, open_mode::read_write));
  auto size = tail->size();
  if (state.listing.files.empty() && !plan.file_size_known) {
    auto wanted = std::to_string(o.log_file_size_bytes);
    return error{errc::corrupt,
                 path + " has " + std::to_string(size) + " bytes instead of " + wanted +
                     ": if mapped-file-size-commit-log was changed, set it back to " +
                     std::to_string(size) + "; if the file was cut short, make it as long as it " +
                     "was (`truncate -s " + wanted + " FILE`), and the next start checks it"};
  }
  TROUPE_TRY(tail->allocate(o.log_file_size_bytes, blocks::reserved));
  TROUPE_TRY(tail->sync());
  recovered.warnings.push_back({path, state.short_tail->start + static_cast<log_offset>(size),
                                "the last file ended here, at " + std::to_string(size) +
                                    " bytes; it got its full size again"});
  state.listing.files.push_back(*state.short_tail);
  return boost::outcome_v2::success();
}

} // namespace

/// A queue entry that names a place further behind the log's end is taken for damaged.
constexpr auto most_lost = static_cast<log_offset>(64 * gib);

log_offset durable_end::behind(log_offset end,
                               std::optional<std::int64_t> newest_ms) const noexcept {
  if (safe_offset >= 0)
    return std::max(safe_offset, end);
  bool both_say_so = log_time_ms > newest_ms.value_or(0) && queue_end > end;
  return both_say_so && queue_end - end <= most_lost ? queue_end : end;
}

log_offset readable_until(const std::vector<log_gap>& gaps, log_offset end,
                          log_offset from) noexcept {
  for (auto& gap : gaps)
    if (gap.to > from)
      return std::max(gap.from, from);
  return end;
}

result<recovered_log> recover_log(file_system& fs, const options& o, const recovery_plan& plan) {
  auto directory = log_directory(o);
  TROUPE_TRY(make_directories(fs, directory));
  TROUPE_TRY(auto state, list_log(fs, o));
  recovered_log recovered;
  for (auto& text : state.listing.warnings)
    recovered.warnings.push_back({directory, 0, std::move(text)});
  if (state.short_tail) {
    TROUPE_TRY(extend_tail(fs, o, plan, state, recovered));
  }
  if (state.listing.files.empty()) {
    TROUPE_TRY(accept_empty(o, plan));
  }
  if (!state.empty_tail.empty()) {
    recovered.warnings.push_back({state.empty_tail, 0, "a file that was never filled was removed"});
    TROUPE_TRY(fs.remove(state.empty_tail));
    TROUPE_TRY(fs.sync_directory(directory));
  }
  if (!state.listing.files.empty()) {
    log_recovery work(fs, o, plan, std::move(state.listing.files), recovered);
    TROUPE_TRY(work.run());
  }
  return recovered;
}

} // namespace troupe::storage
