#include "net/quantity.hpp"

#include "tests/support/catch.hpp"

#include <array>

using namespace troupe::net;

TEST_CASE("quantity: sizes are plain bytes or have binary units", "[net]") {
  CHECK(parse_size("0").value() == 0);
  CHECK(parse_size("64KiB").value() == 65536);
  CHECK(parse_size("1 GiB").value() == 1073741824);
  CHECK(!parse_size("1kib"));
  CHECK(!parse_size("1.5MiB"));
  CHECK(!parse_size(""));
}

TEST_CASE("quantity: a value written and read again is the same", "[net]") {
  for (std::int64_t n : {0LL, 1LL, 1023LL, 1024LL, 65536LL, 6000000LL, 1LL << 40})
    CHECK(parse_size(size_text(n)).value() == n);
  for (std::int64_t n : {0LL, 1LL, 999LL, 1000LL, 90'000LL, 120'000LL, 259'200'000LL})
    CHECK(parse_duration(duration_text(n)).value() == n);
  for (std::int64_t n : {0LL, 1'714'564'800'123LL, -1LL, 253'402'300'799'999LL})
    CHECK(parse_moment(moment_text(n), 0).value() == n);
}

TEST_CASE("quantity: moments are RFC 3339 or a time ago", "[net]") {
  CHECK(parse_moment("1970-01-01T00:00:00Z", 0).value() == 0);
  CHECK(parse_moment("2024-05-01T12:00:00Z", 0).value() == 1'714'564'800'000);
  CHECK(parse_moment("2024-05-01T14:00:00+02:00", 0).value() == 1'714'564'800'000);
  CHECK(parse_moment("2024-05-01 12:00:00.1239Z", 0).value() == 1'714'564'800'123);
  CHECK(parse_moment("-10m", 700'000).value() == 100'000);
  for (auto text : {"", "-", "-10", "2024-05-01", "2024-13-01T00:00:00Z", "2023-02-29T00:00:00Z",
                    "2024-05-01T24:00:00Z", "2024-05-01T12:00:00", "2024-05-01T12:00:00Zz",
                    "2024-05-01T12:00:00.Z", "+024-05-01T12:00:00Z", "2024-05-01T12:00:00+2:00"})
    CHECK(!parse_moment(text, 0));
}

TEST_CASE("quantity: the nearest name takes the fewest changes", "[net]") {
  constexpr std::array<std::string_view, 3> names = {"writer", "reader", "flusher"};
  CHECK(nearest("wrter", names) == "writer");
  CHECK(nearest("raeder", names) == "reader");
  CHECK(nearest("x", {}).empty());
  CHECK(nearest(std::string(1 << 20, 'f'), names) == "flusher");
}

TEST_CASE("quantity: a hint names only what is near", "[net]") {
  constexpr std::array<std::string_view, 4> names = {"writer", "list", "--tag", "ms"};
  CHECK(hint("wirter", names, "troupe ") == "; the nearest is 'troupe writer'");
  CHECK(hint("lsit", names) == "; the nearest is 'list'"); // two letters swapped are one mistake
  CHECK(hint("--tga", names) == "; the nearest is '--tag'");
  for (auto far : {"zebra", "tar", "trip", "us", "x", ""})
    CHECK(hint(far, names).empty());
  CHECK(hint("anything", {}).empty());
}
