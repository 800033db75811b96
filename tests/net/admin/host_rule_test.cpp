#include "net/admin/host_rule.hpp"
#include "tests/support/catch.hpp"

using troupe::net::host_allowed;

namespace {

bool allowed(std::string_view header) {
  return host_allowed(header, "10.0.0.7", {"broker1.example.org", "10.0.0.9"});
}

} // namespace

TEST_CASE("host rule: names and addresses of the loopback interface are let in", "[admin]") {
  for (auto* host : {"localhost", "LocalHost:10990", "localhost.", "127.0.0.1", "127.0.0.1:10990",
                     "127.8.9.1", "[::1]", "[::1]:10990"})
    CHECK(allowed(host));
}

TEST_CASE("host rule: the address that was dialled and what the operator names are let in",
          "[admin]") {
  for (auto* host :
       {"10.0.0.7", "10.0.0.7:80", "broker1.example.org", "BROKER1.example.org.:1", "10.0.0.9"})
    CHECK(allowed(host));
}

TEST_CASE("host rule: any other name is refused, however like it is", "[admin]") {
  for (auto* host :
       {"", ":80", "evil.example", "evil.example:10990", "localhost.evil.example",
        "127.0.0.1.nip.io", "10.0.0.8", "0x7f.1", "localhost:x", "localhost:123456", "[::1",
        "[::1]x", "[::1]:x", "localhost@evil.example", "evil.example#localhost",
        "localhost evil.example", "localhost/", "broker1.example.org.evil.example", "2130706433"})
    CHECK_FALSE(allowed(host));
  CHECK_FALSE(allowed(std::string_view("localhost\0.evil.example", 23)));
  CHECK_FALSE(allowed(std::string(300, 'a')));
}
