#include "net/remoting/command.hpp"

#include <algorithm>
#include <array>
#include <limits>

namespace troupe::remoting {

namespace {

constexpr std::array<std::string_view, 13> language_names = {
    "JAVA",  "CPP",  "DOTNET", "PYTHON", "DELPHI", "ERLANG", "RUBY",
    "OTHER", "HTTP", "GO",     "PHP",    "OMS",    "RUST"};
constexpr std::uint8_t other_language = 7;

bool fits_16_bits(std::int32_t value) noexcept {
  return value >= std::numeric_limits<std::int16_t>::min() &&
         value <= std::numeric_limits<std::int16_t>::max();
}

} // namespace

const std::string* ext_fields::find(std::string_view name) const noexcept {
  // Mostly names of one letter, of which all but one differ: seen without a call.
  auto is_named = [name](const auto& pair) {
    auto& own = pair.first;
    return own.size() == name.size() && (own.empty() || own.front() == name.front()) && own == name;
  };
  auto found = std::find_if(pairs_.rbegin(), pairs_.rend(), is_named);
  return found == pairs_.rend() ? nullptr : &found->second;
}

command answer_to(std::int32_t opaque, header_type type, std::int32_t code, std::string remark) {
  command answer;
  answer.code = code;
  answer.opaque = opaque;
  answer.flag = answer_flag;
  answer.remark = std::move(remark);
  answer.type = type;
  return answer;
}

storage::result<command> decode_header(header_type type, byte_view bytes) {
  if (type == header_type::binary)
    return decode_binary_header(bytes);
  return decode_json_header({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

header_type append_header(std::string& out, const command& c) {
  if (c.type == header_type::binary && fits_16_bits(c.code) && fits_16_bits(c.version)) {
    append_binary_header(out, c);
    return header_type::binary;
  }
  append_json_header(out, c);
  return header_type::json;
}

std::string_view language_name(std::uint8_t number) noexcept {
  return language_names[number < language_names.size() ? number : other_language];
}

std::uint8_t language_number(std::string_view name) noexcept {
  auto found = std::find(language_names.begin(), language_names.end(), name);
  return found == language_names.end() ? other_language
                                       : static_cast<std::uint8_t>(found - language_names.begin());
}

} // namespace troupe::remoting
