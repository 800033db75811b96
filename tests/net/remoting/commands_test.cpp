#include "net/remoting/batch_body.hpp"
#include "net/remoting/codes.hpp"
#include "net/remoting/frame.hpp"
#include "net/remoting/headers.hpp"
#include "net/remoting/heartbeat.hpp"
#include "net/remoting/route.hpp"
#include "net/remoting/subscription.hpp"
#include "storage/format/properties.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/frames.hpp"

#include <rapidcheck.h>

#include <cstring>
#include <map>

using namespace troupe;
using namespace troupe::remoting;
using test::as_bytes;

namespace {

struct captured {
  command header;
  storage::slice body;
};

/// The captured requests of one code.
std::vector<captured> captured_requests(std::int32_t code) {
  auto frames = test::cut(test::captured_file("frames.bin"));
  REQUIRE(frames);
  std::vector<captured> found;
  for (auto& f : frames.value()) {
    auto c = decode_header(f.type, f.header.bytes());
    REQUIRE(c);
    if (!c.value().is_answer() && c.value().code == code)
      found.push_back({c.value(), f.body});
  }
  REQUIRE_FALSE(found.empty());
  return found;
}

/// How many captured requests of the code have a readable header, and how many there are.
template <class Header>
std::pair<std::size_t, std::size_t> readable(std::int32_t code) {
  auto all = captured_requests(code);
  std::size_t good = 0;
  for (auto& request : all)
    good += read_fields<Header>(request.header).has_value();
  return {good, all.size()};
}

std::string heartbeat_error(std::string_view body) {
  auto h = read_heartbeat(as_bytes(body));
  REQUIRE(h.has_error());
  return h.error().message;
}

command request_with(std::int32_t code, const std::map<std::string, std::string>& ext) {
  command c;
  c.code = code;
  for (auto& [name, value] : ext)
    c.ext.add(name, value);
  return c;
}

} // namespace

TEST_CASE("headers: the requests of real clients are read", "[remoting]") {
  std::size_t sends = 0, batches = 0;
  for (auto code : {request_code::send_message, request_code::send_message_v2,
                    request_code::send_batch_message})
    for (auto& request : captured_requests(code)) {
      auto h = read_send_header(request.header);
      if (h.has_error())
        continue; // probes of the capture leave fields out on purpose
      ++sends;
      if (!h.value().batch)
        continue;
      ++batches;
      batch_body_reader body(request.body.bytes());
      std::size_t count = 0;
      while (auto m = body.next().value()) {
        CHECK(storage::property_problem(m->properties) == nullptr);
        ++count;
      }
      CHECK(count > 1);
    }
  CHECK(sends > 40);
  CHECK(batches > 5);
}

TEST_CASE("headers: all but the probes of the capture have the fields that we require",
          "[remoting]") {
  using sizes = std::pair<std::size_t, std::size_t>;
  auto all = [](sizes s) { return s.first == s.second; };
  namespace code = request_code;
  CHECK(all(readable<pull_header>(code::lite_pull_message)));
  CHECK(all(readable<key_header>(code::query_message)));
  CHECK(all(readable<group_queue_header>(code::query_consumer_offset)));
  CHECK(all(readable<commit_header>(code::update_consumer_offset)));
  CHECK(all(readable<search_header>(code::search_offset_by_timestamp)));
  CHECK(all(readable<queue_header>(code::get_max_offset)));
  CHECK(all(readable<queue_header>(code::get_min_offset)));
  CHECK(all(readable<offset_header>(code::view_message_by_id)));
  CHECK(all(readable<unregister_header>(code::unregister_client)));
  CHECK(all(readable<group_header>(code::get_consumer_list_by_group)));
  CHECK(all(readable<group_header>(code::notify_consumer_ids_changed)));
  auto pulls = readable<pull_header>(code::pull_message);
  CHECK(pulls.first + 3 >= pulls.second);
  auto routes = readable<route_header>(code::get_routeinfo_by_topic);
  CHECK(all(routes)); // one names no topic
}

TEST_CASE("headers: what was written is read again", "[remoting]") {
  CHECK(rc::check("pull", [](const std::string& topic, std::int32_t queue, std::int64_t offset) {
    pull_header h;
    h.topic = topic;
    h.queue_id = queue;
    h.queue_offset = offset;
    h.subscription = *rc::gen::arbitrary<std::string>();
    h.max_bytes = *rc::gen::arbitrary<std::int32_t>();
    command c;
    write_fields(c, h);
    auto again = read_fields<pull_header>(c);
    RC_ASSERT(again.has_value());
    RC_ASSERT(again.value().topic == topic);
    RC_ASSERT(again.value().queue_id == queue);
    RC_ASSERT(again.value().queue_offset == offset);
    RC_ASSERT(again.value().subscription == h.subscription);
    RC_ASSERT(again.value().max_bytes == h.max_bytes);
  }));
  CHECK(rc::check("send", [](const std::string& properties, std::int64_t born, bool batch) {
    send_header h;
    h.properties = properties;
    h.born_timestamp = born;
    h.batch = batch;
    command c;
    c.code = request_code::send_message_v2;
    write_fields(c, h);
    auto again = read_send_header(c);
    RC_ASSERT(again.has_value());
    RC_ASSERT(again.value().properties == properties);
    RC_ASSERT(again.value().born_timestamp == born);
    RC_ASSERT(again.value().batch == batch);
    long_send_header named{h};
    command old;
    old.code = request_code::send_message;
    write_fields(old, named);
    RC_ASSERT(read_send_header(old).value().properties == properties);
  }));
}

