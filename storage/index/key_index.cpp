#include "storage/index/key_index.hpp"

#include "storage/check.hpp"
#include "storage/format/properties.hpp"
#include "storage/log/log_file.hpp"
#include "storage/logging.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <ctime>
#include <utility>

namespace troupe::storage {

namespace {

constexpr std::size_t name_digits = 17;
/// Beyond these the index writes by itself: 5 MiB of entries, 20 MiB of slots, which is all that a
/// file of the usual size has. Each time all slots that were touched are written.
constexpr std::size_t max_buffered_entries = 262'144;
constexpr std::size_t max_loaded_pages = 5'120;
/// Entries that one query looks at: with an ordinary file system a fraction of a second.
constexpr std::size_t max_query_steps = 65'536;

bool is_index_name(std::string_view name) noexcept {
  return name.size() == name_digits &&
         std::ranges::all_of(name, [](char c) { return c >= '0' && c <= '9'; });
}

/// yyyyMMddHHmmssSSS in local time.
std::string name_of_time(std::int64_t ms) {
  const auto seconds = static_cast<std::time_t>(ms / 1000);
  std::tm parts{};
  ::localtime_r(&seconds, &parts);
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), "%04d%02d%02d%02d%02d%02d%03d", parts.tm_year + 1900,
                parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec,
                static_cast<int>(ms % 1000));
  return text.data();
}

bool may_hold(const index_file& one, const index_search& search) noexcept {
  const auto& header = one.header();
  return one.has_entries() && header.begin_time <= search.end_ms &&
         header.end_time >= search.begin_ms;
}

void log_damage(index_file& one) {
  if (one.met_damage())
    log_warning("index.damaged", {{"file", one.path()},
                                  {"reason", "a slot or an entry leads elsewhere: keys may not "
                                             "be found; remove the file while the node is "
                                             "stopped, and its keys are indexed again"}});
}

} // namespace

key_index::key_index(file_system& fs, const options& o, const wall_clock& clock)
    : fs_(fs), geometry_{o.index_slots, o.index_entries}, clock_(clock),
      directory_(index_directory(o)) {}

result<std::unique_ptr<key_index>> key_index::open(file_system& fs, const options& o,
                                                   const wall_clock& clock) {
  if (o.index_slots == 0 || o.index_entries < 2)
    return error{errc::invalid_argument,
                 "max-hash-slot-num must be at least 1 and max-index-num at least 2"};
  TROUPE_TRY(make_directories(fs, index_directory(o)));
  std::unique_ptr<key_index> index(new key_index(fs, o, clock));
  TROUPE_TRY(index->load());
  return index;
}

result<void> key_index::load() {
  TROUPE_TRY(auto listed, fs_.list(directory_));
  for (auto& found : listed) {
    auto path = directory_ + "/" + found.name;
    if (found.directory || !is_index_name(found.name)) {
      warnings_.push_back(path + " is no index file and is ignored");
      continue;
    }
    newest_name_ = found.name;
    if (found.size == 0) { // made, but its size did not survive a crash
      TROUPE_TRY(fs_.remove(path));
      continue;
    }
    auto opened = index_file::open(fs_, path, geometry_);
    if (opened.has_error() && opened.error().code != errc::corrupt)
      return std::move(opened).error();
    if (opened.has_error()) {
      warnings_.push_back(opened.error().message +
                          ": keys in it are not found; remove it, or correct "
                          "max-hash-slot-num and max-index-num");
      continue;
    }
    if (!opened.value()->plausible()) {
      warnings_.push_back(path + " has an impossible header and counts as empty");
      opened.value()->disbelieve_header();
    }
    files_.push_back(std::move(opened.value()));
  }
  if (!files_.empty() && (files_.back()->has_entries() || files_.back()->header().end_time > 0))
    last_record_ = files_.back()->header().end_offset;
  return boost::outcome_v2::success();
}

/// Now, or one above the newest name there is: names order the files, whatever the clock does.
std::string key_index::next_name() const {
  auto name = name_of_time(clock_.now_ms());
  if (name.size() == name_digits && name > newest_name_)
    return name;
  std::uint64_t number = 0;
  std::from_chars(newest_name_.data(), newest_name_.data() + newest_name_.size(), number);
  auto digits = std::to_string(number + 1);
  return std::string(name_digits - std::min(name_digits, digits.size()), '0') + digits;
}

result<void> key_index::add_file() {
  const auto name = next_name();
  const auto path = directory_ + "/" + name;
  const auto before = files_.empty() ? index_header{} : files_.back()->header();
  auto created = index_file::create(fs_, path, geometry_, before);
  newest_name_ = name;
  if (created.has_error()) {
    auto removed = fs_.remove(path); // else the next start removes it or reports it
    static_cast<void>(removed);
    return std::move(created).error();
  }
  files_.push_back(std::move(created.value()));
  directory_changed_ = ++writes_;
  return boost::outcome_v2::success();
}

/// Afterwards the last file takes an entry of that time, and memory is below its bounds.
result<void> key_index::make_room(std::int64_t store_timestamp) {
  if (!files_.empty()) {
    auto& last = *files_.back();
    if (!last.takes(store_timestamp) || last.buffered_entries() >= max_buffered_entries ||
        last.loaded_pages() >= max_loaded_pages) {
      TROUPE_TRY(write_out());
    }
    if (last.takes(store_timestamp))
      return boost::outcome_v2::success();
  }
  return add_file();
}

