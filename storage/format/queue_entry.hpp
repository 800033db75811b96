#pragma once

#include "storage/big_endian.hpp"
#include "storage/format/record.hpp"

#include <cstdint>
#include <limits>

namespace troupe::storage {

/// One entry of a consume queue: where the record of a message lies. Entry n of a queue is at byte
/// 20 n: offset 8, size 4, tags code 8, big-endian.
struct queue_entry {
  log_offset offset = 0;
  std::uint32_t size = 0;
  std::int64_t tags_code = 0;

  /// Zeros mark the end of a queue; negative numbers come from damage.
  bool valid() const noexcept { return offset >= 0 && size > 0 && size <= 0x7fffffff; }
  /// Fills a queue's first file up to its first message, when that is not number 0.
  bool filler() const noexcept { return offset == 0 && size == 0x7fffffff; }
  /// End of the record in the log; the largest number when a damaged one lies beyond all numbers.
  log_offset end() const noexcept {
    constexpr auto most = std::numeric_limits<log_offset>::max();
    if (filler())
      return 0;
    return offset > most - size ? most : offset + size;
  }
  bool empty() const noexcept { return offset == 0 && size == 0 && tags_code == 0; }

  friend bool operator==(const queue_entry&, const queue_entry&) = default;
};

inline constexpr std::size_t queue_entry_bytes = 20;
inline constexpr queue_entry filler_entry{0, 0x7fffffff, 0};

inline std::byte* store_entry(std::byte* to, const queue_entry& entry) noexcept {
  to = big_endian::store(to, entry.offset);
  to = big_endian::store(to, entry.size);
  return big_endian::store(to, entry.tags_code);
}

inline queue_entry load_entry(const std::byte* from) noexcept {
  return {big_endian::load<log_offset>(from), big_endian::load<std::uint32_t>(from + 8),
          big_endian::load<std::int64_t>(from + 12)};
}

} // namespace troupe::storage
