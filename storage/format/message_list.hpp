#pragma once

#include "storage/format/message_batch.hpp"
#include "storage/os/slice.hpp"

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

namespace troupe::storage {

/// Messages of one topic on their way to the writer: packed into one block, as a
/// `message_batch_builder` makes it and as they cross between processes, or as views of bytes that
/// somebody else holds, so that a body is copied first when its record is encoded.
class message_list {
public:
  message_list() = default;
  message_list(slice packed) : block_(std::move(packed)) {}
  /// The views are good as long as `held` is.
  message_list(std::vector<new_message> views, std::shared_ptr<const void> held);

  /// Bytes that they take when they are packed.
  std::size_t size() const noexcept { return views_.empty() ? block_.size() : packed_bytes_; }
  /// As one block; made for it if they are views.
  slice packed() const;

  /// Walks over them in order. Copied it is a mark to go on from; good as long as the list is.
  class reader {
  public:
    /// The next message, nothing at the end, or `invalid_argument`.
    result<std::optional<new_message>> next();

  private:
    friend message_list;
    reader(byte_view block, std::span<const new_message> views) : block_(block), views_(views) {}
    message_batch_reader block_;
    std::span<const new_message> views_;
  };
  reader read() const { return {block_.bytes(), views_}; }

private:
  slice block_; ///< or
  std::vector<new_message> views_;
  std::shared_ptr<const void> held_;
  std::size_t packed_bytes_ = 0; ///< of the views
};

} // namespace troupe::storage
