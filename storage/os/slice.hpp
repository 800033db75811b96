#pragma once

#include "storage/os/file_system.hpp"

#include <memory>
#include <string_view>
#include <utility>

namespace troupe::storage {

/// Counted bytes that never change: a part of a mapped file or of an owned block. Copying shares.
class slice {
public:
  slice() = default;
  slice(std::shared_ptr<const mapping> owner, byte_view bytes)
      : map_(owner.get()), owner_(std::move(owner)), bytes_(bytes) {}
  slice(std::shared_ptr<const void> owner, byte_view bytes)
      : owner_(std::move(owner)), bytes_(bytes) {}

  /// An owned copy.
  static slice copy_of(byte_view bytes);
  static slice copy_of_text(std::string_view text);

  byte_view bytes() const noexcept { return bytes_; }
  std::size_t size() const noexcept { return bytes_.size(); }
  bool empty() const noexcept { return bytes_.empty(); }

  /// A part of this one; [from, from + count) must lie inside.
  slice part(std::size_t from, std::size_t count) const;

  /// Whether the bytes lie in a mapped file: then they take no memory of the process.
  bool mapped() const noexcept { return map_ != nullptr; }

  /// True when the bytes can no longer be trusted; ask after using them.
  bool damaged() const noexcept { return map_ != nullptr && map_->damaged(); }

private:
  const mapping* map_ = nullptr;
  std::shared_ptr<const void> owner_;
  byte_view bytes_;
};

} // namespace troupe::storage
