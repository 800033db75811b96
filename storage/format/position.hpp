#pragma once

#include "storage/format/record.hpp"

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace troupe::storage {

/// What the queues and the index need to know of one record in the log.
struct position {
  log_offset offset = 0;
  queue_offset queue_position = 0;
  std::int64_t tags_code = 0; ///< hash of the tag, or delivery time in the delay topic
  std::int64_t store_timestamp = 0;
  std::uint32_t size = 0;
  std::int32_t queue_id = 0;
  std::uint32_t topic = 0; ///< into `position_batch::topics`
  std::uint16_t keys = 0;  ///< how many entries of `position_batch::key_hashes` are its own
  bool has_queue_entry = true;
};
static_assert(sizeof(position) <= 48);

/// Positions of consecutive records: everything in the log from `from` up to `to`, blanks
/// included. Self-contained, so that any process can apply it.
struct position_batch {
  log_offset from = 0;
  log_offset to = 0;
  std::vector<std::string> topics;
  std::vector<position> positions;
  std::vector<std::uint32_t> key_hashes; ///< in the order of the positions
};

/// Fills a batch from decoded records; remembers topics between calls.
class position_builder {
public:
  explicit position_builder(delay_levels levels = {}) : levels_(std::move(levels)) {}

  void start(log_offset from);
  /// Adds one record. `view` is read only during the call.
  void add(const record_view& view);
  /// Everything before `to` has been added.
  position_batch take(log_offset to);
  std::size_t count() const noexcept { return batch_.positions.size(); }

private:
  struct known_topic {
    std::uint64_t batch = 0; ///< number of the batch that `index` belongs to
    std::uint32_t index = 0;
    std::int32_t hash_prefix = 0; ///< of the index keys of this topic
  };
  struct text_hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const noexcept {
      return std::hash<std::string_view>{}(text);
    }
  };
  const known_topic& intern(std::string_view topic);

  delay_levels levels_;
  position_batch batch_;
  std::uint64_t batch_number_ = 1;
  std::unordered_map<std::string, known_topic, text_hash, std::equal_to<>> topics_;
};

} // namespace troupe::storage
