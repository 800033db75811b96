#include "tests/net/gateway/gateway_stand.hpp"

#include "storage/format/message_batch.hpp"
#include "tests/net/gateway/played_node.hpp"
#include "tests/support/bytes.hpp"
#include "tests/support/catch.hpp"

using namespace troupe;
using namespace troupe::test;
using namespace std::chrono_literals;

namespace {

net::client_request send_of(gateway_stand& t, const std::string& topic, const std::string& body,
                            const std::string& properties = {}) {
  return t.request(request_code::send_message, send_fields(topic, 0, properties), body);
}

/// The one answer to a request.
client_frame answer_to(const gateway_stand& t, std::int32_t opaque) {
  auto answers = t.answers_to(opaque);
  REQUIRE(answers.size() == 1);
  return answers.front();
}

} // namespace

TEST_CASE("gateway: sends to a topic that is being created stay in order", "[gateway]") {
  gateway_stand t;
  t.start();
  std::vector<std::int32_t> numbers;
  for (int i = 0; i < 50; ++i) { // some before, some while, some after it is created
    t.arrive(1, {send_of(t, "new", "m" + std::to_string(i), i % 3 == 0 ? "WAIT\1false\2" : "")});
    for (int step = 0; step < i % 7; ++step)
      t.world().step();
  }
  t.world().run_for(1s);
  REQUIRE(t.settled == 50);
  std::vector<std::string> wanted;
  for (int i = 0; i < 50; ++i)
    wanted.push_back("m" + std::to_string(i));
  CHECK(t.node.read_all("new", 0) == wanted);
}

TEST_CASE("gateway: sends stay in order when others learn of their topic first", "[gateway]") {
  gateway_stand t;
  played_node node(t.world());
  t.start_before(node.handle);
  t.send(1, {send_of(t, "new", "1")});
  REQUIRE(node.created == std::vector<std::string>{"new"}); // and this is not answered yet
  node.add_topic("new");
  REQUIRE(t.ask(2, request_code::get_routeinfo_by_topic, {{"topic", "t"}}).header.code ==
          response_code::success); // the answer names the new one, too
  t.send(1, {send_of(t, "new", "2")});
  node.release_creations(t.world());
  std::string bodies;
  for (auto& put : node.puts) {
    auto batch = put.messages.read();
    while (auto message = batch.next().value())
      bodies += as_text(message->body);
  }
  CHECK(bodies == "12");
}

TEST_CASE("gateway: a put carries the time that its producer still waits", "[gateway]") {
  gateway_stand t;
  played_node node(t.world());
  t.start_before(node.handle);
  t.send(1, {send_of(t, "t", "x")});
  t.world().run_for(100ms);
  REQUIRE(node.puts.size() == 1);
  CHECK(node.puts[0].time_left_ms <= 2500);
  CHECK(node.puts[0].time_left_ms > 2000);
}

TEST_CASE("gateway: what waited for longer than its producer is not stored", "[gateway]") {
  gateway_stand t;
  played_node node(t.world());
  node.hold_topics = true;
  t.start_before(node.handle);
  auto numbers = t.send(1, {send_of(t, "t", "x")});
  t.world().run_for(3s);
  node.release_topics(t.world());
  CHECK(node.puts.empty());
  auto answer = answer_to(t, numbers[0]);
  CHECK(answer.header.code == response_code::system_busy);
  CHECK(answer.header.remark.find("not stored") != std::string::npos);
}

