#include "net/remoting/client_groups.hpp"
#include "tests/support/catch.hpp"

#include <algorithm>

using namespace troupe::remoting;
using names = client_groups::names;

namespace {

heartbeat consumer_of(const std::string& client, const std::string& group,
                      std::vector<subscription> wanted) {
  heartbeat h;
  h.client_id = client;
  h.producer_groups = {"P"};
  h.consumers = {{group, true, std::move(wanted)}};
  return h;
}

subscription topic(const std::string& name, std::int64_t version = 1,
                   const std::string& expression = "*") {
  return {name, expression, "TAG", version};
}

} // namespace

TEST_CASE("client_groups: only news are told", "[remoting]") {
  client_groups groups;
  auto h = consumer_of("c1", "G", {topic("T")});
  CHECK(groups.heartbeat(1, h, 0).value() == names{"G"});
  CHECK(groups.heartbeat(1, h, 1).value() == names{});
  CHECK(groups.heartbeat(2, consumer_of("c2", "G", {topic("T")}), 2).value() == names{"G"});
  CHECK(groups.heartbeat(1, consumer_of("c1", "G", {topic("T", 2)}), 3).value() == names{});
  CHECK(groups.heartbeat(1, consumer_of("c1", "G", {topic("T", 3, "a")}), 4).value() == names{"G"});
  CHECK(groups.client_ids("G") == names{"c1", "c2"});
  CHECK(groups.connections("G") == std::vector<connection_id>{1, 2});
  CHECK(groups.client_ids("other") == names{});
}

TEST_CASE("client_groups: the newest subscription of a group counts", "[remoting]") {
  client_groups groups;
  (void)groups.heartbeat(1, consumer_of("c1", "G", {topic("T", 5, "new"), topic("U")}), 0);
  (void)groups.heartbeat(2, consumer_of("c2", "G", {topic("T", 4, "old"), topic("U")}), 0);
  REQUIRE(groups.find("G", "T") != nullptr);
  CHECK(groups.find("G", "T")->expression == "new");
  CHECK(groups.heartbeat(2, consumer_of("c2", "G", {topic("T", 6, "newer")}), 0).value() ==
        names{"G"});
  CHECK(groups.find("G", "T")->expression == "newer");
  CHECK(groups.find("G", "U") == nullptr); // no longer named
  CHECK(groups.find("H", "T") == nullptr);
}

TEST_CASE("client_groups: an expression is compiled once, and a broken one says why",
          "[remoting]") {
  client_groups groups;
  auto beat = [&](const std::string& type, const std::string& expression, std::int64_t version) {
    return groups.heartbeat(1, consumer_of("c1", "G", {{"T", expression, type, version}}), 0)
        .value();
  };
  CHECK(beat("TAG", "a", 1) == names{"G"});
  CHECK(groups.find("G", "T")->filter.value().tags.size() == 1);
  CHECK(groups.find("G", "T")->filter.value().sql == nullptr);
  CHECK(beat("SQL92", "a", 2) == names{"G"});
  auto first = groups.find("G", "T")->filter.value().sql;
  REQUIRE(first != nullptr);
  CHECK(groups.find("G", "T")->filter.value().tags.empty());
  CHECK(beat("SQL92", "a", 2) == names{});
  CHECK(groups.find("G", "T")->filter.value().sql == first);
  CHECK(beat("SQL92", "a >", 3) == names{"G"});
  REQUIRE(groups.find("G", "T")->filter.has_error());
  CHECK(groups.find("G", "T")->filter.error().message.find("Encountered") != std::string::npos);
}

TEST_CASE("client_groups: a producer is found by its client's id, as long as it is there",
          "[remoting]") {
  client_groups groups;
  heartbeat h;
  h.client_id = "c1";
  h.producer_groups = {"P", "Q"};
  (void)groups.heartbeat(1, h, 0);
  (void)groups.heartbeat(1, h, 0);
  CHECK(groups.producer("c1") == connection_id{1});
  CHECK_FALSE(groups.producer("c"));
  CHECK_FALSE(groups.producer("c2"));
  (void)groups.heartbeat(2, h, 5);
  CHECK(groups.producer("c1") == connection_id{2});
  (void)groups.leave(2, "P", "");
  CHECK(groups.producer("c1") == connection_id{2});
  (void)groups.leave(2, "Q", "");
  CHECK(groups.producer("c1") == connection_id{1});
  h.client_id = "c2"; // it says another one now
  (void)groups.heartbeat(1, h, 6);
  CHECK_FALSE(groups.producer("c1"));
  CHECK(groups.producer("c2") == connection_id{1});
  (void)groups.expire(7);
  CHECK_FALSE(groups.producer("c2"));
}

TEST_CASE("client_groups: who leaves or is silent is forgotten", "[remoting]") {
  client_groups groups;
  (void)groups.heartbeat(1, consumer_of("c1", "G", {topic("T")}), 100);
  (void)groups.heartbeat(2, consumer_of("c2", "G", {topic("T")}), 200);
  (void)groups.heartbeat(3, consumer_of("c3", "H", {topic("T")}), 300);
  CHECK(groups.expire(100) == names{});
  CHECK(groups.expire(250) == names{"G"});
  CHECK_FALSE(groups.has_consumers("G"));
  CHECK(groups.leave(3, "", "nothing") == names{});
  CHECK(groups.leave(3, "P", "H") == names{"H"});
  CHECK(groups.empty());
  (void)groups.heartbeat(4, consumer_of("c4", "G", {}), 0);
  CHECK(groups.forget(4) == names{"G"});
  CHECK(groups.forget(4) == names{});
  CHECK(groups.empty());
}

TEST_CASE("client_groups: what clients make us remember is bounded", "[remoting]") {
  group_limits limits;
  limits.groups_of_connection = 3;
  limits.bytes_of_connection = 20'000;
  limits.bytes = 30'000;
  client_groups groups(limits);
  auto of = [](const std::string& group, std::size_t expression = 1) {
    auto h = consumer_of("c", group, {topic("T", 1, std::string(expression, 'x'))});
    h.producer_groups.clear();
    return h;
  };
  CHECK(groups.heartbeat(1, of("a"), 0));
  CHECK(groups.heartbeat(1, of("b"), 0));
  CHECK(groups.heartbeat(1, of("c"), 0));
  CHECK(groups.heartbeat(1, of("c"), 1)); // known ones are always taken
  auto refused = groups.heartbeat(1, of("d"), 2);
  REQUIRE(refused.has_error());
  CHECK(refused.error().code == troupe::storage::errc::too_large);
  CHECK(refused.error().message.find("at most 3") != std::string::npos);
  CHECK_FALSE(groups.has_consumers("d"));
  CHECK(groups.leave(1, "", "a") == names{"a"});
  CHECK(groups.heartbeat(1, of("d"), 3));

  CHECK(groups.heartbeat(2, of("large", 21'000), 0).has_error());
  CHECK(groups.heartbeat(2, of("large", 18'000), 0));
  CHECK(groups.heartbeat(2, of("large", 18'000), 1));             // counted once
  CHECK(groups.heartbeat(3, of("large", 18'000), 0).has_error()); // of all together
  (void)groups.forget(2);
  CHECK(groups.heartbeat(3, of("large", 18'000), 0));
  (void)groups.forget(1);
  (void)groups.expire(1'000'000);
  CHECK(groups.bytes() == 0);
  CHECK(groups.empty());
}
