#include "storage/recovery/index_compare.hpp"

#include "storage/index/index_file.hpp"
#include "storage/log/log_scan.hpp"
#include "storage/log/log_view.hpp"

#include <algorithm>
#include <limits>
#include <tuple>
#include <utility>

namespace troupe::storage {

namespace {

constexpr std::size_t records_a_piece = 4096;
/// Nearly always the record behind a file's last one is the one that is looked for; and not much
/// more than `gap_bytes` is to be read.
constexpr std::size_t records_in_gap = 8;

/// A key of a record, as the log has it or as an entry does.
struct indexed_key {
  log_offset offset = 0;
  std::uint32_t hash = 0;
  std::int64_t time = 0;     ///< of storing, if it comes from the log
  std::int32_t seconds = -1; ///< behind `begin`, if it comes from an entry
  std::int64_t begin = 0;    ///< 0: seconds that count from elsewhere

  auto order() const noexcept { return std::tie(offset, hash); }
  bool operator<(const indexed_key& other) const noexcept { return order() < other.order(); }
};

std::string at(log_offset offset) {
  return "log offset " + std::to_string(offset);
}

/// One comparison at work. A reason is empty where nothing is wrong.
class index_comparison {
public:
  index_comparison(file_system& fs, const options& o, const index_scope& scope)
      : fs_(fs), options_(o), scope_(scope), geometry_{o.index_slots, o.index_entries},
        view_(fs, o, scope.log_min) {}

  result<std::optional<index_fault>> run();

private:
  struct index_map {
    index_header header;
    std::shared_ptr<mapping> map;
  };

  result<index_map> open(const std::string& path) const;
  index_entry entry(const index_map& in, std::uint32_t number) const;
  std::uint32_t slot(const index_map& in, std::uint32_t number) const;
  std::string wrong_header(const index_map& in);
  std::string wrong_record(log_offset offset, std::int64_t earliest, std::int64_t latest);
  std::optional<index_fault> find_gap();
  std::optional<log_offset> keyed_record(log_offset from, bool behind, log_offset to);
  result<std::optional<index_fault>> compare_newest();
  result<std::vector<indexed_key>> newest_keys();
  std::uint32_t collect(const index_map& in, log_offset from, std::vector<indexed_key>& keys) const;
  std::string wrong_chain(const index_map& in, std::uint32_t first) const;
  std::size_t file_of(log_offset offset) const;
  bool is_dead(const std::string& topic, log_offset offset) const;

