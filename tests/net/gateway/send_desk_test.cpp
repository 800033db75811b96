#include "net/gateway/send_desk.hpp"

#include "storage/format/message_batch.hpp"
#include "tests/net/gateway/desk_stand.hpp"
#include "tests/support/bytes.hpp"
#include "tests/support/catch.hpp"

using namespace troupe;
using namespace troupe::test;
using namespace std::chrono_literals;

namespace {

struct send_stand : desk_stand {
  send_stand() {
    start();
    auto& desk = open<net::send_desk>(room().names, room().tally);
    after_batch = [&desk] { desk.flush(); };
    run([this] { room().names.refresh([] {}); });
    enter(1);
  }
  net::client_request send_of(const std::string& topic, const std::string& body,
                              std::int32_t queue = 0, const std::string& properties = {}) {
    return request(request_code::send_message, send_fields(topic, queue, properties), body);
  }
  /// Bodies and queues of a put: "a0 b0".
  static std::string text_of(const put_request& put) {
    std::string text;
    storage::message_batch_reader batch{put.messages.bytes()};
    while (auto message = batch.next().value())
      text += (text.empty() ? "" : " ") + std::string(as_text(message->body)) +
              std::to_string(message->queue_id);
    return text;
  }
  std::vector<std::string> puts() const {
    std::vector<std::string> all;
    for (auto& put : node.puts)
      all.push_back(put.topic + ": " + text_of(put));
    return all;
  }
};

using strings = std::vector<std::string>;

} // namespace

TEST_CASE("send_desk: messages for a topic that came together are one put", "[gateway]") {
  send_stand t;
  t.node.add_topic("u");
  t.run([&] { t.room().names.refresh([] {}); });
  t.send(1, {t.send_of("t", "a"), t.send_of("u", "b"), t.send_of("t", "c", 1)});
  CHECK(t.puts() == strings{"t: a0 c1", "u: b0"});
  t.send(1, {t.send_of("t", "d")});
  CHECK(t.puts().back() == "t: d0");
}

TEST_CASE("send_desk: those that wait for the flush and others go apart, in order", "[gateway]") {
  send_stand t;
  t.send(1, {t.send_of("t", "a"), t.send_of("t", "b", 0, "WAIT\1false\2"), t.send_of("t", "c")});
  CHECK(t.puts() == strings{"t: a0", "t: b0", "t: c0"});
  REQUIRE(t.node.puts.size() == 3);
  CHECK(t.node.puts[0].wait);
  CHECK_FALSE(t.node.puts[1].wait);
}

TEST_CASE("send_desk: a full put is handed on before the batch ends", "[gateway]") {
  send_stand t;
  std::vector<net::client_request> many;
  for (int i = 0; i < 257; ++i)
    many.push_back(t.send_of("t", "x"));
  t.send(1, std::move(many));
  REQUIRE(t.node.puts.size() == 2);
  CHECK(t.node.puts[0].count == 256);
  CHECK(t.node.puts[1].count == 1);
}

TEST_CASE("send_desk: it deals out the queues when producers leave the choice", "[gateway]") {
  send_stand t;
  std::vector<net::client_request> four;
  for (auto* body : {"a", "b", "c", "d"})
    four.push_back(t.send_of("t", body, -1));
  t.send(1, std::move(four));
  CHECK(t.puts() == strings{"t: a0 b1 c2 d3"});
}

TEST_CASE("send_desk: one bad message costs no other", "[gateway]") {
  send_stand t;
  auto numbers =
      t.send(1, {t.send_of("t", "a"), t.send_of("t", "b", 9), t.send_of("RMQ_SYS_TRACE_TOPIC", "c"),
                 t.request(request_code::send_message, {}, "d"), t.send_of("t", "e")});
  CHECK(t.puts() == strings{"t: a0 e0"});
  auto code = [&](std::size_t which) {
    auto answers = t.answers_to(numbers[which]);
    return answers.size() == 1 ? answers[0].header.code : -1;
  };
  CHECK(code(1) == response_code::message_illegal);
  CHECK(code(3) == response_code::system_error);
  CHECK(t.answers_to(numbers[0]).empty());
}

TEST_CASE("send_desk: each request is told its own places, and the messages are counted",
          "[gateway]") {
  send_stand t;
  auto numbers = t.send(1, {t.send_of("t", "a"), t.send_of("t", "b")});
  put_response stored;
  stored.results.resize(2);
  for (int i : {0, 1}) {
    stored.results[static_cast<std::size_t>(i)].offset = 100 * (i + 1);
    stored.results[static_cast<std::size_t>(i)].queue_position = 7 + i;
  }
  t.node.answer_put(t.world, stored);
  REQUIRE(t.answers_to(numbers[1]).size() == 1);
  CHECK(t.answers_to(numbers[0]).at(0).number("queueOffset") == 7);
  CHECK(t.answers_to(numbers[1]).at(0).number("queueOffset") == 8);
  CHECK(t.room().tally.puts().now() == 2);
  CHECK(t.room().tally.find(remoting::topic_puts, "t")->minute.sum == 2);
}

TEST_CASE("send_desk: sends wait for their topic, and later ones behind them", "[gateway]") {
  send_stand t;
  auto first = t.send(1, {t.send_of("new", "a")});
  CHECK(t.node.created == strings{"new"});
  t.send(1, {t.send_of("t", "other"), t.send_of("new", "b")});
  CHECK(t.puts() == strings{"t: other0"});
  t.node.release_creations(t.world);
  CHECK(t.puts() == strings{"t: other0", "new: a0 b0"});
}

TEST_CASE("send_desk: no topic is made against the rules", "[gateway]") {
  send_stand t;
  t.room().setup.options.auto_create_topics = false;
  CHECK(t.ask(1, request_code::send_message, send_fields("new"), "x").header.code ==
        response_code::topic_not_exist);
  t.room().setup.options.auto_create_topics = true;
  auto by_another_template = send_fields("new");
  by_another_template[2].second = "t";
  CHECK(t.ask(1, request_code::send_message, by_another_template, "x").header.code ==
        response_code::topic_not_exist);
  CHECK(t.ask(1, request_code::send_message, send_fields("bad name"), "x").header.code ==
        response_code::message_illegal);
  CHECK(t.node.created.empty());
  t.send(1, {t.send_of("%RETRY%G", "x")});
  CHECK(t.node.created == strings{"%RETRY%G"});
}

TEST_CASE("send_desk: without a session nothing is stored, and the producer is told so",
          "[gateway]") {
  send_stand t;
  t.world.kill(t.node.sessions.back());
  t.world.drain();
  auto answer = t.ask(1, request_code::send_message, send_fields("t"), "x");
  CHECK(answer.header.code == response_code::service_not_available);
  CHECK(answer.header.remark.find("not stored") != std::string::npos);
}
