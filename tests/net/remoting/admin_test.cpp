#include "net/remoting/admin_bodies.hpp"
#include "net/remoting/admin_headers.hpp"
#include "net/remoting/client_groups.hpp"
#include "storage/tables/fastjson.hpp"
#include "tests/support/catch.hpp"

#include <span>

using namespace troupe;
using namespace troupe::remoting;

namespace {

command request_with(std::int32_t code,
                     const std::vector<std::pair<std::string, std::string>>& fields) {
  command c;
  c.code = code;
  for (auto& [name, value] : fields)
    c.ext.add(name, value);
  return c;
}

byte_view as_bytes(std::string_view text) {
  return std::as_bytes(std::span(text));
}

constexpr std::int64_t second = 1000, hour = 3600 * second, day = 24 * hour;

} // namespace

TEST_CASE("admin headers: required fields are named, others have defaults", "[remoting]") {
  auto h = read_fields<topic_config_header>(request_with(17, {{"topic", "T"},
                                                              {"readQueueNums", "2"},
                                                              {"writeQueueNums", "3"},
                                                              {"perm", "6"},
                                                              {"order", "true"},
                                                              {"attributes", "+a=b"}}));
  REQUIRE(h);
  CHECK(h.value().write_queues == 3);
  CHECK(h.value().order);
  CHECK(h.value().attributes == "+a=b");
  auto bad = read_fields<topic_config_header>(request_with(17, {{"topic", "T"}}));
  CHECK(bad.error().message == "request 17 has no field 'readQueueNums'");
  auto time = read_fields<reset_header>(request_with(
      222, {{"topic", "T"}, {"group", "G"}, {"timestamp", "1e9"}, {"isForce", "true"}}));
  CHECK(time.error().message.find("'timestamp' of request 222 is not a number") == 6);
  auto one = read_fields<reset_one_header>(request_with(222, {}));
  CHECK(one.value().queue_id == -1);
}

TEST_CASE("admin bodies: tables of queues are keyed by objects", "[remoting]") {
  CHECK(write_topic_stats("b\"1", {{{"T", 0}, 1, 4, 77}, {{"T", 1}, 0, 0, 0}}, 0.5) ==
        R"({"offsetTable":{{"brokerName":"b\"1","queueId":0,"topic":"T"}:)"
        R"({"lastUpdateTimestamp":77,"maxOffset":4,"minOffset":1},)"
        R"({"brokerName":"b\"1","queueId":1,"topic":"T"}:)"
        R"({"lastUpdateTimestamp":0,"maxOffset":0,"minOffset":0}},"topicPutTps":0.50})");
  CHECK(write_topic_stats("b", {}, 0) == R"({"offsetTable":{},"topicPutTps":0.00})");
  CHECK(write_consume_stats("b", {{{"T", 3}, 9, 4, 6, 5}}, 1) ==
        R"({"consumeTps":1.00,"offsetTable":{{"brokerName":"b","queueId":3,"topic":"T"}:)"
        R"({"brokerOffset":9,"consumerOffset":4,"lastTimestamp":5,"pullOffset":6}}})");
  CHECK(write_reset_offsets("b", {{{"T", 0}, 7}, {{"T", 1}, 0}}) ==
        R"({"offsetTable":{{"brokerName":"b","queueId":0,"topic":"T"}:7,)"
        R"({"brokerName":"b","queueId":1,"topic":"T"}:0}})");
}

TEST_CASE("admin bodies: lists and settings", "[remoting]") {
  CHECK(write_topic_names({"a", "%RETRY%g"}) == R"({"topicList":["a","%RETRY%g"]})");
  CHECK(write_group_names({}) == R"({"groupList":[]})");
  CHECK(write_runtime_info({{"a", "1"}, {"b", "x\"y"}}) == R"({"table":{"a":"1","b":"x\"y"}})");
  CHECK(write_properties({{"a", "C:\\x"}, {"b", "1\n2=3"}}) == "a=C:\\\\x\nb=1 2=3\n");
  CHECK(write_topic({"T", 4, 2, 6}) ==
        R"({"attributes":{},"order":false,"perm":6,"readQueueNums":4,)"
        R"("topicFilterType":"SINGLE_TAG","topicName":"T","topicSysFlag":0,"writeQueueNums":2})");
  CHECK(write_topic({"T", 4, 2, 6, true}).find(R"("order":true)") != std::string::npos);
  auto all = storage::parse_fastjson(write_all_topics({{"T", 4, 2, 6}, {"U", 1, 1, 4}}), "topics");
  REQUIRE(all);
  CHECK(all.value().at("topicConfigTable").at("U").at("perm").as_int64() == 4);
  auto groups =
      storage::parse_fastjson(write_group_settings({{"G", R"({"retryMaxTimes":3})"}}), "groups");
  REQUIRE(groups);
  CHECK(groups.value().at("subscriptionGroupTable").at("G").at("retryMaxTimes").as_int64() == 3);
}

