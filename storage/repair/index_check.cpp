#include "storage/repair/index_check.hpp"

#include "storage/big_endian.hpp"
#include "storage/format/properties.hpp"
#include "storage/recovery/index_compare.hpp"
#include "storage/tables/topic_table.hpp"

#include <algorithm>
#include <limits>

namespace troupe::storage {

namespace {

bool holds_key(const record_view& message, std::uint32_t hash) {
  auto prefix = key_hash_prefix(message.topic);
  bool found = false;
  for_each_key(indexed_properties(message.properties),
               [&](std::string_view key) { found = found || key_hash(prefix, key) == hash; });
  return found;
}

} // namespace

index_check::index_check(file_system& fs, const store_files& files, finding_sink report)
    : fs_(fs), files_(files), geometry_{files.settings.index_slots, files.settings.index_entries},
      report_([this, report = std::move(report)](finding what) {
        sound_ = false;
        report(std::move(what));
      }) {
  for (auto& run : files.contiguous_log())
    views_.emplace_back(run.back().start +
                            static_cast<log_offset>(files.settings.log_file_size_bytes),
                        log_view(fs, files.settings, run.front().start));
}

result<index_check::outcome> index_check::run(log_offset log_end) {
  for (auto& path : files_.indexes) {
    TROUPE_TRY(check_file(path));
  }
  if (sound_ && !files_.abort_marker && !files_.log.empty() && !files_.indexes.empty()) {
    TROUPE_TRY(check_coverage(log_end));
  }
  return out_;
}

/// Whether all keys of the log are there; a node that runs, or was killed, may still have to add
/// some.
result<void> index_check::check_coverage(log_offset log_end) {
  index_scope scope{files_.indexes, files_.log.front().start, log_end,
                    files_.settings.compared_bytes, std::numeric_limits<std::uint64_t>::max()};
  if (auto deleted = tombstone_table::load(fs_, files_.settings))
    for (auto& dead : deleted.value().all())
      scope.dead[dead.topic] = dead.deleted_at;
  TROUPE_TRY(auto fault, compare_index(fs_, files_.settings, scope));
  if (fault)
    report_({files_.indexes[std::min(fault->place, files_.indexes.size() - 1)], 0,
             "does not hold all keys: " + fault->reason});
  return boost::outcome_v2::success();
}

result<void> index_check::check_file(const std::string& path) {
  TROUPE_TRY(auto opened, fs_.open(path, open_mode::read));
  TROUPE_TRY(auto map, opened->map(access::random));
  auto bytes = map->bytes();
  if (bytes.size() != geometry_.file_bytes())
    return error{errc::corrupt, path + " changed its size meanwhile"};
  auto h = load_index_header(bytes.data());
  if (check_header(path, bytes, h)) {
    check_entries(path, bytes, h);
    check_slots(path, bytes);
  }
  if (map->damaged())
    return error{errc::io_error, path + " could not be read; look at the disk's health"};
  return boost::outcome_v2::success();
}

/// False if the rest of the file means nothing.
bool index_check::check_header(const std::string& path, byte_view bytes, const index_header& h) {
  if (h.next_entry == 0 && h.begin_time == 0 && h.used_slots == 0) {
    bool just_made = files_.abort_marker && path == files_.indexes.back() &&
                     load_index_entry(bytes.data() + geometry_.entry_at(1)).empty();
    if (!just_made)
      report_({path, 0, "its header is empty: no key in it is found"});
    return false;
  }
  if (h.next_entry < 1 || h.next_entry > geometry_.entries) {
    report_({path, 36,
             "next entry " + std::to_string(h.next_entry) + " is not in 1.." +
                 std::to_string(geometry_.entries)});
    return false;
  }
  if (h.used_slots > geometry_.slots)
    report_({path, 32,
             std::to_string(h.used_slots) + " slots in use of " + std::to_string(geometry_.slots)});
  if (h.begin_time > h.end_time)
    report_({path, 0, "its time span ends before it begins"});
  if (h.begin_offset > h.end_offset)
    report_({path, 16, "its log offsets end before they begin"});
  if (h.next_entry < geometry_.entries && !files_.abort_marker &&
      !load_index_entry(bytes.data() + geometry_.entry_at(h.next_entry)).empty())
    report_({path, 36,
             "there are entries behind number " + std::to_string(h.next_entry - 1) +
                 ", the last that its header counts"});
  return true;
}

/// Entries are written in order, so each must point back to the one before it in its slot.
void index_check::check_entries(const std::string& path, byte_view bytes, const index_header& h) {
  newest_.assign(geometry_.slots, 0);
  for (std::uint32_t number = 1; number < h.next_entry; ++number) {
    auto at = geometry_.entry_at(number);
    auto e = load_index_entry(bytes.data() + at);
    finding place{path, static_cast<std::int64_t>(at), {}};
    if (e.hash > 0x7fffffff || e.offset < 0) {
      place.what = "entry " + std::to_string(number) + " has a negative hash or offset";
      report_(std::move(place));
      continue;
    }
    auto& newest = newest_[e.hash % geometry_.slots];
    if (e.previous != newest)
      report_({path, place.at + 16,
               "entry " + std::to_string(number) + " goes back to " + std::to_string(e.previous) +
                   " instead of " + std::to_string(newest)});
    newest = number;
    place.what = "entry " + std::to_string(number);
    // RocketMQ counts the first entry's seconds from where the file before ended.
    check_record(place, e, number == 1 ? 0 : h.begin_time);
  }
}

void index_check::check_slots(const std::string& path, byte_view bytes) {
  for (std::uint32_t slot = 0; slot < geometry_.slots; ++slot) {
    auto at = geometry_.slot_at(slot);
    if (auto value = big_endian::load<std::uint32_t>(bytes.data() + at); value != newest_[slot])
      report_({path, static_cast<std::int64_t>(at),
               "slot " + std::to_string(slot) + " begins at entry " + std::to_string(value) +
                   " instead of " + std::to_string(newest_[slot])});
  }
}

/// `place.what` names the entry, which counts its seconds from `begin` unless that is 0.
void index_check::check_record(const finding& place, const index_entry& e, std::int64_t begin) {
  if (files_.log.empty() || e.offset < files_.log.front().start)
    return; // its record expired
  out_.entries += 1;
  auto complain = [&](const std::string& what) {
    report_({place.file, place.at, place.what + " " + what});
  };
  auto where = "log offset " + std::to_string(e.offset);
  auto* view = view_of(e.offset);
  if (view == nullptr)
    return complain("points behind the log: " + where);
  auto found = view->read(e.offset);
  if (found.has_error())
    return complain("points to " + where + ", where no valid record starts");
  auto& message = found.value().view;
  if (!holds_key(message, e.hash))
    return complain("points to the record at " + where + ", which holds no key of hash " +
                    std::to_string(e.hash));
  if (auto seconds = index_seconds(begin, message.store_timestamp);
      begin != 0 && e.seconds != seconds)
    complain("says its record was stored " + std::to_string(e.seconds) +
             " s after the file's begin instead of " + std::to_string(seconds));
}

log_view* index_check::view_of(log_offset offset) {
  for (auto& [limit, view] : views_)
    if (offset < limit)
      return &view;
  return nullptr;
}

} // namespace troupe::storage
