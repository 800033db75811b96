#include "net/admin/host_rule.hpp"

#include <arpa/inet.h>

#include <algorithm>

namespace troupe::net {

namespace {

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool same_name(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return lower(x) == lower(y); });
}

bool is_port(std::string_view text) {
  return text.size() <= 5 && text.find_first_not_of("0123456789") == text.npos;
}

/// Without the port; empty when it is no host.
std::string_view name_of(std::string_view header) {
  auto name = header;
  std::string_view rest;
  if (header.starts_with('[')) {
    auto end = header.find(']');
    if (end == header.npos)
      return {};
    name = header.substr(1, end - 1);
    rest = header.substr(end + 1);
  } else if (auto colon = header.find(':'); colon != header.npos) {
    name = header.substr(0, colon);
    rest = header.substr(colon);
  }
  if (!rest.empty() && (rest.front() != ':' || !is_port(rest.substr(1))))
    return {};
  if (name.ends_with('.')) // a name that is complete is the same name
    name.remove_suffix(1);
  return name;
}

bool is_loopback_name(std::string_view name) {
  if (same_name(name, "localhost") || name == "::1")
    return true;
  in_addr address{};
  return ::inet_pton(AF_INET, std::string(name).c_str(), &address) == 1 &&
         (ntohl(address.s_addr) >> 24) == 127;
}

} // namespace

bool host_allowed(std::string_view header, std::string_view local,
                  const std::vector<std::string>& more) {
  constexpr std::size_t longest = 255;
  auto name = name_of(header);
  if (name.empty() || name.size() > longest || name.find('\0') != name.npos)
    return false;
  return is_loopback_name(name) || name == local ||
         std::any_of(more.begin(), more.end(), [&](auto& one) { return same_name(one, name); });
}

} // namespace troupe::net
