#include "storage/queues/consume_queue.hpp"

#include "storage/check.hpp"
#include "storage/log/log_file.hpp"
#include "storage/os/sparse_file.hpp"
#include "storage/queues/consume_queue_search.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace troupe::storage {

namespace {

constexpr std::int64_t entry_bytes = queue_entry_bytes;
/// Filler is written in pieces of this many entries.
constexpr std::size_t entries_a_piece = 3200;

} // namespace

consume_queue::consume_queue(queue_files& files, const std::string& topic_directory,
                             std::int32_t queue_id, std::uint32_t number)
    : files_(files), topic_directory_(topic_directory), number_(number), queue_id_(queue_id) {}

std::string consume_queue::directory() const {
  return topic_directory_ + "/" + std::to_string(queue_id_);
}

std::string consume_queue::path(std::int64_t start) const {
  return directory() + "/" + offset_file_name(start);
}

std::int64_t consume_queue::file_start(queue_offset number) const noexcept {
  auto at = number * entry_bytes;
  return at - at % static_cast<std::int64_t>(files_.file_size_bytes());
}

queue_offset consume_queue::first_entry() const noexcept {
  return has_files() ? first_file_ / entry_bytes : written_;
}

consume_queue::append_result consume_queue::append(queue_offset number, const queue_entry& entry,
                                                   std::size_t tail_entries) {
  TROUPE_CHECK(entry.valid() && !entry.filler());
  if (entry.end() <= log_end_)
    return append_result::duplicate;
  if (number < next_)
    return append_result::taken;
  if (number > next_) {
    if (has_entries())
      return append_result::gap;
    // The first entry decides where the queue begins. Filler that is there already may have been
    // cut short by a crash and is written anew with the entry.
    min_ = next_ = written_ = number;
    first_file_ = last_file_ = -1;
  }
  if (tail_.size() >= tail_entries * queue_entry_bytes)
    return append_result::full;
  const auto at = tail_.size();
  tail_.resize(at + queue_entry_bytes);
  store_entry(tail_.data() + at, entry);
  ++next_;
  log_end_ = entry.end();
  return append_result::appended;
}

result<void> consume_queue::fill_up(std::int64_t start, queue_offset to) {
  TROUPE_TRY(auto target, files_.open(key(start), path(start)));
  std::vector<std::byte> piece(entries_a_piece * queue_entry_bytes);
  for (auto* at = piece.data(); at != piece.data() + piece.size();)
    at = store_entry(at, filler_entry);
  for (auto at = start; at < to * entry_bytes;) {
    auto bytes =
        std::min<std::int64_t>(to * entry_bytes - at, static_cast<std::int64_t>(piece.size()));
    std::array<byte_view, 1> parts{byte_view(piece).first(static_cast<std::size_t>(bytes))};
    TROUPE_TRY(target->write_at(static_cast<std::uint64_t>(at - start), parts));
    at += bytes;
  }
  files_.wrote(key(start));
  return boost::outcome_v2::success();
}

/// A queue's first file may begin before its first entry; what is in between is filled, so that
/// nobody takes the zeros for the queue's end. Directories become durable with the file.
result<std::shared_ptr<file>> consume_queue::file_for_append(std::int64_t start) {
  if (has_files() && start <= last_file_)
    return files_.open(key(start), path(start));
  if (!has_files()) {
    TROUPE_TRY(files_.fs().make_directory(topic_directory_));
    TROUPE_TRY(files_.fs().make_directory(directory()));
    files_.changed_directory(topic_directory_.substr(0, topic_directory_.rfind('/')));
    files_.changed_directory(topic_directory_);
  }
  TROUPE_TRY(auto created, files_.create(key(start), path(start)));
  files_.changed_directory(directory());
  if (!has_files()) {
    TROUPE_TRY(fill_up(start, written_));
    first_file_ = start;
  }
  last_file_ = start;
  return created;
}

