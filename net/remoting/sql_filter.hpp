#pragma once

#include "net/remoting/sql_tree.hpp"

#include <cstddef>
#include <string_view>
#include <utility>

namespace troupe::remoting {

/// An expression of RocketMQ's SQL92 that is understood: `a > 3 AND region IN ('eu', 'us')`. It is
/// compared with a message's properties, which are texts, and means what it does to a Java broker:
/// a condition on what a message lacks is unknown, and a message passes for which the whole is
/// true; where two values cannot be compared, it does not pass.
class sql_filter {
public:
  /// Refuses, with the place and what was expected there, what is no expression, and one beyond the
  /// limits of sql_tree.hpp.
  static storage::result<sql_filter> compile(std::string_view expression);

  /// Of properties as a record has them.
  bool matches(std::string_view properties) const;

  /// What it takes in memory for an expression of that length, at most and about.
  static std::size_t most_bytes(std::size_t expression_bytes) noexcept;

private:
  explicit sql_filter(sql_tree tree) : tree_(std::move(tree)) {}

  sql_tree tree_;
};

} // namespace troupe::remoting
