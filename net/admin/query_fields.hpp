#pragma once

#include "storage/error.hpp"

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace troupe::net {

/// Longer ones are refused: no name, key or id is.
inline constexpr std::size_t most_field_bytes = 512;

/// What stands escaped in a part of an address (RFC 3986, section 2.1), of at most
/// `most_field_bytes`. Half an escape and control characters are refused.
storage::result<std::string> decode_escapes(std::string_view text);

/// The fields of an address's query, "topic=a%7Cb&queue=3", each of them once and known. A plus
/// sign is a blank, as in what forms send.
class query_fields {
public:
  /// Refuses what is not one of `known`, comes twice, or is not spelt so.
  static storage::result<query_fields> parse(std::string_view query,
                                             std::initializer_list<std::string_view> known);

  bool has(std::string_view name) const { return find(name) != nullptr; }
  /// Null when it is not there.
  const std::string* find(std::string_view name) const;
  /// Refuses what is missing or empty.
  storage::result<std::string> text(std::string_view name) const;
  /// Refuses what is missing, no whole decimal number, or not within the two, which are allowed.
  storage::result<std::int64_t> number(std::string_view name, std::int64_t least,
                                       std::int64_t most) const;

private:
  std::vector<std::pair<std::string, std::string>> all_; ///< name and value
};

} // namespace troupe::net
