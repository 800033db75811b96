#include "tests/net/gateway/gateway_stand.hpp"

#include "tests/support/catch.hpp"

#include <numeric>

using namespace troupe;
using namespace troupe::test;
using namespace std::chrono_literals;

namespace {

net::gateway_report report_of(gateway_stand& t) {
  return t.world().ask<net::gateway_report>(t.gateway, status_atom_v).value();
}

std::uint64_t all_of(const storage::histogram_counts& h) {
  return std::accumulate(h.counts.begin(), h.counts.end(), std::uint64_t{0});
}

} // namespace

TEST_CASE("gateway: says who is connected, in which groups", "[gateway]") {
  gateway_stand t;
  t.start();
  t.node.create_topic("t");
  t.ask(7, request_code::heart_beat, {}, heartbeat_of("c7", {"G", "H"}, "t"));
  t.ask(9, request_code::query_consumer_offset,
        {{"consumerGroup", "G"}, {"topic", "t"}, {"queueId", "0"}});
  auto report = report_of(t);
  REQUIRE(report.clients.size() == 2);
  CHECK(report.clients[0].connection == 7);
  CHECK(report.clients[0].client_id == "c7");
  CHECK(report.clients[0].consumer_groups == std::vector<std::string>{"G", "H"});
  CHECK_FALSE(report.clients[0].peer.empty());
  CHECK(report.clients[1].client_id.empty()); // in no group
  CHECK(report.clients[1].consumer_groups.empty());
  t.world().tell(t.gateway, net::departed{7});
  t.world().run_for(1s);
  CHECK(report_of(t).clients.size() == 1);
}

TEST_CASE("gateway: counts what came in and went out, and how long that took", "[gateway]") {
  gateway_stand t;
  t.start();
  t.node.create_topic("t");
  for (int i = 0; i < 3; ++i) {
    auto stored = t.ask(1, request_code::send_message, send_fields("t"), "body");
    REQUIRE(stored.header.code == response_code::success);
  }
  t.world().run_for(1s);
  auto pulled = t.ask(1, request_code::pull_message, pull_fields("G", "t", 0));
  REQUIRE(pulled.header.code == response_code::success);
  auto report = report_of(t);
  REQUIRE(report.in.size() == 1);
  CHECK(report.in[0].topic == "t");
  CHECK(report.in[0].sum.messages == 3);
  CHECK(report.in[0].sum.bytes >= 12);
  CHECK(all_of(report.put_ms) == 3);
  REQUIRE(report.out.size() == 1);
  CHECK(report.out[0].topic == "t");
  CHECK(report.out[0].group == "G");
  CHECK(report.out[0].sum.messages == 3);
  CHECK(all_of(report.pull_ms) == 1);
  CHECK(report.unknown_requests == 0);
  t.ask(1, 9999, {});
  CHECK(report_of(t).unknown_requests == 1);
}
