#pragma once

#include "net/config.hpp"
#include "tests/support/catch.hpp"

#include <string>

namespace troupe::test {

inline net::cluster_config accepted(const std::string& text) {
  auto parsed = net::parse_config(text, "c.ini");
  INFO(text << (parsed ? "" : parsed.error().message));
  REQUIRE(parsed);
  return parsed.value();
}

/// The message of a refused text.
inline std::string refusal(const std::string& text) {
  auto parsed = net::parse_config(text, "c.ini");
  if (parsed)
    return "accepted";
  CHECK(parsed.error().code == storage::errc::invalid_argument);
  return parsed.error().message;
}

} // namespace troupe::test
