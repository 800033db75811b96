#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace troupe::storage {

namespace sysflag {
/// The message's first property is a `producer_sequence`. RocketMQ gives this bit no meaning. It is
/// not the property that counts but the bit: who copies a message copies its properties, too.
inline constexpr std::int32_t sequenced = 0x40000000;
} // namespace sysflag

/// Drawn once by a producer, and its own for ever.
struct producer_id {
  std::uint64_t high = 0;
  std::uint64_t low = 0;

  /// 32 hex digits.
  std::string text() const;
  static std::optional<producer_id> parse(std::string_view text) noexcept;
  friend bool operator==(const producer_id&, const producer_id&) = default;
};

/// Which message of its producer a message is: by it a repeated one is recognised.
struct producer_sequence {
  producer_id producer;
  std::uint64_t epoch = 0;  ///< rises from one start of the producer to the next
  std::uint64_t number = 0; ///< from 1 in each epoch, message by message, whatever their topics

  /// As the first property of a message: `TROUPE_SEQ` 0x01 id-epoch-number 0x02.
  std::string property() const;
  /// Of the first property; nothing if that is none, or not as `property` writes it.
  static std::optional<producer_sequence> parse(std::string_view properties) noexcept;
  friend bool operator==(const producer_sequence&, const producer_sequence&) = default;
};

} // namespace troupe::storage

template <>
struct std::hash<troupe::storage::producer_id> {
  std::size_t operator()(const troupe::storage::producer_id& id) const noexcept {
    return static_cast<std::size_t>(id.low ^ (id.high * 0x9e3779b97f4a7c15U));
  }
};
