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

} // namespace

storage::result<std::vector<std::int32_t>> tag_hashes(std::string_view expression) {
  std::vector<std::int32_t> hashes;
  if (expression.empty() || expression == "*")
    return hashes;
  for (auto rest = expression; !rest.empty();) {
    auto end = rest.find("||");
    if (auto tag = trimmed(rest.substr(0, end)); !tag.empty()) {
      if (hashes.size() == most_tags)
        return storage::error{storage::errc::invalid_argument,
                              "a subscription may name at most " + std::to_string(most_tags) +
                                  " tags; use more topics, or '*' and look at the tags yourself"};
      hashes.push_back(storage::java_hash(tag));
    }
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 2);
  }
  if (hashes.empty())
    return storage::error{storage::errc::invalid_argument,
                          "the subscription '" + std::string(expression.substr(0, 100)) +
                              "' names no tag; '*' means every message"};
  std::sort(hashes.begin(), hashes.end());
  hashes.erase(std::unique(hashes.begin(), hashes.end()), hashes.end());
  return hashes;
}

} // namespace troupe::remoting
