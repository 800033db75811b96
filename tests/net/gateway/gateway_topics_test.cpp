#include "tests/net/gateway/gateway_stand.hpp"

#include "tests/net/gateway/played_node.hpp"
#include "tests/support/catch.hpp"

#include <set>

using namespace troupe;
using namespace troupe::test;
using namespace std::chrono_literals;

namespace {

std::vector<std::string> groups_named(const std::string& prefix, int count) {
  std::vector<std::string> names;
  for (int i = 0; i < count; ++i)
    names.push_back(prefix + std::to_string(i));
  return names;
}

} // namespace

TEST_CASE("gateway: those who ask for topics together cost one question", "[gateway]") {
  gateway_stand t;
  played_node node(t.world());
  t.start_before(node.handle);
  t.ask(1, request_code::get_routeinfo_by_topic, {{"topic", "t"}});
  auto before = node.topic_questions;
  std::vector<net::client_request> requests;
  for (int i = 0; i < 1000; ++i) {
    requests.push_back(t.request(request_code::get_routeinfo_by_topic,
                                 {{"topic", i % 2 == 0 ? "t" : "none" + std::to_string(i)}}));
    requests.push_back(t.request(request_code::pull_message, pull_fields("G", "none", 0)));
  }
  auto numbers = t.send(1, std::move(requests));
  t.world().run_for(100ms);
  for (auto number : numbers)
    CHECK(t.answers_to(number).size() == 1);
  CHECK(node.topic_questions - before <= 4);
}

TEST_CASE("gateway: so many wait for the topics, and who is one too many is told", "[gateway]") {
  gateway_stand t;
  played_node node(t.world());
  node.hold_topics = true;
  t.start_before(node.handle);
  constexpr std::size_t most = 1 + 10'000; // for the question that is under way, and the next one
  std::vector<net::client_request> requests;
  for (std::size_t i = 0; i < most + 1; ++i)
    requests.push_back(t.request(request_code::get_routeinfo_by_topic, {{"topic", "t"}}));
  auto numbers = t.send(1, std::move(requests));
  REQUIRE(t.sent.size() == 1);
  REQUIRE(t.answers_to(numbers.back()).size() == 1);
  CHECK(t.answers_to(numbers.back())[0].header.code == response_code::system_busy);
  node.release_topics(t.world());
  CHECK(t.sent.size() == most + 1);
  CHECK(node.topic_questions == 2);
}

TEST_CASE("gateway: a topic that was made meanwhile is known to who asks then", "[gateway]") {
  gateway_stand t;
  t.start();
  for (int i = 0; i < 20; ++i) {
    auto topic = "t" + std::to_string(i);
    // A question about topics is under way when the topic comes.
    t.arrive(1, {t.request(request_code::get_routeinfo_by_topic, {{"topic", "other"}})});
    for (int step = 0; step < i; ++step)
      t.world().step();
    topic_info info{topic, 1, 1, 6};
    auto made = t.world().request<topic_info>(t.node.session, create_atom_v, info);
    t.world().run_until([&] { return made.there(); });
    auto route = t.ask(2, request_code::get_routeinfo_by_topic, {{"topic", topic}});
    CHECK(route.header.code == response_code::success);
  }
}

TEST_CASE("gateway: no answer is taken for one to a question that came behind it", "[gateway]") {
  gateway_stand t;
  played_node node(t.world());
  node.hold_topics = true;
  t.start_before(node.handle);
  t.send(1, {t.request(request_code::get_routeinfo_by_topic, {{"topic", "t"}})});
  node.add_topic("new"); // what is under way was asked before
  auto number = t.send(2, {t.request(request_code::get_routeinfo_by_topic, {{"topic", "new"}})})[0];
  node.release_topics(t.world());
  REQUIRE(t.answers_to(number).size() == 1);
  CHECK(t.answers_to(number)[0].header.code == response_code::success);
}

TEST_CASE("gateway: who waited too long for the topics is told so", "[gateway]") {
  gateway_stand t;
  played_node node(t.world());
  node.hold_topics = true;
  t.start_before(node.handle);
  auto number = t.send(1, {t.request(request_code::get_routeinfo_by_topic, {{"topic", "t"}})})[0];
  t.world().run_for(11s);
  node.release_topics(t.world());
  REQUIRE(t.answers_to(number).size() == 1);
  CHECK(t.answers_to(number)[0].header.code == response_code::system_busy);
}

