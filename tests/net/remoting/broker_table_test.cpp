#include "net/remoting/broker_table.hpp"

#include "tests/support/catch.hpp"

#include <algorithm>

using namespace troupe;
using namespace troupe::remoting;

namespace {

const broker_address self{"C", "n1", "127.0.0.1:10911"};

register_header header(const std::string& broker, const std::string& address, std::int64_t id = 0) {
  register_header h;
  h.broker = broker;
  h.address = address;
  h.cluster = "C";
  h.id = id;
  return h;
}

registration with_topics(std::initializer_list<const char*> names, std::int64_t version = 1) {
  registration r;
  r.version.counter = version;
  for (auto* name : names)
    r.topics.push_back({{name, 4, 4, 6}});
  return r;
}

/// "broker@id=address ..." of the route, in its order.
std::string route_of(const broker_table& table, const std::string& topic) {
  route to;
  table.add_to(to, topic);
  CHECK(to.brokers.size() == to.queues.size());
  std::string out;
  for (auto& broker : to.brokers)
    for (auto& [id, address] : broker.addresses)
      out += (out.empty() ? "" : " ") + broker.broker + '@' + std::to_string(id) + '=' + address;
  return out;
}

std::vector<std::string> topics_of(const broker_table& table) {
  std::vector<std::string> names;
  table.add_topics(names);
  return names;
}

using names = std::vector<std::string>;

} // namespace

TEST_CASE("broker table: topics are where their brokers are", "[remoting]") {
  broker_table t(self);
  REQUIRE(t.enter(1, header("a", "a:1"), with_topics({"T", "U"}), 0));
  REQUIRE(t.enter(2, header("b", "b:1"), with_topics({"T"}), 0));
  CHECK(route_of(t, "T") == "a@0=a:1 b@0=b:1");
  CHECK(route_of(t, "U") == "a@0=a:1");
  CHECK(route_of(t, "V").empty());
  CHECK(topics_of(t) == names{"T", "U"});
  CHECK(t.leave(header("a", "a:1")));
  CHECK_FALSE(t.leave(header("a", "a:1")));
  CHECK(route_of(t, "T") == "b@0=b:1");
  CHECK(topics_of(t) == names{"T"});
}

