#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

namespace troupe::storage {

namespace big_endian {

inline std::uint8_t swapped(std::uint8_t value) noexcept {
  return value;
}
inline std::uint16_t swapped(std::uint16_t value) noexcept {
  return __builtin_bswap16(value);
}
inline std::uint32_t swapped(std::uint32_t value) noexcept {
  return __builtin_bswap32(value);
}
inline std::uint64_t swapped(std::uint64_t value) noexcept {
  return __builtin_bswap64(value);
}

/// The integer at `from`, which needs no alignment.
template <class T>
T load(const std::byte* from) noexcept {
  std::make_unsigned_t<T> raw;
  std::memcpy(&raw, from, sizeof raw);
  if constexpr (std::endian::native == std::endian::little)
    raw = swapped(raw);
  return static_cast<T>(raw);
}

/// Writes `value` to `to` and returns the place behind it.
template <class T>
std::byte* store(std::byte* to, T value) noexcept {
  auto raw = static_cast<std::make_unsigned_t<T>>(value);
  if constexpr (std::endian::native == std::endian::little)
    raw = swapped(raw);
  std::memcpy(to, &raw, sizeof raw);
  return to + sizeof raw;
}

} // namespace big_endian

} // namespace troupe::storage
