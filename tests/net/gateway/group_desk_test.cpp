#include "net/gateway/group_desk.hpp"

#include "tests/net/gateway/desk_stand.hpp"
#include "tests/support/catch.hpp"

#include <algorithm>

using namespace troupe;
using namespace troupe::test;
using namespace std::chrono_literals;

namespace {

struct group_stand : desk_stand {
  explicit group_stand(std::size_t most_new_groups = 5000) {
    options.new_groups_per_address = most_new_groups;
    start();
    auto& desk = open<net::group_desk>(room().names, room().book);
    on_pulse = [&desk] { desk.sweep(); };
    on_work = [&desk] { desk.send_notes(); };
    on_watch = [&desk] { desk.watch_members(); };
    run([this] { room().names.refresh([] {}); });
    enter(1);
    enter(2);
  }
  net::group_desk& desk() { return *static_cast<net::group_desk*>(room().desk.get()); }
  std::int32_t beat(connection_id from, const std::string& client, const std::string& group = "G") {
    return ask(from, request_code::heart_beat, {}, heartbeat_of(client, {group}, "t")).header.code;
  }
  client_frame list() {
    return ask(1, request_code::get_consumer_list_by_group, {{"consumerGroup", "G"}});
  }
  client_frame lock(connection_id from, const std::string& client, bool unlock = false) {
    return ask(
        from, unlock ? request_code::unlock_batch_mq : request_code::lock_batch_mq, {},
        R"({"clientId":")" + client +
            R"(","consumerGroup":"G","mqSet":[{"topic":"t","brokerName":"n1","queueId":0}]})");
  }
  std::size_t notices(connection_id to) {
    world.run_for(1s);
    auto count = std::count_if(sent.begin(), sent.end(), [&](const client_frame& f) {
      return f.to == to && f.header.code == request_code::notify_consumer_ids_changed;
    });
    sent.clear();
    return static_cast<std::size_t>(count);
  }
};

bool holds_queue(const client_frame& answer) {
  return answer.body.find(R"("queueId":0)") != std::string::npos;
}

} // namespace

TEST_CASE("group_desk: who beats is a member, until he leaves or goes away", "[gateway]") {
  group_stand t;
  CHECK(t.list().header.code == response_code::system_error);
  CHECK(t.beat(1, "a") == response_code::success);
  CHECK(t.beat(2, "b") == response_code::success);
  CHECK(t.list().body == R"({"consumerIdList":["a","b"]})");
  CHECK(t.desk().groups().has_consumers("G"));
  t.ask(1, request_code::unregister_client, {{"clientID", "a"}, {"consumerGroup", "G"}});
  CHECK(t.list().body == R"({"consumerIdList":["b"]})");
  t.run([&] { t.desk().departed(2); });
  CHECK_FALSE(t.desk().groups().has_consumers("G"));
}

TEST_CASE("group_desk: a consumer learns whether its expression is understood", "[gateway]") {
  group_stand t;
  auto check = [&](const std::string& type, const std::string& expression) {
    return t
        .ask(1, request_code::check_client_config, {},
             R"({"clientId":"c","group":"G","subscriptionData":{"topic":"t","subString":")" +
                 expression + R"(","expressionType":")" + type + R"(","subVersion":1}})")
        .header;
  };
  CHECK(check("SQL92", "a > 1").code == response_code::success);
  auto broken = check("SQL92", "a >");
  CHECK(broken.code == response_code::subscription_parse_failed);
  CHECK(broken.remark.find("at line 1, column 4") != std::string::npos);
  CHECK(check("TAG", "a >").code == response_code::success);
  CHECK(check("TAG", "||").code == response_code::subscription_parse_failed);
  CHECK(check("XPATH", "a").code == response_code::subscription_parse_failed);
  auto empty = t.ask(1, request_code::check_client_config, {}, R"({"clientId":"c"})").header;
  CHECK(empty.code == response_code::success);
  auto no_object = t.ask(1, request_code::check_client_config, {}, R"({"subscriptionData":1})");
  CHECK(no_object.header.code == response_code::system_error);
  t.run([&] { t.room().setup.options.property_filter = false; });
  CHECK(check("SQL92", "a > 1").code == response_code::system_error);
}

TEST_CASE("group_desk: members are told of each change, soon and once", "[gateway]") {
  group_stand t;
  t.beat(1, "a");
  CHECK(t.notices(1) == 1);
  t.beat(1, "a");
  CHECK(t.notices(1) == 0);
  t.beat(2, "b");
  t.run([&] { t.desk().departed(2); });
  t.beat(2, "b");
  CHECK(t.notices(1) == 1);
}

TEST_CASE("group_desk: who is silent is no member any more", "[gateway]") {
  group_stand t;
  t.beat(1, "a");
  t.world.run_for(100s);
  t.beat(2, "b");
  CHECK(t.notices(2) == 1);
  t.world.run_for(40s);
  CHECK(t.desk().groups().client_ids("G") == std::vector<std::string>{"b"});
  CHECK(t.notices(2) == 1);
  t.world.run_for(200s);
  CHECK(t.desk().groups().empty());
}