result<void> consume_queue::write_out() {
  if (tail_.empty())
    return boost::outcome_v2::success();
  const bool was_busy = tail_.size() == tail_.capacity();
  const auto file_bytes = static_cast<std::int64_t>(files_.file_size_bytes());
  std::size_t done = 0;
  result<void> outcome = boost::outcome_v2::success();
  while (done < tail_.size()) {
    const auto start = file_start(written_);
    const auto at = written_ * entry_bytes - start;
    const auto bytes = std::min(tail_.size() - done, static_cast<std::size_t>(file_bytes - at));
    auto target = file_for_append(start);
    if (target.has_error()) {
      outcome = std::move(target).error();
      break;
    }
    std::array<byte_view, 1> parts{byte_view(tail_).subspan(done, bytes)};
    outcome = target.value()->write_at(static_cast<std::uint64_t>(at), parts);
    files_.wrote(key(start)); // also after an error: a part may be there
    if (outcome.has_error())
      break;
    done += bytes;
    written_ += static_cast<queue_offset>(bytes / queue_entry_bytes);
  }
  tail_.erase(tail_.begin(), tail_.begin() + static_cast<std::ptrdiff_t>(done));
  if (tail_.empty() && !was_busy)
    tail_ = {}; // thousands of quiet queues should not hold a buffer each
  return outcome;
}

queue_extent consume_queue::extent() const noexcept {
  return {.first = first_entry(),
          .min = min_,
          .written = written_,
          .next = next_,
          .log_end = log_end_,
          .file_bytes = static_cast<std::int64_t>(files_.file_size_bytes()),
          .tail = tail_};
}

queue_view consume_queue::view() const {
  auto now = extent();
  now.tail = {};
  return {number_, cuts_, directory(), now, tail_};
}

result<void> consume_queue::read_files(queue_offset from, std::size_t count,
                                       std::vector<queue_entry>& into) const {
  return reading([&](const queue_reading& all) { return all.read_files(from, count, into); });
}

result<void> consume_queue::read(queue_offset from, std::size_t count,
                                 std::vector<queue_entry>& into) const {
  return reading([&](const queue_reading& all) { return all.read(from, count, into); });
}

result<queue_entry> consume_queue::entry(queue_offset number) const {
  return reading([&](const queue_reading& all) { return all.entry(number); });
}

result<queue_offset> consume_queue::find_first(log_offset offset) const {
  return reading([&](const queue_reading& all) { return all.find_first(offset); });
}

result<queue_offset> consume_queue::next_until(log_offset log_end) const {
  if (log_end_ <= log_end)
    return next_;
  TROUPE_TRY(auto end, search(first_entry(), next_, [log_end](const queue_entry& e) {
               return !e.filler() && e.end() > log_end;
             }));
  if (end == first_entry())
    return 0;
  TROUPE_TRY(auto newest, entry(end - 1));
  return newest.filler() ? 0 : end;
}

result<bool> consume_queue::fits(queue_offset first, std::span<const queue_entry> right) const {
  const auto end = first + static_cast<queue_offset>(right.size());
  if (right.empty() || first < first_entry() || end > written_)
    return false;
  log_offset behind = 0;
  if (first > first_entry()) {
    TROUPE_TRY(auto before, entry(first - 1));
    if (!before.valid())
      return false;
    behind = before.end();
  }
  for (auto& one : right) {
    if (!one.valid() || one.filler() || one.offset < behind)
      return false;
    behind = one.end();
  }
  if (end == next_)
    return true;
  TROUPE_TRY(auto after, entry(end));
  return after.valid() && !after.filler() && after.offset >= behind;
}

result<bool> consume_queue::correct(queue_offset first, std::span<const queue_entry> right) {
  TROUPE_TRY(auto fitting, fits(first, right));
  if (!fitting)
    return false;
  ++cuts_;
  std::vector<std::byte> bytes(right.size() * queue_entry_bytes);
  auto* to = bytes.data();
  for (auto& one : right)
    to = store_entry(to, one);
  const auto end = first + static_cast<queue_offset>(right.size());
  const auto file_entries = static_cast<std::int64_t>(files_.file_size_bytes()) / entry_bytes;
  for (auto number = first; number < end;) {
    const auto start = file_start(number);
    const auto upto = std::min(end, start / entry_bytes + file_entries);
    TROUPE_TRY(auto target, files_.open(key(start), path(start)));
    std::array<byte_view, 1> parts{
        byte_view(bytes).subspan(static_cast<std::size_t>((number - first) * entry_bytes),
                                 static_cast<std::size_t>((upto - number) * entry_bytes))};
    TROUPE_TRY(target->write_at(static_cast<std::uint64_t>(number * entry_bytes - start), parts));
    files_.wrote(key(start));
    TROUPE_TRY(target->sync());
    number = upto;
  }
  if (end == next_)
    log_end_ = right.back().end();
  return true;
}

