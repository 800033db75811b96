// How a repair finds out what there is to do.

#include "storage/log/log_scan.hpp"
#include "storage/os/sparse_file.hpp"
#include "storage/recovery/checkpoint.hpp"
#include "storage/recovery/queues_end.hpp"
#include "storage/repair/repair.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <limits>
#include <optional>
#include <utility>

namespace troupe::storage {

namespace {

/// The parts of a gap that lie in one file each.
std::vector<gap_piece> split(log_offset from, log_offset to, log_offset file_size) {
  std::vector<gap_piece> pieces;
  while (from < to) {
    auto file_end = from - from % file_size + file_size;
    auto stop = std::min(to, file_end);
    pieces.push_back({from, stop, stop == file_end});
    from = stop;
  }
  return pieces;
}

/// Walks a log with holes from its first file to its last valid record.
class gap_search {
public:
  gap_search(file_system& fs, const store_files& files, const progress_sink& progress,
             const durable_end& vouched, repair_plan& plan, lost_messages& lost)
      : fs_(fs), files_(files), progress_(progress), vouched_(vouched), plan_(plan), lost_(lost),
        file_size_(static_cast<log_offset>(files.settings.log_file_size_bytes)) {}

  result<void> run() {
    plan_.min = plan_.end = files_.log.front().start;
    for (auto& part : files_.contiguous_log()) {
      TROUPE_TRY(look_at(part));
    }
    auto newest = last_ ? std::optional(last_->store_timestamp) : std::nullopt;
    if (auto end = vouched_.behind(plan_.end, newest); end > plan_.end)
      add_lost_end(end);
    return boost::outcome_v2::success();
  }

private:
  /// Files without a hole between them.
  result<void> look_at(const std::vector<log_file_entry>& part) {
    log_scan scan(fs_, files_.settings, part);
    auto done = static_cast<std::uint64_t>(scan.begin() - plan_.min);
    auto total = static_cast<std::uint64_t>(files_.log.back().start + file_size_ - plan_.min);
    scan.report_to({[&](std::uint64_t more, std::uint64_t) { progress_(done + more, total); }});
    if (scan.begin() != plan_.min)
      problem_ = log_file_path(files_.settings, scan.begin() - file_size_) + " is missing";
    for (auto at = std::max(plan_.end, scan.begin()); at < scan.limit();) {
      TROUPE_TRY(auto found, scan.find(at));
      if (!found)
        break;
      if (found->offset > plan_.end) {
        TROUPE_TRY(auto tail, is_tail(scan, *found));
        if (tail)
          break;
        auto whole = add_gap(*found);
        at = plan_.end;
        if (!whole)
          continue;
      }
      TROUPE_TRY(auto walked, scan.walk(found->offset, [&](const record_view& message) {
        plan_.messages += 1;
        lost_.add(message);
      }));
      if (walked.last)
        last_ = walked.last;
      plan_.end = at = walked.end;
      problem_ = *walked.problem != '\0' ? walked.problem : "zeros";
    }
    if (plan_.unreadable.empty())
      plan_.unreadable = scan.unreadable();
    return boost::outcome_v2::success();
  }

  /// True if the next start will take `found` and all behind it for what a cut left behind.
  result<bool> is_tail(log_scan& scan, const log_scan::record& found) {
    auto last_part = scan.files().back().start == files_.log.back().start;
    if (!last_part || found.offset < vouched_.safe_offset || !scan.is_leftover(found, last_))
      return false;
    TROUPE_TRY(auto later, scan.find(scan.file_start(found.offset) + file_size_));
    return !later;
  }

  /// What lies before `next` holds no record. False if `next` had to be taken into the gap, since
  /// nothing is small enough to bridge what is before it.
  bool add_gap(const log_scan::record& next) {
    repair_plan::gap gap{plan_.end,
                         next.offset,
                         std::exchange(problem_, {}),
                         {},
                         last_ ? last_->store_timestamp : next.store_timestamp};
    auto in_file = std::min(next.offset % file_size_, next.offset - gap.from);
    auto whole = in_file == 0 || in_file >= smallest_record_bytes;
    if (!whole)
      gap.to += next.size;
    plan_.end = gap.to;
    problem_ = "no room between two gaps";
    gap.pieces = split(gap.from, gap.to, file_size_);
    for (auto& piece : gap.pieces)
      lost_.add(piece);
    plan_.gaps.push_back(std::move(gap));
    return whole;
  }

  /// The log was durable for longer than it is now: what is missing is bridged too, so that nothing
  /// takes its place.
  void add_lost_end(log_offset end) {
    repair_plan::gap gap{plan_.end,
                         end,
                         "the log ends here, but it was durable for longer",
                         {},
                         last_ ? last_->store_timestamp : 0};
    plan_.end = gap.to;
    gap.pieces = split(gap.from, gap.to, file_size_);
    for (auto& piece : gap.pieces)
      lost_.add(piece);
    plan_.gaps.push_back(std::move(gap));
  }