TEST_CASE("gateway: so many sends wait for their topics, and others when those are gone",
          "[gateway]") {
  gateway_stand t;
  played_node node(t.world());
  node.hold_topics = true;
  t.start_before(node.handle);
  std::vector<net::client_request> sends;
  for (int i = 0; i < 20'001; ++i)
    sends.push_back(send_of(t, i % 2 == 0 ? "none" : "t", "x"));
  auto numbers = t.send(1, std::move(sends));
  REQUIRE(t.sent.size() == 1);
  auto refused = answer_to(t, numbers.back());
  CHECK(refused.header.code == response_code::system_busy);
  CHECK(refused.header.remark.find("not stored") != std::string::npos);
  node.release_topics(t.world());
  t.world().run_for(1s);
  node.hold_topics = true;
  auto sent = t.sent.size();
  t.send(1, {send_of(t, "new", "x")});
  CHECK(t.sent.size() == sent); // it waits
}

TEST_CASE("gateway: \"maybe stored\" never looks like \"not stored\"", "[gateway]") {
  gateway_stand t;
  played_node node(t.world());
  t.start_before(node.handle);
  auto number = t.send(1, {send_of(t, "t", "x")})[0];
  t.world().run_for(10ms);
  SECTION("by its deadline") {
    t.world().run_for(15s);
  }
  SECTION("because the writer ended") {
    node.fail_bundle(t.world(), caf::make_error(caf::exit_reason::kill));
  }
  SECTION("because an exception ended the writer") {
    node.fail_bundle(t.world(), caf::make_error(caf::sec::runtime_error));
  }
  SECTION("by a writer that failed") {
    put_response doubt;
    doubt.failure = {errc::maybe_stored, "maybe stored: the writer ended"};
    node.answer_put(t.world(), doubt);
  }
  SECTION("because a part of the node was lost on the way") {
    node.fail_bundle(t.world(), make_caf_error(errc::connection_lost, "the node is away"));
  }
  SECTION("by an answer without results") {
    node.answer_put(t.world(), put_response{});
  }
  t.world().run_for(1s);
  auto answer = answer_to(t, number);
  CHECK(answer.header.code == response_code::flush_disk_timeout);
  CHECK(answer.number("queueOffset") == -1);
  CHECK(answer.number("queueId") == 0);
  CHECK(answer.header.ext.find("msgId")->size() == 32);
  CHECK(t.settled == 1);
}

TEST_CASE("gateway: a batch of which a part is stored is not called refused", "[gateway]") {
  gateway_stand t;
  played_node node(t.world());
  t.start_before(node.handle);
  auto one = [](const std::string& body) {
    std::string text;
    auto number = [&](std::size_t value) {
      for (int shift = 24; shift >= 0; shift -= 8)
        text += static_cast<char>(value >> shift & 0xff);
    };
    number(4 + 4 + 4 + 4 + 4 + body.size() + 2);
    number(0);
    number(0);
    number(0);
    number(body.size());
    text += body;
    text.append(2, '\0');
    return text;
  };
  auto fields = send_fields("t");
  fields.emplace_back("batch", "true");
  auto batch = t.request(request_code::send_message, fields, one("a") + one("b"));
  auto number = t.send(1, {batch})[0];
  t.world().run_for(10ms);
  put_response half;
  half.results.resize(2);
  half.results[0].offset = 100;
  half.results[0].queue_position = 7;
  half.results[1].code = errc::busy;
  half.failure = {errc::busy, "not stored: no room"};
  node.answer_put(t.world(), half);
  t.world().run_for(10ms);
  auto answer = answer_to(t, number);
  CHECK(answer.header.code == response_code::flush_disk_timeout);
  CHECK(answer.number("queueOffset") == 7);
}

TEST_CASE("gateway: what asks for a time waits for it, but not in a batch nor too long",
          "[gateway]") {
  gateway_stand t;
  t.start();
  t.node.create_topic("t");
  auto send = [&](const std::string& name, const std::string& value) {
    return t.ask(1, request_code::send_message, send_fields("t", 0, name + '\1' + value + '\2'),
                 "x");
  };
  for (auto& [name, value] : {std::pair{"TIMER_DELAY_SEC", "soon"},
                              {"TIMER_DELAY_MS", "1x"},
                              {"TIMER_DELIVER_MS", "99999999999999999999"},
                              {"TIMER_DELIVER_MS", "9223372036854775000"},
                              {"__STARTDELIVERTIME", "9223372036854775000"}}) {
    auto answer = send(name, value);
    CHECK(answer.header.code == response_code::message_illegal);
    CHECK(answer.header.remark.find("timer message illegal") != std::string::npos);
  }
  auto batch = send_fields("t", 0, "TIMER_DELAY_SEC\00110\2");
  batch.emplace_back("batch", "true");
  auto body = std::string("\0\0\0\x17\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1x\0\0", 23);
  auto refused = t.ask(1, request_code::send_message, batch, body);
  CHECK(refused.header.code == response_code::message_illegal);
  auto later = std::to_string(t.node.stand.clock.ms + 70'000);
  CHECK(send("TIMER_DELIVER_MS", later).header.code == response_code::success);
  CHECK(t.node.read_all("t", 0).empty());
  CHECK(t.node.read_all("SCHEDULE_TOPIC_XXXX", 4) == std::vector<std::string>{"x"});
  CHECK(send("TIMER_DELIVER_MS", "1").header.code == response_code::success);
  CHECK(t.node.read_all("t", 0) == std::vector<std::string>{"x"});
}

TEST_CASE("gateway: a level or a transaction that is none is an ordinary message", "[gateway]") {
  gateway_stand t;
  t.start();
  t.node.create_topic("t");
  auto plain = t.ask(1, request_code::send_message,
                     send_fields("t", 0,
                                 "DELAY\1"
                                 "0\2TRAN_MSG\1false\2"),
                     "x");
  CHECK(plain.header.code == response_code::success);
  CHECK(t.node.read_all("t", 0) == std::vector<std::string>{"x"});
}

TEST_CASE("gateway: a delay level is taken, but not in a batch and not if it is no number",
          "[gateway]") {
  gateway_stand t;
  t.start();
  t.node.create_topic("t");
  auto send = [&](const std::string& level, bool batch) {
    auto fields = send_fields("t", 0, "DELAY\1" + level + "\2");
    if (batch)
      fields.emplace_back("batch", "true");
    // One message of a batch: sizes, magic, CRC, flag; a body and no properties.
    auto body = batch ? std::string("\0\0\0\x17\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1x\0\0", 23)
                      : std::string("x");
    return t.ask(1, request_code::send_message, fields, body);
  };
  auto waiting = send("3", false);
  CHECK(waiting.header.code == response_code::success);
  CHECK(waiting.number("queueOffset") == 0);
  CHECK(t.node.read_all("t", 0).empty());
  CHECK(t.node.read_all("SCHEDULE_TOPIC_XXXX", 2) == std::vector<std::string>{"x"});
  for (auto& refused : {send("3", true), send("soon", false)}) {
    CHECK(refused.header.code == response_code::message_illegal);
    CHECK(!refused.header.remark.empty());
  }
}

TEST_CASE("gateway: each request is answered once when its session ends", "[gateway]") {
  gateway_stand t(GENERATE(range(1, 20)));
  t.start();
  t.node.create_topic("t");
  t.ask(1, request_code::send_message, send_fields("t"), "first");
  t.settled = 0;
  std::vector<net::client_request> requests;
  for (int i = 0; i < 40; ++i)
    requests.push_back(i % 2 == 0
                           ? send_of(t, "t", "x")
                           : t.request(request_code::pull_message,
                                       pull_fields("G", "t", i % 4 == 1 ? 0 : 1'000, "*", 15'000)));
  std::vector<std::int32_t> numbers;
  for (auto& r : requests)
    numbers.push_back(r.header.opaque);
  t.arrive(1, std::move(requests));
  for (std::uint64_t steps = t.world().random() % 40; steps > 0; --steps)
    t.world().step();
  t.world().kill_all("session");
  t.world().run_for(60s);
  for (auto number : numbers)
    CHECK(t.answers_to(number).size() == 1);
  CHECK(t.settled == 40);
  CHECK(t.ask(1, request_code::send_message, send_fields("t"), "last").header.code ==
        response_code::success);
}
