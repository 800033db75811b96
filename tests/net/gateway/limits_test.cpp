// What one address, or one account, may take of the door.

#include "net/gateway/account_limits.hpp"
#include "net/gateway/connection_limits.hpp"
#include "net/gateway/creation_limits.hpp"
#include "tests/support/catch.hpp"

#include <string>

using namespace troupe;
using namespace troupe::net;

namespace {

const auto here = boost::asio::ip::make_address("10.0.0.1");
const auto there = boost::asio::ip::make_address("10.0.0.2");

creator from(std::uint32_t address, std::string account = {}) {
  return {storage::host::ipv4(address, 4711), std::move(account)};
}

gateway_options few_creations() {
  gateway_options o;
  o.new_topics_per_address = 3;
  o.new_topics_per_account = 2;
  o.new_groups_per_address = 1;
  o.new_groups_per_account = 0; // no limit
  return o;
}

} // namespace

TEST_CASE("limits: an address is known while it has a connection", "[gateway]") {
  gateway_options o;
  o.connections = 3;
  o.connections_per_address = 2;
  connection_limits limits(o);
  auto first = limits.enter(here);
  REQUIRE(first);
  CHECK(limits.enter(here) == first);
  CHECK_FALSE(limits.enter(here));
  CHECK(limits.refusal() == "[gateway] connections-per-address are open from there (2)");
  CHECK(limits.enter(there));
  CHECK_FALSE(limits.enter(there));
  CHECK(limits.refusal() == "[gateway] connections are open (3)");
  CHECK(limits.addresses() == 2);
  limits.leave(here);
  limits.leave(here);
  CHECK(limits.addresses() == 1);
  CHECK(limits.enter(here));
}

TEST_CASE("limits: requests are counted for all connections of an address", "[gateway]") {
  gateway_options o;
  o.requests_per_address = 2;
  connection_limits limits(o);
  auto one = limits.enter(here);
  auto same = limits.enter(here);
  one->add(1);
  CHECK_FALSE(same->is_full());
  same->add(1);
  CHECK(one->is_full());
  CHECK(one->refusal().find("address 10.0.0.1 has 2 requests open, as many as [gateway] "
                            "requests-per-address allows; ") == 0);
  CHECK_FALSE(limits.enter(there)->is_full());
  one->remove(1);
  CHECK_FALSE(same->is_full());
}

TEST_CASE("limits: an account is known while it has a connection", "[gateway]") {
  gateway_options o;
  o.connections_per_account = 1;
  o.requests_per_account = 5;
  account_limits limits(o);
  auto share = limits.enter("orders");
  REQUIRE(share);
  CHECK_FALSE(limits.enter("orders"));
  CHECK(limits.refusal("orders").find("account 'orders' has 1 connections, as many as [gateway] "
                                      "connections-per-account allows") == 0);
  CHECK(limits.enter("billing"));
  share->add(5);
  CHECK(share->refusal().find("account 'orders' has 5 requests open") == 0);
  limits.leave("orders");
  CHECK(limits.accounts() == 1);
  CHECK(limits.enter("orders"));
}

TEST_CASE("limits: 0 is none", "[gateway]") {
  gateway_options o;
  o.requests_per_account = 0;
  account_limits limits(o);
  for (int i = 0; i < 100; ++i)
    limits.enter("a")->add(1'000'000);
  CHECK_FALSE(limits.enter("a")->is_full());
}

TEST_CASE("limits: an address makes so many topics an hour, and an account", "[gateway]") {
  creation_limits limits(few_creations());
  auto take = [&](const creator& who, std::int64_t now_ms) {
    auto counted = limits.take(creation::topic, who, now_ms);
    return counted ? std::string() : counted.error().message;
  };
  CHECK(take(from(1, "a"), 0).empty());
  CHECK(take(from(1, "a"), 0).empty());
  CHECK(take(from(1, "a"), 60'000) ==
        "account 'a' has created 2 topics within an hour, as many as [gateway] "
        "new-topics-per-account allows; again in 59 min, or by somebody else, or have the setting "
        "raised");
  CHECK(take(from(1, "b"), 60'000).empty()); // what was refused has cost nothing
  CHECK(take(from(1, "b"), 60'000).find("address 0.0.0.1 has created 3 topics") == 0);
  CHECK(take(from(2, "b"), 60'000).empty());
  CHECK(take(from(1), 60'000).find("new-topics-per-address") != std::string::npos);
  CHECK(take(from(1, "a"), hourly_budget::hour_ms).empty());
}

TEST_CASE("limits: groups are counted apart, with their topics", "[gateway]") {
  CHECK(creation_of("%RETRY%G") == creation::group);
  CHECK(creation_of("%DLQ%G") == creation::group);
  CHECK(creation_of("G") == creation::topic);
  creation_limits limits(few_creations());
  CHECK(limits.take(creation::group, from(1, "a"), 0));
  CHECK(limits.take(creation::topic, from(1, "a"), 0));
  auto refused = limits.take(creation::group, from(1, "a"), 0);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == storage::errc::busy);
  CHECK(limits.take(creation::group, from(2, "a"), 0));
}

TEST_CASE("limits: those who are too many to be remembered share one budget", "[gateway]") {
  hourly_budget budget(2);
  for (std::size_t i = 0; i < hourly_budget::most_known; ++i)
    budget.take(std::to_string(i), 0);
  CHECK(budget.known() == hourly_budget::most_known);
  CHECK(budget.has_room("new", 0));
  budget.take("new", 0);
  CHECK(budget.has_room("newer", 0));
  budget.take("newer", 0);
  CHECK_FALSE(budget.has_room("newest", 0));
  CHECK(budget.has_room("7", 0)); // it has its own
  CHECK(budget.known() == hourly_budget::most_known + 1);
  CHECK(budget.has_room("newest", hourly_budget::hour_ms));
  CHECK(budget.known() == 0); // their hour is over
}
