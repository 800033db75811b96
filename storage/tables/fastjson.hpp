#pragma once

#include "storage/error.hpp"

#include <boost/json/value.hpp>

#include <cstddef>
#include <string>
#include <string_view>

namespace troupe::storage {

/// Deepest nesting that is read.
inline constexpr std::size_t max_json_depth = 32;

/// Parses JSON as RocketMQ's library writes it: member names may be bare words or numbers. Bounded
/// in depth; `where` names the source in the message of an error, which also gives the place.
result<boost::json::value> parse_fastjson(std::string_view text, const std::string& where);

/// The library has string views of its own.
inline boost::json::string_view as_json(std::string_view text) noexcept {
  return {text.data(), text.size()};
}

/// How member names that are integers are written: Java reads maps with integer keys only bare, and
/// maps with text keys only quoted.
enum class integer_names { quoted, bare };

/// Text for people and for Java: indented with tabs, as RocketMQ writes it.
std::string write_fastjson(const boost::json::value& value, integer_names names);

} // namespace troupe::storage