  file_system& fs_;
  const options& options_;
  const index_scope& scope_;
  index_geometry geometry_;
  log_view view_;
  std::vector<index_header> headers_;
};

result<std::optional<index_fault>> index_comparison::run() {
  for (auto& path : scope_.files) {
    TROUPE_TRY(auto in, open(path));
    auto reason = wrong_header(in);
    if (in.map->damaged())
      reason = "a part of it cannot be read";
    if (reason.empty() && !headers_.empty() && in.header.begin_offset < headers_.back().end_offset)
      reason = "it begins before the end of the one before it";
    if (!reason.empty())
      return std::optional(index_fault{headers_.size(), std::move(reason)});
    headers_.push_back(in.header);
  }
  if (auto gap = find_gap())
    return gap;
  return compare_newest();
}

result<index_comparison::index_map> index_comparison::open(const std::string& path) const {
  TROUPE_TRY(auto file, fs_.open(path, open_mode::read));
  TROUPE_TRY(auto map, file->map(access::random));
  if (map->bytes().size() != geometry_.file_bytes())
    return error{errc::corrupt, path + " changed its size meanwhile"};
  return index_map{load_index_header(map->bytes().data()), std::move(map)};
}

index_entry index_comparison::entry(const index_map& in, std::uint32_t number) const {
  return load_index_entry(in.map->bytes().data() + geometry_.entry_at(number));
}

std::uint32_t index_comparison::slot(const index_map& in, std::uint32_t number) const {
  return big_endian::load<std::uint32_t>(in.map->bytes().data() + geometry_.slot_at(number));
}

// -- headers -------------------------------------------------------------------------------------

/// A file is made when there is an entry for it, so one without any has lost them.
std::string index_comparison::wrong_header(const index_map& in) {
  auto& h = in.header;
  if (h.next_entry <= 1)
    return "its header says that it is empty";
  if (h.next_entry > geometry_.entries)
    return "its header counts more entries than it has room for";
  if (h.used_slots == 0 || h.used_slots > std::min(geometry_.slots, h.next_entry - 1))
    return "its header counts " + std::to_string(h.used_slots) + " slots in use";
  if (entry(in, 1).offset != h.begin_offset)
    return "its first entry is not the one that its header names";
  if (entry(in, h.next_entry - 1).offset != h.end_offset)
    return "its last entry is not the one that its header names";
  if (h.next_entry < geometry_.entries && !entry(in, h.next_entry).empty())
    return "it has more entries than its header counts";
  if (h.begin_offset < 0 || h.begin_offset > h.end_offset || h.end_offset >= scope_.to)
    return "the part of the log that its header names cannot be";
  if (h.begin_time > h.end_time)
    return "its time span ends before it begins";
  auto reason = wrong_record(h.begin_offset, h.begin_time, h.begin_time);
  return reason.empty() ? wrong_record(h.end_offset, 0, h.end_time) : reason;
}

std::string index_comparison::wrong_record(log_offset offset, std::int64_t earliest,
                                           std::int64_t latest) {
  if (offset < scope_.log_min)
    return {}; // expired
  auto found = view_.read(offset);
  if (found.has_error())
    return found.error().code == errc::not_found ? "no message starts at " + at(offset) : "";
  auto time = found.value().view.store_timestamp;
  if (time < earliest || time > latest)
    return "the message at " + at(offset) + " was stored outside the time span of its header";
  return {};
}

// -- gaps ----------------------------------------------------------------------------------------

/// Files of which one is missing, or the first or the last.
std::optional<index_fault> index_comparison::find_gap() {
  auto covered = scope_.log_min;
  bool behind = false;
  for (std::size_t place = 0; place <= headers_.size(); ++place) {
    bool last = place == headers_.size();
    auto to = last ? scope_.to : headers_[place].begin_offset;
    if (auto missed = keyed_record(covered, behind, to))
      return index_fault{place, "no file holds the keys of the message at " + at(*missed)};
    if (!last && headers_[place].end_offset >= covered) {
      covered = headers_[place].end_offset;
      behind = true;
    }
  }
  return std::nullopt;
}

/// The first record with a key from `from` (a record's start) on, or behind that one, before `to`.
std::optional<log_offset> index_comparison::keyed_record(log_offset from, bool behind,
                                                         log_offset to) {
  const auto far = static_cast<std::uint64_t>(std::max(log_offset{0}, to - from));
  const auto limit = from + static_cast<log_offset>(std::min(far, scope_.gap_bytes));
  for (auto next = from; next < limit;) {
    auto batch = view_.positions(next, scope_.to, records_in_gap);
    if (batch.has_error() || batch.value().to <= next)
      break;
    for (auto& record : batch.value().positions) {
      if (record.offset >= limit)
        return std::nullopt;
      if (record.keys > 0 && !(behind && record.offset == from) &&
          !is_dead(batch.value().topics[record.topic], record.offset))
        return record.offset;
    }
    next = batch.value().to;
  }
  return std::nullopt;
}

// -- the newest part -----------------------------------------------------------------------------

result<std::optional<index_fault>> index_comparison::compare_newest() {
  TROUPE_TRY(auto wanted, newest_keys());
  if (wanted.empty())
    return std::optional<index_fault>{};
  std::vector<indexed_key> known;
  for (auto place = headers_.size(); place-- > 0;) {
    if (headers_[place].end_offset < wanted.front().offset)
      break;
    TROUPE_TRY(auto in, open(scope_.files[place]));
    auto reason = wrong_chain(in, collect(in, wanted.front().offset, known));
    if (in.map->damaged())
      reason = "a part of it cannot be read";
    if (!reason.empty())
      return std::optional(index_fault{place, std::move(reason)});
  }
  std::stable_sort(wanted.begin(), wanted.end());
  std::stable_sort(known.begin(), known.end());
  auto found = known.begin();
  for (auto& key : wanted) {
    while (found != known.end() && *found < key)
      ++found;
    if (found == known.end() || key < *found)
      return std::optional(index_fault{file_of(key.offset), "a key of the message at " +
                                                                at(key.offset) + " is missing"});
    if (found->begin != 0 && found->seconds != index_seconds(found->begin, key.time))
      return std::optional(
          index_fault{file_of(key.offset),
                      "its entry for the message at " + at(key.offset) + " has another time"});
    ++found;
  }
  return std::optional<index_fault>{};
}

/// Of the newest part of the log, in its order.
result<std::vector<indexed_key>> index_comparison::newest_keys() {
  std::vector<indexed_key> keys;
  if (scope_.newest_bytes == 0) // the log may not even be here
    return keys;
  TROUPE_TRY(auto log, list_log(fs_, options_));
  if (log.listing.files.empty())
    return keys;
  log_scan scan(fs_, options_, std::move(log.listing.files));
  const auto all = static_cast<std::uint64_t>(std::max(log_offset{0}, scope_.to - scope_.log_min));
  auto next = scope_.to - static_cast<log_offset>(std::min(all, scope_.newest_bytes));
  bool at_record = next == scope_.log_min;
  while (next < scope_.to) {
    if (!at_record) {
      TROUPE_TRY(auto found, scan.find(next));
      if (!found || found->offset >= scope_.to)
        break;
      next = found->offset;
    }
    auto batch = view_.positions(next, scope_.to, records_a_piece);
    if (batch.has_error() && batch.error().code != errc::corrupt)
      return std::move(batch).error();
    at_record = batch.has_value() && batch.value().to > next;
    if (!at_record) {
      next += 1;
      continue;
    }
    auto hash = batch.value().key_hashes.begin();
    for (auto& record : batch.value().positions) {
      if (!is_dead(batch.value().topics[record.topic], record.offset))
        for (auto i = 0; i < record.keys; ++i)
          keys.push_back({record.offset, hash[i], record.store_timestamp, -1, 0});
      hash += record.keys;
    }
    next = batch.value().to;
  }
  return keys;
}

/// Entries of records from `from` on. They are the newest; one that is damaged may say anything, so
/// only a long run of others ends the search. Returns the number of the oldest that was looked at.
std::uint32_t index_comparison::collect(const index_map& in, log_offset from,
                                        std::vector<indexed_key>& keys) const {
  constexpr std::uint32_t long_run = 256;
  std::uint32_t others = 0;
  auto number = in.header.next_entry;
  while (number > 1 && others < long_run) {
    auto e = entry(in, --number);
    if (e.offset >= from) {
      // RocketMQ counts the first entry's seconds from where the file before ended.
      keys.push_back({e.offset, e.hash, 0, e.seconds, number == 1 ? 0 : in.header.begin_time});
      others = 0;
    } else {
      ++others;
    }
  }
  return number;
}

/// Whether slots and links lead to all entries from `first` on.
std::string index_comparison::wrong_chain(const index_map& in, std::uint32_t first) const {
  constexpr auto unseen = std::numeric_limits<std::uint32_t>::max();
  std::vector<std::uint32_t> next(geometry_.slots, unseen);
  for (auto number = in.header.next_entry; number-- > first;) {
    auto e = entry(in, number);
    auto place = e.hash % geometry_.slots;
    if (next[place] == unseen)
      next[place] = slot(in, place);
    if (next[place] != number)
      return "no slot or link leads to its entry " + std::to_string(number);
    next[place] = e.previous;
  }
  std::uint32_t used = 0;
  for (auto follows : next) {
    if (follows != unseen && follows >= first)
      return "a link leads to entry " + std::to_string(follows) + " of another slot";
    used += follows != unseen ? 1 : 0;
  }
  if (first == 1 && used != in.header.used_slots)
    return "its header counts " + std::to_string(in.header.used_slots) +
           " slots in use instead of " + std::to_string(used);
  return {};
}

bool index_comparison::is_dead(const std::string& topic, log_offset offset) const {
  auto dead = scope_.dead.find(topic);
  return dead != scope_.dead.end() && offset < dead->second;
}

std::size_t index_comparison::file_of(log_offset offset) const {
  auto found = std::ranges::find_if(headers_, [&](auto& h) { return h.end_offset >= offset; });
  return static_cast<std::size_t>(found - headers_.begin());
}

} // namespace

result<std::optional<index_fault>> compare_index(file_system& fs, const options& o,
                                                 const index_scope& scope) {
  return index_comparison(fs, o, scope).run();
}

} // namespace troupe::storage
