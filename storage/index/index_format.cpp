#include "storage/index/index_format.hpp"

#include "storage/big_endian.hpp"

namespace troupe::storage {

std::int32_t index_seconds(std::int64_t begin, std::int64_t time) noexcept {
  if (begin <= 0 || time <= begin)
    return 0;
  return static_cast<std::int32_t>(
      std::min<std::int64_t>((time - begin) / 1000, std::numeric_limits<std::int32_t>::max()));
}

index_header load_index_header(const std::byte* from) noexcept {
  using big_endian::load;
  return {load<std::int64_t>(from),       load<std::int64_t>(from + 8),
          load<log_offset>(from + 16),    load<log_offset>(from + 24),
          load<std::uint32_t>(from + 32), load<std::uint32_t>(from + 36)};
}

void store_index_header(std::byte* to, const index_header& header) noexcept {
  to = big_endian::store(to, header.begin_time);
  to = big_endian::store(to, header.end_time);
  to = big_endian::store(to, header.begin_offset);
  to = big_endian::store(to, header.end_offset);
  to = big_endian::store(to, header.used_slots);
  big_endian::store(to, header.next_entry);
}

index_entry load_index_entry(const std::byte* from) noexcept {
  using big_endian::load;
  return {load<std::uint32_t>(from), load<log_offset>(from + 4), load<std::int32_t>(from + 12),
          load<std::uint32_t>(from + 16)};
}

void store_index_entry(std::byte* to, const index_entry& entry) noexcept {
  to = big_endian::store(to, entry.hash);
  to = big_endian::store(to, entry.offset);
  to = big_endian::store(to, entry.seconds);
  big_endian::store(to, entry.previous);
}

} // namespace troupe::storage