  file_system& fs_;
  const store_files& files_;
  const progress_sink& progress_;
  const durable_end& vouched_; ///< a start takes nothing before its offset for a leftover
  repair_plan& plan_;
  lost_messages& lost_;
  log_offset file_size_;
  std::optional<log_scan::record> last_;
  std::string problem_ = "no record begins at the start of the file";
};

/// The queues as they are, if they can be read at all: they are only asked for what the log does
/// not know.
result<void> ask_queues(file_system& fs, const store_files& files, const repair_plan& plan,
                        lost_messages& lost) {
  queue_table_options own;
  own.read_only = true;
  auto table = queue_table::open(fs, files.settings, own, {plan.min, plan.end, 0});
  if (table.has_error())
    return table.error().code == errc::not_found ? result<void>(boost::outcome_v2::success())
                                                 : result<void>(std::move(table).error());
  return lost.ask(*table.value());
}

/// True if queues or checkpoint know of messages.
result<bool> knows_messages(file_system& fs, const store_files& files) {
  TROUPE_TRY(auto known, load_checkpoint(fs, checkpoint_path(files.settings)));
  if (known.log_time > 0 || (known.extension_valid && known.safe_offset > 0))
    return true;
  TROUPE_TRY(auto end, end_known_to_queues(fs, files.settings));
  return end > 0;
}

} // namespace

bool repair_plan::nothing_to_do() const noexcept {
  return wrong_lengths.empty() && misnamed.empty() && unreadable.empty() && gaps.empty() &&
         !log_is_gone && !unfinished;
}

std::uint64_t repair_plan::lost_count() const noexcept {
  std::uint64_t count = 0;
  for (auto& runs : lost.by_piece)
    for (auto& run : runs)
      count += static_cast<std::uint64_t>(run.to - run.from);
  return count;
}

result<void> store_repair::look() {
  TROUPE_TRY(auto files, find_store_files(*fs_, directory_, geometry_, [](const finding&) {}));
  settings_ = files.settings;
  plan_ = {};
  TROUPE_TRY(auto entries, fs_->list(directory_));
  plan_.unfinished =
      std::ranges::any_of(entries, [](auto& entry) { return entry.name == "repair"; });
  TROUPE_TRY(find_misfits(files));
  if (!files.log.empty())
    return look_at_log(files);
  if (plan_.wrong_lengths.empty()) {
    TROUPE_TRY(plan_.log_is_gone, knows_messages(*fs_, files));
  }
  return boost::outcome_v2::success();
}

/// Log files that cannot be where they are or as long as they are.
result<void> store_repair::find_misfits(const store_files& files) {
  TROUPE_TRY(auto entries, fs_->list(log_directory(settings_)));
  auto size = static_cast<std::int64_t>(settings_.log_file_size_bytes);
  for (auto& entry : entries) {
    auto start = parse_offset_file_name(entry.name);
    if (entry.directory || !start)
      continue; // ignored by recovery too
    if (*start % size != 0 || *start > std::numeric_limits<std::int64_t>::max() - size)
      plan_.misnamed.push_back(entry.name);
    else if (std::ranges::none_of(files.log, [&](auto& known) { return known.start == *start; }))
      plan_.wrong_lengths.push_back({entry.name, entry.size});
  }
  // A last file that was never filled is no damage, recovery removes it.
  if (!plan_.wrong_lengths.empty() && plan_.wrong_lengths.back().name == entries.back().name &&
      plan_.wrong_lengths.back().length < settings_.log_file_size_bytes) {
    TROUPE_TRY(auto state,
               fs_->open(log_directory(settings_) + "/" + entries.back().name, open_mode::read));
    TROUPE_TRY(auto unfilled, holds_only_zeros(*state, 0, state->size()));
    if (unfilled)
      plan_.wrong_lengths.pop_back();
  }
  return boost::outcome_v2::success();
}

result<void> store_repair::search_log(const store_files& files, lost_messages& lost) {
  constexpr int most_searches = 3;
  for (int search = 1;; ++search) {
    lost = {};
    plan_.gaps.clear();
    plan_.messages = 0;
    plan_.unreadable.clear();
    TROUPE_TRY(gap_search(*fs_, files, progress_, vouched_, plan_, lost).run());
    if (plan_.unreadable.empty())
      return boost::outcome_v2::success();
    TROUPE_TRY(find_lost_pages());
    if (!plan_.lost_pages.empty())
      return boost::outcome_v2::success();
    if (search == most_searches)
      return error{errc::io_error, plan_.unreadable +
                                       " can be read at one time and not at another; copy the "
                                       "store to another disk and repair it there"};
  }
}

/// All that cannot be read is tried again together: each attempt takes one pause, however much it
/// is.
result<void> store_repair::find_lost_pages() {
  constexpr auto between_attempts = std::chrono::milliseconds(250);
  constexpr int attempts = 5;
  TROUPE_TRY(auto file, fs_->open(plan_.unreadable, open_mode::read));
  auto& lost = plan_.lost_pages;
  lost.clear();
  for (std::uint64_t at = 0; at < file->size(); at += repair_page_bytes)
    lost.push_back(at);
  std::array<std::byte, repair_page_bytes> page{};
  for (int attempt = 1; attempt <= attempts && !lost.empty(); ++attempt) {
    if (attempt > 1)
      pause_(between_attempts);
    std::erase_if(lost, [&](std::uint64_t at) { return file->read_at(at, page).has_value(); });
  }
  return boost::outcome_v2::success();
}

result<void> store_repair::look_at_log(const store_files& files) {
  lost_messages lost;
  TROUPE_TRY(search_log(files, lost));
  if (plan_.gaps.empty())
    return boost::outcome_v2::success();
  for (auto& gap : plan_.gaps)
    for (auto& piece : gap.pieces)
      if (piece.room() < 0)
        return error{errc::corrupt,
                     log_file_path(settings_, piece.from) + ": the " +
                         std::to_string(piece.to - piece.from) + " bytes from log offset " +
                         std::to_string(piece.from) +
                         " have no room for the mark that ends a file; no store writes so: this "
                         "log cannot be repaired, `troupe store dump` prints what it holds"};
  TROUPE_TRY(ask_queues(*fs_, files, plan_, lost));
  plan_.lost = lost.place();
  return boost::outcome_v2::success();
}

} // namespace troupe::storage
