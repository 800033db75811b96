#include "net/remoting/send_back.hpp"

#include "net/remoting/codes.hpp"
#include "storage/format/producer_sequence.hpp"
#include "storage/format/properties.hpp"
#include "storage/format/timer_message.hpp"
#include "tests/support/catch.hpp"

using namespace troupe;
using namespace troupe::remoting;
using storage::find_property;

namespace {

/// A message of topic "t", read from the log.
struct origin : storage::record_view {
  explicit origin(std::string with = {}) : text(std::move(with)) {
    offset = 0x1234;
    topic = "t";
    store_host = storage::host::ipv4(0x7f000001, 10911);
    properties = text;
  }
  origin(const origin&) = delete;
  origin& operator=(const origin&) = delete;

  std::string text;
};

send_back_header asked(std::int32_t level = 0) {
  send_back_header h;
  h.group = "G";
  h.offset = 0x1234;
  h.delay_level = level;
  return h;
}

std::string text_of(const sent_back& copy, std::string_view name) {
  return std::string(find_property(copy.properties, name));
}

} // namespace

TEST_CASE("send_back: the request in each client's form", "[remoting]") {
  command request;
  request.code = request_code::consumer_send_msg_back;
  request.ext.add("group", "G");
  request.ext.add("delayLevel", "0");
  CHECK_FALSE(read_fields<send_back_header>(request));
  request.ext.add("offset", "33894");
  auto three = read_fields<send_back_header>(request); // C++
  REQUIRE(three);
  CHECK(three.value().offset == 33894);
  CHECK(three.value().most_times == times_not_said);
  // As C++ and Node write them: numbers instead of texts.
  auto numbers = decode_json_header(
      R"({"code":36,"extFields":{"group":"G","offset":26350,"delayLevel":-1,"originMsgId":"A",)"
      R"("originTopic":"t","unitMode":false,"maxReconsumeTimes":16},"language":"CPP"})");
  REQUIRE(numbers);
  auto all = read_fields<send_back_header>(numbers.value());
  REQUIRE(all);
  CHECK(all.value().offset == 26350);
  CHECK(all.value().delay_level == -1);
  CHECK(all.value().most_times == 16);
  request.ext.add("maxReconsumeTimes", "many");
  CHECK_FALSE(read_fields<send_back_header>(request));
}

TEST_CASE("send_back: a message waits longer each time, and at last is dead", "[remoting]") {
  origin message;
  auto at = [&](std::int32_t times, std::int32_t level = 0) {
    message.reconsume_times = times;
    return send_back(message, asked(level), 16).value();
  };
  auto first = at(0);
  CHECK(first.topic == "%RETRY%G");
  CHECK_FALSE(first.dead);
  CHECK(first.level == 3);
  CHECK(first.reconsume_times == 1);
  CHECK(text_of(first, "DELAY") == "3");
  CHECK(at(1).level == 4);
  CHECK(at(15).level == 18);
  CHECK(at(2, 1).level == 1); // as the client wants it
  CHECK(at(2, 99).level == 18);
  for (auto& last : {at(16), at(17), at(0, -1), at(INT32_MAX)}) {
    CHECK(last.topic == "%DLQ%G");
    CHECK(last.dead);
    CHECK(text_of(last, "DELAY").empty());
  }
  CHECK(at(INT32_MAX).reconsume_times == INT32_MAX);
  CHECK(at(-5).level == 3);
  message.reconsume_times = 0;
  CHECK(send_back(message, asked(), 0).value().dead);
  message.reconsume_times = 100;
  CHECK(send_back(message, asked(), 1000).value().level == 18);
}

TEST_CASE("send_back: the copy says where it is from", "[remoting]") {
  origin message("TAGS\1a\2KEYS\1k\2");
  auto copy = send_back(message, asked(), 16).value();
  CHECK(text_of(copy, "TAGS") == "a");
  CHECK(text_of(copy, "KEYS") == "k");
  CHECK(text_of(copy, "RETRY_TOPIC") == "t");
  CHECK(text_of(copy, "ORIGIN_MESSAGE_ID") == "7F00000100002A9F0000000000001234");
  // The copy of a copy says where the first one is from.
  origin again(copy.properties);
  again.topic = "%RETRY%G";
  again.offset = 0x9999;
  auto second = send_back(again, asked(), 16).value();
  CHECK(text_of(second, "RETRY_TOPIC") == "t");
  CHECK(text_of(second, "ORIGIN_MESSAGE_ID") == "7F00000100002A9F0000000000001234");
  CHECK(second.properties.size() == copy.properties.size());
}

TEST_CASE("send_back: what only the origin was to be is not copied", "[remoting]") {
  origin message("WAIT\1false\2DELAY\0019\2REAL_TOPIC\1x\2REAL_QID\0011\2TRAN_MSG\1true\2"
                 "TIMER_DELAY_SEC\0015\2PGROUP\1p\2__CRC32#\0010000000001\2");
  message.sysflag = storage::sysflag::compressed | storage::sysflag::transaction_commit |
                    storage::sysflag::sequenced;
  auto copy = send_back(message, asked(-1), 16).value();
  for (auto* name :
       {"WAIT", "DELAY", "REAL_TOPIC", "REAL_QID", "TRAN_MSG", "TIMER_DELAY_SEC", "__CRC32#"})
    CHECK(text_of(copy, name).empty());
  CHECK(text_of(copy, "PGROUP") == "p");
  CHECK(copy.sysflag == storage::sysflag::compressed);
  CHECK_FALSE(storage::asks_for_time(copy.properties));
  CHECK(storage::property_problem(copy.properties) == nullptr);
}

TEST_CASE("send_back: what cannot be stored, or was never to be seen, is refused", "[remoting]") {
  origin half;
  half.sysflag = storage::sysflag::transaction_prepared;
  CHECK(send_back(half, asked(), 16).error().code == storage::errc::not_found);
  origin large("KEYS\1" + std::string(storage::max_properties_bytes - 6, 'k') + "\2");
  CHECK(send_back(large, asked(), 16).error().code == storage::errc::too_large);
}

TEST_CASE("send_back: how often is the client's word, of those that know theirs", "[remoting]") {
  group_rules rules;
  rules.retry_times = 7;
  CHECK(most_reconsume_times(407, 3, rules) == 3);
  CHECK(most_reconsume_times(121, 0, rules) == 0);
  CHECK(most_reconsume_times(63, 3, rules) == 7);
  CHECK(most_reconsume_times(407, times_not_said, rules) == 7);
  CHECK(most_reconsume_times(407, -9, rules) == 7);
}

TEST_CASE("send_back: a topic for retries names its group", "[remoting]") {
  CHECK(group_of_retry_topic(retry_topic("G")) == "G");
  CHECK(group_of_retry_topic("%RETRY%").empty());
  CHECK(group_of_retry_topic(dead_letter_topic("G")).empty());
  CHECK(group_of_retry_topic("t").empty());
  CHECK(without_property("A\1b\2DELAY\0013\2C\1d", "DELAY") == "A\1b\2C\1d\2");
}