TEST_CASE("headers: properties without name or value are dropped, the others stay as they are",
          "[remoting]") {
  auto kept = [](std::string properties) {
    drop_empty_properties(properties);
    return properties;
  };
  for (std::string good : {"", "KEYS\1k\2", "KEYS\1k", "A\1b\2C\1d=\1e\2"})
    CHECK(kept(good) == good);
  CHECK(kept("KEYS\1k\2\1\2") == "KEYS\1k\2"); // as a Node client sends on
  CHECK(kept("\1v\2KEYS\1k\2TAGS\1\2") == "KEYS\1k\2");
  CHECK(kept("no separator\2KEYS\1k") == "KEYS\1k\2");
  CHECK(kept("\2\2").empty());
  CHECK(kept("\1").empty());
}

TEST_CASE("headers: an error names the field and what is wrong with it", "[remoting]") {
  auto message = [](const std::string& queue) {
    auto h = read_fields<queue_header>(request_with(30, {{"topic", "t"}, {"queueId", queue}}));
    return h.has_error() ? h.error().message : "";
  };
  CHECK(message("3").empty());
  CHECK(message("-1").empty());
  for (std::string bad : {"", " 1", "1 ", "+1", "0x1", "1.0", "1e3", "2147483648", "-2147483649",
                          "99999999999999999999999", "NaN", "true"})
    CHECK(message(bad) ==
          "field 'queueId' of request 30 is not a number of 32 bits: '" + bad + "'");
  auto missing = read_fields<queue_header>(request_with(31, {{"queueId", "1"}}));
  CHECK(missing.error().message == "request 31 has no field 'topic'");
  auto text = read_fields<offset_header>(request_with(33, {{"offset", "9223372036854775808"}}));
  CHECK(text.error().message.find("'offset' of request 33 is not a number of 64 bits") !=
        std::string::npos);
}

TEST_CASE("headers: C++ says 1 for true", "[remoting]") {
  command c;
  c.code = request_code::send_message;
  write_fields(c, long_send_header{});
  c.ext.add("batch", "1");
  CHECK(read_send_header(c).value().batch);
}

TEST_CASE("batch body: every length is checked", "[remoting]") {
  std::string good;
  std::string properties = "K\1V\2";
  append_batch_message(good, {7, as_bytes("body"), properties});
  append_batch_message(good, {-1, {}, {}});
  batch_body_reader reader(as_bytes(good));
  auto first = reader.next().value().value();
  CHECK(first.flag == 7);
  CHECK(first.properties == properties);
  CHECK(std::memcmp(first.body.data(), "body", 4) == 0);
  CHECK(reader.next().value().value().flag == -1);
  CHECK_FALSE(reader.next().value());
  // Any byte changed: an error or other values, never bytes from outside.
  CHECK(rc::check("damaged", [&] {
    auto bytes = good;
    auto at = *rc::gen::inRange<std::size_t>(0, bytes.size());
    bytes[at] = *rc::gen::arbitrary<char>();
    bytes.resize(*rc::gen::inRange<std::size_t>(0, bytes.size() + 1));
    batch_body_reader damaged(as_bytes(bytes));
    for (;;) {
      auto m = damaged.next();
      if (m.has_error() || !m.value())
        break;
      RC_ASSERT(m.value()->body.size() + m.value()->properties.size() <= bytes.size());
    }
  }));
  std::string huge = good;
  huge[0] = '\x7f';
  CHECK(batch_body_reader(as_bytes(huge)).next().error().message ==
        "message 0 of the batch has a total size outside the batch");
}

TEST_CASE("heartbeat: every client's dialect is read", "[remoting]") {
  std::size_t good = 0, consumers = 0, broadcasting = 0;
  auto all = captured_requests(request_code::heart_beat);
  for (auto& request : all) {
    auto h = read_heartbeat(request.body.bytes());
    if (h.has_error())
      continue;
    ++good;
    for (auto& c : h.value().consumers) {
      ++consumers;
      broadcasting += !c.clustering;
      for (auto& s : c.subscriptions) {
        CHECK_FALSE(s.topic.empty());
        CHECK(s.expression_type == "TAG");
      }
    }
  }
  CHECK(good + 1 == all.size()); // one probe sends "not json"
  CHECK(consumers > 8);
  CHECK(broadcasting > 2);
}

