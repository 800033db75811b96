#pragma once

#include "storage/error.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::remoting {

// How large an expression may be: it is kept for each subscription, and each message that a pull
// looks at is compared with all of it.
inline constexpr std::size_t most_sql_bytes = 8 * 1024;
inline constexpr std::size_t most_sql_parts = 1000; ///< operators, values, and texts of lists
inline constexpr std::size_t most_sql_depth = 64;   ///< of brackets and signs in each other
inline constexpr std::size_t most_sql_names = 64;   ///< different properties

enum class sql_operator : std::uint8_t {
  // Values.
  property,
  null,
  boolean,
  integer, ///< of 32 bits
  long_integer,
  real,
  text,
  // What makes one out of others.
  negate,
  cast, ///< of a property, where a condition is wanted
  negation,
  conjunction,
  disjunction,
  equal,
  is_null,
  greater,
  greater_equal,
  less,
  less_equal,
  between,
  not_between,
  in,
  not_in,
  contains,
  not_contains,
  starts_with,
  not_starts_with,
  ends_with,
  not_ends_with,
};

/// A place in `sql_tree::parts`.
using sql_place_of_part = std::uint32_t;

struct sql_part {
  sql_operator what = sql_operator::null;
  sql_place_of_part left = 0;
  sql_place_of_part right = 0;
  sql_place_of_part third = 0; ///< the upper bound of `between`
  std::uint32_t first = 0;     ///< of its texts, or the number of its name
  std::uint32_t count = 0;     ///< of its texts
  std::int64_t number = 0;     ///< an integer's, or 1 for true
  double real = 0;
};

/// An expression that was understood. What a part is made of stands before it, the whole last.
struct sql_tree {
  std::vector<sql_part> parts;
  std::vector<std::string> texts;
  std::vector<std::string> names; ///< of its properties, in order
};

/// Reads an expression as RocketMQ's SelectorParser does, with its words in the errors. What stands
/// behind the expression, which that one overlooks, is refused.
storage::result<sql_tree> read_sql(std::string_view expression);

} // namespace troupe::remoting
