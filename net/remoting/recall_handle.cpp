#include "net/remoting/recall_handle.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

namespace troupe::net::remoting {

namespace {

constexpr std::string_view letters =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
/// A topic, a broker and a key; what is longer no broker has written.
constexpr std::size_t most_bytes = 8192;

std::string encode(std::string_view bytes) {
  std::string out;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t three = 0;
    auto there = std::min<std::size_t>(3, bytes.size() - i);
    for (std::size_t j = 0; j < 3; ++j)
      three = three << 8 | (j < there ? static_cast<std::uint8_t>(bytes[i + j]) : 0U);
    for (std::size_t j = 0; j < 4; ++j)
      out.push_back(j <= there ? letters[three >> (18 - 6 * j) & 0x3fU] : '=');
  }
  return out;
}

/// With or without '=' at its end, as Java reads it.
std::optional<std::string> decode(std::string_view text) {
  auto padding = text.size() - std::min(text.find('='), text.size());
  if (padding > 2 || (padding > 0 && text.size() % 4 != 0) ||
      text.substr(text.size() - padding).find_first_not_of('=') != std::string_view::npos)
    return std::nullopt;
  text.remove_suffix(padding);
  if (text.size() % 4 == 1)
    return std::nullopt;
  std::string out;
  std::uint32_t bits = 0;
  int count = 0;
  for (char c : text) {
    auto value = letters.find(c);
    if (value == std::string_view::npos)
      return std::nullopt;
    bits = (bits << 6 | static_cast<std::uint32_t>(value)) & 0xffffU;
    count += 6;
    if (count >= 8) {
      count -= 8;
      out.push_back(static_cast<char>(bits >> count & 0xffU));
    }
  }
  return out;
}

} // namespace

std::string write_recall_handle(const recall_handle& handle) {
  return encode("v1 " + handle.topic + ' ' + handle.broker + ' ' +
                std::to_string(handle.deliver_ms) + ' ' + handle.unique_key);
}

storage::result<recall_handle> read_recall_handle(std::string_view text) {
  const storage::error wrong{storage::errc::invalid_argument, "recall handle is invalid"};
  if (text.empty() || text.size() > most_bytes)
    return wrong;
  auto raw = decode(text);
  if (!raw)
    return wrong;
  std::array<std::string_view, 5> words;
  std::string_view rest = *raw;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (rest.empty())
      return wrong;
    auto end = std::min(rest.find(' '), rest.size());
    words[i] = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  if (words[0] != "v1" || words[4].empty())
    return wrong;
  recall_handle handle{std::string(words[1]), std::string(words[2]), -1, std::string(words[4])};
  auto* end = words[3].data() + words[3].size();
  std::int64_t time = 0;
  if (auto [stop, failure] = std::from_chars(words[3].data(), end, time);
      failure == std::errc{} && stop == end)
    handle.deliver_ms = time;
  return handle;
}

} // namespace troupe::net::remoting
