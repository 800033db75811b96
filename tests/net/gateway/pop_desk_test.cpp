#include "tests/net/gateway/pop_stand.hpp"

#include "storage/big_endian.hpp"

using namespace troupe;
using namespace troupe::test;
using namespace std::chrono_literals;

TEST_CASE("pop_desk: a pop brings what nobody else has, and says where it lies", "[gateway]") {
  pop_stand t;
  t.append("t", 1, "a");
  t.append("t", 1, "b");
  t.append("t", 2, "c");
  auto first = t.pop(t.pop_fields());
  CHECK(first.header.code == response_code::success);
  CHECK(first.header.remark == "FOUND");
  CHECK(first.number("invisibleTime") == 10000);
  CHECK(first.number("popTime") > 1'600'000'000'000);
  CHECK(first.number("reviveQid") == 0);
  CHECK(first.number("restNum") == 0);
  CHECK(pop_stand::field(first, "startOffsetInfo").find("0 1 0") != std::string::npos);
  CHECK(pop_stand::field(first, "msgOffsetInfo").find("0 1 0,1") != std::string::npos);
  CHECK(pop_stand::field(first, "msgOffsetInfo").find("0 2 0") != std::string::npos);
  CHECK(pop_stand::field(first, "orderCountInfo").empty());
  CHECK_FALSE(first.body.empty());
  auto second = t.pop(t.pop_fields(), 2);
  CHECK(second.header.code == response_code::polling_timeout);
  CHECK(second.header.ext.find("restNum") != nullptr);
  CHECK(second.body.empty());
}

TEST_CASE("pop_desk: acknowledgements move the group's progress", "[gateway]") {
  pop_stand t;
  for (auto body : {"a", "b", "c"})
    t.append("t", 0, body);
  auto popped = t.pop(t.pop_fields(0));
  CHECK(t.progress(0) == 0);
  CHECK(t.ack(popped, 0, 1) == response_code::success);
  CHECK(t.progress(0) == 0);
  CHECK(t.ack(popped, 0, 0) == response_code::success);
  CHECK(t.progress(0) == 2);
  CHECK(t.ack(popped, 0, 2) == response_code::success);
  CHECK(t.progress(0) == 3);
}

TEST_CASE("pop_desk: a batch of acknowledgements, some of which do not count", "[gateway]") {
  pop_stand t;
  for (auto body : {"a", "b", "c"})
    t.append("t", 0, body);
  auto popped = t.pop(t.pop_fields(0));
  auto body = R"({"brokerName":"n1","acks":[{"c":"G","t":"t","r":"0","q":0,"rq":0,"so":0,"pt":)" +
              pop_stand::field(popped, "popTime") + R"(,"it":10000,"b":"Cw=="}]})"; // 0, 1, 3
  CHECK(t.ask(1, request_code::batch_ack_message, {}, body).header.code == response_code::success);
  CHECK(t.progress(0) == 2);
  CHECK(t.ask(1, request_code::batch_ack_message, {}, "{}").header.code ==
        response_code::no_message);
}

TEST_CASE("pop_desk: a handle that does not count is a success, and changes nothing", "[gateway]") {
  pop_stand t;
  t.append("t", 0, "a");
  auto popped = t.pop(t.pop_fields(0));
  auto fields = t.ack_fields(popped, 0, 0);
  pop_stand::set(fields, "extraInfo", "0 1 10000 0 0 n1 0 0");
  CHECK(t.ask(1, request_code::ack_message, fields).header.code == response_code::success);
  CHECK(t.progress(0) == 0);
  CHECK(t.ack(popped, 0, 7) == response_code::no_message); // no such message
  CHECK(t.ack(popped, 9, 0) == response_code::message_illegal);
  CHECK(t.ack(popped, 0, 0, "nowhere") == response_code::topic_not_exist);
  CHECK(t.ack(popped, 0, 0) == response_code::success);
  CHECK(t.progress(0) == 1);
}

TEST_CASE("pop_desk: what is not acknowledged in time comes from the topic for retries",
          "[gateway]") {
  pop_stand t;
  t.append("t", 0, "a", "TAGS\1x\2");
  auto popped = t.pop(t.pop_fields(0));
  t.pass(9s);
  CHECK(t.node.created.empty());
  t.pass(2s);
  CHECK(t.node.created == std::vector<std::string>{"%RETRY%G_t"});
  CHECK(t.end_of("%RETRY%G_t", 0) == 1);
  CHECK(t.progress(0) == 1);
  CHECK(t.ack(popped, 0, 0) == response_code::success); // too late
  auto again = t.pop(t.pop_fields(0), 2);
  REQUIRE(again.header.code == response_code::success);
  CHECK(pop_stand::field(again, "msgOffsetInfo") == "1 0 0");
  auto record = storage::decode_record(
                    as_bytes(again.body),
                    storage::big_endian::load<log_offset>(as_bytes(again.body).data() +
                                                          storage::record_layout::own_offset_at),
                    storage::verify::structure)
                    .view;
  CHECK(record.topic == "%RETRY%G_t");
  CHECK(as_text(record.body) == "a");
  CHECK(record.reconsume_times == 1);
  CHECK(storage::find_property(record.properties, "TAGS") == "x");
  CHECK(storage::find_property(record.properties, "1ST_POP_TIME") ==
        pop_stand::field(popped, "popTime"));
  CHECK(t.ack(again, 0, 0, "%RETRY%G_t") == response_code::success);
  CHECK(t.progress(0, "%RETRY%G_t") == 1);
}

