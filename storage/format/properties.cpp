#include "storage/format/properties.hpp"

#include <algorithm>
#include <charconv>
#include <limits>

namespace troupe::storage {

namespace {

struct code_point {
  std::uint32_t value;
  std::size_t bytes; ///< taken from the text, at least 1
};

constexpr std::uint32_t replacement = 0xfffd;

/// Decodes what starts with a byte above 0x7f. A malformed sequence gives the replacement for its
/// longest valid start, as Java's decoder does.
code_point decode_utf8(std::string_view text) noexcept {
  auto at = [&](std::size_t i) { return static_cast<std::uint8_t>(text[i]); };
  const std::uint32_t lead = at(0);
  std::size_t wanted = 0;
  std::uint32_t low = 0x80; // bounds of the second byte: no overlong forms, surrogates, > 10FFFF
  std::uint32_t high = 0xbf;
  if (lead >= 0xc2 && lead <= 0xdf) {
    wanted = 1;
  } else if (lead >= 0xe0 && lead <= 0xef) {
    wanted = 2;
    low = lead == 0xe0 ? 0xa0 : low;
    high = lead == 0xed ? 0x9f : high;
  } else if (lead >= 0xf0 && lead <= 0xf4) {
    wanted = 3;
    low = lead == 0xf0 ? 0x90 : low;
    high = lead == 0xf4 ? 0x8f : high;
  } else {
    return {replacement, 1};
  }
  auto value = lead & (0x3fU >> wanted);
  for (std::size_t i = 1; i <= wanted; ++i) {
    if (i >= text.size() || at(i) < low || at(i) > high)
      return {replacement, i};
    value = value << 6 | (at(i) & 0x3fU);
    low = 0x80;
    high = 0xbf;
  }
  return {value, wanted + 1};
}

bool holds_separator(std::string_view text) noexcept {
  return text.find_first_of(std::string_view("\0\1\2", 3)) != std::string_view::npos;
}

} // namespace

std::string_view find_property(std::string_view properties, std::string_view name) noexcept {
  std::string_view result;
  for_each_property(properties, [&](std::string_view found, std::string_view value) {
    if (found == name)
      result = value;
  });
  return result;
}

const char* property_problem(std::string_view properties) noexcept {
  if (properties.find('\0') != std::string_view::npos)
    return "holds a NUL";
  while (!properties.empty()) {
    auto end = properties.find(property::value_end);
    auto piece = properties.substr(0, end);
    auto split = piece.find(property::name_end);
    if (!piece.empty() && split == std::string_view::npos)
      return "has a part without the separator 0x01 between name and value";
    if (split == 0)
      return "has a value without a name";
    properties.remove_prefix(end == std::string_view::npos ? properties.size() : end + 1);
  }
  return nullptr;
}

bool properties_builder::add(std::string_view name, std::string_view value) {
  if (name.empty() || value.empty() || holds_separator(name) || holds_separator(value))
    return false;
  text_.append(name).push_back(property::name_end);
  text_.append(value).push_back(property::value_end);
  return true;
}

std::int32_t java_hash(std::string_view utf8, std::int32_t seed) noexcept {
  auto hash = static_cast<std::uint32_t>(seed);
  std::size_t at = 0;
  while (at < utf8.size()) {
    auto byte = static_cast<std::uint8_t>(utf8[at]);
    if (byte < 0x80) {
      hash = 31 * hash + byte;
      ++at;
      continue;
    }
    auto point = decode_utf8(utf8.substr(at));
    if (point.value >= 0x10000) {
      auto offset = point.value - 0x10000;
      hash = 31 * hash + (0xd800 + (offset >> 10));
      hash = 31 * hash + (0xdc00 + (offset & 0x3ff));
    } else {
      hash = 31 * hash + point.value;
    }
    at += point.bytes;
  }
  return static_cast<std::int32_t>(hash);
}

indexed_properties::indexed_properties(std::string_view properties) noexcept {
  for_each_property(properties, [this](std::string_view name, std::string_view value) {
    // Lengths differ nearly always, so this costs one comparison for most properties.
    if (name == property::tags)
      tags = value;
    else if (name == property::keys)
      keys = value;
    else if (name == property::unique_key)
      unique_key = value;
    else if (name == property::delay)
      delay = value;
  });
}

std::int64_t tags_code(std::string_view topic, const indexed_properties& found,
                       std::int64_t store_timestamp, const delay_levels& levels) noexcept {
  if (!found.delay.empty() && topic == delay_topic) {
    std::int32_t level = 0;
    auto* end = found.delay.data() + found.delay.size();
    auto parsed = std::from_chars(found.delay.data(), end, level);
    const bool is_number = parsed.ec == std::errc{} && parsed.ptr == end;
    auto delay = is_number ? levels.of(level) : std::nullopt;
    if (delay && store_timestamp <= std::numeric_limits<std::int64_t>::max() - *delay)
      return store_timestamp + *delay;
  }
  return java_hash(found.tags);
}

std::int32_t key_hash_prefix(std::string_view topic) noexcept {
  return java_hash("#", java_hash(topic));
}

std::uint32_t key_hash(std::int32_t prefix, std::string_view key) noexcept {
  auto hash = java_hash(key, prefix);
  if (hash == std::numeric_limits<std::int32_t>::min())
    return 0;
  return static_cast<std::uint32_t>(hash < 0 ? -hash : hash);
}

} // namespace troupe::storage
