#include "net/remoting/subscription.hpp"

#include "storage/properties.hpp"

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
    if (auto tag = trimmed(rest.substr(0, end)); !tag.empty())
      hashes.push_back(storage::java_hash(tag));
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 2);
  }
  if (hashes.empty())
    return storage::error{storage::errc::invalid_argument,
                          "the subscription '" + std::string(expression.substr(0, 100)) +
                              "' names no tag; '*' means every message"};
  return hashes;
}

} // namespace troupe::remoting
