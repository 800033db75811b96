#include "storage/os/slice.hpp"

#include "storage/check.hpp"

#include <cstring>

namespace troupe::storage {

slice slice::copy_of(byte_view bytes) {
  if (bytes.empty())
    return {};
  auto block = std::make_shared_for_overwrite<std::byte[]>(bytes.size());
  std::memcpy(block.get(), bytes.data(), bytes.size());
  byte_view copy{block.get(), bytes.size()};
  return {std::shared_ptr<const void>(std::move(block)), copy};
}

slice slice::copy_of_text(std::string_view text) {
  return copy_of(std::as_bytes(std::span(text)));
}

slice slice::part(std::size_t from, std::size_t count) const {
  TROUPE_CHECK(from <= bytes_.size() && count <= bytes_.size() - from);
  slice result = *this;
  result.bytes_ = bytes_.subspan(from, count);
  return result;
}

} // namespace troupe::storage
