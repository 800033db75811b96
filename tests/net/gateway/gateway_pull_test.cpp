#include "tests/net/gateway/gateway_stand.hpp"

#include "tests/net/gateway/played_node.hpp"
#include "tests/support/catch.hpp"

using namespace troupe;
using namespace troupe::test;
using namespace std::chrono_literals;

namespace {

std::string tags_named(int count) {
  std::string text;
  for (int i = 0; i < count; ++i)
    text += (i > 0 ? " || tag" : "tag") + std::to_string(i);
  return text;
}

} // namespace

TEST_CASE("gateway: pulls for which there is no room to wait are no busy loop", "[gateway]") {
  gateway_stand t;
  t.node.stand.options.queue_manager.parked_pulls = 0;
  t.start();
  t.node.create_topic("t");
  t.node.put(put_of("t", {{"x"}}));
  auto suspend = GENERATE(15'000, 300);
  auto least = std::min<std::int64_t>(suspend, 1000);
  int answers = 0;
  auto began = t.world().now();
  while (t.world().now() - began < 10s) { // as a client does: it asks again at once
    auto found = t.ask(1, request_code::pull_message, pull_fields("G", "t", 1, "*", suspend));
    CHECK(found.header.code == response_code::pull_not_found);
    ++answers;
  }
  CHECK(answers <= 10'000 / least + 1);
  // One that does not want to wait is answered at once.
  began = t.world().now();
  t.ask(1, request_code::pull_message, pull_fields("G", "t", 1));
  CHECK(t.world().now() - began < 50ms);
}

TEST_CASE("gateway: each answer that is held leaves in its own time", "[gateway]") {
  gateway_stand t;
  t.node.stand.options.queue_manager.parked_pulls = 0;
  t.start();
  t.node.create_topic("t");
  auto pull = [&](std::int64_t suspend_ms) {
    return t.request(request_code::pull_message, pull_fields("G", "t", 0, "*", suspend_ms));
  };
  auto numbers = t.send(1, {pull(300), pull(15'000)});
  auto answered = [&](int which) {
    return t.answers_to(numbers[static_cast<std::size_t>(which)]).size();
  };
  t.world().run_for(250ms);
  CHECK(t.sent.empty());
  t.world().run_for(150ms);
  CHECK(answered(0) == 1);
  CHECK(answered(1) == 0);
  t.world().run_for(700ms);
  CHECK(answered(1) == 1);
}

TEST_CASE("gateway: a pull that waits is answered when a message comes", "[gateway]") {
  gateway_stand t;
  t.start();
  t.node.create_topic("t");
  auto number =
      t.send(1, {t.request(request_code::pull_message, pull_fields("G", "t", 0, "*", 15'000))})[0];
  t.world().run_for(500ms);
  CHECK(t.answers_to(number).empty());
  t.node.put(put_of("t", {{"x"}}));
  t.world().run_for(10ms);
  REQUIRE(t.answers_to(number).size() == 1);
  CHECK(t.answers_to(number)[0].header.code == response_code::success);
}

TEST_CASE("gateway: a pull compares at most 64 tags", "[gateway]") {
  gateway_stand t;
  t.start();
  t.node.create_topic("t");
  t.node.put(put_of("t", {{"a", 0, "tag63"}, {"b", 0, "other"}, {"c", 0, "tag0"}}));
  auto found = t.ask(1, request_code::pull_message, pull_fields("G", "t", 0, tags_named(64)));
  CHECK(found.header.code == response_code::success);
  CHECK(found.number("nextBeginOffset") == 3);
  CHECK(found.body.find('a') != std::string::npos);
  CHECK(found.body.find("other") == std::string::npos);
  auto refused = t.ask(1, request_code::pull_message, pull_fields("G", "t", 0, tags_named(65)));
  CHECK(refused.header.code == response_code::system_error);
  CHECK(refused.header.remark.find("at most 64 tags") != std::string::npos);
}

TEST_CASE("gateway: a subscription of too many tags is refused at its pulls", "[gateway]") {
  gateway_stand t;
  t.start();
  t.node.create_topic("t");
  t.node.put(put_of("t", {{"a", 0, "tag1"}}));
  auto by_heartbeat = pull_fields("G", "t", 0, "");
  for (auto& [name, value] : by_heartbeat)
    if (name == "sysFlag")
      value = "0";
  auto pull_after = [&](int count) {
    auto body = heartbeat_of("c" + std::to_string(count), {"G" + std::to_string(count)}, "t",
                             tags_named(count));
    CHECK(t.ask(1, request_code::heart_beat, {}, body).header.code == response_code::success);
    by_heartbeat[0].second = "G" + std::to_string(count);
    return t.ask(1, request_code::pull_message, by_heartbeat).header;
  };
  CHECK(pull_after(2).code == response_code::success);
  auto refused = pull_after(65);
  CHECK(refused.code == response_code::system_error);
  CHECK(refused.remark.find("at most 64 tags") != std::string::npos);
}

TEST_CASE("gateway: a pull reaches the queue-manager without a session, unless it commits",
          "[gateway]") {
  gateway_stand t;
  played_node node(t.world());
  std::vector<std::string> came;
  node.also = {[&came](store_atom, const group_offset& what) {
    came.push_back("offset " + std::to_string(what.offset));
    return what;
  }};
  node.roles.queue_manager = t.world().play<queue_manager_actor>([&came](caf::event_based_actor*) {
    return caf::message_handler{[&came](const pull_request& asked) {
      came.push_back("pull " + std::to_string(asked.from));
      return read_request{};
    }};
  });
  t.start_before(node.handle);
  t.send(1, {t.request(request_code::pull_message, pull_fields("G", "t", 3))});
  CHECK(came == std::vector<std::string>{"pull 3"});
  CHECK(node.sessions.size() == 1); // the gateway's own
  auto commits = [&](const char* offset) {
    auto fields = pull_fields("G", "t", 4);
    fields[5].second =
        std::to_string(remoting::pull_flag::subscription | remoting::pull_flag::commit_offset);
    fields[6].second = offset;
    return t.request(request_code::pull_message, fields);
  };
  auto update =
      t.request(request_code::update_consumer_offset,
                {{"consumerGroup", "G"}, {"topic", "t"}, {"queueId", "0"}, {"commitOffset", "9"}});
  t.send(2, {commits("8"), std::move(update), commits("10")});
  CHECK(node.sessions.size() == 2);
  // The last word counts: none may overtake another.
  std::erase(came, "pull 4");
  CHECK(came == std::vector<std::string>{"pull 3", "offset 8", "offset 9", "offset 10"});
}
