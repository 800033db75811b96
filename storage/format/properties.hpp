#pragma once

#include "storage/delay_levels.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace troupe::storage {

/// Properties are one text: name 0x01 value 0x02, repeated; the last 0x02 may be missing. A pair
/// without name or value counts as absent, and of a repeated name the last one counts.
namespace property {
inline constexpr char name_end = '\1';
inline constexpr char value_end = '\2';

inline constexpr std::string_view keys = "KEYS";
inline constexpr std::string_view unique_key = "UNIQ_KEY";
inline constexpr std::string_view tags = "TAGS";
inline constexpr std::string_view wait = "WAIT";
inline constexpr std::string_view delay = "DELAY"; ///< level: storage/delay_levels.hpp; 0 is none
inline constexpr std::string_view timer_delay_seconds = "TIMER_DELAY_SEC"; ///< RocketMQ 5's timers
inline constexpr std::string_view timer_delay_ms = "TIMER_DELAY_MS";
inline constexpr std::string_view timer_deliver_ms = "TIMER_DELIVER_MS";
inline constexpr std::string_view timer_out_ms = "TIMER_OUT_MS"; ///< with it one has waited
inline constexpr std::string_view start_deliver_time =
    "__STARTDELIVERTIME";                                    ///< of Aliyun's clients
inline constexpr std::string_view half_message = "TRAN_MSG"; ///< "true": part of a transaction
inline constexpr std::string_view real_topic = "REAL_TOPIC";
inline constexpr std::string_view real_queue_id = "REAL_QID";
inline constexpr std::string_view record_crc = "__CRC32#";
} // namespace property

/// Calls `visit(name, value)` for each pair that counts, in the order of the text.
template <class Visit>
void for_each_property(std::string_view properties, Visit&& visit) {
  while (!properties.empty()) {
    auto end = properties.find(property::value_end);
    auto piece = properties.substr(0, end);
    auto split = piece.find(property::name_end);
    if (split != std::string_view::npos && split > 0 && split + 1 < piece.size())
      visit(piece.substr(0, split), piece.substr(split + 1));
    properties.remove_prefix(end == std::string_view::npos ? properties.size() : end + 1);
  }
}

/// The value of `name`; empty when there is none.
std::string_view find_property(std::string_view properties, std::string_view name) noexcept;

/// What is wrong with the text for a store that has to split it again: null when nothing is.
const char* property_problem(std::string_view properties) noexcept;

/// Puts a property text together.
class properties_builder {
public:
  /// False, and nothing is added, if the name or the value is empty or holds 0x00, 0x01 or 0x02.
  [[nodiscard]] bool add(std::string_view name, std::string_view value);
  const std::string& text() const noexcept { return text_; }
  std::string take() { return std::exchange(text_, {}); }

private:
  std::string text_;
};

/// Java's String.hashCode of UTF-8 text, continued from `seed`: 31 h + each UTF-16 unit. Malformed
/// bytes count as U+FFFD, as Java decodes them.
std::int32_t java_hash(std::string_view utf8, std::int32_t seed = 0) noexcept;

inline constexpr std::string_view delay_topic = "SCHEDULE_TOPIC_XXXX";

/// The properties that queues and index want, found in one pass.
struct indexed_properties {
  std::string_view tags;
  std::string_view keys;
  std::string_view unique_key;
  std::string_view delay;

  explicit indexed_properties(std::string_view properties) noexcept;
};

/// The tags code of a queue entry: hash of the tag, 0 without one; in the delay topic the time of
/// delivery.
std::int64_t tags_code(std::string_view topic, const indexed_properties& found,
                       std::int64_t store_timestamp, const delay_levels& levels) noexcept;

/// Hash of `topic + "#"`, from which `key_hash` goes on.
std::int32_t key_hash_prefix(std::string_view topic) noexcept;
/// The key's hash as the index holds it: never negative.
std::uint32_t key_hash(std::int32_t prefix, std::string_view key) noexcept;
inline std::uint32_t key_hash(std::string_view topic, std::string_view key) noexcept {
  return key_hash(key_hash_prefix(topic), key);
}

/// Calls `visit(key)` for each key of a message in the index's order: the unique key, then each
/// word of the keys.
template <class Visit>
void for_each_key(const indexed_properties& found, Visit&& visit) {
  if (!found.unique_key.empty())
    visit(found.unique_key);
  auto rest = found.keys;
  while (!rest.empty()) {
    auto end = rest.find(' ');
    if (end != 0)
      visit(rest.substr(0, end));
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  }
}

} // namespace troupe::storage