TEST_CASE("gateway: heartbeats of many groups create few topics, some at a time", "[gateway]") {
  gateway_stand t;
  played_node node(t.world());
  t.start_before(node.handle);
  for (std::uint64_t connection = 1; connection <= 3; ++connection)
    for (int round = 0; round < 10; ++round) { // 3000 groups
      auto prefix = std::to_string(connection) + "-" + std::to_string(round) + "-";
      t.ask(connection, request_code::heart_beat, {},
            heartbeat_of("c" + prefix, groups_named(prefix, 100), "t"));
    }
  t.world().run_for(100ms);
  // The session that creates them has room for everything else, and others are answered meanwhile.
  CHECK(node.most_open_creations == 256);
  CHECK(t.ask(4, request_code::get_routeinfo_by_topic, {{"topic", "t"}}).header.code ==
        response_code::success);
  while (node.release_creations(t.world()))
    t.world().run_for(1ms);
  CHECK(node.most_open_creations == 256);
  CHECK(node.created.size() >= 3 * 200);
  CHECK(node.created.size() <= 3 * 256); // so many of each connection
  CHECK(std::set<std::string>(node.created.begin(), node.created.end()).size() ==
        node.created.size());
  CHECK(t.ask(1, request_code::get_routeinfo_by_topic, {{"topic", "t"}}).header.code ==
        response_code::success);
}

TEST_CASE("gateway: who leaves and comes as other groups gets no more topics", "[gateway]") {
  gateway_stand t;
  played_node node(t.world());
  t.start_before(node.handle);
  for (int round = 0; round < 500; ++round) {
    auto group = "G" + std::to_string(round);
    t.ask(1, request_code::heart_beat, {}, heartbeat_of("c", {group}, "t"));
    t.ask(1, request_code::unregister_client, {{"clientID", "c"}, {"consumerGroup", group}});
    node.release_creations(t.world());
  }
  while (node.release_creations(t.world()))
    t.world().run_for(1ms);
  CHECK(node.created.size() == 256);
}

TEST_CASE("gateway: the route to a topic for retries waits until it is there", "[gateway]") {
  gateway_stand t;
  played_node node(t.world());
  t.start_before(node.handle);
  t.ask(1, request_code::heart_beat, {}, heartbeat_of("c", {"G"}, "t"));
  auto number =
      t.send(1, {t.request(request_code::get_routeinfo_by_topic, {{"topic", "%RETRY%G"}})})[0];
  t.world().run_for(100ms);
  CHECK(t.answers_to(number).empty());
  while (node.release_creations(t.world()))
    t.world().run_for(1ms);
  REQUIRE(t.answers_to(number).size() == 1);
  CHECK(t.answers_to(number)[0].header.code == response_code::success);
}

TEST_CASE("gateway: every group that consumes has a topic for retries", "[gateway]") {
  gateway_stand t;
  played_node node(t.world());
  t.start_before(node.handle);
  remoting::heartbeat h;
  h.client_id = "c";
  h.consumers.push_back({"clustering", true, {}});
  h.consumers.push_back({"broadcasting", false, {{"t", "*", "TAG", 1}}});
  t.ask(1, request_code::heart_beat, {}, remoting::write_heartbeat(h));
  t.world().run_for(100ms);
  while (node.release_creations(t.world()))
    t.world().run_for(1ms);
  CHECK(node.created == std::vector<std::string>{"%RETRY%clustering", "%RETRY%broadcasting"});
}

TEST_CASE("gateway: who asks much waits behind himself, and others are answered", "[gateway]") {
  gateway_stand t;
  t.start();
  t.node.create_topic("t");
  auto codes = {request_code::get_all_topic_config, request_code::get_max_offset,
                request_code::get_broker_runtime_info, request_code::query_consumer_offset};
  auto many = [&](std::int32_t code) {
    std::vector<net::client_request> asked;
    for (int i = 0; i < 500; ++i)
      asked.push_back(t.request(code, {{"topic", "t"}, {"queueId", "0"}, {"consumerGroup", "g"}}));
    return asked;
  };
  connection_id client = 1;
  for (auto code : codes) {
    t.deaf = true;
    t.send(client, many(code));
    t.world().run_for(1s);
    CHECK(t.receipts.size() == 16); // the answers that a client has not taken
    CHECK(t.ask(100, code, {{"topic", "t"}, {"queueId", "0"}, {"consumerGroup", "g"}}).to == 100);
    t.deaf = false;
    auto before = t.sent.size();
    t.receipts.clear();
    t.world().run_for(1s);
    CHECK(t.sent.size() == before + 500 - 16);
    ++client;
  }
}

TEST_CASE("gateway: without an answer about topics none is called unknown", "[gateway]") {
  gateway_stand t;
  t.start();
  t.node.create_topic("t");
  t.ask(1, request_code::get_routeinfo_by_topic, {{"topic", "t"}});
  t.world().kill_all("registrar");
  auto number =
      t.send(1, {t.request(request_code::get_routeinfo_by_topic, {{"topic", "none"}})})[0];
  t.world().run_for(20s);
  REQUIRE(t.answers_to(number).size() == 1);
  CHECK(t.answers_to(number)[0].header.code != response_code::success);
}
