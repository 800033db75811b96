#pragma once

#include "storage/error.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::storage {

/// How long messages of each delay level wait (property `DELAY`), by RocketMQ's setting
/// `messageDelayLevel`: level 1 is its first word.
class delay_levels {
public:
  /// RocketMQ knows no bound; each level has a queue that is watched.
  static constexpr std::size_t most = 64;
  static constexpr std::string_view usual =
      "1s 5s 10s 30s 1m 2m 3m 4m 5m 6m 7m 8m 9m 10m 20m 30m 1h 2h";

  /// The usual ones.
  delay_levels();
  /// 1 to `most` words of a number and one of s, m, h and d, parted by blanks. The error says what
  /// is wrong with the text, so that the sentence goes on behind it.
  static result<delay_levels> parse(std::string_view text);

  std::int32_t highest() const noexcept { return static_cast<std::int32_t>(ms_.size()); }
  /// In milliseconds; a level above the highest counts as the highest. Nothing for one below 1.
  std::optional<std::int64_t> of(std::int32_t level) const noexcept;
  /// As `parse` reads it.
  std::string text() const;

  friend bool operator==(const delay_levels&, const delay_levels&) = default;

private:
  explicit delay_levels(std::vector<std::int64_t> ms) : ms_(std::move(ms)) {}

  std::vector<std::int64_t> ms_; ///< by level - 1; never empty
};

} // namespace troupe::storage
