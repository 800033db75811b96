#include "storage/repair/retention_outlook.hpp"

#include "storage/format/queue_entry.hpp"
#include "storage/os/dry_run.hpp"
#include "storage/tables/offset_table.hpp"

#include <algorithm>
#include <array>
#include <ctime>
#include <utility>

namespace troupe::storage {

namespace {

constexpr std::int64_t hour_ms = 3600LL * 1000;

int local_hour(std::int64_t ms) {
  auto seconds = static_cast<std::time_t>(ms / 1000);
  std::tm local{};
  ::localtime_r(&seconds, &local);
  return local.tm_hour;
}

/// Numbers of one queue's entries, by where their records lie in the log.
class entry_order {
public:
  entry_order(file_system& fs, const store_files::queue& queue, std::uint64_t file_size)
      : fs_(fs), queue_(queue), file_size_(static_cast<std::int64_t>(file_size)) {}

  /// The first entry whose record lies at or behind `offset`, or the queue's end.
  result<queue_offset> first_behind(log_offset offset) {
    if (queue_.files.empty())
      return 0;
    auto low = queue_.files.front().start / entry_bytes;
    auto high = (queue_.files.back().start + file_size_) / entry_bytes;
    while (low < high) {
      auto middle = low + (high - low) / 2;
      TROUPE_TRY(auto behind, is_behind(middle, offset));
      if (behind)
        high = middle;
      else
        low = middle + 1;
    }
    return low;
  }

private:
  static constexpr auto entry_bytes = static_cast<std::int64_t>(queue_entry_bytes);

  /// Zeros lie behind everything; what fills up a queue's beginning, and files that are not there,
  /// lie before.
  result<bool> is_behind(queue_offset number, log_offset offset) {
    auto at = number * entry_bytes;
    auto start = at - at % file_size_;
    auto found = std::ranges::find(queue_.files, start, &store_files::queue_file::start);
    if (found == queue_.files.end())
      return false;
    if (!open_ || open_start_ != start) {
      TROUPE_TRY(open_, fs_.open(found->path, open_mode::read));
      open_start_ = start;
    }
    std::array<std::byte, queue_entry_bytes> bytes{};
    TROUPE_TRY(auto count, open_->read_at(static_cast<std::uint64_t>(at - start), bytes));
    auto entry = load_entry(bytes.data());
    if (count < bytes.size() || entry.empty())
      return true;
    return !entry.filler() && entry.offset >= offset;
  }

  file_system& fs_;
  const store_files::queue& queue_;
  std::int64_t file_size_;
  std::shared_ptr<file> open_;
  std::int64_t open_start_ = -1;
};

/// The first moment from then on in one of these hours.
std::optional<std::int64_t> first_in_hours(const std::vector<int>& hours, std::int64_t from) {
  constexpr int hours_of_a_week = 7 * 24;
  auto at = from;
  for (int i = 0; i < hours_of_a_week; ++i) {
    if (std::ranges::find(hours, local_hour(at)) != hours.end())
      return at;
    at = (at / hour_ms + 1) * hour_ms; // zones differ by parts of an hour: a look is early at most
  }
  return std::nullopt;
}

result<void> find_losers(file_system& fs, const store_files& files, retention_outlook& out) {
  dry_run_file_system untouched(fs);
  TROUPE_TRY(auto offsets, offset_table::load(untouched, files.settings));
  result<void> done = boost::outcome_v2::success();
  auto log_min = files.log.front().start;
  offsets.for_each([&](std::string_view topic, std::string_view group, const auto& queues) {
    for (auto& [id, stored] : queues) {
      auto queue = std::ranges::find_if(files.queues, [&, id = id](const store_files::queue& q) {
        return q.topic == topic && q.id == id;
      });
      if (queue == files.queues.end() || !done)
        continue;
      entry_order order(fs, *queue, files.settings.queue_file_size_bytes);
      auto first = order.first_behind(log_min);
      auto kept = order.first_behind(out.until);
      if (!first || !kept) {
        done = first ? kept.error() : first.error();
        return;
      }
      auto unread = kept.value() - std::max(stored, first.value());
      if (unread > 0)
        out.losers.push_back({std::string(group), std::string(topic), id, stored, unread});
    }
  });
  return done;
}

} // namespace

result<retention_outlook> look_ahead(file_system& fs, const store_files& files,
                                     const options& settings, std::int64_t now_ms) {
  retention_outlook out;
  if (files.log.size() < 2)
    return out;
  auto size = static_cast<log_offset>(files.settings.log_file_size_bytes);
  std::vector<retained_file> retained;
  for (auto& file : files.log)
    retained.push_back({file.start + size, file.modified_ms});
  TROUPE_TRY(auto usage, fs.usage(files.settings.directory));
  retention_input input;
  input.files = retained;
  input.safe_until = retained.back().end;
  input.now_ms = now_ms;
  input.local_hour = local_hour(now_ms);
  input.used_percent = usage.used_percent();
  input.disk_bytes = usage.total_bytes;
  auto o = settings;
  o.log_file_size_bytes = files.settings.log_file_size_bytes;
  auto drop = decide_retention(o, input).drop;
  out.now = drop > 0;
  out.files = std::max<std::size_t>(drop, 1);
  out.until = retained[out.files - 1].end;
  for (std::size_t i = 0; i < out.files; ++i)
    out.newest_ms = std::max(out.newest_ms, retained[i].modified_ms);
  auto expiry = out.newest_ms + settings.file_reserved_time_ms;
  out.unexpired = out.now && expiry > now_ms;
  out.at_ms = out.now ? now_ms : first_in_hours(o.delete_when_hours, std::max(expiry, now_ms));
  TROUPE_TRY(find_losers(fs, files, out));
  return out;
}

} // namespace troupe::storage
