#include "storage/format/crc.hpp"

#include <isa-l/crc.h>

namespace troupe::storage {

std::uint32_t crc32(byte_view bytes, std::uint32_t seed) noexcept {
  // The library's older interface lacks a const; it only reads.
  auto* data = reinterpret_cast<std::uint8_t*>(const_cast<std::byte*>(bytes.data()));
  return bytes.empty() ? seed : ::crc32_gzip_refl(seed, data, bytes.size());
}

} // namespace troupe::storage
