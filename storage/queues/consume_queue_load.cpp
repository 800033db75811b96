#include "storage/log/log_file.hpp"
#include "storage/os/sparse_file.hpp"
#include "storage/queues/consume_queue.hpp"
#include "storage/queues/consume_queue_search.hpp"

#include <algorithm>
#include <limits>
#include <utility>

namespace troupe::storage {

namespace {

constexpr std::int64_t entry_bytes = queue_entry_bytes;
constexpr std::size_t entries_a_piece = 3200;
/// Far above what messages can reach, and far enough below the largest number to count on.
constexpr std::int64_t max_file_start = std::numeric_limits<std::int64_t>::max() / 2;

} // namespace

result<void> consume_queue::list_files(std::vector<std::string>& warnings) {
  TROUPE_TRY(auto listed, files_.fs().list(directory()));
  std::vector<directory_entry> found;
  for (auto& entry : listed) {
    if (entry.directory || !parse_offset_file_name(entry.name))
      warnings.push_back(directory() + "/" + entry.name + " is no file of a queue and is ignored");
    else
      found.push_back(std::move(entry));
  }
  if (!found.empty() && found.back().size == 0) { // made, but its size did not survive
    auto start = *parse_offset_file_name(found.back().name);
    if (!files_.read_only()) {
      TROUPE_TRY(remove_file(start));
    }
    found.pop_back();
  }
  const auto file_bytes = static_cast<std::int64_t>(files_.file_size_bytes());
  for (auto& entry : found) {
    auto start = *parse_offset_file_name(entry.name);
    if (entry.size != files_.file_size_bytes())
      return damaged(start, "has " + std::to_string(entry.size) + " bytes instead of " +
                                std::to_string(file_bytes));
    if (start > max_file_start)
      return damaged(start, "begins where no queue reaches");
    if (start % file_bytes != 0)
      return damaged(start, "does not begin at a multiple of the file size");
    if (has_files() && start != last_file_ + file_bytes)
      return damaged(start, "does not follow the file before it");
    first_file_ = has_files() ? first_file_ : start;
    last_file_ = start;
  }
  return boost::outcome_v2::success();
}

result<queue_offset> consume_queue::walk(queue_offset from, queue_offset to,
                                         log_offset log_end) const {
  log_offset reached = 0;
  if (from > first_entry()) {
    TROUPE_TRY(auto before, entry(from - 1));
    reached = before.end();
  }
  std::vector<queue_entry> piece;
  for (auto at = from; at < to;) {
    piece.clear();
    TROUPE_TRY(read_files(at, std::min(entries_a_piece, static_cast<std::size_t>(to - at)), piece));
    for (auto& found : piece) {
      if (found.empty()) {
        TROUPE_TRY(auto clean, zeros_behind(at));
        if (!clean)
          return damaged(file_start(at),
                         "holds entries behind an empty one, number " + std::to_string(at));
        return at;
      }
      const bool misplaced = found.filler() ? reached != 0 : found.offset < reached;
      if (!found.valid() || misplaced)
        return damaged(file_start(at), "has a damaged entry, number " + std::to_string(at));
      if (found.end() > log_end)
        return at;
      reached = found.end();
      ++at;
    }
  }
  return to;
}

result<queue_offset> consume_queue::find_end(const log_bounds& log) {
  const auto file_bytes = static_cast<std::int64_t>(files_.file_size_bytes());
  const auto capacity = (last_file_ + file_bytes) / entry_bytes;
  // All places count as entries until it is known where they end.
  next_ = written_ = capacity;
  const auto trusted = std::min(log.trusted_end, log.end);
  TROUPE_TRY(auto end, search(first_entry(), capacity, [trusted](const queue_entry& e) {
               return !e.valid() || e.end() > trusted;
             }));
  if (trusted < log.end) {
    TROUPE_TRY(end, walk(end, capacity, log.end));
  }
  return end;
}

result<bool> consume_queue::zeros_behind(queue_offset end) const {
  const auto file_bytes = static_cast<std::int64_t>(files_.file_size_bytes());
  for (auto start = file_start(end); start <= last_file_; start += file_bytes) {
    TROUPE_TRY(auto in, files_.open(key(start), path(start)));
    const auto from = std::max<std::int64_t>(end * entry_bytes - start, 0);
    TROUPE_TRY(auto zeros, holds_only_zeros(*in, static_cast<std::uint64_t>(from), in->size()));
    if (!zeros)
      return false;
  }
  return true;
}

result<void> consume_queue::load(const log_bounds& log, std::vector<std::string>& warnings) {
  TROUPE_TRY(list_files(warnings));
  if (!has_files())
    return boost::outcome_v2::success();
  TROUPE_TRY(auto end, find_end(log));
  next_ = written_ = end;
  if (end > first_entry()) {
    TROUPE_TRY(auto newest, entry(end - 1));
    log_end_ = newest.end();
    if (end - 1 > first_entry()) { // what lies behind the newest one counts as damaged
      TROUPE_TRY(auto before, entry(end - 2));
      if (!before.filler() && before.end() > newest.offset)
        return damaged(file_start(end - 1),
                       "has a damaged entry, number " + std::to_string(end - 1));
    }
  }
  TROUPE_TRY(auto clean, zeros_behind(end));
  if (!clean && !files_.read_only()) {
    TROUPE_TRY(cut_files(end));
  }
  TROUPE_TRY(min_, search(first_entry(), next_, [&log](const queue_entry& e) {
               return !e.filler() && e.offset >= log.min;
             }));
  if (min_ > first_entry()) { // a damaged entry may have led the search astray
    TROUPE_TRY(auto before, entry(min_ - 1));
    if (!before.valid())
      return damaged(file_start(min_ - 1),
                     "has a damaged entry, number " + std::to_string(min_ - 1));
  }
  return boost::outcome_v2::success();
}

} // namespace troupe::storage