result<void> key_index::add(log_offset offset, std::int64_t store_timestamp,
                            std::span<const std::uint32_t> key_hashes) {
  if (offset < last_record_ || (offset == last_record_ && last_complete_) || key_hashes.empty())
    return boost::outcome_v2::success();
  if (offset != last_record_) {
    last_record_ = offset;
    last_keys_ = 0;
  }
  last_complete_ = false;
  for (; last_keys_ < key_hashes.size(); ++last_keys_) {
    TROUPE_TRY(make_room(store_timestamp));
    TROUPE_TRY(files_.back()->add(key_hashes[last_keys_], offset, store_timestamp));
  }
  last_complete_ = true;
  return boost::outcome_v2::success();
}

result<void> key_index::add(const position_batch& batch) {
  std::span<const std::uint32_t> hashes(batch.key_hashes);
  for (auto& record : batch.positions) {
    if (record.keys > hashes.size())
      return error{errc::invalid_argument,
                   "batch of positions has fewer key hashes than its positions say"};
    TROUPE_TRY(add(record.offset, record.store_timestamp, hashes.first(record.keys)));
    hashes = hashes.subspan(record.keys);
  }
  return boost::outcome_v2::success();
}

result<void> key_index::write_out() {
  if (files_.empty() || !files_.back()->has_unwritten())
    return boost::outcome_v2::success();
  changed(files_.back()->path());
  return files_.back()->write_out();
}

void key_index::distrust() {
  for (auto& one : files_)
    changed(one->path());
  directory_changed_ = ++writes_;
}

unsynced_index_files key_index::unsynced() const {
  unsynced_index_files result;
  result.mark = writes_;
  for (auto& [path, written] : unsynced_)
    result.files.push_back(path);
  if (directory_changed_ != 0)
    result.directories.push_back(directory_);
  return result;
}

void key_index::synced(const unsynced_index_files& done) {
  for (auto& path : done.files) {
    auto found = unsynced_.find(path);
    if (found == unsynced_.end() || found->second > done.mark)
      continue;
    unsynced_.erase(found);
    for (std::size_t i = 0; i + 1 < files_.size(); ++i)
      if (files_[i]->path() == path)
        files_[i]->close();
  }
  if (directory_changed_ <= done.mark)
    directory_changed_ = 0;
}

index_search key_index::search_for(std::string_view topic, std::string_view key, std::size_t count,
                                   std::int64_t begin_ms, std::int64_t end_ms) {
  index_search search;
  search.hash = key_hash(topic, key);
  search.begin_ms = begin_ms;
  search.end_ms = end_ms;
  search.wanted = std::min(count, max_found);
  search.steps_left = max_query_steps;
  return search;
}

result<std::vector<log_offset>> key_index::query(std::string_view topic, std::string_view key,
                                                 std::size_t count, std::int64_t begin_ms,
                                                 std::int64_t end_ms) {
  auto search = search_for(topic, key, count, begin_ms, end_ms);
  for (auto i = files_.size(); i-- > 0 && search.found.size() < search.wanted;) {
    auto& one = *files_[i];
    if (may_hold(one, search)) {
      TROUPE_TRY(one.find(search));
      log_damage(one);
    }
    if (i + 1 < files_.size() && !unsynced_.contains(one.path()))
      one.close();
  }
  return std::move(search.found);
}

index_query key_index::lookup(std::string_view topic, std::string_view key, std::size_t count,
                              std::int64_t begin_ms, std::int64_t end_ms) const {
  index_query asked;
  asked.geometry = geometry_;
  asked.search = search_for(topic, key, count, begin_ms, end_ms);
  auto& search = asked.search;
  for (auto i = files_.size(); i-- > 0 && search.found.size() < search.wanted;) {
    auto& one = *files_[i];
    if (!may_hold(one, search))
      continue;
    auto chain = one.find_in_memory(search);
    if (chain.damaged())
      asked.damaged.push_back(one.path());
    if (!chain.knows_slot() || chain.goes_on(search))
      asked.parts.push_back({one.path(), chain, i + 1 == files_.size()});
  }
  return asked;
}

void key_index::report_damaged(std::span<const std::string> paths) {
  for (auto& one : files_) {
    if (std::ranges::find(paths, one->path()) == paths.end())
      continue;
    one->note_damage();
    log_damage(*one);
  }
}

result<void> key_index::remove_file(std::size_t place) {
  const auto path = files_[place]->path();
  files_.erase(files_.begin() + static_cast<std::ptrdiff_t>(place));
  unsynced_.erase(path);
  directory_changed_ = ++writes_;
  return fs_.remove(path);
}

result<void> key_index::cut(log_offset safe_offset) {
  last_record_ = -1;
  last_complete_ = true;
  while (!files_.empty()) {
    auto& last = *files_.back();
    TROUPE_TRY(auto first, last.first_entry());
    if (!first.empty() && first.offset < safe_offset && last.header().begin_time > 0) {
      TROUPE_TRY(auto kept, last.rebuild(safe_offset));
      changed(last.path());
      if (kept) {
        last_record_ = last.header().end_offset;
        break;
      }
    }
    TROUPE_TRY(remove_file(files_.size() - 1));
  }
  return boost::outcome_v2::success();
}

std::vector<std::string> key_index::paths() const {
  std::vector<std::string> all;
  for (auto& one : files_)
    all.push_back(one->path());
  return all;
}

/// The last record's keys may have been parted by the end of its file: it is added again whole.
result<log_offset> key_index::forget_from(std::size_t place, log_offset log_min) {
  while (files_.size() > place) {
    TROUPE_TRY(remove_file(files_.size() - 1));
  }
  auto again = log_min;
  if (!files_.empty())
    again = std::max(again, files_.back()->header().end_offset);
  TROUPE_TRY(cut(again));
  return again;
}

result<void> key_index::drop_until(log_offset log_min) {
  while (files_.size() > 1 && files_.front()->header().end_offset < log_min) {
    TROUPE_TRY(remove_file(0));
  }
  return boost::outcome_v2::success();
}

} // namespace troupe::storage
