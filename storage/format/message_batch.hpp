#pragma once

#include "storage/format/record.hpp"
#include "storage/os/slice.hpp"

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace troupe::storage {

/// One message as a producer hands it over. The views are read during the call they are given to.
struct new_message {
  std::int32_t queue_id = 0;
  std::int32_t flag = 0;
  std::int32_t sysflag = 0;
  std::int64_t born_timestamp = 0;
  std::int32_t reconsume_times = 0;
  std::int64_t prepared_transaction_offset = 0;
  byte_view body;
  std::string_view properties; ///< encoded: see properties.hpp
};

/// Collects messages of one topic in one block, the form in which they travel to the writer:
/// a fixed header of 44 bytes each (native order is never used: big-endian), properties, body.
class message_batch_builder {
public:
  static std::size_t bytes_of(const new_message& message) noexcept;
  void reserve(std::size_t bytes) { block_.reserve(bytes); }
  void add(const new_message& message);
  std::uint32_t count() const noexcept { return count_; }
  std::size_t bytes() const noexcept { return block_.size(); }
  /// Gives the block away and starts anew.
  slice take();

private:
  std::vector<std::byte> block_;
  std::size_t usual_bytes_ = 0;
  std::uint32_t count_ = 0;
};

/// Walks over the messages of a block. The block may come from the network: every length is
/// checked, and `next` answers an error instead of reading outside.
class message_batch_reader {
public:
  explicit message_batch_reader(byte_view block) : rest_(block) {}
  /// The next message, nothing at the end, or `invalid_argument`.
  result<std::optional<new_message>> next();

private:
  byte_view rest_;
};

} // namespace troupe::storage