TEST_CASE("group_desk: members that came through other doors are members", "[gateway]") {
  group_stand t;
  t.beat(1, "a");
  t.notices(1);
  t.run([&] { t.desk().take_members({"G", {"native"}, 0}); });
  CHECK(t.list().body == R"({"consumerIdList":["a","native"]})");
  CHECK(t.notices(1) == 1);
  t.run([&] { t.desk().take_members({"G", {"native"}, 0}); });
  CHECK(t.notices(1) == 0);
  t.run([&] { t.desk().take_members({"G", {}, 0}); });
  CHECK(t.list().body == R"({"consumerIdList":["a"]})");
  CHECK(t.notices(1) == 1);
}

TEST_CASE("group_desk: the membership is told who is here, and looked for when it died",
          "[gateway]") {
  group_stand t;
  std::vector<group_members> told;
  std::size_t watches = 0;
  auto play = [&] {
    return t.world.play<membership_actor>([&](caf::event_based_actor*) {
      return caf::message_handler{[&](const group_members& own) { told.push_back(own); },
                                  [&](watch_atom, const caf::strong_actor_ptr&) { ++watches; }};
    });
  };
  auto membership = play();
  t.node.membership = caf::actor_cast<caf::strong_actor_ptr>(membership);
  t.run([&] { t.desk().watch_members(); });
  CHECK(watches == 1);
  t.beat(1, "a");
  REQUIRE(told.size() == 1);
  CHECK(told[0].client_ids == std::vector<std::string>{"a"});
  auto next = play();
  t.node.membership = caf::actor_cast<caf::strong_actor_ptr>(next);
  t.run([&] { t.desk().actor_ended(t.node.sessions.back().address()); });
  t.world.run_for(1s);
  CHECK(watches == 1); // that was another one
  t.run([&] { t.desk().actor_ended(membership.address()); });
  t.world.run_for(1s);
  CHECK(watches == 2);
  CHECK(told.size() == 2);
}

TEST_CASE("group_desk: a queue is locked for one client", "[gateway]") {
  group_stand t;
  CHECK(holds_queue(t.lock(1, "a")));
  CHECK_FALSE(holds_queue(t.lock(2, "b")));
  t.lock(1, "a", true);
  CHECK(holds_queue(t.lock(2, "b")));
  t.world.run_for(70s);
  CHECK(holds_queue(t.lock(1, "a")));
}

TEST_CASE("group_desk: a group's topic for retries is made once, and for no client that left",
          "[gateway]") {
  group_stand t;
  t.beat(1, "a");
  t.beat(2, "b");
  CHECK(t.node.created == std::vector<std::string>{"%RETRY%G"});
  while (t.node.release_creations(t.world))
    t.world.drain();
  t.beat(1, "a");
  CHECK(t.node.created.size() == 1);
  t.node.hold_topics = true;
  t.beat(2, "b", "H");
  t.run([&] { CHECK(t.room().sessions.leave(2)); });
  t.node.release_topics(t.world);
  CHECK(t.node.created.size() == 1);
}

TEST_CASE("group_desk: a client causes so many topics as long as it lasts", "[gateway]") {
  group_stand t;
  for (int i = 0; i < 300; ++i) {
    auto group = "G" + std::to_string(i);
    t.beat(1, "a", group);
    t.ask(1, request_code::unregister_client, {{"clientID", "a"}, {"consumerGroup", group}});
    t.node.release_creations(t.world);
  }
  CHECK(t.node.created.size() == 256);
  t.beat(2, "b", "other");
  CHECK(t.node.created.back() == "%RETRY%other");
}

TEST_CASE("group_desk: a group's settings say who is told, and how many queues retries have",
          "[gateway]") {
  group_stand t;
  t.node.settings["G"] = R"({"notifyConsumerIdsChangedEnable":false,"retryQueueNums":3})";
  t.node.settings["none"] = R"({"retryQueueNums":0})";
  t.beat(1, "a");
  CHECK(t.notices(1) == 0);
  REQUIRE(t.node.created_topics.size() == 1);
  CHECK(t.node.created_topics[0].read_queues == 3);
  t.beat(1, "a", "none");
  CHECK(t.notices(1) == 1);
  CHECK(t.node.created_topics.size() == 1);
}

TEST_CASE("group_desk: a group that broadcasts has a topic for retries, which clients look for",
          "[gateway]") {
  group_stand t;
  remoting::heartbeat beat;
  beat.client_id = "a";
  beat.consumers.push_back({"B", false, {{"t", "*", "TAG", 1}}});
  t.ask(1, request_code::heart_beat, {}, remoting::write_heartbeat(beat));
  CHECK(t.node.created == std::vector<std::string>{"%RETRY%B"});
}

TEST_CASE("group_desk: heartbeats make so many groups' topics, and are answered in any case",
          "[gateway]") {
  group_stand t(2);
  for (auto* group : {"A", "B", "C"})
    CHECK(t.beat(1, "a", group) == response_code::success);
  CHECK(t.node.created == std::vector<std::string>{"%RETRY%A", "%RETRY%B"});
  while (t.node.release_creations(t.world))
    t.world.drain();
  t.world.run_for(1h);
  CHECK(t.beat(1, "a", "C") == response_code::success);
  CHECK(t.node.created.size() == 3);
}

TEST_CASE("group_desk: a queue in order is free soon when its holder's connection is closed",
          "[gateway]") {
  group_stand t;
  CHECK(holds_queue(t.lock(1, "a")));
  t.run([&] { t.desk().departed(1); });
  t.world.run_for(31s); // as long as a client goes on without asking
  CHECK_FALSE(holds_queue(t.lock(2, "b")));
  t.world.run_for(1s);
  CHECK(holds_queue(t.lock(2, "b")));
}