TEST_CASE("broker table: a broker goes with its connection, or 120 s after its last word",
          "[remoting]") {
  broker_table t(self);
  REQUIRE(t.enter(1, header("a", "a:1"), with_topics({"T"}), 0));
  REQUIRE(t.enter(2, header("b", "b:1"), with_topics({"T"}), 1000));
  CHECK(t.expire(119'999).empty());
  CHECK(t.expire(120'000) == names{"a"});
  t.touch(header("b", "b:1"), 100'000);
  CHECK(t.expire(219'999).empty());
  CHECK(route_of(t, "T") == "b@0=b:1");
  CHECK(t.departed(7).empty());
  CHECK(t.departed(2) == names{"b"});
  CHECK(topics_of(t).empty());
  CHECK(t.addresses() == 0);
  auto short_lived = header("c", "c:1");
  short_lived.timeout_ms = 10'000;
  REQUIRE(t.enter(3, short_lived, with_topics({"T"}), 0));
  CHECK(t.expire(10'000) == names{"c"});
}

TEST_CASE("broker table: who registers again by another connection belongs to that one",
          "[remoting]") {
  broker_table t(self);
  REQUIRE(t.enter(1, header("a", "a:1"), with_topics({"T"}), 0));
  REQUIRE(t.enter(2, header("a", "a:1"), with_topics({"T"}), 0));
  CHECK(t.departed(1).empty());
  CHECK(route_of(t, "T") == "a@0=a:1");
}

TEST_CASE("broker table: a slave is told its master, and stays when that goes", "[remoting]") {
  broker_table t(self);
  auto master = header("a", "a:1");
  master.ha_address = "a:2";
  REQUIRE(t.enter(1, master, with_topics({"T"}), 0));
  auto slave = t.enter(2, header("a", "s:1", 1), with_topics({"T", "slaves only"}), 0);
  REQUIRE(slave);
  CHECK(slave.value().master_address == "a:1");
  CHECK(slave.value().ha_address == "a:2");
  CHECK(route_of(t, "T") == "a@0=a:1 a@1=s:1");
  CHECK(topics_of(t) == names{"T"});
  CHECK(t.departed(1) == names{"a"});
  CHECK(route_of(t, "T") == "a@1=s:1");
  // It becomes the master: one address has one number.
  REQUIRE(t.enter(2, header("a", "s:1", 0), with_topics({"T"}, 2), 0));
  CHECK(route_of(t, "T") == "a@0=s:1");
}

TEST_CASE("broker table: of two that claim one place, the older state is not heard", "[remoting]") {
  broker_table t(self);
  auto newer = with_topics({"T"});
  newer.version.state = 5;
  REQUIRE(t.enter(1, header("a", "new:1"), newer, 0));
  REQUIRE(t.enter(2, header("a", "old:1"), with_topics({"T"}), 0));
  CHECK(route_of(t, "T") == "a@0=new:1");
  newer.version.state = 6;
  REQUIRE(t.enter(2, header("a", "old:1"), newer, 0));
  CHECK(route_of(t, "T") == "a@0=old:1");
  CHECK(t.departed(1).empty());
}

TEST_CASE("broker table: what a part of a registration leaves out stays", "[remoting]") {
  broker_table t(self);
  REQUIRE(t.enter(1, header("a", "a:1"), with_topics({"T", "U"}, 1), 0));
  REQUIRE(t.enter(1, header("a", "a:1"), with_topics({"V"}, 2), 0));
  CHECK(topics_of(t) == names{"T", "U", "V"});
  auto all = header("a", "a:1");
  all.all_topics = true;
  REQUIRE(t.enter(1, all, with_topics({"U"}, 3), 0));
  CHECK(topics_of(t) == names{"U"});
}

TEST_CASE("broker table: what operators change lasts until the broker's topics do", "[remoting]") {
  broker_table t(self);
  auto perm = [&] {
    route to;
    t.add_to(to, "T");
    return to.queues.at(0).perm;
  };
  REQUIRE(t.enter(1, header("a", "a:1"), with_topics({"T", "U"}, 1), 0));
  CHECK(t.set_writable("a", false) == 2);
  CHECK(t.set_writable("none", false) == 0);
  CHECK(perm() == 4);
  REQUIRE(t.enter(1, header("a", "a:1"), with_topics({"T", "U"}, 1), 30'000));
  CHECK(perm() == 4);
  CHECK(t.set_writable("a", true) == 2);
  CHECK(perm() == 6);
  t.set_writable("a", false);
  REQUIRE(t.enter(1, header("a", "a:1"), with_topics({"T", "U"}, 2), 60'000));
  CHECK(perm() == 6);
  t.remove_topic("T");
  CHECK(topics_of(t) == names{"U"});
}

TEST_CASE("broker table: nobody takes the name of its own node", "[remoting]") {
  broker_table t(self);
  REQUIRE(t.enter(1, header("n1", self.address), with_topics({"T"}), 0)); // itself
  CHECK(topics_of(t).empty());
  CHECK(t.enter(1, header("n1", "other:1"), with_topics({"T"}), 0)
            .error()
            .message.find("has the name of the node") != std::string::npos);
  REQUIRE(t.enter(1, header("a", "a:1"), with_topics({"T"}), 0));
  auto elsewhere = header("a", "a:2");
  elsewhere.cluster = "D";
  CHECK(t.enter(2, elsewhere, with_topics({"T"}), 0).error().message.find("of cluster C") !=
        std::string::npos);
}

TEST_CASE("broker table: clusters and versions", "[remoting]") {
  broker_table t(self);
  auto other = header("d", "d:1");
  other.cluster = "D";
  REQUIRE(t.enter(1, other, with_topics({"T"}, 9), 0));
  REQUIRE(t.enter(1, header("a", "a:1"), with_topics({"U"}), 0));
  CHECK(t.has_cluster("D"));
  CHECK_FALSE(t.has_cluster("E"));
  names of_d;
  std::string cluster = "D";
  t.add_topics(of_d, &cluster);
  CHECK(of_d == names{"T"});
  CHECK(t.version_of(other)->counter == 9);
  CHECK(t.version_of(header("x", "x:1")) == nullptr);
  std::vector<broker_data> brokers{alone(self)};
  t.add_to(brokers);
  CHECK(write_cluster_info(brokers) ==
        R"({"brokerAddrTable":{"n1":{"brokerAddrs":{0:"127.0.0.1:10911"},"brokerName":"n1",)"
        R"("cluster":"C"},"a":{"brokerAddrs":{0:"a:1"},"brokerName":"a","cluster":"C"},)"
        R"("d":{"brokerAddrs":{0:"d:1"},"brokerName":"d","cluster":"D"}},)"
        R"("clusterAddrTable":{"C":["n1","a"],"D":["d"]}})");
}

TEST_CASE("broker table: brokers, topics and bytes have bounds", "[remoting]") {
  broker_table t(self);
  for (std::size_t i = 0; i < broker_table::most_addresses; ++i)
    REQUIRE(t.enter(i, header("b" + std::to_string(i), "a:" + std::to_string(i)), {}, 0));
  CHECK(t.enter(0, header("one", "too:1"), {}, 0).error().code == storage::errc::busy);
  CHECK(t.enter(0, header("b0", "a:0"), {}, 0));
  registration many;
  for (std::size_t i = 0; i < broker_table::most_topics; ++i)
    many.topics.push_back({{"t" + std::to_string(i), 1, 1, 6}});
  REQUIRE(t.enter(1, header("b1", "a:1"), many, 0));
  CHECK(t.enter(2, header("b2", "a:2"), with_topics({"one more"}), 0).error().code ==
        storage::errc::busy);
  std::size_t taken = 0; // the same topics at other brokers take bytes
  for (std::size_t i = 2;
       i < 20 && t.enter(i, header("b" + std::to_string(i), "a:" + std::to_string(i)), many, 0);
       ++i)
    ++taken;
  CHECK(taken > 2);
  CHECK(taken < 10);
  CHECK(t.expire(120'000).size() == broker_table::most_addresses);
  CHECK(topics_of(t).empty());
  REQUIRE(t.enter(1, header("b1", "a:1"), many, 120'000)); // nothing is counted any more
}