TEST_CASE("pop_desk: what cannot be stored once more is not given up", "[gateway]") {
  pop_stand t;
  t.node.add_topic("%RETRY%G_t");
  t.run([&t] { t.room().names.refresh([] {}); });
  t.refuse_puts = true;
  t.append("t", 0, "a");
  t.pop(t.pop_fields(0));
  t.pass(11s);
  CHECK(t.progress(0) == 0);
  t.refuse_puts = false;
  t.pass(2s);
  CHECK(t.progress(0) == 1);
  CHECK(t.end_of("%RETRY%G_t", 0) == 1);
}

TEST_CASE("pop_desk: a changed time is another handle", "[gateway]") {
  pop_stand t;
  t.append("t", 0, "a");
  auto popped = t.pop(t.pop_fields(0));
  auto fields = t.ack_fields(popped, 0, 0);
  fields.emplace_back("invisibleTime", "30000");
  auto changed = t.ask(1, request_code::change_message_invisibletime, fields);
  REQUIRE(changed.header.code == response_code::success);
  CHECK(changed.number("invisibleTime") == 30000);
  CHECK(changed.number("reviveQid") == 0);
  CHECK(changed.number("popTime") >= popped.number("popTime"));
  t.pass(20s);
  CHECK(t.progress(0) == 0);
  CHECK(t.ack(changed, 0, 0) == response_code::success);
  CHECK(t.progress(0) == 1);
}

