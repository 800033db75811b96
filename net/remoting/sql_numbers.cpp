#include "net/remoting/sql_numbers.hpp"

#include "net/remoting/command.hpp"

#include <cmath>
#include <cstdlib>
#include <limits>
#include <string>

namespace troupe::remoting {

namespace {

constexpr std::size_t longest_real = 512;

template <class Integer>
std::optional<Integer> java_number(std::string_view text) noexcept {
  if (text.size() > 1 && text[0] == '+' && text[1] != '-')
    text.remove_prefix(1);
  return parse_integer<Integer>(text);
}

std::string_view trimmed(std::string_view text) noexcept {
  while (!text.empty() && static_cast<unsigned char>(text.front()) <= ' ')
    text.remove_prefix(1);
  while (!text.empty() && static_cast<unsigned char>(text.back()) <= ' ')
    text.remove_suffix(1);
  return text;
}

/// Of digits with a point and an exponent; beyond the range it is infinite or 0.
std::optional<double> decimal(std::string_view text) {
  double value = 0;
  auto* end = text.data() + text.size();
  auto [at, failure] = std::from_chars(text.data(), end, value);
  if (at != end)
    return std::nullopt;
  if (failure == std::errc::result_out_of_range)
    return std::strtod(std::string(text).c_str(), nullptr);
  return failure == std::errc{} ? std::optional(value) : std::nullopt;
}

} // namespace

std::optional<std::int32_t> java_integer(std::string_view text) noexcept {
  return java_number<std::int32_t>(text);
}

std::optional<std::int64_t> java_long(std::string_view text) noexcept {
  return java_number<std::int64_t>(text);
}

std::optional<double> java_double(std::string_view text) {
  text = trimmed(text);
  if (text.empty() || text.size() > longest_real)
    return std::nullopt;
  bool negative = text[0] == '-';
  if (negative || text[0] == '+')
    text.remove_prefix(1);
  std::optional<double> value;
  if (text == "NaN")
    value = std::numeric_limits<double>::quiet_NaN();
  else if (text == "Infinity")
    value = std::numeric_limits<double>::infinity();
  else if (!text.empty() && (text[0] == '.' || (text[0] >= '0' && text[0] <= '9'))) {
    if (std::string_view("fFdD").find(text.back()) != std::string_view::npos)
      text.remove_suffix(1);
    value = decimal(text);
  }
  if (value && negative)
    value = -*value;
  return value;
}

int java_compare(double a, double b) noexcept {
  if (a < b)
    return -1;
  if (a > b)
    return 1;
  if (std::isnan(a) || std::isnan(b))
    return static_cast<int>(std::isnan(a)) - static_cast<int>(std::isnan(b));
  return static_cast<int>(std::signbit(b)) - static_cast<int>(std::signbit(a));
}

} // namespace troupe::remoting
