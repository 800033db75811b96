#include "sim/store/storage_rot.hpp"

#include "sim/trace_hash.hpp"
#include "storage/log/log_file.hpp"
#include "storage/log/quarantine.hpp"

#include <algorithm>
#include <cstdlib>
#include <string>

namespace troupe::sim {

using storage::log_offset;

namespace {

log_offset number_in(const std::string& path) {
  return std::strtoll(path.c_str() + path.rfind('/') + 1, nullptr, 10);
}

} // namespace

bool storage_rot::in(const char* place) const {
  return std::ranges::any_of(disk_.flipped_bits(), [&](const simulated_disk::flipped_bit& flip) {
    return flip.path.find(place) != std::string::npos;
  });
}

/// True if a bit of [from, to) of the log has turned over.
bool storage_rot::hit(log_offset from, log_offset to) const {
  return std::ranges::any_of(disk_.flipped_bits(), [&](const simulated_disk::flipped_bit& flip) {
    if (flip.path.find("/commitlog/") == std::string::npos)
      return false;
    auto at = number_in(flip.path) + static_cast<log_offset>(flip.offset);
    return from <= at && at < to;
  });
}

/// True if the record is in a copy of what a recovery cut.
bool storage_rot::put_aside(const put_record& put) const {
  bool found = false;
  auto directory = storage::quarantine_directory(options_) + "/";
  disk_.for_each_file([&](const std::string& path, storage::byte_view bytes) {
    auto from = number_in(path);
    if (found || !path.starts_with(directory) || put.offset < from)
      return;
    auto at = static_cast<std::uint64_t>(put.offset - from);
    found = at + put.size <= bytes.size() && hash_of(bytes.subspan(at, put.size)) == put.bytes_hash;
  });
  return found;
}

finding storage_rot::check_record(storage::log_view& view, const put_record& put) const {
  auto message = view.read(put.offset);
  auto where = " at " + std::to_string(put.offset);
  bool altered = message && hash_of(message.value().view.bytes) != put.bytes_hash;
  // Nothing protects the checksum's own property: damaged, it leaves only the body protected.
  auto checked_end =
      put.end() - static_cast<log_offset>(storage::record_layout::crc_property_bytes);
  bool harmless =
      message && hit(checked_end, put.end()) && hash_of(message.value().view.body) == put.body_hash;
  if (altered && !harmless)
    return "P4: an altered record is served" + where;
  if (message || hit(put.offset, put.end()))
    return {};
  return "P10: a record that is not damaged cannot be read" + where + ": " +
         message.error().message;
}

finding storage_rot::check_kept() const {
  auto listed = storage::list_log(disk_, options_);
  if (!listed || listed.value().listing.files.empty())
    return "P10: the start was refused, and the log is gone";
  auto min = listed.value().listing.files.front().start;
  storage::log_view view(disk_, options_, min);
  for (auto& put : ledger_.records())
    if (put.offset >= min && put.end() <= ledger_.written())
      if (auto wrong = check_record(view, put); wrong && !put_aside(put))
        return wrong;
  return {};
}

finding storage_rot::check_cut(log_offset end) const {
  bool first = true;
  for (auto& put : ledger_.records()) {
    if (put.end() <= end || put.end() > ledger_.written())
      continue;
    if (first && !hit(end, put.end()))
      return "P1/P2/P3: the log was cut at " + std::to_string(end) + ", where nothing is damaged";
    first = false;
    if (!hit(put.offset, put.end()) && !put_aside(put))
      return "P1/P2/P3: the record at " + std::to_string(put.offset) +
             " behind the damage is neither in the log nor in the quarantine";
  }
  return {};
}

check_result storage_rot::check_served(store_process& process, bool only_before) const {
  for (auto& put : ledger_.records())
    if (put.offset >= process.min())
      if (auto wrong = check_record(process.view(), put))
        return {std::move(wrong), {}};
  if (in_log())
    return {};
  if (only_before || !in("/consumequeue/"))
    if (auto found = check_queues(process, ledger_); !found.good())
      return found;
  return in("/index/") ? check_result{} : check_index(process, ledger_);
}

} // namespace troupe::sim
