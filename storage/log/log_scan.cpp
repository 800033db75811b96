#include "storage/log/log_scan.hpp"

#include "storage/check.hpp"
#include "storage/mutant.hpp"
#include "storage/os/parallel.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace troupe::storage {

namespace {

/// Both magic numbers begin with this byte, 4 bytes into the record.
constexpr int magic_first_byte = 0xda;
constexpr std::size_t magic_at = 4;

/// What a thread checks at a time: much against the cost of a thread, little enough to tell how far
/// a slow disk is.
constexpr std::uint64_t piece_bytes = 16 * mib;

bool is_zero(byte_view bytes) noexcept {
  return bytes.empty() || (bytes.front() == std::byte{0} &&
                           std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0);
}

} // namespace

log_scan::log_scan(file_system& fs, const options& o, std::vector<log_file_entry> files)
    : fs_(fs), options_(o), files_(std::move(files)) {
  TROUPE_CHECK(!files_.empty());
}

log_offset log_scan::limit() const noexcept {
  return files_.back().start + static_cast<log_offset>(options_.log_file_size_bytes);
}

log_offset log_scan::file_start(log_offset offset) const noexcept {
  return offset - offset % static_cast<log_offset>(options_.log_file_size_bytes);
}

result<log_scan::run> log_scan::walk(log_offset from, const visitor& visit) {
  run answer;
  answer.end = from;
  if (first_ < 0)
    first_ = from;
  auto goes_on = true;
  while (goes_on && answer.end < limit()) {
    TROUPE_TRY(load(file_start(answer.end)));
    auto file_end = start_ + static_cast<log_offset>(options_.log_file_size_bytes);
    auto parts = split(answer.end);
    run_parallel(parts.size(), [&](std::size_t i) { check(parts[i]); });
    for (auto& part : parts) {
      if (part.from != answer.end)
        break; // what was found there lies inside a record: go on from where that ends
      if (visit)
        visit_records(part, visit);
      if (part.last)
        answer.last = part.last;
      answer.end = part.end;
      answer.problem = part.problem;
      if (part.next == record_kind::message)
        continue;
      goes_on = part.next == record_kind::blank && file_end != limit();
      if (goes_on)
        answer.end = file_end;
      break;
    }
    note_damage();
    progress_(static_cast<std::uint64_t>(answer.end - first_),
              static_cast<std::uint64_t>((goes_on ? limit() : answer.end) - first_));
  }
  return answer;
}

/// Cuts what lies behind `from` into one piece for each thread. Each next one begins at a record
/// that is found without walking there; whether the log really leads to it, the walk sees later.
std::vector<log_scan::piece> log_scan::split(log_offset from) const {
  auto threads = thread_count(options_.scan_threads);
  auto file_end = start_ + static_cast<log_offset>(options_.log_file_size_bytes);
  std::vector<piece> parts;
  while (from < file_end) {
    auto& added = parts.emplace_back();
    added.from = from;
    added.stop = std::min(file_end, from + static_cast<log_offset>(piece_bytes));
    if (parts.size() == threads || added.stop == file_end)
      break;
    auto at = static_cast<std::size_t>(added.stop - start_);
    auto next = find_in_file(at, at + piece_bytes);
    if (!next)
      break;
    from = added.stop = next->offset;
  }
  return parts;
}

void log_scan::check(piece& part) const {
  part.end = part.from;
  while (part.end < part.stop) {
    auto found = decode(part.end);
    if (found.kind != record_kind::message) {
      part.next = found.kind;
      part.problem = found.problem;
      return;
    }
    part.last = record{part.end, found.size, found.view.store_timestamp};
    part.end += found.size;
  }
}

void log_scan::visit_records(const piece& part, const visitor& visit) const {
  for (auto at = part.from; at < part.end;) {
    auto found = decode(at, verify::structure);
    if (found.kind != record_kind::message)
      return; // somebody writes there now
    visit(found.view);
    at += found.size;
  }
}

result<std::optional<log_scan::record>> log_scan::record_at(log_offset offset) {
  if (offset < begin() || offset >= limit())
    return std::optional<record>{};
  TROUPE_TRY(load(file_start(offset)));
  auto found = decode(offset);
  note_damage();
  if (found.kind != record_kind::message)
    return std::optional<record>{};
  return std::optional(record{offset, found.size, found.view.store_timestamp});
}

result<bool> log_scan::continues_at(log_offset offset) {
  if (offset < begin() || offset >= limit())
    return false;
  TROUPE_TRY(load(file_start(offset)));
  auto found = decode(offset);
  note_damage();
  return found.kind != record_kind::end;
}

