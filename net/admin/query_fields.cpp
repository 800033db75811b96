#include "net/admin/query_fields.hpp"

#include <algorithm>
#include <charconv>

namespace troupe::net {

namespace {

storage::error wrong(std::string text) {
  return {storage::errc::invalid_argument, std::move(text)};
}

int digit_of(char c) noexcept {
  if (c >= '0' && c <= '9')
    return c - '0';
  if (c >= 'a' && c <= 'f')
    return c - 'a' + 10;
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

storage::result<std::string> decode(std::string_view text, bool plus_is_blank) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    auto c = text[i];
    if (c == '%') {
      auto high = i + 2 < text.size() ? digit_of(text[i + 1]) : -1;
      auto low = high < 0 ? -1 : digit_of(text[i + 2]);
      if (low < 0)
        return wrong("an escape is a percent sign and two hex digits");
      c = static_cast<char>(high * 16 + low);
      i += 2;
    } else if (c == '+' && plus_is_blank) {
      c = ' ';
    }
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)
      return wrong("control characters are not taken");
    if (out.size() == most_field_bytes)
      return wrong("a field has at most " + std::to_string(most_field_bytes) + " bytes");
    out += c;
  }
  return out;
}

} // namespace

storage::result<std::string> decode_escapes(std::string_view text) {
  return decode(text, false);
}

storage::result<query_fields> query_fields::parse(std::string_view query,
                                                  std::initializer_list<std::string_view> known) {
  query_fields fields;
  while (!query.empty()) {
    auto one = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(one.size() + 1, query.size()));
    auto name = one.substr(0, one.find('='));
    auto at = std::find(known.begin(), known.end(), name);
    if (at == known.end() || name.size() == one.size()) {
      std::string all;
      for (auto& k : known)
        all += (all.empty() ? "" : ", ") + std::string(k);
      return wrong("a query has fields of the form name=value; known here: " + all);
    }
    if (fields.has(name))
      return wrong(std::string(name) + " is given twice");
    TROUPE_TRY(auto value, decode(one.substr(name.size() + 1), true));
    fields.all_.emplace_back(name, std::move(value));
  }
  return fields;
}

const std::string* query_fields::find(std::string_view name) const {
  for (auto& [known, value] : all_)
    if (known == name)
      return &value;
  return nullptr;
}

storage::result<std::string> query_fields::text(std::string_view name) const {
  auto* value = find(name);
  if (value == nullptr || value->empty())
    return wrong(std::string(name) + " is wanted");
  return *value;
}

storage::result<std::int64_t> query_fields::number(std::string_view name, std::int64_t least,
                                                   std::int64_t most) const {
  TROUPE_TRY(auto value, text(name));
  std::int64_t number = 0;
  auto* end = value.data() + value.size();
  auto [stop, problem] = std::from_chars(value.data(), end, number);
  if (problem != std::errc{} || stop != end || number < least || number > most)
    return wrong(std::string(name) + " is a whole number from " + std::to_string(least) + " to " +
                 std::to_string(most));
  return number;
}

} // namespace troupe::net
