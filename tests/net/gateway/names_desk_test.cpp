#include "tests/net/gateway/desk_stand.hpp"

#include "tests/support/catch.hpp"

using namespace troupe;
using namespace troupe::test;
using namespace std::chrono_literals;

namespace {

struct names_stand : desk_stand {
  explicit names_stand(std::size_t most_new = 5000) {
    options.new_topics_per_address = most_new;
    start();
    room().table.add(names().lines());
  }
  net::names_desk& names() { return room().names; }
  void learn() {
    run([this] { names().refresh([] {}); });
  }
  client_frame route(const std::string& topic) {
    if (room().sessions.find(1) == nullptr)
      enter(1);
    return ask(1, request_code::get_routeinfo_by_topic, {{"topic", topic}});
  }
};

} // namespace

TEST_CASE("names_desk: topics are known when they were asked for", "[gateway]") {
  names_stand t;
  CHECK(t.names().find("t") == nullptr);
  t.learn();
  REQUIRE(t.names().find("t") != nullptr);
  CHECK(t.names().find("t")->read_queues == 4);
  CHECK(t.names().find("none") == nullptr);
}

TEST_CASE("names_desk: those who ask meanwhile share the next question", "[gateway]") {
  names_stand t;
  std::string order;
  t.run([&] {
    t.names().refresh([&] { order += 'a'; });
    t.names().refresh([&] { order += 'b'; });
    t.names().refresh([&] { order += 'c'; });
  });
  CHECK(order == "abc");
  CHECK(t.node.topic_questions == 2);
}

TEST_CASE("names_desk: a topic is only called unknown when the topics are known", "[gateway]") {
  names_stand t;
  auto refused = [&] {
    auto who = t.ticket_for(1, t.request(0, {}));
    t.run([&] { t.names().refuse(who, response_code::topic_not_exist, "none"); });
    return t.answers_to(who.opaque).at(0).header.code;
  };
  CHECK(refused() == response_code::service_not_available);
  t.learn();
  CHECK(refused() == response_code::topic_not_exist);
  t.world.kill(t.node.sessions.front());
  t.world.drain();
  t.learn();
  CHECK(refused() == response_code::service_not_available);
  CHECK(t.names().find("t") != nullptr); // as it was before
}

TEST_CASE("names_desk: a topic that several want is made once, for all of them", "[gateway]") {
  names_stand t;
  int told = 0;
  auto then = [&](const storage::error& failure) {
    CHECK(failure.code == errc::none);
    CHECK(t.names().find("new") != nullptr);
    ++told;
  };
  t.run([&] {
    t.names().create({"new", 1, 1, 6}, then);
    t.names().create({"new", 1, 1, 6}, then);
    CHECK(t.names().is_being_made("new"));
  });
  CHECK(told == 0);
  CHECK(t.node.created == std::vector<std::string>{"new"});
  t.node.release_creations(t.world);
  CHECK(told == 2);
  CHECK_FALSE(t.names().is_being_made("new"));
}

TEST_CASE("names_desk: so many topics are being made, and who is one too many is told",
          "[gateway]") {
  names_stand t;
  int refused = 0;
  t.run([&] {
    for (int i = 0; i < 1001; ++i)
      t.names().create({"new" + std::to_string(i), 1, 1, 6}, [&](const storage::error& failure) {
        refused += failure.code == errc::busy;
      });
  });
  CHECK(refused == 1);
  CHECK(t.node.most_open_creations == 256);
  while (t.node.release_creations(t.world))
    t.world.drain();
  CHECK(t.node.created.size() == 1000);
  CHECK(t.node.most_open_creations == 256);
}

TEST_CASE("names_desk: a topic that cannot be made is told with the reason", "[gateway]") {
  names_stand t;
  storage::error told;
  t.world.kill(t.node.sessions.front());
  t.world.drain();
  t.run([&] {
    t.names().create({"new", 1, 1, 6}, [&](const storage::error& failure) { told = failure; });
  });
  CHECK(told.code != errc::none);
  CHECK_FALSE(t.names().is_being_made("new"));
}

TEST_CASE("names_desk: a client makes so many topics, and joins those that are being made",
          "[gateway]") {
  names_stand t(2);
  t.enter(1);
  std::vector<storage::error> told;
  t.run([&] {
    auto who = t.ticket_for(1, t.request(0, {}));
    for (auto* topic : {"new1", "new2", "new2", "new3"})
      t.names().create_for(who, {topic, 1, 1, 6},
                           [&](const storage::error& failure) { told.push_back(failure); });
    auto gone = t.ticket_for(7, t.request(0, {}));
    t.names().create_for(gone, {"new4", 1, 1, 6},
                         [&](const storage::error& failure) { told.push_back(failure); });
  });
  REQUIRE(told.size() == 2);
  CHECK(told[0].code == errc::busy);
  CHECK(told[0].message.find("address 127.0.0.1 has created 2 topics") == 0);
  CHECK(told[1].code == errc::unavailable);
  CHECK(t.node.created == std::vector<std::string>{"new1", "new2"});
  while (t.node.release_creations(t.world))
    t.world.drain();
  CHECK(told.size() == 5);
}

TEST_CASE("names_desk: routes, and where new topics are made", "[gateway]") {
  names_stand t;
  auto known = t.route("t");
  CHECK(known.header.code == response_code::success);
  CHECK(known.body.find("127.0.0.1:10911") != std::string::npos);
  CHECK(t.route("none").header.code == response_code::topic_not_exist);
  CHECK(t.route("TBW102").header.code == response_code::success);
  t.room().setup.options.auto_create_topics = false;
  CHECK(t.route("TBW102").header.code == response_code::topic_not_exist);
  auto cluster = t.ask(1, request_code::get_broker_cluster_info, {});
  CHECK(cluster.body.find("troupe") != std::string::npos);
}

TEST_CASE("names_desk: a request for no topic is answered as for one that is not there",
          "[gateway]") {
  names_stand t;
  auto answer = t.ask(1, request_code::get_routeinfo_by_topic, {});
  CHECK(answer.header.code == response_code::topic_not_exist);
  CHECK(answer.header.remark == "No topic route info in name server for the topic: null");
}

TEST_CASE("names_desk: an operator sends the producers to other brokers, and back", "[gateway]") {
  names_stand t;
  t.route("t");
  auto change = [&](std::int32_t code, const char* broker) {
    return t.ask(1, code, {{"brokerName", broker}});
  };
  CHECK(change(request_code::wipe_write_perm_of_broker, "other").number("wipeTopicCount") == 0);
  CHECK(t.route("t").body.find("\"perm\":6") != std::string::npos);
  CHECK(change(request_code::wipe_write_perm_of_broker, "n1").number("wipeTopicCount") == 1);
  CHECK(t.route("t").body.find("\"perm\":4") != std::string::npos);
  CHECK(change(request_code::add_write_perm_of_broker, "n1").number("addTopicCount") == 1);
  CHECK(t.route("t").body.find("\"perm\":6") != std::string::npos);
}
