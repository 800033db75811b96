#include "actors/client_credit.hpp"
#include "tests/support/catch.hpp"

using namespace troupe;

namespace {

client_credit small_credit() {
  session_options limits;
  limits.credit_messages = 3;
  limits.credit_bytes = 100;
  return client_credit(limits);
}

} // namespace

TEST_CASE("client_credit: a client has so many messages and bytes open", "[actors]") {
  auto credit = small_credit();
  credit.take({1, 60});
  CHECK(credit.admit({1, 40}));
  CHECK(credit.admit({1, 41}).error().code == errc::busy);
  credit.take({2, 0});
  CHECK(credit.admit({1, 0}).error().code == errc::busy);
  credit.give_back({1, 60});
  CHECK(credit.admit({1, 100}));
  CHECK(credit.bytes() == 0);
}

TEST_CASE("client_credit: a request that is alone is let in, however large", "[actors]") {
  auto credit = small_credit();
  CHECK(credit.admit({1, 1000}));
  credit.take({1, 0}); // a pull that waits
  CHECK_FALSE(credit.admit({1, 1000}));
}

TEST_CASE("client_credit: sums that overflow are too much", "[actors]") {
  auto credit = small_credit();
  credit.take({1, 1});
  CHECK_FALSE(credit.admit({UINT64_MAX, 0}));
  CHECK_FALSE(credit.admit({1, UINT64_MAX}));
}