TEST_CASE("pop_desk: who waits gets the message that comes, and one pull waits for all",
          "[gateway]") {
  pop_stand t;
  auto first = t.begin_pop(t.pop_fields(-1, 15'000));
  auto second = t.begin_pop(t.pop_fields(-1, 15'000), 2);
  CHECK(t.answers_to(first).empty());
  CHECK(t.held.size() == 4); // one in each queue
  auto waiting = t.ask(1, request_code::polling_info,
                       {{"consumerGroup", "G"}, {"topic", "t"}, {"queueId", "-1"}});
  CHECK(waiting.number("pollingNum") == 2);
  t.publish(3, "a");
  REQUIRE(t.answers_to(first).size() == 1);
  CHECK(t.answers_to(first)[0].header.code == response_code::success);
  CHECK(t.answers_to(second).empty());
  t.publish(3, "b");
  REQUIRE(t.answers_to(second).size() == 1);
  CHECK(t.answers_to(second)[0].header.code == response_code::success);
}

TEST_CASE("pop_desk: several that come at once go to several that wait", "[gateway]") {
  pop_stand t;
  auto first = t.begin_pop(t.pop_fields(-1, 15'000, "1"));
  auto second = t.begin_pop(t.pop_fields(-1, 15'000, "1"), 2);
  t.append("t", 2, "a");
  t.append("t", 2, "b");
  t.release();
  REQUIRE(t.answers_to(first).size() == 1);
  REQUIRE(t.answers_to(second).size() == 1);
  CHECK(t.answers_to(second)[0].header.code == response_code::success);
}

TEST_CASE("pop_desk: who has waited for long enough is told that there is nothing", "[gateway]") {
  pop_stand t;
  auto number = t.begin_pop(t.pop_fields(-1, 5000));
  t.pass(4900ms);
  CHECK(t.answers_to(number).empty());
  t.pass(200ms);
  REQUIRE(t.answers_to(number).size() == 1);
  CHECK(t.answers_to(number)[0].header.code == response_code::polling_timeout);
  CHECK(t.answers_to(number)[0].number("invisibleTime") == 10000);
}

TEST_CASE("pop_desk: a client that is gone takes nothing from those who wait behind it",
          "[gateway]") {
  pop_stand t;
  auto first = t.begin_pop(t.pop_fields(-1, 15'000));
  auto second = t.begin_pop(t.pop_fields(-1, 15'000), 2);
  t.run([&t] {
    t.room().sessions.leave(1);
    t.pops->forget(1);
  });
  t.publish(0, "a");
  CHECK(t.answers_to(first).empty());
  REQUIRE(t.answers_to(second).size() == 1);
  CHECK(t.answers_to(second)[0].header.code == response_code::success);
}

TEST_CASE("pop_desk: in order, one batch of a queue is out at a time", "[gateway]") {
  pop_stand t;
  for (auto body : {"a", "b", "c"})
    t.append("t", 0, body);
  auto fields = t.pop_fields(0, 0, "2");
  pop_stand::set(fields, "order", "true");
  auto first = t.pop(fields);
  REQUIRE(first.header.code == response_code::success);
  CHECK(first.number("reviveQid") == 999);
  CHECK(pop_stand::field(first, "msgOffsetInfo") == "0 0 0,1");
  CHECK(pop_stand::field(first, "orderCountInfo") == "0 0 0");
  CHECK(t.pop(fields, 2).header.code == response_code::polling_timeout);
  auto waiting = fields;
  pop_stand::set(waiting, "pollTime", "20000");
  auto number = t.begin_pop(waiting, 2);
  CHECK(t.ack(first, 0, 0) == response_code::success);
  CHECK(t.progress(0) == 1);
  CHECK(t.answers_to(number).empty());
  t.pass(11s); // the other one comes again, in its place
  REQUIRE(t.answers_to(number).size() == 1);
  auto again = t.answers_to(number)[0];
  CHECK(pop_stand::field(again, "msgOffsetInfo") == "0 0 1,2");
  CHECK(pop_stand::field(again, "orderCountInfo") == "0 qo0%1 1;0 0 0");
  CHECK(t.ack(again, 0, 7) == response_code::message_illegal);
  CHECK(t.ack(again, 0, 1) == response_code::success);
  CHECK(t.ack(again, 0, 2) == response_code::success);
  CHECK(t.progress(0) == 3);
  CHECK(t.node.created.empty());
}

TEST_CASE("pop_desk: an expression over properties passes over what is not for the group",
          "[gateway]") {
  pop_stand t;
  t.append("t", 0, "a", "region\1x\2");
  t.append("t", 0, "b", "region\1y\2");
  auto fields = t.pop_fields(0);
  pop_stand::set(fields, "expType", "SQL92");
  pop_stand::set(fields, "exp", "region = 'y'");
  auto popped = t.pop(fields);
  CHECK(pop_stand::field(popped, "msgOffsetInfo") == "0 0 1");
  CHECK(pop_stand::field(popped, "startOffsetInfo") == "0 0 0");
  pop_stand::set(fields, "exp", "region = = 'y'");
  CHECK(t.pop(fields).header.code == response_code::subscription_parse_failed);
}

TEST_CASE("pop_desk: an operator's offset counts at once", "[gateway]") {
  pop_stand t;
  t.append("t", 0, "a");
  t.append("t", 0, "b");
  auto popped = t.pop(t.pop_fields(0));
  auto set =
      t.request(request_code::update_consumer_offset,
                {{"consumerGroup", "G"}, {"topic", "t"}, {"queueId", "0"}, {"commitOffset", "1"}});
  t.run([&t, &set] { t.pops->progress_set(set.header); });
  CHECK(t.ack(popped, 0, 1) == response_code::success);
  CHECK(pop_stand::field(t.pop(t.pop_fields(0), 2), "msgOffsetInfo") == "0 0 1");
}

TEST_CASE("pop_desk: peeking and notifications take nothing", "[gateway]") {
  pop_stand t;
  ext_list fields = {{"consumerGroup", "G"}, {"topic", "t"},    {"queueId", "-1"},
                     {"maxMsgNums", "8"},    {"pollTime", "0"}, {"bornTime", "1"}};
  CHECK(t.ask(1, request_code::peek_message, fields).header.code == response_code::pull_not_found);
  CHECK(pop_stand::field(t.ask(1, request_code::notification, fields), "hasMsg") == "false");
  pop_stand::set(fields, "pollTime", "9000");
  auto waits = t.send(1, {t.request(request_code::notification, fields)})[0];
  CHECK(t.answers_to(waits).empty());
  t.publish(2, "a");
  REQUIRE(t.answers_to(waits).size() == 1);
  CHECK(pop_stand::field(t.answers_to(waits)[0], "hasMsg") == "true");
  auto seen = t.ask(1, request_code::peek_message, fields);
  CHECK(seen.header.code == response_code::success);
  CHECK_FALSE(seen.body.empty());
  CHECK(t.pop(t.pop_fields()).header.code == response_code::success);
}

TEST_CASE("pop_desk: what cannot be popped is refused as by Java", "[gateway]") {
  pop_stand t;
  t.node.settings["Z"] = R"({"consumeEnable":false})";
  auto code = [&t](const std::string& name, const std::string& value) {
    auto fields = t.pop_fields();
    pop_stand::set(fields, name, value);
    return t.pop(fields).header.code;
  };
  CHECK(code("topic", "nowhere") == response_code::topic_not_exist);
  CHECK(code("queueId", "4") == response_code::system_error); // of a client before 5
  CHECK(code("maxMsgNums", "33") == response_code::system_error);
  CHECK(code("consumerGroup", "Z") == response_code::no_permission);
  CHECK(code("consumerGroup", "") == response_code::system_error);
}
