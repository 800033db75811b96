#include "storage/index/index_file.hpp"

#include "storage/os/sparse_file.hpp"

#include <algorithm>
#include <array>
#include <span>

namespace troupe::storage {

namespace {

constexpr std::size_t entry_bytes = index_geometry::entry_bytes;
constexpr std::size_t entries_a_piece = 3200;
constexpr std::size_t slots_a_piece = 16'384;

} // namespace

/// Goes over the entries from the first on, keeps those that may stay, and corrects their links.
result<void> index_file::collect_entries(log_offset safe_offset,
                                         std::vector<std::uint32_t>& slots) {
  TROUPE_TRY(auto* in, handle());
  const auto begin_time = header_.begin_time;
  const auto end_time = header_.end_time;
  const auto claimed = header_.next_entry;
  header_ = {};
  header_.begin_time = begin_time;
  std::vector<std::byte> piece(entries_a_piece * entry_bytes);
  std::int32_t most_seconds = 0;
  for (bool more = true; more && !full();) {
    const auto first = header_.next_entry;
    const auto at = geometry_.entry_at(first);
    const auto wanted = std::min<std::uint64_t>(piece.size(), geometry_.file_bytes() - at);
    TROUPE_TRY(auto got, in->read_at(at, std::span(piece).first(wanted)));
    std::size_t kept = 0;
    bool changed = false;
    for (more = got >= entry_bytes; more && kept + entry_bytes <= got; kept += entry_bytes) {
      auto entry = load_index_entry(piece.data() + kept);
      more = !entry.empty() && entry.seconds >= 0 && entry.offset >= header_.end_offset &&
             entry.offset < safe_offset;
      if (!more)
        break;
      auto& newest = slots[entry.hash % geometry_.slots];
      header_.used_slots += newest == 0 ? 1 : 0;
      if (entry.previous != newest) {
        entry.previous = newest;
        store_index_entry(piece.data() + kept, entry);
        changed = true;
      }
      if (header_.next_entry == 1)
        header_.begin_offset = entry.offset;
      header_.end_offset = entry.offset;
      most_seconds = std::max(most_seconds, entry.seconds);
      newest = header_.next_entry++;
    }
    if (changed) {
      std::array<byte_view, 1> parts{byte_view(piece).first(kept)};
      TROUPE_TRY(in->write_at(at, parts));
    }
  }
  // The second of the newest entry is known, its end is the latest it can have been stored.
  const auto latest = header_.time_of(most_seconds) + index_header::rounding_ms;
  header_.end_time = claimed == header_.next_entry && end_time >= begin_time && end_time <= latest
                         ? end_time
                         : latest;
  return boost::outcome_v2::success();
}

result<void> index_file::write_all_slots(const std::vector<std::uint32_t>& slots) {
  TROUPE_TRY(auto* out, handle());
  std::vector<std::byte> piece(slots_a_piece * index_geometry::slot_bytes);
  for (std::size_t first = 0; first < slots.size(); first += slots_a_piece) {
    auto part = std::span(slots).subspan(first, std::min(slots_a_piece, slots.size() - first));
    const auto at = geometry_.slot_at(static_cast<std::uint32_t>(first));
    const auto bytes = part.size() * index_geometry::slot_bytes;
    if (std::ranges::all_of(part, [](std::uint32_t slot) { return slot == 0; })) {
      TROUPE_TRY(clear_sparsely(*out, at, at + bytes));
      continue;
    }
    auto* to = piece.data();
    for (auto number : part)
      to = big_endian::store(to, number);
    std::array<byte_view, 1> parts{byte_view(piece).first(bytes)};
    TROUPE_TRY(out->write_at(at, parts));
  }
  return boost::outcome_v2::success();
}

result<bool> index_file::rebuild(log_offset safe_offset) {
  buffer_.clear();
  release_pages();
  std::vector<std::uint32_t> slots(geometry_.slots);
  TROUPE_TRY(collect_entries(safe_offset, slots));
  if (!has_entries())
    return false;
  TROUPE_TRY(auto* out, handle());
  TROUPE_TRY(write_all_slots(slots));
  TROUPE_TRY(clear_sparsely(*out, geometry_.entry_at(header_.next_entry), geometry_.file_bytes()));
  header_changed_ = false;
  TROUPE_TRY(write_header());
  return true;
}

} // namespace troupe::storage
