#include "net/access/address_rule.hpp"

#include <algorithm>
#include <charconv>
#include <string>

namespace troupe::access {

namespace {

using storage::errc;
using storage::error;
using storage::result;

constexpr std::size_t most_patterns = 256;

std::string_view trimmed(std::string_view text) {
  auto begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos)
    return {};
  return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

std::vector<std::string_view> split(std::string_view text, char at) {
  std::vector<std::string_view> parts;
  for (;;) {
    auto end = text.find(at);
    parts.push_back(trimmed(text.substr(0, end)));
    if (end == std::string_view::npos)
      return parts;
    text.remove_prefix(end + 1);
  }
}

bool read_number(std::string_view text, bool v6, std::uint16_t& into) {
  if (text.empty() || text.size() > (v6 ? 4u : 3u))
    return false;
  auto* end = text.data() + text.size();
  auto [at, failure] = std::from_chars(text.data(), end, into, v6 ? 16 : 10);
  return failure == std::errc{} && at == end && (v6 || into <= 255);
}

error no_rule(std::string_view text) {
  return {errc::invalid_argument,
          "'" + std::string(text.substr(0, 80)) +
              "' is no address: such as 10.1.2.3, 10.1.2.*, 10.1.2.1-9, 10.1.2.{1,7}, fe80::1"};
}

} // namespace

result<address_rule::pattern> address_rule::parse_one(std::string_view text) {
  pattern made;
  made.v6 = text.find(':') != std::string_view::npos;
  const std::size_t count = made.v6 ? 8 : 4;
  std::string whole(text);
  if (auto gap = whole.find("::"); made.v6 && gap != std::string::npos) {
    // As many zeros as are missing, in the place of the gap.
    auto filled = static_cast<std::size_t>(std::count(whole.begin(), whole.end(), ':'));
    bool at_begin = gap == 0;
    bool at_end = gap + 2 == whole.size();
    auto given = filled - 1 + (at_begin ? 0 : 1) - (at_end ? 1 : 0);
    if (given >= count)
      return no_rule(text);
    std::string zeros;
    for (auto i = given; i < count; ++i)
      zeros += (zeros.empty() ? "0" : ":0");
    whole.replace(gap, 2, (at_begin ? "" : ":") + zeros + (at_end ? "" : ":"));
  }
  auto parts = split(whole, made.v6 ? ':' : '.');
  if (parts.size() != count)
    return no_rule(text);
  for (std::size_t i = 0; i < count; ++i) {
    auto& r = made.parts[i];
    auto part = parts[i];
    auto minus = part.find('-');
    bool good = true;
    if (part == "*") {
      r = {0, static_cast<std::uint16_t>(made.v6 ? 0xffff : 255)};
    } else if (minus != std::string_view::npos) {
      good = read_number(trimmed(part.substr(0, minus)), made.v6, r.least) &&
             read_number(trimmed(part.substr(minus + 1)), made.v6, r.most) && r.least <= r.most;
    } else {
      good = read_number(part, made.v6, r.least);
      r.most = r.least;
    }
    if (!good)
      return no_rule(text);
  }
  return made;
}

result<address_rule> address_rule::parse(std::string_view given) {
  auto text = trimmed(given);
  address_rule made;
  if (text == "*") {
    made.every_ = true;
    return made;
  }
  if (text.empty())
    return made;
  std::string_view before;
  auto list = text;
  if (text.back() == '}') { // only the last part may be one of several
    auto open = text.find('{');
    if (open == 0 || open == std::string_view::npos ||
        (text[open - 1] != '.' && text[open - 1] != ':'))
      return no_rule(text);
    before = text.substr(0, open);
    list = text.substr(open + 1, text.size() - open - 2);
  }
  for (auto piece : split(list, ',')) {
    if (made.patterns_.size() == most_patterns)
      return error{errc::too_large,
                   "more than " + std::to_string(most_patterns) + " addresses in one rule"};
    TROUPE_TRY(auto one, parse_one(std::string(before) + std::string(piece)));
    made.patterns_.push_back(one);
  }
  return made;
}

bool address_rule::matches(const storage::host& peer) const noexcept {
  if (every_)
    return true;
  auto fits = [&peer](const pattern& p) {
    if (p.v6 != peer.v6)
      return false;
    for (std::size_t i = 0; i < (p.v6 ? 8u : 4u); ++i) {
      auto value = p.v6 ? peer.address[2 * i] << 8 | peer.address[2 * i + 1] : peer.address[i];
      if (value < p.parts[i].least || value > p.parts[i].most)
        return false;
    }
    return true;
  };
  return std::any_of(patterns_.begin(), patterns_.end(), fits);
}

} // namespace troupe::access
