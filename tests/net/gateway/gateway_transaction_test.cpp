#include "storage/format/half_message.hpp"
#include "tests/net/gateway/gateway_stand.hpp"
#include "tests/support/catch.hpp"

#include <algorithm>
#include <iterator>
#include <span>

using namespace troupe;
using namespace troupe::test;
using namespace std::chrono_literals;

namespace {

/// The place of a half, as its producer learns it.
struct half_place {
  std::int64_t position = 0;
  log_offset offset = 0;
};

struct transaction_stand : gateway_stand {
  using gateway_stand::send;

  transaction_stand() {
    start();
    node.create_topic("t");
  }
  void beat(connection_id from, const std::string& group) {
    auto answer =
        ask(from, request_code::heart_beat, {},
            R"({"clientID":"c)" + std::to_string(from) + R"(","producerDataSet":[{"groupName":")" +
                group + R"("}],"consumerDataSet":[]})");
    REQUIRE(answer.header.code == response_code::success);
  }
  half_place send(const std::string& body) {
    auto answer =
        ask(1, request_code::send_message,
            send_fields("t", 0, "TRAN_MSG\1true\2PGROUP\1P\2UNIQ_KEY\1" + body + "\2"), body);
    REQUIRE(answer.header.code == response_code::success);
    auto id = storage::parse_message_id(*answer.header.ext.find("msgId"));
    return {answer.number("queueOffset"), id.value().offset};
  }
  static ext_list fields_for(const half_place& half, std::int32_t what,
                             const std::string& group = "P") {
    return {{"producerGroup", group},
            {"tranStateTableOffset", std::to_string(half.position)},
            {"commitLogOffset", std::to_string(half.offset)},
            {"commitOrRollback", std::to_string(what)},
            {"fromTransactionCheck", "false"},
            {"msgId", "x"},
            {"transactionId", ""}};
  }
  client_frame end(const half_place& half, std::int32_t what, const std::string& group = "P") {
    return ask(1, request_code::end_transaction, fields_for(half, what, group));
  }
  void pass(std::chrono::milliseconds time) {
    for (; time > 0ms; time -= 100ms) {
      node.stand.clock.ms += 100;
      world().run_for(100ms);
    }
  }
  std::vector<std::string> visible() {
    world().run_for(100ms);
    return node.read_all("t", 0);
  }
  std::vector<client_frame> questions() const {
    std::vector<client_frame> found;
    std::copy_if(sent.begin(), sent.end(), std::back_inserter(found), [](const client_frame& f) {
      return f.header.code == request_code::check_transaction_state && !f.header.is_answer();
    });
    return found;
  }
};

constexpr std::int32_t commit = storage::sysflag::transaction_commit;
constexpr std::int32_t rollback = storage::sysflag::transaction_rollback;

} // namespace

TEST_CASE("gateway: a transaction is committed, rolled back, or not known yet", "[gateway]") {
  transaction_stand t;
  auto a = t.send("a");
  auto b = t.send("b");
  CHECK(b.position == 1);
  CHECK(t.visible().empty());
  CHECK(t.end(a, 0).header.code == response_code::success);
  CHECK(t.visible().empty());
  CHECK(t.end(a, commit).header.code == response_code::success);
  CHECK(t.end(a, commit).header.code == response_code::success);
  CHECK(t.end(b, rollback).header.code == response_code::success);
  CHECK(t.visible() == std::vector<std::string>{"a"});
}

TEST_CASE("gateway: what is not there, or not meant, is answered as RocketMQ does", "[gateway]") {
  transaction_stand t;
  auto a = t.send("a");
  auto nothing = t.end({0, 999'999'999}, commit);
  CHECK(nothing.header.code == response_code::system_error);
  CHECK(nothing.header.remark == "Find prepared transaction message failed");
  CHECK(t.end(a, commit, "Q").header.remark == "The producer group wrong");
  CHECK(t.end({5, a.offset}, commit).header.remark == "The transaction state table offset wrong");
  CHECK(t.ask(1, request_code::end_transaction, {{"producerGroup", "P"}}).header.code != 0);
  CHECK(t.visible().empty());
}

TEST_CASE("gateway: one way it is done as well, and nobody is answered", "[gateway]") {
  transaction_stand t;
  auto a = t.send("a");
  auto request = t.request(request_code::end_transaction, t.fields_for(a, commit));
  request.header.flag = remoting::oneway_flag;
  auto number = request.header.opaque;
  t.send(1, {request});
  CHECK(t.visible() == std::vector<std::string>{"a"});
  CHECK(t.answers_to(number).empty());
}

TEST_CASE("gateway: producers of the group are asked in turn, and others never", "[gateway]") {
  transaction_stand t;
  auto a = t.send("a");
  t.beat(2, "P");
  t.beat(3, "P");
  t.beat(4, "Q");
  t.pass(40s);
  auto questions = t.questions();
  REQUIRE(questions.size() == 2);
  CHECK(questions[0].to + questions[1].to == 5);
  auto& first = questions[0];
  CHECK(first.header.is_oneway());
  CHECK(first.number("tranStateTableOffset") == a.position + 1);
  CHECK(*first.header.ext.find("msgId") == "a");
  CHECK(*first.header.ext.find("transactionId") == "a");
  auto id = storage::parse_message_id(*first.header.ext.find("offsetMsgId"));
  CHECK(id.value().offset == first.number("commitLogOffset"));
  auto bytes = std::as_bytes(std::span(first.body.data(), first.body.size()));
  auto decoded = storage::decode_record(bytes, first.number("commitLogOffset"),
                                        storage::verify::structure_and_crc);
  REQUIRE(decoded.kind == storage::record_kind::message);
  CHECK(decoded.view.topic == "t");
  CHECK(decoded.view.queue_position == first.number("tranStateTableOffset"));
  auto& last = questions[1];
  CHECK(t.end({last.number("tranStateTableOffset"), last.number("commitLogOffset")}, commit)
            .header.code == response_code::success);
  CHECK(t.end({first.number("tranStateTableOffset"), first.number("commitLogOffset")}, commit)
            .header.code == response_code::success);
  CHECK(t.visible() == std::vector<std::string>{"a"});
}

TEST_CASE("gateway: a producer that has gone is not asked; one that comes later is", "[gateway]") {
  transaction_stand t;
  t.send("a");
  t.beat(2, "P");
  caf::anon_send(t.gateway, net::departed{2});
  t.pass(10s);
  CHECK(t.questions().empty());
  t.beat(3, "P");
  t.pass(30s);
  REQUIRE(t.questions().size() == 1);
  CHECK(t.questions().front().to == 3);
}

TEST_CASE("gateway: a message of a transaction is in no batch", "[gateway]") {
  transaction_stand t;
  auto fields = send_fields("t", 0, "TRAN_MSG\1true\2PGROUP\1P\2");
  fields.emplace_back("batch", "true");
  std::string body("\0\0\0\x17\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1x\0\0", 23);
  auto answer = t.ask(1, request_code::send_message, fields, body);
  CHECK(answer.header.code == response_code::message_illegal);
  CHECK(answer.header.remark.find("transaction") != std::string::npos);
}
