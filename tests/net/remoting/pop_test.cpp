#include "net/remoting/pop.hpp"

#include "storage/format/properties.hpp"
#include "tests/support/bytes.hpp"
#include "tests/support/catch.hpp"

using namespace troupe;
using namespace troupe::remoting;
using namespace troupe::test;

namespace {

std::string refusal(std::string_view body) {
  auto read = read_batch_ack(as_bytes(body));
  REQUIRE(read.has_error());
  return read.error().message;
}

} // namespace

TEST_CASE("pop: a handle is what a Java client gives back", "[remoting]") {
  auto read = read_handle("0 1795390347262 60000 3 0 broker-a 1 0"); // as captured
  REQUIRE(read);
  CHECK(read.value().pop_ms == 1795390347262);
  CHECK(read.value().invisible_ms == 60000);
  CHECK(read.value().revive_queue == 3);
  CHECK_FALSE(read.value().in_order());
  CHECK(read_handle("5 1 2 999").value().in_order());
  for (auto wrong : {"", "0", "0 1", "0 1 2", "0 x 2 3", "0 1 2 x", "0  1 2 3"})
    CHECK(read_handle(wrong).has_error());
}

TEST_CASE("pop: an answer says where its messages lie as Java's client reads it", "[remoting]") {
  pop_places places;
  places.add(false, 1, 0, {0, 1, 2});
  places.add(false, 2, 7, {9});
  places.add(true, 0, 3, {3});
  CHECK(places.starts() == "0 1 0;0 2 7;1 0 3");
  CHECK(places.offsets() == "0 1 0,1,2;0 2 9;1 0 3");
  CHECK(places.counts().empty());
}

TEST_CASE("pop: in order it says how often each message was popped, and its queue", "[remoting]") {
  ordered_batch first("", 1, 10, {4, 5}, nullptr);
  ordered_batch second("", 2, 20, {4, 5, 6}, &first);
  pop_places places;
  places.add_counts(1, second);
  CHECK(places.counts() == "0 qo1%4 1;0 qo1%5 1;0 1 0");
  ordered_batch third("", 3, 30, {5, 6}, &second);
  pop_places again;
  again.add_counts(2, third);
  CHECK(again.counts() == "0 qo2%5 2;0 qo2%6 1;0 2 1");
}

TEST_CASE("pop: a batch of acknowledgements has a bit for each message", "[remoting]") {
  // 0x05 0x80: messages 0, 2 and 15 from the start.
  auto read = read_batch_ack(as_bytes(
      R"({"acks":[{"b":"BYA=","c":"G","it":60000,"pt":99,"q":1,"r":"0","rq":2,"so":10,"t":"T"},)"
      R"({"bitSet":"AQ==","consumerGroup":"G","invisibleTime":1,"popTime":5,"queueId":0,)"
      R"("retry":"1","reviveQueueId":999,"startOffset":3,"topic":"T"}],"brokerName":"b"})"));
  REQUIRE(read);
  REQUIRE(read.value().size() == 2);
  auto& first = read.value()[0];
  CHECK(first.group == "G");
  CHECK(first.topic == "T");
  CHECK(first.queue_id == 1);
  CHECK(first.handle.pop_ms == 99);
  CHECK(first.handle.revive_queue == 2);
  CHECK(first.offsets == std::vector<storage::queue_offset>{10, 12, 25});
  auto& second = read.value()[1];
  CHECK(second.topic == "%RETRY%G_T");
  CHECK(second.handle.in_order());
  CHECK(second.offsets == std::vector<storage::queue_offset>{3});
  CHECK(read_batch_ack(as_bytes(std::string_view("{}"))).value().empty());
}

TEST_CASE("pop: a batch of acknowledgements that cannot be is refused", "[remoting]") {
  CHECK_FALSE(refusal("[]").empty());
  CHECK_FALSE(refusal(R"({"acks":[{"b":"?","c":"G","t":"T"}]})").empty());
  CHECK_FALSE(refusal(R"({"acks":[{"c":"","t":"T"}]})").empty());
  CHECK_FALSE(refusal(R"({"acks":[{"c":"G","t":"T","q":-1}]})").empty());
  CHECK_FALSE(refusal(R"({"acks":[{"c":"G","t":"T","r":"2"}]})").empty());
  CHECK_FALSE(refusal(R"({"acks":[{"c":"G","t":"T","so":9223372036854775807}]})").empty());
  auto many = R"({"acks":[{"c":"G","t":"T","b":")" + std::string(20'000, '/') + "\"}]}";
  CHECK(refusal(many).find("100000") != std::string::npos);
}

TEST_CASE("pop: what came back is tried once more, and knows when it was popped first",
          "[remoting]") {
  storage::record_view origin;
  origin.topic = "T";
  origin.sysflag = 0x301 | storage::sysflag::transaction_commit;
  origin.properties = "TAGS\1a\2WAIT\1false\2KEYS\1k\2POP_CK\1x\2"
                      "1ST_POP_TIME\1"
                      "5\2";
  auto first = copy_of_popped(origin, "G", 99);
  CHECK(first.topic == "%RETRY%G_T");
  CHECK(first.sysflag == 0x301);
  CHECK(first.reconsume_times == 1);
  CHECK(first.properties == "TAGS\1a\2KEYS\1k\2"
                            "1ST_POP_TIME\1"
                            "99\2");
  origin.topic = first.topic;
  origin.properties = first.properties;
  origin.reconsume_times = 1;
  auto second = copy_of_popped(origin, "G", 200);
  CHECK(second.topic == "%RETRY%G_T");
  CHECK(second.reconsume_times == 2);
  CHECK(storage::find_property(second.properties, "1ST_POP_TIME") == "99");
}

TEST_CASE("pop: properties without room for one more stay as they are", "[remoting]") {
  auto full = "a\1" + std::string(storage::max_properties_bytes - 3, 'x') + "\2";
  storage::record_view origin;
  origin.topic = "T";
  origin.properties = full;
  CHECK(copy_of_popped(origin, "G", 99).properties == full);
}