TEST_CASE("admin bodies: stored offsets have bare queue ids", "[remoting]") {
  auto table = [](const std::vector<stored_offset>& offsets) {
    auto text = write_stored_offsets(offsets);
    CHECK(storage::parse_fastjson(text, "offsets"));
    return text.substr(text.find("\"offsetTable\""));
  };
  CHECK(table({}) == R"("offsetTable":{}})");
  CHECK(table({{"G", {"T", 0}, 5}}) == R"("offsetTable":{"T@G":{0:5}}})");
  CHECK(table({{"G", {"T", 0}, 5}, {"G", {"T", 2}, 6}, {"H", {"T", 0}, 1}, {"H", {"U", 0}, 2}}) ==
        R"("offsetTable":{"T@G":{0:5,2:6},"T@H":{0:1},"U@H":{0:2}}})");
}

TEST_CASE("admin bodies: a group's name is read out of its settings", "[remoting]") {
  auto name = [](std::string_view body) {
    auto found = read_group_name(as_bytes(body));
    return found ? found.value() : found.error().message;
  };
  CHECK(name(R"({"brokerId":0,"groupName":"G","attributes":{}})") == "G");
  CHECK(name("{}") == "group settings: groupName must have 1 to 255 bytes");
  CHECK(name(R"({"groupName":7})") == "group settings: groupName is no text");
  CHECK(name("[]") == "group settings: the body is no object");
  CHECK(name("").find("group settings") == 0);
}

TEST_CASE("admin bodies: clients of a group, as they said in heartbeats", "[remoting]") {
  auto h = read_heartbeat(as_bytes(
      R"({"clientID":"c1","producerDataSet":[{"groupName":"P"}],"consumerDataSet":[)"
      R"({"groupName":"G","consumeType":0,"messageModel":"BROADCASTING","consumeFromWhere":4,)"
      R"("subscriptionDataSet":[{"topic":"T","subString":"a","subVersion":9}]}]})"));
  REQUIRE(h);
  h.value().language = language_number("GO");
  h.value().version = 317;
  client_groups groups;
  (void)groups.heartbeat(7, h.value(), 0);
  CHECK_FALSE(groups.consumer_group("none"));
  CHECK(groups.subscribers("T") == client_groups::names{"G"});
  CHECK(groups.subscribers("U").empty());
  REQUIRE(groups.producers("P").size() == 1);
  CHECK(groups.producers("none").empty());
  auto client = groups.consumers("G").at(0);
  CHECK(client.connection == 7);
  client_connection at{client.client_id, "127.0.0.1:5", client.language, client.version};
  CHECK(write_producers({at}) == R"({"connectionSet":[{"clientAddr":"127.0.0.1:5",)"
                                 R"("clientId":"c1","language":"GO","version":317}]})");
  auto body = write_consumers({at}, groups.consumer_group("G").value());
  auto parsed = storage::parse_fastjson(body, "consumers");
  REQUIRE(parsed);
  CHECK(parsed.value().at("consumeType").as_string() == "CONSUME_ACTIVELY");
  CHECK(parsed.value().at("messageModel").as_string() == "BROADCASTING");
  CHECK(parsed.value().at("consumeFromWhere").as_string() == "CONSUME_FROM_FIRST_OFFSET");
  CHECK(parsed.value().at("subscriptionTable").at("T").at("subVersion").as_int64() == 9);
}

TEST_CASE("admin bodies: a subscription has the tags it filters by", "[remoting]") {
  auto text = [](const std::string& expression, const std::string& type) {
    std::string out;
    append_subscription(out, {"T", expression, type, 9});
    return out;
  };
  CHECK(text("TagB || TagA||TagA", "TAG") ==
        R"({"classFilterMode":false,"codeSet":[2598919,2598920],"expressionType":"TAG",)"
        R"("subString":"TagB || TagA||TagA","subVersion":9,"tagsSet":["TagA","TagB"],)"
        R"("topic":"T"})");
  for (auto& all : {text("*", "TAG"), text("", "TAG"), text("a > 1", "SQL92")}) {
    CHECK(all.find(R"("codeSet":[],)") != std::string::npos);
    CHECK(all.find(R"("tagsSet":[],)") != std::string::npos);
  }
}

TEST_CASE("admin bodies: settings of a group that nobody gave any", "[remoting]") {
  auto settings = storage::parse_fastjson(default_group_settings("G"), "settings");
  REQUIRE(settings);
  CHECK(settings.value().at("groupName").as_string() == "G");
  CHECK(settings.value().at("retryMaxTimes").as_int64() == 16);
  CHECK(settings.value().at("consumeEnable").as_bool());
}

