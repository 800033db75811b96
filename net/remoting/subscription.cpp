#include "net/remoting/subscription.hpp"

#include "storage/format/properties.hpp"

#include <algorithm>

namespace troupe::remoting {

namespace {

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view blanks = " \t\r\n";
  auto from = text.find_first_not_of(blanks);
  if (from == std::string_view::npos)
    return {};
  return text.substr(from, text.find_last_not_of(blanks) - from + 1);
}

/// Calls `take(tag)` for each tag of the list until it is false.
template <class Take>
void for_each_tag(std::string_view expression, Take take) {
  for (auto rest = expression; !rest.empty();) {
    auto end = rest.find("||");
    if (auto tag = trimmed(rest.substr(0, end)); !tag.empty() && !take(tag))
      return;
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 2);
  }
}

template <class Element>
void sort_unique(std::vector<Element>& all) {
  std::sort(all.begin(), all.end());
  all.erase(std::unique(all.begin(), all.end()), all.end());
}

} // namespace

std::vector<std::string_view> tags_in(std::string_view expression) {
  std::vector<std::string_view> tags;
  if (expression == "*")
    return tags;
  for_each_tag(expression, [&](std::string_view tag) {
    tags.push_back(tag);
    return true;
  });
  sort_unique(tags);
  return tags;
}

storage::result<std::vector<std::int32_t>> tag_hashes(std::string_view expression) {
  std::vector<std::int32_t> hashes;
  if (expression.empty() || expression == "*")
    return hashes;
  for_each_tag(expression, [&](std::string_view tag) {
    hashes.push_back(storage::java_hash(tag));
    return hashes.size() <= most_tags;
  });
  if (hashes.size() > most_tags)
    return storage::error{storage::errc::invalid_argument,
                          "a subscription may name at most " + std::to_string(most_tags) +
                              " tags; use more topics, or '*' and look at the tags yourself"};
  if (hashes.empty())
    return storage::error{storage::errc::invalid_argument,
                          "the subscription '" + std::string(expression.substr(0, 100)) +
                              "' names no tag; '*' means every message"};
  sort_unique(hashes);
  return hashes;
}

storage::result<subscription_filter> filter_of(std::string_view expression_type,
                                               std::string_view expression) {
  subscription_filter filter;
  if (filters_by_tags(expression_type)) {
    TROUPE_TRY(filter.tags, tag_hashes(expression));
    return filter;
  }
  if (!filters_by_sql(expression_type))
    return storage::error{storage::errc::invalid_argument,
                          "The broker does not support consumer to filter message by " +
                              std::string(expression_type.substr(0, 100))};
  TROUPE_TRY(auto compiled, sql_filter::compile(expression));
  filter.sql = std::make_shared<const sql_filter>(std::move(compiled));
  return filter;
}

} // namespace troupe::remoting
