#pragma once

#include "storage/os/file_system.hpp"

#include <bit>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace troupe::sim {

/// Sums up what happened, in its order: two runs with the same hash did the same.
class trace_hash {
public:
  void add(std::uint64_t number) noexcept {
    value_ = std::rotl((value_ ^ number) * 0x9e3779b97f4a7c15, 29);
  }
  void add(storage::byte_view bytes) noexcept {
    add(bytes.size());
    for (; bytes.size() >= 8; bytes = bytes.subspan(8))
      add(load(bytes.first(8)));
    add(load(bytes));
  }
  void add(std::string_view text) noexcept {
    add(std::as_bytes(std::span(text.data(), text.size())));
  }
  std::uint64_t value() const noexcept { return value_; }

private:
  static std::uint64_t load(storage::byte_view bytes) noexcept {
    std::uint64_t number = 0;
    if (!bytes.empty())
      std::memcpy(&number, bytes.data(), bytes.size());
    return number;
  }
  std::uint64_t value_ = 0x243f6a8885a308d3;
};

/// Of bytes alone, to know them again.
inline std::uint64_t hash_of(storage::byte_view bytes) noexcept {
  trace_hash hash;
  hash.add(bytes);
  return hash.value();
}

} // namespace troupe::sim
