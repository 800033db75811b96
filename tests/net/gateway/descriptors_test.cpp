#include "net/descriptors.hpp"
#include "tests/support/catch.hpp"

using troupe::net::share_descriptors;

TEST_CASE("descriptors: with many, connections have what they want and queues the rest",
          "[gateway]") {
  auto shares = share_descriptors(1'048'576, 1000);
  CHECK(shares.connections == 1000);
  CHECK(shares.queue_files == 100'000);
  CHECK(share_descriptors(4096, 1000).queue_files == 4096 - 1256);
}

TEST_CASE("descriptors: whatever the limit, some are left for the log and an operator",
          "[gateway]") {
  for (std::uint64_t limit = 16; limit < 5000; ++limit)
    for (std::size_t wanted : {0, 1, 100, 1000, 100'000}) {
      auto shares = share_descriptors(limit, wanted);
      REQUIRE(shares.connections <= wanted);
      REQUIRE(shares.connections >= std::min<std::size_t>(wanted, 1));
      REQUIRE(shares.queue_files >= limit / 4);
      auto left = limit - shares.connections - shares.queue_files;
      REQUIRE(left >= std::min<std::uint64_t>(256, limit / 2) - 1);
      REQUIRE(shares.lookers >= 1); // who looks takes nothing from the log where they are few
      REQUIRE((limit >= 512 || shares.lookers <= limit / 8));
    }
}