TEST_CASE("message_counts: sums of the last minute, hour and day", "[remoting]") {
  message_counts counts;
  CHECK_FALSE(counts.find("PUT", "T", 0));
  auto start = 1'000 * day;
  counts.add("PUT", "T", 6, start);
  counts.add("PUT", "T", 60, start + 30 * second, 10);
  counts.add("PUT", "U", 1, start);
  auto at = [&](std::int64_t ms) { return counts.find("PUT", "T", start + ms).value(); };
  CHECK(at(30 * second).minute.sum == 66);
  CHECK(at(30 * second).minute.per_second == Approx(1.1));
  CHECK(at(30 * second).minute.average == Approx(6));
  CHECK(at(90 * second).minute.average == 0);
  CHECK(at(59 * second).minute.sum == 66);
  CHECK(at(60 * second).minute.sum == 60); // the first ten seconds are over
  CHECK(at(90 * second).minute.sum == 0);
  CHECK(at(90 * second).hour.sum == 66);
  CHECK(at(hour).hour.sum == 0);
  CHECK(at(23 * hour).day.sum == 66);
  CHECK(at(24 * hour).day.sum == 0);
  counts.add("PUT", "T", 5, start + 24 * hour);
  CHECK(at(24 * hour).day.sum == 5);
}

TEST_CASE("message_counts: bounded", "[remoting]") {
  message_counts counts;
  for (std::size_t i = 0; i <= message_counts::most_keys; ++i)
    counts.add("PUT", std::to_string(i), 1, 0);
  CHECK(counts.find("PUT", "0", 0));
  CHECK_FALSE(counts.find("PUT", std::to_string(message_counts::most_keys), 0));
  counts.add("PUT", "0", 1, 0);
  CHECK(counts.find("PUT", "0", 0)->minute.sum == 2);
}

TEST_CASE("recent_total: whole seconds before this one", "[remoting]") {
  recent_total total;
  auto start = 1'000 * day;
  CHECK(total.per_second(10, start) == 0);
  total.add(600, start);
  CHECK(total.per_second(10, start) == 0); // this second is not over
  CHECK(total.per_second(10, start + second) == Approx(60));
  CHECK(total.per_second(10, start + 10 * second) == Approx(60));
  CHECK(total.per_second(10, start + 11 * second) == 0);
  CHECK(total.per_second(60, start + 11 * second) == Approx(10));
  CHECK(total.per_second(600, start + 600 * second) == Approx(1));
  CHECK(total.per_second(600, start + 601 * second) == 0);
  total.add(60, start + 601 * second); // takes the place of the first
  CHECK(total.per_second(60, start + 602 * second) == Approx(1));
}

TEST_CASE("time_spread: the last whole minute, in RocketMQ's words", "[remoting]") {
  time_spread times;
  auto start = 1'000 * day, minute = 60 * second;
  auto none = "[<=0ms]:0 [0~10ms]:0 [10~50ms]:0 [50~100ms]:0 [100~200ms]:0 [200~500ms]:0 "
              "[500ms~1s]:0 [1~2s]:0 [2~3s]:0 [3~4s]:0 [4~5s]:0 [5~10s]:0 [10s~]:0 ";
  CHECK(times.text(start) == none);
  CHECK(times.within(0.99, start) == 0);
  for (int i = 0; i < 98; ++i)
    times.add(0, start);
  times.add(150, start);
  times.add(70'000, start);
  CHECK(times.text(start) == none); // this minute is not over
  CHECK(times.text(start + minute) ==
        "[<=0ms]:98 [0~10ms]:0 [10~50ms]:0 [50~100ms]:0 [100~200ms]:1 [200~500ms]:0 "
        "[500ms~1s]:0 [1~2s]:0 [2~3s]:0 [3~4s]:0 [4~5s]:0 [5~10s]:0 [10s~]:1 ");
  CHECK(times.within(0.5, start + minute) == 0);
  CHECK(times.within(0.99, start + minute) == Approx(200));
  CHECK(times.within(0.999, start + minute) > 10'000);
  CHECK(times.text(start + 2 * minute) == none);
  times.add(3, start + minute); // what was before is the last whole minute still
  CHECK(times.within(0.99, start + minute) == Approx(200));
  CHECK(times.within(1, start + 2 * minute) == Approx(3));
  CHECK(times.longest_ms() == 70'000);
}

TEST_CASE("daily_total: what was there at the last midnights", "[remoting]") {
  daily_total total;
  total.add(5, 10 * day + hour);
  CHECK(total.this_morning(10 * day + 2 * hour) == 0);
  total.add(3, 11 * day);
  CHECK(total.now() == 8);
  CHECK(total.this_morning(11 * day) == 5);
  CHECK(total.yesterday_morning(11 * day) == 0);
  CHECK(total.this_morning(12 * day) == 8);
  CHECK(total.yesterday_morning(12 * day) == 5);
  CHECK(total.yesterday_morning(20 * day) == 8);
}
