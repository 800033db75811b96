#pragma once

#include "storage/os/file_system.hpp"

#include <array>
#include <string>
#include <string_view>

namespace troupe::test {

inline storage::byte_view as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

inline std::string as_text(storage::byte_view bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// Writes one piece.
inline storage::result<void> write(storage::file& to, std::uint64_t offset, std::string_view text) {
  std::array<storage::byte_view, 1> parts{as_bytes(text)};
  return to.write_at(offset, parts);
}

} // namespace troupe::test