TEST_CASE("heartbeat: numbers and names of enums mean the same", "[remoting]") {
  auto cpp = read_heartbeat(
      as_bytes(R"({"clientID":"c","consumerDataSet":[{"consumeFromWhere":0,"consumeType":1,)"
               R"("groupName":"g","messageModel":1,"subscriptionDataSet":[{"subString":"a || b",)"
               R"("subVersion":"1795388201768","topic":"t"}]}]})"
               "\n"));
  REQUIRE(cpp);
  REQUIRE(cpp.value().consumers.size() == 1);
  auto& c = cpp.value().consumers[0];
  CHECK(c.clustering);
  CHECK(c.subscriptions[0] == subscription{"t", "a || b", "TAG", 1795388201768});
  auto again = read_heartbeat(as_bytes(write_heartbeat(cpp.value())));
  REQUIRE(again);
  CHECK(again.value().consumers[0].subscriptions == c.subscriptions);
  auto broadcast = read_heartbeat(
      as_bytes(R"({"clientID":"c","consumerDataSet":[{"groupName":"g","messageModel":0}]})"));
  CHECK_FALSE(broadcast.value().consumers[0].clustering);
}

TEST_CASE("heartbeat: bad ones are refused with the member", "[remoting]") {
  CHECK(heartbeat_error("not json").find("heartbeat") == 0);
  CHECK(heartbeat_error("[]") == "heartbeat: the body is no object");
  CHECK(heartbeat_error("{}") == "heartbeat: clientID must have 1 to 255 bytes");
  CHECK(heartbeat_error(R"({"clientID":7})") == "heartbeat: clientID is no text");
  CHECK(heartbeat_error(R"({"clientID":"c","consumerDataSet":{}})") ==
        "heartbeat: consumerDataSet is no array");
  CHECK(heartbeat_error(R"({"clientID":"c","consumerDataSet":[1]})") ==
        "heartbeat: an element of consumerDataSet is no object");
  CHECK(heartbeat_error(R"({"clientID":"c","consumerDataSet":[{}]})") ==
        "heartbeat: a consumer without groupName");
  CHECK(heartbeat_error(R"({"clientID":"c","consumerDataSet":[{"groupName":"g",)"
                        R"("subscriptionDataSet":[{"subVersion":1e30}]}]})") ==
        "heartbeat: subVersion is no number of 64 bits");
  CHECK(heartbeat_error(R"({"clientID":"c","producerDataSet":[{"groupName":")" +
                        std::string(256, 'g') + "\"}]}")
            .find("a groupName of 256 bytes") != std::string::npos);
  CHECK(heartbeat_error(std::string(2 << 20, '[')).find("at most 1048576") != std::string::npos);
  CHECK(heartbeat_error(std::string(1 << 20, '[')).find("too deep") != std::string::npos);
}

TEST_CASE("subscription: tags become hashes", "[remoting]") {
  using hashes = std::vector<std::int32_t>;
  CHECK(tag_hashes("*").value() == hashes{});
  CHECK(tag_hashes("").value() == hashes{});
  CHECK(tag_hashes("TagA").value() == hashes{storage::java_hash("TagA")});
  CHECK(tag_hashes(" a||b || c ||").value() ==
        hashes{storage::java_hash("a"), storage::java_hash("b"), storage::java_hash("c")});
  CHECK(tag_hashes("b||a||b").value() == hashes{storage::java_hash("a"), storage::java_hash("b")});
  std::string most = "t0";
  for (std::size_t i = 1; i < most_tags; ++i)
    most += "||t" + std::to_string(i);
  CHECK(tag_hashes(most).value().size() == most_tags);
  CHECK(tag_hashes(most + "||one too many").error().message.find("at most 64") !=
        std::string::npos);
  CHECK(tag_hashes(" || ").error().message.find("names no tag") != std::string::npos);
}

TEST_CASE("route: each client gets the dialect that it reads", "[remoting]") {
  broker_address at{"C", "b\"1", "127.0.0.1:10911"};
  storage::topic_info topic{"T", 8, 4, 6};
  CHECK(
      write_route(at, topic, route_dialect::standard) ==
      R"({"brokerDatas":[{"brokerAddrs":{"0":"127.0.0.1:10911"},"brokerName":"b\"1",)"
      R"("cluster":"C","enableActingMaster":false}],"filterServerTable":{},"queueDatas":[)"
      R"({"brokerName":"b\"1","perm":6,"readQueueNums":8,"topicSysFlag":0,"writeQueueNums":4}]})");
  CHECK(write_route(at, topic, route_dialect::bare_keys).find("{0:\"127") != std::string::npos);
  command request;
  request.version = 401;
  CHECK(dialect_for(request, false) == route_dialect::bare_keys);
  CHECK(dialect_for(request, true) == route_dialect::standard);
  request.version = 402;
  CHECK(dialect_for(request, false) == route_dialect::standard);
}
