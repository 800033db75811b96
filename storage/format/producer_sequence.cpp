#include "storage/format/producer_sequence.hpp"

#include "storage/format/properties.hpp"

#include <charconv>

namespace troupe::storage {

namespace {

constexpr std::string_view property_begin = "TROUPE_SEQ\1";
constexpr std::size_t digits_of_half = 16;

void append_hex(std::string& out, std::uint64_t half) {
  constexpr std::string_view digits = "0123456789abcdef";
  for (int shift = 60; shift >= 0; shift -= 4)
    out.push_back(digits[(half >> shift) & 0xf]);
}

/// The number that is the whole text.
std::optional<std::uint64_t> number_of(std::string_view text, int base) noexcept {
  std::uint64_t number = 0;
  auto* end = text.data() + text.size();
  auto [stop, problem] = std::from_chars(text.data(), end, number, base);
  if (problem != std::errc{} || stop != end)
    return std::nullopt;
  return number;
}

} // namespace

std::string producer_id::text() const {
  std::string out;
  append_hex(out, high);
  append_hex(out, low);
  return out;
}

std::optional<producer_id> producer_id::parse(std::string_view text) noexcept {
  if (text.size() != 2 * digits_of_half)
    return std::nullopt;
  auto upper = number_of(text.substr(0, digits_of_half), 16);
  auto lower = number_of(text.substr(digits_of_half), 16);
  if (!upper || !lower)
    return std::nullopt;
  return producer_id{*upper, *lower};
}

std::string producer_sequence::property() const {
  std::string out(property_begin);
  append_hex(out, producer.high);
  append_hex(out, producer.low);
  out.append("-").append(std::to_string(epoch)).append("-").append(std::to_string(number));
  out.push_back(property::value_end);
  return out;
}

std::optional<producer_sequence> producer_sequence::parse(std::string_view properties) noexcept {
  if (!properties.starts_with(property_begin))
    return std::nullopt;
  properties.remove_prefix(property_begin.size());
  auto value = properties.substr(0, properties.find(property::value_end));
  auto first = value.find('-');
  auto second = first == std::string_view::npos ? first : value.find('-', first + 1);
  if (second == std::string_view::npos)
    return std::nullopt;
  auto id = producer_id::parse(value.substr(0, first));
  auto epoch = number_of(value.substr(first + 1, second - first - 1), 10);
  auto number = number_of(value.substr(second + 1), 10);
  if (!id || !epoch || !number || *number == 0)
    return std::nullopt;
  return producer_sequence{*id, *epoch, *number};
}

} // namespace troupe::storage
