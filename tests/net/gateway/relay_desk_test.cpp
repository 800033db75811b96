// Operators' questions that a client answers.

#include "net/gateway/relay_desk.hpp"

#include "tests/net/gateway/desk_stand.hpp"
#include "tests/support/catch.hpp"

using namespace troupe;
using namespace troupe::test;

namespace {

constexpr const char* message_id = "7F00000100002A9F0000000000000400";

struct relay_stand : desk_stand {
  net::relay_desk* desk = nullptr;
  std::vector<log_offset> fetched;
  record_batch records;

  relay_stand() {
    node.also = {[this](fetch_atom, log_offset at) {
      fetched.push_back(at);
      return records;
    }};
    start();
    for (connection_id client : {1, 2, 3})
      enter(client);
    desk = &open<net::relay_desk>(room().groups);
    on_deadline = [this](std::int32_t number) { desk->expire(number); };
    beat(2, "a");
    beat(3, "b");
  }
  void beat(connection_id from, const std::string& client) {
    remoting::heartbeat h;
    h.client_id = client;
    h.consumers.push_back({"G", true, {{"t", "*", "TAG", 1}}});
    if (!room().groups.heartbeat(from, h, 0))
      throw std::runtime_error("a heartbeat is refused");
  }
  /// What clients were asked, in order.
  std::vector<client_frame> questions(std::int32_t code) const {
    std::vector<client_frame> found;
    for (auto& frame : sent)
      if (!frame.header.is_answer() && frame.header.code == code)
        found.push_back(frame);
    return found;
  }
  void answer(connection_id from, std::int32_t number, std::int32_t code, std::string_view body) {
    auto frame = make_request(code, number, {{"x", "y"}}, body);
    frame.header.flag = remoting::answer_flag;
    run([this, from, frame] { desk->take_answer(from, frame); });
  }
  std::int32_t ask_running(const char* client = "a") {
    ext_list fields{{"consumerGroup", "G"}, {"clientId", client}, {"jstackEnable", "false"}};
    return send(1, {request(request_code::get_consumer_running_info, fields, "body")})[0];
  }
};

} // namespace

TEST_CASE("relay_desk: a question goes to the client, and its answer back", "[gateway]") {
  relay_stand t;
  auto number = t.ask_running();
  auto asked = t.questions(request_code::get_consumer_running_info);
  REQUIRE(asked.size() == 1);
  CHECK(asked[0].to == 2);
  CHECK_FALSE(asked[0].header.is_oneway());
  CHECK(*asked[0].header.ext.find("jstackEnable") == "false");
  CHECK(asked[0].body == "body");
  CHECK(t.answers_to(number).empty());
  auto before = t.settled;
  t.answer(3, asked[0].header.opaque, 0, "of another client");
  CHECK(t.answers_to(number).empty());
  t.answer(2, asked[0].header.opaque, 5, "what it does");
  CHECK(t.settled > before + 200); // both answers and the question
  auto answers = t.answers_to(number);
  REQUIRE(answers.size() == 1);
  CHECK(answers[0].to == 1);
  CHECK(answers[0].header.code == 5);
  CHECK(answers[0].body == "what it does");
  CHECK(*answers[0].header.ext.find("x") == "y");
  t.answer(2, asked[0].header.opaque, 0, "again");
  CHECK(t.answers_to(number).size() == 1);
}

TEST_CASE("relay_desk: who is not there is not asked", "[gateway]") {
  relay_stand t;
  auto answers = t.answers_to(t.ask_running("c"));
  REQUIRE(answers.size() == 1);
  CHECK(answers[0].header.code == response_code::system_error);
  CHECK(answers[0].header.remark == "The Consumer <G> <c> not online");
  CHECK(t.questions(request_code::get_consumer_running_info).empty());
}

TEST_CASE("relay_desk: a client that is gone, or says nothing, is not waited for", "[gateway]") {
  relay_stand t;
  auto gone = t.ask_running();
  auto silent = t.ask_running("b");
  t.run([&t] { t.desk->departed(2); });
  REQUIRE(t.answers_to(gone).size() == 1);
  CHECK(t.answers_to(gone)[0].header.code == response_code::system_error);
  CHECK(t.answers_to(silent).empty());
  t.world.run_for(std::chrono::seconds(11));
  REQUIRE(t.answers_to(silent).size() == 1);
  CHECK(t.answers_to(silent)[0].header.code == response_code::consume_message_timeout);
  CHECK(t.answers_to(gone).size() == 1);
}

TEST_CASE("relay_desk: a few questions are open at a time", "[gateway]") {
  relay_stand t;
  std::int32_t last = 0;
  for (int i = 0; i < 65; ++i)
    last = t.ask_running();
  CHECK(t.questions(request_code::get_consumer_running_info).size() == 64);
  REQUIRE(t.answers_to(last).size() == 1);
  CHECK(t.answers_to(last)[0].header.code == response_code::system_busy);
  t.run([&t] { t.desk->departed(2); });
  t.ask_running("b");
  CHECK(t.questions(request_code::get_consumer_running_info).size() == 65);
}

TEST_CASE("relay_desk: a client is given a message to consume", "[gateway]") {
  relay_stand t;
  auto consume = [&](const char* id) {
    return t.send(1, {t.request(request_code::consume_message_directly,
                                {{"consumerGroup", "G"}, {"clientId", "a"}, {"msgId", id}})})[0];
  };
  CHECK(t.answers_to(consume("no id")).at(0).header.code == response_code::system_error);
  CHECK(t.fetched.empty());
  CHECK(t.answers_to(consume(message_id)).at(0).header.code == response_code::system_error);
  CHECK(t.fetched == std::vector<log_offset>{0x400});
  t.records.records = {storage::slice::copy_of_text("record")};
  auto number = consume(message_id);
  auto asked = t.questions(request_code::consume_message_directly);
  REQUIRE(asked.size() == 1);
  CHECK(asked[0].body == "record");
  CHECK(*asked[0].header.ext.find("brokerName") == "n1");
  t.answer(2, asked[0].header.opaque, 0, R"({"consumeResult":"CR_SUCCESS"})");
  CHECK(t.answers_to(number).at(0).body == R"({"consumeResult":"CR_SUCCESS"})");
}

TEST_CASE("relay_desk: where all clients of a group are", "[gateway]") {
  relay_stand t;
  auto ask = [&](const char* client) {
    return t.send(1, {t.request(request_code::invoke_broker_to_get_consumer_status,
                                {{"topic", "t"}, {"group", "G"}, {"clientAddr", client}})})[0];
  };
  auto number = ask("");
  auto asked = t.questions(request_code::get_consumer_status_from_client);
  REQUIRE(asked.size() == 2);
  t.answer(asked[0].to, asked[0].header.opaque, 0,
           R"({"consumerTable":{},"messageQueueTable":{{"queueId":0,"topic":"t}"}:7}})");
  CHECK(t.answers_to(number).empty());
  t.run([&] { t.desk->departed(asked[1].to); });
  CHECK(t.answers_to(number).at(0).body ==
        R"({"consumerTable":{"a":{{"queueId":0,"topic":"t}"}:7}},"messageQueueTable":{}})");
  ask("b");
  CHECK(t.questions(request_code::get_consumer_status_from_client).size() == 3);
  CHECK(t.answers_to(ask("nobody")).at(0).header.code == response_code::system_error);
}
