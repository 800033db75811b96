#pragma once

#include "storage/os/file_system.hpp"

#include <cstdint>

namespace troupe::storage {

/// CRC-32 with zlib's polynomial; give the result of the part before as `seed` to go on.
std::uint32_t crc32(byte_view bytes, std::uint32_t seed = 0) noexcept;

/// The CRC as records hold it: Java keeps it in a signed int and drops the top bit.
inline std::uint32_t record_crc32(byte_view bytes) noexcept {
  return crc32(bytes) & 0x7fffffffU;
}

} // namespace troupe::storage
