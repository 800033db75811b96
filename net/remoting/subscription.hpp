#pragma once

#include "net/remoting/sql_filter.hpp"
#include "storage/error.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::remoting {

/// What a consumer group wants of a topic.
struct subscription {
  std::string topic;
  std::string expression = "*";
  std::string expression_type = "TAG";
  std::int64_t version = 0; ///< grows when the consumer changes its mind
  friend bool operator==(const subscription&, const subscription&) = default;
};

/// Tags that one subscription may name: each is compared with every message of the topic.
inline constexpr std::size_t most_tags = 64;

/// The tags in `a || b`, sorted, each once; none for every message (empty or `*`).
std::vector<std::string_view> tags_in(std::string_view expression);

/// The hashes of the tags in `a || b`, sorted, each once; none for every message (empty or `*`).
/// Refuses a list without any tag, and one of more than `most_tags`.
storage::result<std::vector<std::int32_t>> tag_hashes(std::string_view expression);

/// By tags if nothing is said.
inline bool filters_by_tags(std::string_view expression_type) noexcept {
  return expression_type.empty() || expression_type == "TAG";
}
inline bool filters_by_sql(std::string_view expression_type) noexcept {
  return expression_type == "SQL92";
}

/// What a subscription lets through, made once out of its expression.
struct subscription_filter {
  std::vector<std::int32_t> tags;        ///< `tag_hashes`
  std::shared_ptr<const sql_filter> sql; ///< null: not by properties
};

/// Refuses an expression that is wrong, with what is wrong in it, and a type that is not known.
storage::result<subscription_filter> filter_of(std::string_view expression_type,
                                               std::string_view expression);

} // namespace troupe::remoting
