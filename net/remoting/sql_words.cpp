#include "net/remoting/sql_words.hpp"

#include <array>
#include <utility>

namespace troupe::remoting {

namespace {

using storage::errc;
using storage::error;

constexpr bool is_digit(char c) noexcept {
  return c >= '0' && c <= '9';
}

constexpr char small(char c) noexcept {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

constexpr bool begins_name(char c) noexcept {
  return (small(c) >= 'a' && small(c) <= 'z') || c == '_' || c == '$';
}

constexpr bool is_blank(char c) noexcept {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f';
}

bool same_word(std::string_view image, std::string_view word) noexcept {
  if (image.size() != word.size())
    return false;
  for (std::size_t i = 0; i < image.size(); ++i)
    if (small(image[i]) != word[i])
      return false;
  return true;
}

sql_kind kind_of_name(std::string_view image) noexcept {
  constexpr std::array<std::pair<std::string_view, sql_kind>, 12> reserved{{
      {"not", sql_kind::word_not},
      {"and", sql_kind::word_and},
      {"or", sql_kind::word_or},
      {"between", sql_kind::word_between},
      {"in", sql_kind::word_in},
      {"true", sql_kind::word_true},
      {"false", sql_kind::word_false},
      {"null", sql_kind::word_null},
      {"is", sql_kind::word_is},
      {"contains", sql_kind::word_contains},
      {"startswith", sql_kind::word_starts_with},
      {"endswith", sql_kind::word_ends_with},
  }};
  for (auto& [word, kind] : reserved)
    if (same_word(image, word))
      return kind;
  return sql_kind::name;
}

std::size_t digits_from(std::string_view text, std::size_t at) noexcept {
  std::size_t count = 0;
  while (at + count < text.size() && is_digit(text[at + count]))
    ++count;
  return count;
}

/// Of `E+5` at this place; 0 when there is none.
std::size_t exponent_from(std::string_view text, std::size_t at) noexcept {
  if (at >= text.size() || small(text[at]) != 'e')
    return 0;
  std::size_t sign = at + 1 < text.size() && (text[at + 1] == '+' || text[at + 1] == '-') ? 1 : 0;
  auto digits = digits_from(text, at + 1 + sign);
  return digits == 0 ? 0 : 1 + sign + digits;
}

} // namespace

sql_word sql_words::taken(sql_kind kind, std::size_t length) {
  sql_word word{kind, all_.substr(at_, length), at_};
  at_ += word.image.size();
  return word;
}

/// As Java reads it, a comment to the end of its line needs that end; without it the signs are two
/// minuses.
std::size_t sql_words::length_of_comment() const noexcept {
  auto rest = all_.substr(at_);
  auto length = std::string_view::npos;
  if (rest.substr(0, 2) == "--")
    length = rest.find_first_of("\r\n");
  else if (rest.substr(0, 2) == "/*")
    length = rest.find("*/", 2);
  if (length == std::string_view::npos)
    return 0;
  return rest[0] == '/' ? length + 2 : length;
}

void sql_words::skip_blanks() {
  for (;;) {
    while (at_ < all_.size() && is_blank(all_[at_]))
      ++at_;
    auto comment = length_of_comment();
    if (comment == 0)
      return;
    at_ += comment;
  }
}

storage::result<sql_word> sql_words::text() {
  for (auto end = at_ + 1; end < all_.size(); ++end) {
    if (all_[end] != '\'')
      continue;
    if (end + 1 == all_.size() || all_[end + 1] != '\'')
      return taken(sql_kind::text, end + 1 - at_);
    ++end; // two of them are one inside of the text
  }
  return error{errc::invalid_argument,
               "the text that begins at " + sql_place(all_, at_) + " has no closing quote"};
}

sql_word sql_words::number() {
  auto whole = digits_from(all_, at_);
  auto length = whole;
  bool real = false;
  if (at_ + length < all_.size() && all_[at_ + length] == '.') {
    real = true;
    length += 1 + digits_from(all_, at_ + length + 1);
  }
  if (auto exponent = exponent_from(all_, at_ + length); exponent > 0) {
    real = true;
    length += exponent;
  }
  if (real)
    return taken(sql_kind::real, length);
  if (all_[at_] == '0') // nothing follows it in one number
    return taken(sql_kind::integer, 1);
  if (at_ + length < all_.size() && small(all_[at_ + length]) == 'l')
    ++length;
  return taken(sql_kind::integer, length);
}

sql_word sql_words::name() {
  std::size_t length = 1;
  while (at_ + length < all_.size() &&
         (begins_name(all_[at_ + length]) || is_digit(all_[at_ + length])))
    ++length;
  return taken(kind_of_name(all_.substr(at_, length)), length);
}

storage::result<sql_word> sql_words::next() {
  skip_blanks();
  if (at_ >= all_.size())
    return sql_word{sql_kind::end, {}, all_.size()};
  auto c = all_[at_];
  auto behind = at_ + 1 < all_.size() ? all_[at_ + 1] : '\0';
  if (begins_name(c))
    return name();
  if (is_digit(c) || (c == '.' && is_digit(behind)))
    return number();
  switch (c) {
  case '\'':
    return text();
  case '=':
    return taken(sql_kind::equal, 1);
  case '<':
    if (behind == '>')
      return taken(sql_kind::not_equal, 2);
    return behind == '=' ? taken(sql_kind::less_equal, 2) : taken(sql_kind::less, 1);
  case '>':
    return behind == '=' ? taken(sql_kind::greater_equal, 2) : taken(sql_kind::greater, 1);
  case '+':
    return taken(sql_kind::plus, 1);
  case '-':
    return taken(sql_kind::minus, 1);
  case '(':
    return taken(sql_kind::open, 1);
  case ')':
    return taken(sql_kind::close, 1);
  case ',':
    return taken(sql_kind::comma, 1);
  default:
    return error{errc::invalid_argument, "Lexical error at " + sql_place(all_, at_) + ": " +
                                             sql_quoted(all_.substr(at_, 1)) +
                                             " begins no word of SQL92"};
  }
}

std::string sql_place(std::string_view expression, std::size_t at) {
  std::size_t line = 1;
  std::size_t column = 1;
  for (auto c : expression.substr(0, at)) {
    ++column;
    if (c == '\n') {
      ++line;
      column = 1;
    }
  }
  return "line " + std::to_string(line) + ", column " + std::to_string(column);
}

std::string sql_quoted(std::string_view image) {
  constexpr std::size_t most_shown = 40;
  constexpr std::string_view hex = "0123456789abcdef";
  if (image.empty())
    return "\"<EOF>\"";
  std::string out = "\"";
  for (auto c : image.substr(0, most_shown)) {
    auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte < 0x7f)
      out += c;
    else
      (((out += "\\x") += hex[byte >> 4]) += hex[byte & 15]);
  }
  return out += image.size() > most_shown ? "...\"" : "\"";
}

} // namespace troupe::remoting