result<std::optional<log_scan::record>> log_scan::record_ending_at(log_offset offset) {
  std::optional<record> answer;
  if (offset <= begin() || offset > limit())
    return answer;
  TROUPE_TRY(load(file_start(offset - 1)));
  auto* bytes = map_->bytes().data();
  auto end = static_cast<std::size_t>(offset - start_);
  // [magic_at, stop) is where the magic of a record that ends here may begin.
  auto stop = end - std::min<std::size_t>(end, record_layout::fixed_bytes_v1 - magic_at - 1);
  while (!answer && stop > magic_at) {
    auto* magic = ::memrchr(bytes + magic_at, magic_first_byte, stop - magic_at);
    if (magic == nullptr)
      break;
    stop = static_cast<std::size_t>(static_cast<const std::byte*>(magic) - bytes);
    auto from = stop - magic_at;
    auto at = start_ + static_cast<log_offset>(from);
    auto found = decode(at);
    if (found.kind == record_kind::message && from + found.size == end)
      answer = record{at, found.size, found.view.store_timestamp};
  }
  note_damage();
  return answer;
}

result<std::optional<log_scan::record>> log_scan::find(log_offset from) {
  while (from < limit()) {
    TROUPE_TRY(load(file_start(from)));
    auto found = find_in_file(static_cast<std::size_t>(from - start_), map_->bytes().size());
    note_damage();
    if (found)
      return found;
    from = start_ + static_cast<log_offset>(options_.log_file_size_bytes);
  }
  return std::optional<record>{};
}

std::optional<log_scan::record> log_scan::find_in_file(std::size_t from, std::size_t to) const {
  auto bytes = map_->bytes().first(std::min(to, map_->bytes().size()));
  while (from + record_layout::fixed_bytes_v1 <= bytes.size()) {
    // A record's size may begin with zeros, so it may start a little before the data.
    auto filled = filled_from(from + magic_at);
    from = filled.begin - magic_at;
    auto stop = std::min(filled.end, bytes.size()) - magic_at;
    while (from < stop) {
      auto* magic = std::memchr(bytes.data() + from + magic_at, magic_first_byte, stop - from);
      if (magic == nullptr) {
        from = stop;
        break;
      }
      auto distance = static_cast<const std::byte*>(magic) - bytes.data();
      from = static_cast<std::size_t>(distance) - magic_at;
      auto offset = start_ + static_cast<log_offset>(from);
      if (auto found = decode(offset); found.kind == record_kind::message)
        return record{offset, found.size, found.view.store_timestamp};
      ++from;
    }
  }
  return std::nullopt;
}

bool log_scan::is_leftover(const record& found, const std::optional<record>& last) const noexcept {
  return last && file_start(found.offset) == file_start(last->offset) &&
         found.store_timestamp < last->store_timestamp;
}

result<bool> log_scan::all_zero(log_offset from, log_offset to) {
  to = std::min(to, limit());
  while (from < to) {
    TROUPE_TRY(load(file_start(from)));
    auto bytes = map_->bytes();
    auto at = static_cast<std::size_t>(from - start_);
    auto stop = std::min(bytes.size(), static_cast<std::size_t>(to - start_));
    while (at < stop) {
      auto filled = filled_from(at);
      at = filled.end;
      if (filled.begin < stop &&
          !is_zero(bytes.subspan(filled.begin, std::min(at, stop) - filled.begin)))
        return false;
    }
    note_damage();
    from = start_ + static_cast<log_offset>(bytes.size());
  }
  return true;
}

/// Maps the file that starts at `start` in place of the one before.
result<void> log_scan::load(log_offset start) {
  if (start == start_)
    return boost::outcome_v2::success();
  auto path = log_file_path(options_, start);
  TROUPE_TRY(auto opened, fs_.open(path, open_mode::read));
  TROUPE_TRY(auto map, opened->map(access::sequential));
  if (map->bytes().size() != options_.log_file_size_bytes)
    return error{errc::corrupt, path + " changed its size meanwhile; is another program using it?"};
  filled_.clear();
  for (std::uint64_t at = 0; at < options_.log_file_size_bytes;) {
    auto begin = opened->next_data(at);
    at = std::max(begin + 1, opened->next_hole(begin));
    if (begin < options_.log_file_size_bytes)
      filled_.push_back({static_cast<std::size_t>(begin),
                         static_cast<std::size_t>(std::min(at, options_.log_file_size_bytes))});
  }
  file_ = std::move(opened);
  map_ = std::move(map);
  start_ = start;
  return boost::outcome_v2::success();
}

/// What is filled from `at` on; empty at the file's end if nothing is.
log_scan::filled_range log_scan::filled_from(std::size_t at) const noexcept {
  auto found = std::ranges::upper_bound(filled_, at, {}, &filled_range::end);
  if (found == filled_.end())
    return {map_->bytes().size(), map_->bytes().size()};
  return {std::max(at, found->begin), found->end};
}

decoded log_scan::decode(log_offset offset, verify what) const {
  auto bytes = map_->bytes().subspan(static_cast<std::size_t>(offset - start_));
  auto found =
      decode_record(bytes, offset, TROUPE_MUTANT("crc-not-checked") ? verify::structure : what);
  // Nothing could be written behind such a record, so nobody wrote it.
  auto left = bytes.size() - found.size;
  if (found.kind == record_kind::message && left > 0 && left < blank_header_bytes) {
    found.kind = record_kind::end;
    found.problem = "the record leaves no room for the blank that ends a file";
  }
  return found;
}

void log_scan::note_damage() {
  if (unreadable_.empty() && map_->damaged())
    unreadable_ = file_->path();
}

} // namespace troupe::storage
