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
    settings.store.flush = storage::flush_policy::sync;
    start();
    desk = &open<net::send_desk>(room().names, room().book, room().tally);
    on_work = [this] { desk->work(); };
    run([this] { desk->set_roles(node.roles); });
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
    auto batch = put.messages.read();
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

  net::send_desk* desk = nullptr;
};

using sizes = std::vector<std::size_t>;
using strings = std::vector<std::string>;

} // namespace

TEST_CASE("send_desk: requests that came together go to the writer together, in order",
          "[gateway]") {
  send_stand t;
  t.node.add_topic("u");
  t.run([&] { t.room().names.refresh([] {}); });
  t.enter(2);
  t.run([&] {
    for (net::connection_id from : {1U, 2U})
      for (auto& each : {t.send_of("t", "a"), t.send_of("u", "b"), t.send_of("t", "c", 1)})
        t.room().table.find(each.header.code)->take({}, t.ticket_for(from, each), each);
  });
  t.world.drain();
  CHECK(t.puts() == strings{"t: a0", "u: b0", "t: c1", "t: a0", "u: b0", "t: c1"});
  CHECK(t.node.bundles == sizes{6});
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
  CHECK(t.node.bundles == sizes{1, 1, 1});
}

TEST_CASE("send_desk: a bundle does not grow for ever", "[gateway]") {
  send_stand t;
  std::vector<net::client_request> many(500, t.send_of("t", "x"));
  t.send(1, many);
  CHECK(t.node.bundles == sizes{500});
  many.assign(3, t.send_of("t", std::string(600'000, 'x')));
  t.send(1, many);
  CHECK(t.node.bundles == sizes{500, 1, 1, 1});
}

TEST_CASE("send_desk: what a client has open is bounded, and no other is the worse for it",
          "[gateway]") {
  send_stand t;
  std::vector<net::client_request> many(20, t.send_of("t", std::string(2'000'000, 'x')));
  auto numbers = t.send(1, many);
  auto refused = t.answers_to(numbers.back()).at(0).header;
  CHECK(refused.code == response_code::system_busy);
  CHECK(refused.remark.find("not stored") != std::string::npos);
  CHECK(t.node.puts.size() == 16);
  t.enter(2);
  t.send(2, {t.send_of("t", "y")});
  CHECK(t.puts().back() == "t: y0");
}

TEST_CASE("send_desk: it deals out the queues when producers leave the choice", "[gateway]") {
  send_stand t;
  std::vector<net::client_request> four;
  for (auto* body : {"a", "b", "c", "d"})
    four.push_back(t.send_of("t", body, -1));
  t.send(1, std::move(four));
  CHECK(t.puts() == strings{"t: a0", "t: b1", "t: c2", "t: d3"});
}

TEST_CASE("send_desk: one bad message costs no other", "[gateway]") {
  send_stand t;
  auto numbers =
      t.send(1, {t.send_of("t", "a"), t.send_of("t", "b", 9), t.send_of("RMQ_SYS_TRACE_TOPIC", "c"),
                 t.request(request_code::send_message, {}, "d"), t.send_of("t", "e")});
  CHECK(t.puts() == strings{"t: a0", "t: e0"});
  auto code = [&](std::size_t which) {
    auto answers = t.answers_to(numbers[which]);
    return answers.size() == 1 ? answers[0].header.code : -1;
  };
  CHECK(code(1) == response_code::system_error);
  CHECK(code(3) == response_code::system_error);
  CHECK(t.answers_to(numbers[0]).empty());
}

TEST_CASE("send_desk: what cannot be is refused with the code that its client knows", "[gateway]") {
  send_stand t;
  auto code = [&](const std::string& topic, const char* queue, std::int32_t version) {
    auto fields = send_fields(topic);
    fields[4].second = queue;
    auto request = t.request(request_code::send_message, fields, "x");
    request.header.version = version;
    auto answers = t.answers_to(t.send(1, {request})[0]);
    return answers.size() == 1 ? answers[0].header.code : -1;
  };
  for (auto [version, illegal] : {std::pair{407, 1}, {479, 29}}) {
    CHECK(code("t", "99", version) == illegal);
    CHECK(code("t", "-2", version) == illegal);
    CHECK(code("bad topic!", "0", version) == illegal);
    CHECK(code(std::string(128, 'L'), "0", version) == illegal);
    CHECK(code("", "0", version) == illegal);
    CHECK(code("SCHEDULE_TOPIC_XXXX", "0", version) == response_code::no_permission);
  }
  CHECK(t.puts().empty());
}

TEST_CASE("send_desk: a topic without permission to write takes nothing", "[gateway]") {
  send_stand t;
  t.node.add_topic("read_only", 4);
  t.run([&t] { t.room().names.refresh([] {}); });
  auto refused = t.ask(1, request_code::send_message, send_fields("read_only"), "x");
  CHECK(refused.header.code == response_code::no_permission);
  CHECK(refused.header.remark.find("updateTopic") != std::string::npos);
  CHECK(t.puts().empty());
}

TEST_CASE("send_desk: each request is told its own places, and the messages are counted",
          "[gateway]") {
  send_stand t;
  auto numbers = t.send(1, {t.send_of("t", "a"), t.send_of("t", "b")});
  for (int i : {0, 1}) {
    put_response stored;
    stored.results.push_back({errc::none, 100 * (i + 1), 7 + i});
    t.node.answer_put(t.world, stored);
  }
  REQUIRE(t.answers_to(numbers[1]).size() == 1);
  CHECK(t.answers_to(numbers[0]).at(0).number("queueOffset") == 7);
  CHECK(t.answers_to(numbers[1]).at(0).number("queueOffset") == 8);
  CHECK(t.room().tally.puts().now() == 2);
  CHECK(t.room().tally.find(remoting::topic_puts, "t")->minute.sum == 2);
  CHECK(t.room().tally.find(remoting::topic_puts, "t")->minute.average == 1);
  CHECK(t.room().tally.find(remoting::topic_put_bytes, "t")->minute.sum > 2);
  CHECK(t.room().tally.find(remoting::broker_puts, "troupe")->minute.sum == 2);
  CHECK(t.room().tally.find(remoting::topic_put_time, "0@t"));
}

TEST_CASE("send_desk: sends wait for their topic, and later ones behind them", "[gateway]") {
  send_stand t;
  auto first = t.send(1, {t.send_of("new", "a")});
  CHECK(t.node.created == strings{"new"});
  t.send(1, {t.send_of("t", "other"), t.send_of("new", "b")});
  CHECK(t.puts() == strings{"t: other0"});
  t.node.release_creations(t.world);
  CHECK(t.puts() == strings{"t: other0", "new: a0", "new: b0"});
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
        response_code::system_error);
  CHECK(t.node.created.empty());
  t.send(1, {t.send_of("%RETRY%G", "x")});
  CHECK(t.node.created == strings{"%RETRY%G"});
}

TEST_CASE("send_desk: without a writer nothing is stored, and the producer is told so",
          "[gateway]") {
  send_stand t;
  t.run([&] { t.desk->set_roles({}); });
  auto answer = t.ask(1, request_code::send_message, send_fields("t"), "x");
  CHECK(answer.header.code == response_code::service_not_available);
  CHECK(answer.header.remark.find("not stored") != std::string::npos);
}

TEST_CASE("send_desk: an answer that does not come is doubt, at the deadline", "[gateway]") {
  send_stand t;
  auto number = t.send(1, {t.send_of("t", "x")})[0];
  t.world.run_for(t.settings.session.deadline + t.settings.writer.parked_deadline - 1ms);
  CHECK(t.answers_to(number).empty());
  t.world.run_for(1ms);
  REQUIRE(t.answers_to(number).size() == 1);
  CHECK(t.answers_to(number)[0].header.code == response_code::flush_disk_timeout);
  t.node.answer_put(t.world, put_response{}); // too late
  CHECK(t.answers_to(number).size() == 1);
}

TEST_CASE("send_desk: a stop waits for the writer's answers, and nothing new is taken",
          "[gateway]") {
  send_stand t;
  t.on_stop = [&t] { return t.desk->stop(); };
  auto number = t.send(1, {t.send_of("t", "x")})[0];
  auto stopped = t.world.request<bool>(t.actor(), stop_atom_v);
  t.world.run_for(100ms);
  CHECK_FALSE(stopped.there());
  auto refused = t.ask(1, request_code::send_message, send_fields("t"), "y");
  CHECK(refused.header.remark.find("not stored: the node is stopping") != std::string::npos);
  put_response stored;
  stored.results.push_back({errc::none, 100, 7});
  t.node.answer_put(t.world, stored);
  CHECK(t.answers_to(number).size() == 1);
  CHECK(stopped.value());
}

TEST_CASE("send_desk: what a consumer sends back by itself too often goes to the dead letters",
          "[gateway]") {
  send_stand t;
  t.node.settings["G"] = R"({"retryMaxTimes":3,"retryQueueNums":2})";
  auto tried = [&](const std::string& times, const std::string& most = {}) {
    auto fields = send_fields("%RETRY%G", 0, "TAGS\1a\2DELAY\0015\2");
    fields.emplace_back("reconsumeTimes", times);
    if (!most.empty())
      fields.emplace_back("maxReconsumeTimes", most);
    t.send(1, {t.request(request_code::send_message, fields, "x")});
    while (t.node.release_creations(t.world))
      t.world.drain();
    return t.node.puts.empty() ? std::string() : t.node.puts.back().topic;
  };
  CHECK(tried("3") == "%DLQ%G");
  REQUIRE(t.node.created_topics.size() == 1);
  CHECK(t.node.created_topics[0].write_queues == 1);
  auto buried = t.node.puts.back().messages.read().next().value();
  CHECK(buried->properties == "TAGS\1a\2"); // it does not wait
  CHECK(buried->reconsume_times == 3);
  CHECK(tried("1", "1") == "%DLQ%G");
  CHECK(tried("2") == "%RETRY%G");
  CHECK(tried("3", "9") == "%RETRY%G");
  CHECK(t.node.created_topics.back().write_queues == 2);
  auto batch = send_fields("%RETRY%G");
  batch.emplace_back("batch", "true");
  CHECK(t.ask(1, request_code::send_message, batch, "x").header.code ==
        response_code::message_illegal);
}
