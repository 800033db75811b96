#pragma once

#include "storage/format/record.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>

namespace troupe::storage {

/// How many slots and entries the index files of a store have; the files themselves do not say.
struct index_geometry {
  static constexpr std::uint64_t header_bytes = 40;
  static constexpr std::uint64_t slot_bytes = 4;
  static constexpr std::uint64_t entry_bytes = 20;

  std::uint32_t slots = 0;
  std::uint32_t entries = 0; ///< entry 0 is never used, so one less fits

  std::uint64_t slots_end() const noexcept { return header_bytes + slot_bytes * slots; }
  std::uint64_t file_bytes() const noexcept { return entry_at(entries); }
  std::uint64_t slot_at(std::uint32_t slot) const noexcept {
    return header_bytes + slot_bytes * slot;
  }
  std::uint64_t entry_at(std::uint32_t number) const noexcept {
    return slots_end() + entry_bytes * number;
  }
};

struct index_header {
  std::int64_t begin_time = 0; ///< store time of the first entry
  std::int64_t end_time = 0;
  log_offset begin_offset = 0;
  log_offset end_offset = 0; ///< of the last record in the index
  std::uint32_t used_slots = 0;
  std::uint32_t next_entry = 1; ///< number of the next entry; the first is 1

  /// Entries know their store time to the second only: it is rounded down by at most this.
  static constexpr std::int64_t rounding_ms = 999;
  /// Store time of an entry `seconds` behind the begin; such that `rounding_ms` can be added.
  std::int64_t time_of(std::int32_t seconds) const noexcept {
    const auto behind = seconds * std::int64_t{1000};
    constexpr auto least = std::numeric_limits<std::int64_t>::min();
    constexpr auto most = std::numeric_limits<std::int64_t>::max() - rounding_ms;
    return (behind < 0 ? std::max(begin_time, least - behind)
                       : std::min(begin_time, most - behind)) +
           behind;
  }
};

struct index_entry {
  std::uint32_t hash = 0;
  log_offset offset = 0;
  std::int32_t seconds = 0;   ///< behind the file's begin time
  std::uint32_t previous = 0; ///< older entry with the same slot, 0 when there is none

  /// Names no record; a link alone says nothing, as it can be made anew from the entries.
  bool empty() const noexcept { return hash == 0 && offset == 0 && seconds == 0; }
};

/// Whole seconds from a file's begin time to that of an entry; nothing negative.
std::int32_t index_seconds(std::int64_t begin, std::int64_t time) noexcept;

index_header load_index_header(const std::byte* from) noexcept;
void store_index_header(std::byte* to, const index_header& header) noexcept;
index_entry load_index_entry(const std::byte* from) noexcept;
void store_index_entry(std::byte* to, const index_entry& entry) noexcept;

} // namespace troupe::storage
