// RocketMQ's clients and client actors as members of one group.

#include "tests/net/gateway/gateway_stand.hpp"

#include "tests/support/catch.hpp"

#include <algorithm>

using namespace troupe;
using namespace troupe::test;
using namespace std::chrono_literals;

namespace {

using strings = std::vector<std::string>;

struct mixed_stand : gateway_stand {
  mixed_stand() {
    start();
    node.create_topic("t", 4);
    world().drain();
  }

  void heartbeat(connection_id from, const std::string& client) {
    ask(from, request_code::heart_beat, {}, heartbeat_of(client, {"G"}, "t"));
  }
  /// As a client actor does.
  group_members join(const std::string& id) {
    return world().ask<group_members>(node.session, group_join{"G", id, 0, 0}).value();
  }
  answer<group_members> wait(const std::string& id, std::uint64_t known) {
    auto waiting = world().request<group_members>(node.session, group_join{"G", id, known, 10'000});
    world().drain();
    return waiting;
  }
  /// As a RocketMQ client asks for them: the text of the answer.
  std::string listed(connection_id by) {
    auto found = ask(by, request_code::get_consumer_list_by_group, {{"consumerGroup", "G"}});
    return found.header.code == response_code::success ? found.body : "none";
  }
  /// Notices of changed members since the last time.
  std::size_t notices(connection_id to) {
    world().run_for(1s);
    auto count = std::count_if(sent.begin(), sent.end(), [&](const client_frame& f) {
      auto* group = f.header.ext.find("consumerGroup");
      return f.to == to && f.header.code == request_code::notify_consumer_ids_changed &&
             (f.header.flag & remoting::oneway_flag) != 0 && group != nullptr && *group == "G";
    });
    sent.clear();
    return static_cast<std::size_t>(count);
  }
};

const std::string both = R"({"consumerIdList":["java","native"]})";
const std::string java_alone = R"({"consumerIdList":["java"]})";

} // namespace

TEST_CASE("gateway: RocketMQ's clients see the client actors of their group", "[gateway]") {
  mixed_stand t;
  t.heartbeat(1, "java");
  CHECK(t.notices(1) == 1);
  t.join("native");
  CHECK(t.listed(1) == both);
  CHECK(t.notices(1) == 1);
  t.join("native"); // it says so again
  CHECK(t.notices(1) == 0);
  bool leaves = GENERATE(true, false);
  if (leaves)
    CHECK(t.world().ask<bool>(t.node.session, group_leave{"G", "native"}).value());
  else
    t.world().kill(t.node.session);
  CHECK(t.notices(1) == 1);
  CHECK(t.listed(1) == java_alone);
}

TEST_CASE("gateway: a group of client actors alone is listed", "[gateway]") {
  mixed_stand t;
  CHECK(t.listed(1) == "none");
  t.join("native");
  CHECK(t.listed(1) == R"({"consumerIdList":["native"]})");
}

TEST_CASE("gateway: client actors see RocketMQ's clients come and go", "[gateway]") {
  mixed_stand t;
  auto alone = t.join("native");
  auto waiting = t.wait("native", alone.mark);
  CHECK_FALSE(waiting.there());
  t.heartbeat(1, "java");
  t.world().drain();
  REQUIRE(waiting.there());
  CHECK(waiting.value().client_ids == strings{"java", "native"});
  waiting = t.wait("native", waiting.value().mark);
  t.heartbeat(1, "java"); // nothing new
  t.world().drain();
  CHECK_FALSE(waiting.there());
  int way = GENERATE(0, 1, 2, 3);
  if (way == 0)
    t.ask(1, request_code::unregister_client, {{"clientID", "java"}, {"consumerGroup", "G"}});
  else if (way == 1)
    t.world().tell(t.gateway, net::departed{1});
  else if (way == 2)
    t.world().kill(t.gateway); // with all of its clients
  else
    t.world().run_for(9s); // the question ends; the client is silent for two minutes then
  t.world().drain();
  if (way == 3) {
    for (int i = 0; i < 14; ++i) {
      waiting = t.wait("native", t.join("native").mark);
      t.world().run_for(10s);
    }
    CHECK(t.join("native").client_ids == strings{"native"});
    return;
  }
  REQUIRE(waiting.there());
  CHECK(waiting.value().client_ids == strings{"native"});
}

TEST_CASE("gateway: a member table that is replaced learns all again", "[gateway]") {
  mixed_stand t;
  t.heartbeat(1, "java");
  t.join("native");
  REQUIRE(t.world().kill_all("membership"));
  t.world().run_for(1s);
  CHECK(t.listed(1) == java_alone);
  CHECK(t.join("native").client_ids == strings{"java", "native"});
  CHECK(t.listed(1) == both);
}

TEST_CASE("gateway: a replaced gateway learns of the client actors", "[gateway]") {
  mixed_stand t;
  t.join("native");
  t.world().kill(t.gateway);
  t.start_before(t.node.node);
  t.world().drain();
  t.heartbeat(2, "java");
  CHECK(t.listed(2) == both);
  CHECK(t.join("native").client_ids == strings{"java", "native"});
}

TEST_CASE("gateway: one table has the offsets of all members", "[gateway]") {
  mixed_stand t;
  ext_list queue{{"consumerGroup", "G"}, {"topic", "t"}, {"queueId", "2"}};
  t.node.put(put_of("t", numbered("m", 40, 4)));
  t.world().ask<group_offset>(t.node.session, store_atom_v, group_offset{"G", "t", 2, 5}).value();
  CHECK(t.ask(1, request_code::query_consumer_offset, queue).number("offset") == 5);
  queue.emplace_back("commitOffset", "7");
  t.ask(1, request_code::update_consumer_offset, queue);
  auto stored =
      t.world().ask<group_offset>(t.node.session, fetch_atom_v, group_offset{"G", "t", 2, -1});
  CHECK(stored.value().offset == 7);
}

TEST_CASE("gateway: an answer of a client gets none, whatever its code, and costs nothing",
          "[gateway]") {
  gateway_stand t;
  t.start();
  for (std::int32_t code : {0, 10, 15, 9999}) {
    auto answer = t.request(code, {}, "body");
    answer.header.flag = remoting::answer_flag;
    auto numbers = t.send(1, {answer});
    CHECK(t.answers_to(numbers[0]).empty());
  }
  CHECK(t.settled == 4);
}

TEST_CASE("gateway: what nobody answers is refused with a hint", "[gateway]") {
  gateway_stand t;
  t.start();
  auto refused = t.ask(1, 9999, {});
  CHECK(refused.header.code == response_code::request_code_not_supported);
  CHECK(refused.header.remark.starts_with(" request type 9999 not supported"));
}