result<void> consume_queue::remove_file(std::int64_t start) {
  files_.forget(key(start));
  TROUPE_TRY(files_.fs().remove(path(start)));
  files_.changed_directory(directory());
  return boost::outcome_v2::success();
}

/// Removes what the files hold from entry `end` on. The first file stays even when it is left
/// without entries, as the queue's numbering would be lost with it.
result<void> consume_queue::cut_files(queue_offset end) {
  const auto file_bytes = static_cast<std::int64_t>(files_.file_size_bytes());
  while (last_file_ > first_file_ && last_file_ >= end * entry_bytes) {
    TROUPE_TRY(remove_file(last_file_));
    last_file_ -= file_bytes;
  }
  const auto from = end * entry_bytes - last_file_;
  if (from >= file_bytes)
    return boost::outcome_v2::success();
  TROUPE_TRY(auto last, files_.open(key(last_file_), path(last_file_)));
  files_.wrote(key(last_file_));
  return clear_sparsely(*last, static_cast<std::uint64_t>(from), files_.file_size_bytes());
}

result<void> consume_queue::truncate(log_offset log_end) {
  if (log_end_ <= log_end)
    return boost::outcome_v2::success();
  TROUPE_TRY(auto end, search(first_entry(), next_, [log_end](const queue_entry& e) {
               return !e.filler() && e.end() > log_end;
             }));
  ++cuts_;
  if (end < written_) {
    TROUPE_TRY(cut_files(end));
    written_ = end;
    tail_ = {};
  } else {
    tail_.resize(static_cast<std::size_t>((end - written_) * entry_bytes));
  }
  next_ = end;
  min_ = std::min(min_, next_);
  log_end_ = 0;
  if (next_ > first_entry()) {
    TROUPE_TRY(auto newest, entry(next_ - 1));
    log_end_ = newest.filler() ? 0 : newest.end();
  }
  return boost::outcome_v2::success();
}

result<void> consume_queue::hide_until(log_offset offset) {
  TROUPE_TRY(min_, search(min_, next_, [offset](const queue_entry& e) {
               return !e.filler() && e.offset >= offset;
             }));
  return boost::outcome_v2::success();
}

result<void> consume_queue::drop_until(log_offset log_min) {
  TROUPE_TRY(hide_until(log_min));
  const auto file_bytes = static_cast<std::int64_t>(files_.file_size_bytes());
  while (first_file_ < last_file_ && (first_file_ + file_bytes) / entry_bytes <= min_) {
    TROUPE_TRY(remove_file(first_file_));
    first_file_ += file_bytes;
  }
  return boost::outcome_v2::success();
}

result<void> consume_queue::remove_files() {
  auto listed = files_.fs().list(directory());
  if (listed.has_error() && listed.error().code != errc::not_found)
    return std::move(listed).error();
  if (listed.has_value()) {
    for (auto& found : listed.value()) {
      if (auto start = parse_offset_file_name(found.name))
        files_.forget(key(*start));
      TROUPE_TRY(files_.fs().remove(directory() + "/" + found.name));
    }
    TROUPE_TRY(files_.fs().remove(directory()));
    files_.changed_directory(topic_directory_);
  }
  ++cuts_;
  tail_ = {};
  min_ = next_ = written_ = 0;
  log_end_ = 0;
  first_file_ = last_file_ = -1;
  return boost::outcome_v2::success();
}

error consume_queue::damaged(std::int64_t start, const std::string& what) const {
  return reading([&](const queue_reading& all) { return all.damaged(start, what); });
}

} // namespace troupe::storage
