#include "tests/net/gateway/gateway_stand.hpp"

#include "tests/support/catch.hpp"

#include <fstream>

using namespace troupe;
using namespace troupe::test;
using namespace std::chrono_literals;

namespace {

ext_list offset_of(const std::string& group, const std::string& topic) {
  return {{"consumerGroup", group}, {"topic", topic}, {"queueId", "0"}};
}

} // namespace

TEST_CASE("gateway: the first question may be how far a group is", "[gateway]") {
  gateway_stand t;
  t.start();
  t.node.create_topic("t");
  t.node.put(put_of("t", {{"x"}}));
  auto found = t.ask(1, request_code::query_consumer_offset, offset_of("G", "t"));
  CHECK(found.header.code == response_code::success);
  CHECK(found.number("offset") == 0);
  auto none = t.ask(1, request_code::query_consumer_offset, offset_of("G", "none"));
  CHECK(none.header.code == response_code::query_not_found);
}

TEST_CASE("gateway: a group starts at the first message since a topic was made", "[gateway]") {
  gateway_stand t;
  t.start();
  t.node.create_topic("t");
  t.node.put(put_of("t", numbered("old", 31)));
  auto deleted = t.ask(1, request_code::delete_topic_in_broker, {{"topic", "t"}});
  REQUIRE(deleted.header.code == response_code::success);
  t.node.create_topic("t");
  bool restart = GENERATE(false, true);
  auto found = t.ask(1, request_code::query_consumer_offset, offset_of("G", "t"));
  CHECK(found.number("offset") == 31); // before its first message
  t.node.put(put_of("t", numbered("new", 2)));
  if (restart) {
    t.world().run_for(5s);
    REQUIRE(t.node.stop());
    t.start();
  }
  found = t.ask(2, request_code::query_consumer_offset, offset_of("G", "t"));
  REQUIRE(found.header.code == response_code::success);
  CHECK(found.number("offset") == 31);
  CHECK(t.node.read_all("t", 0, 31) == std::vector<std::string>{"new0", "new1"});
}

TEST_CASE("gateway: a group decides where to start in a queue whose first messages expired",
          "[gateway]") {
  gateway_stand t;
  t.start();
  t.node.create_topic("t");
  REQUIRE(t.node.stop());
  // As a rebuild leaves it: the log does not know the queue's number any more.
  std::ofstream(t.node.stand.options.store.directory + "/config/troupe-queue-numbers.json")
      << R"({"nextOffsets":{"t":[31]}})";
  t.start();
  bool young = GENERATE(false, true);
  if (young)
    t.node.put(put_of("t", {{"x"}}));
  auto found = t.ask(1, request_code::query_consumer_offset, offset_of("G", "t"));
  CHECK(found.header.code == response_code::query_not_found);
  auto least = t.ask(1, request_code::get_min_offset, {{"topic", "t"}, {"queueId", "0"}});
  CHECK(least.number("offset") == 31);
}

TEST_CASE("gateway: members are told once, however often their group changes", "[gateway]") {
  gateway_stand t;
  t.start();
  t.ask(1, request_code::heart_beat, {}, heartbeat_of("c1", {"G"}, "t"));
  t.world().run_for(1s);
  t.sent.clear();
  std::vector<net::client_request> requests;
  for (int i = 0; i < 200; ++i) {
    requests.push_back(t.request(request_code::heart_beat, {}, heartbeat_of("c2", {"G"}, "t")));
    requests.push_back(
        t.request(request_code::unregister_client, {{"clientID", "c2"}, {"consumerGroup", "G"}}));
  }
  t.send(2, std::move(requests));
  t.world().run_for(1s);
  auto told = std::count_if(t.sent.begin(), t.sent.end(), [](const client_frame& f) {
    return f.to == 1 && f.header.code == request_code::notify_consumer_ids_changed;
  });
  CHECK(told >= 1);
  CHECK(told <= 3);
}
