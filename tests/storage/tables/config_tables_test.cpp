#include "storage/os/posix_file_system.hpp"
#include "storage/tables/group_table.hpp"
#include "storage/tables/offset_table.hpp"
#include "storage/tables/topic_table.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/manifest.hpp"
#include "tests/support/temporary_directory.hpp"

#include <rapidcheck.h>

#include <filesystem>
#include <fstream>

using namespace troupe::storage;
using namespace troupe::test;

namespace {

struct fixture {
  temporary_directory directory;
  options o;

  fixture() {
    o.directory = directory.path();
    std::filesystem::create_directories(directory / "config");
  }
  std::string path(const std::string& name) const { return directory / "config/" + name; }
  void write(const std::string& name, const std::string& text) const {
    std::ofstream(path(name), std::ios::binary | std::ios::trunc) << text;
  }
  std::string text(const std::string& name) const {
    std::ifstream in(path(name), std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  void copy_golden(const std::string& name) const {
    std::filesystem::copy_file(golden_path("config-5.3.3") + "/" + name, path(name));
  }
  topic_table topics() const { return topic_table::load(posix_file_system(), o).value(); }
  group_table groups() const { return group_table::load(posix_file_system(), o).value(); }
  offset_table offsets() const { return offset_table::load(posix_file_system(), o).value(); }
};

std::string parsed(const std::string& text) {
  auto value = parse_fastjson(text, "test");
  return value.has_value() ? boost::json::serialize(value.value()) : value.error().message;
}

bool refused(const std::string& text) {
  return parse_fastjson(text, "test").has_error();
}

} // namespace

TEST_CASE("fastjson: member names may be bare", "[storage]") {
  CHECK(parsed(R"({0:12,1:7})") == R"({"0":12,"1":7})");
  CHECK(parsed(R"({ -1 : {a_b:[1,{x:2},3],"c":4} , d:null })") ==
        R"({"-1":{"a_b":[1,{"x":2},3],"c":4},"d":null})");
  CHECK(parsed(R"({"a":"{0:1,\"b:2}","c\\":[true,-1.5]})") ==
        R"({"a":"{0:1,\"b:2}","c\\":[true,-1.5E0]})");
  CHECK(parsed("[]") == "[]");
}

TEST_CASE("fastjson: text that is no JSON is refused with its line", "[storage]") {
  CHECK(refused(""));
  CHECK(refused("{"));
  CHECK(refused("{0:}"));
  CHECK(refused("{0 1}"));
  CHECK(refused("{} x"));
  CHECK(refused("{\"a"));
  CHECK(refused("{\"a\\"));
  CHECK(refused("}}}}{0:1}"));
  CHECK(refused(std::string(40, '[') + std::string(40, ']')));
  CHECK_FALSE(refused(std::string(30, '[') + std::string(30, ']')));
  CHECK(parse_fastjson("{\n0:1,\n!}", "file").error().message.find("file, line 3") == 0);
}

TEST_CASE("fastjson: any text is parsed or refused", "[storage]") {
  CHECK(rc::check("random text", [] {
    const std::string alphabet = "{}[]:,\"\\0a -\n";
    auto text = *rc::gen::container<std::string>(rc::gen::elementOf(alphabet));
    auto value = parse_fastjson(text, "test");
    if (value.has_value()) {
      for (auto names : {integer_names::bare, integer_names::quoted}) {
        auto again = parse_fastjson(write_fastjson(value.value(), names), "again");
        RC_ASSERT(again.has_value());
        RC_ASSERT(again.value() == value.value());
      }
    }
  }));
}

TEST_CASE("topic_table: RocketMQ's file is read and survives a rewrite", "[storage]") {
  fixture f;
  f.copy_golden("topics.json");
  auto table = f.topics();
  CHECK(table.warnings().empty());
  REQUIRE(table.find("TopicOrders") != nullptr);
  CHECK(table.find("TopicOrders")->read_queues == 4);
  CHECK(table.find("BenchmarkTest")->write_queues == 1024);
  CHECK(table.find("TBW102")->perm == 7);
  CHECK(table.find("Nothing") == nullptr);
  auto before = parse_fastjson(f.text("topics.json"), "before").value().as_object();
  REQUIRE(table.put({"New", 3, 2, 4, true}).has_value());
  REQUIRE(table.save(1234).has_value());
  auto after = parse_fastjson(f.text("topics.json"), "after").value().as_object();
  auto& added = after["topicConfigTable"].as_object()["New"].as_object();
  CHECK(added["topicName"] == "New");
  CHECK(added["readQueueNums"] == 3);
  CHECK(added["writeQueueNums"] == 2);
  CHECK(added["perm"] == 4);
  CHECK(added["order"] == true);
  CHECK(added["topicFilterType"] == "SINGLE_TAG");
  CHECK(after["dataVersion"].as_object()["timestamp"] == 1234);
  CHECK(after["dataVersion"].as_object()["counter"] == 4);
  after["topicConfigTable"].as_object().erase("New");
  after["dataVersion"] = before["dataVersion"];
  bool same = after == before;
  CHECK(same);
  CHECK(f.topics().find("New")->read_queues == 3);
  CHECK(f.topics().find("New")->order);
  CHECK_FALSE(f.topics().find("BenchmarkTest")->order);
}

TEST_CASE("topic_table: members that nobody here knows survive", "[storage]") {
  fixture f;
  f.write("topics.json", R"({"future":[1],"topicConfigTable":{
    "A":{"topicName":"A","readQueueNums":4,"attributes":{"+queue.type":"BatchCQ"}},
    "bad name":{"readQueueNums":4},"Huge":{"readQueueNums":2000},"Text":{"perm":"6"},"No":5}})");
  auto table = f.topics();
  CHECK(table.topics().size() == 1);
  CHECK(table.warnings().size() == 4);
  REQUIRE(table.put({"A", 5, 5, 6}).has_value());
  REQUIRE(table.save(1).has_value());
  auto after = parse_fastjson(f.text("topics.json"), "after").value().as_object();
  CHECK(after["future"] == boost::json::array{1});
  auto& topics = after["topicConfigTable"].as_object();
  CHECK(topics["A"].as_object()["attributes"].as_object()["+queue.type"] == "BatchCQ");
  CHECK(topics["A"].as_object()["readQueueNums"] == 5);
  CHECK(topics.contains("bad name"));
  REQUIRE(table.erase("A"));
  CHECK_FALSE(table.erase("A"));
  REQUIRE(table.save(2).has_value());
  CHECK(f.topics().topics().empty());
}

TEST_CASE("config_file: a counter of changes that is full counts from 1 again", "[storage]") {
  fixture f;
  f.write("topics.json", R"({"dataVersion":{"counter":9223372036854775807}})");
  auto table = f.topics();
  REQUIRE(table.save(1234).has_value());
  auto content = parse_fastjson(f.text("topics.json"), "after").value().as_object();
  CHECK(content["dataVersion"].as_object()["counter"] == 1);
}

TEST_CASE("topic_table: what cannot be a topic is refused", "[storage]") {
  fixture f;
  auto table = f.topics();
  CHECK(table.put({"", 1, 1, 6}).has_error());
  CHECK(table.put({"../x", 1, 1, 6}).has_error());
  CHECK(table.put({"A", 0, 1, 6}).has_error());
  CHECK(table.put({"A", 1, 1025, 6}).has_error());
  CHECK(table.put({"A", 1, 1, -1}).has_error());
  CHECK(table.put({"A", 1024, 1, 6}).has_value());
}

TEST_CASE("config_file: the previous content is kept, and used when the file is damaged",
          "[storage]") {
  fixture f;
  auto table = f.topics();
  REQUIRE(table.put({"A", 1, 1, 6}).has_value());
  REQUIRE(table.save(1).has_value());
  CHECK_FALSE(std::filesystem::exists(f.path("topics.json.bak")));
  REQUIRE(table.put({"B", 1, 1, 6}).has_value());
  auto first = f.text("topics.json");
  REQUIRE(table.save(2).has_value());
  CHECK(f.text("topics.json.bak") == first);

  f.write("topics.json", "{\"topicConfig");
  auto fallen_back = f.topics();
  CHECK(fallen_back.warnings().size() == 1);
  CHECK(fallen_back.find("A") != nullptr);
  CHECK(fallen_back.find("B") == nullptr);
  REQUIRE(fallen_back.save(3).has_value());
  CHECK(f.text("topics.json.bak") == first); // not the damaged one

  std::filesystem::remove(f.path("topics.json"));
  CHECK(f.topics().find("A") != nullptr);
  f.write("topics.json", "[]");
  f.write("topics.json.bak", "");
  auto both = topic_table::load(posix_file_system(), f.o);
  REQUIRE(both.has_error());
  CHECK(both.error().code == errc::corrupt);
  CHECK(both.error().message.find("topics.json") != std::string::npos);
}

TEST_CASE("offset_table: RocketMQ's file is read, and written with bare queue ids", "[storage]") {
  fixture f;
  f.copy_golden("consumerOffset.json");
  auto table = f.offsets();
  CHECK(table.warnings().empty());
  CHECK(table.find("GroupA", "TopicOrders", 0) == 12);
  CHECK(table.find("GroupA", "TopicOrders", 1) == 7);
  CHECK(table.find("GroupB", "TopicPayments", 0) == 3);
  CHECK_FALSE(table.find("GroupB", "TopicPayments", 1).has_value());
  CHECK_FALSE(table.find("GroupB", "TopicOrders", 0).has_value());
  CHECK_FALSE(table.changed());
  REQUIRE(table.store("GroupA", "TopicOrders", 1, 8).has_value());
  REQUIRE(table.store("C", "New", 0, 0).has_value());
  CHECK(table.changed());
  REQUIRE(table.save(99).has_value());
  CHECK_FALSE(table.changed());
  auto text = f.text("consumerOffset.json");
  CHECK(text.find("0:12,") != std::string::npos);
  CHECK(text.find("\"0\"") == std::string::npos);
  auto again = f.offsets();
  CHECK(again.find("GroupA", "TopicOrders", 0) == 12);
  CHECK(again.find("GroupA", "TopicOrders", 1) == 8);
  CHECK(again.find("C", "New", 0) == 0);
  auto content = parse_fastjson(text, "after").value().as_object();
  CHECK(content["dataVersion"].as_object()["timestamp"] == 99);
  CHECK(content["groupTopicMap"].as_object()["C"] == boost::json::array{"New"});
}

TEST_CASE("offset_table: one bad number costs that queue alone, and stays in the file",
          "[storage]") {
  fixture f;
  f.write("consumerOffset.json", R"({"offsetTable":{"A@G":{0:11,1:-1,2:"22",3:"x",4:1.5,
    5:9223372036854775808,6:66,7:null,x:1,8:1e3},"B@G":{0:1}},"kept":{1:2}})");
  auto table = f.offsets();
  CHECK(table.warnings().size() == 7);
  for (auto& warning : table.warnings())
    CHECK(warning.find("A@G") != std::string::npos);
  CHECK(table.find("G", "A", 0) == 11);
  CHECK(table.find("G", "A", 2) == 22); // Java takes it too
  CHECK(table.find("G", "A", 6) == 66);
  CHECK(table.find("G", "B", 0) == 1);
  for (auto queue : {1, 3, 4, 5, 7, 8})
    CHECK_FALSE(table.find("G", "A", queue).has_value());
  REQUIRE(table.store("G", "A", 3, 33));
  REQUIRE(table.save(1));
  auto after = parse_fastjson(f.text("consumerOffset.json"), "after").value().as_object();
  auto& entry = after["offsetTable"].as_object()["A@G"].as_object();
  CHECK(entry["0"] == 11);
  CHECK(entry["1"] == -1);
  CHECK(entry["3"] == 33);
  CHECK(entry["5"].as_uint64() == 9223372036854775808ULL);
  CHECK(entry["7"].is_null());
  CHECK(entry["x"] == 1);
  CHECK(after["kept"].as_object()["1"] == 2);
  CHECK(f.offsets().find("G", "A", 6) == 66);
}

TEST_CASE("offset_table: a full file takes no new entries, and all changes of those it has",
          "[storage]") {
  fixture f;
  auto table = f.offsets();
  const std::string topic(127, 't');
  auto group = [](std::size_t i) { return std::string(240, 'g') + std::to_string(i); };
  std::size_t taken = 0;
  result<void> refused = boost::outcome_v2::success();
  for (; refused && taken < 1'000'000; ++taken)
    refused = table.store(group(taken), topic, 0, 1);
  REQUIRE(refused.has_error());
  CHECK(refused.error().code == errc::too_large);
  CHECK(refused.error().message.find("delete groups") != std::string::npos);
  CHECK(table.size() == taken - 1);
  CHECK(taken > 30'000);
  for (std::size_t i = 0; i + 1 < taken; ++i)
    REQUIRE(table.store(group(i), topic, 0, INT64_MAX));
  REQUIRE(table.save(1));
  CHECK(f.text("consumerOffset.json").size() <= offset_table::max_file_bytes);
  std::int32_t queue = 1;
  while (table.store(group(0), topic, queue, 1))
    ++queue;
  CHECK(queue < 30);
  table.remove_group(group(5));
  CHECK(table.store("new", topic, 0, 1));
  CHECK(f.offsets().size() == taken - 1);
}

TEST_CASE("config_file: a byte order mark in front is passed over", "[storage]") {
  fixture f;
  const std::string mark = "\xef\xbb\xbf";
  f.write("topics.json", mark + R"({"topicConfigTable":{"A":{"readQueueNums":3}}})");
  f.write("consumerOffset.json", mark + R"({"offsetTable":{"A@G":{0:5}}})");
  f.write("subscriptionGroup.json", mark + R"({"subscriptionGroupTable":{"G":{}}})");
  CHECK(f.topics().find("A")->read_queues == 3);
  CHECK(f.offsets().find("G", "A", 0) == 5);
  CHECK(f.groups().groups().count("G") == 1);
  auto table = f.offsets();
  CHECK(table.warnings().empty());
  REQUIRE(table.save(1));
  CHECK(f.text("consumerOffset.json").front() == '{');
  f.write("topics.json", mark);
  CHECK(topic_table::load(posix_file_system(), f.o).has_error());
}

TEST_CASE("offset_table: what cannot be an offset is refused or ignored", "[storage]") {
  fixture f;
  f.write("consumerOffset.json", R"({"other":{7:8},"offsetTable":{"A@G":{0:1},"A":{0:1},
    "a b@G":{0:1},"B@G":{0:-1},"C@G":{x:1},"D@G":{0:"1"},"E@":{0:1},"F@G":5}})");
  auto table = f.offsets();
  CHECK(table.warnings().size() == 6);
  CHECK(table.find("G", "A", 0) == 1);
  CHECK(table.store("", "A", 0, 1).has_error());
  CHECK(table.store("G@H", "A", 0, 1).has_error());
  CHECK(table.store("G", "a b", 0, 1).has_error());
  CHECK(table.store("G", "A", -1, 1).has_error());
  CHECK(table.store("G", "A", 1024, 1).has_error());
  CHECK(table.store("G", "A", 0, -1).has_error());
  REQUIRE(table.store("H", "A", 0, 2).has_value());
  REQUIRE(table.store("G", "B", 0, 3).has_value());
  table.remove_group("H");
  table.remove_topic("A");
  CHECK_FALSE(table.find("H", "A", 0).has_value());
  CHECK_FALSE(table.find("G", "A", 0).has_value());
  CHECK(table.find("G", "B", 0) == 3);
  REQUIRE(table.save(1).has_value());
  auto content = parse_fastjson(f.text("consumerOffset.json"), "after").value().as_object();
  CHECK(content["other"].as_object()["7"] == 8);
}

TEST_CASE("group_table: RocketMQ's file is read and survives a rewrite", "[storage]") {
  fixture f;
  f.copy_golden("subscriptionGroup.json");
  auto groups = f.groups();
  CHECK(groups.warnings().empty());
  REQUIRE(groups.groups().count("GroupA") == 1);
  REQUIRE(groups.put("GroupA", R"({"retryMaxTimes":3,"groupName":"other"})"));
  REQUIRE(groups.put("new", "{}"));
  REQUIRE(groups.save(77));
  auto again = parse_fastjson(f.text("subscriptionGroup.json"), "test").value();
  auto& table = again.at("subscriptionGroupTable");
  CHECK(table.at("GroupA").at("retryMaxTimes").as_int64() == 3);
  CHECK(table.at("GroupA").at("groupName").as_string() == "GroupA");
  CHECK(table.at("GroupA").at("groupRetryPolicy").at("type").as_string() ==
        "CUSTOMIZED"); // untouched
  CHECK(table.at("new").at("retryMaxTimes").as_int64() == 16);
  CHECK(again.at("dataVersion").at("counter").as_int64() == 2);
  auto loaded = f.groups();
  CHECK(loaded.groups() == groups.groups());
  CHECK(loaded.erase("new"));
  CHECK_FALSE(loaded.erase("new"));
  REQUIRE(loaded.save(78));
  CHECK(f.groups().groups().count("new") == 0);
}

TEST_CASE("group_table: what cannot be settings is refused or ignored", "[storage]") {
  fixture f;
  f.write("subscriptionGroup.json", R"({"subscriptionGroupTable":{"a/b":{},"G":[],)"
                                    R"("H":{"retryMaxTimes":"x"},"good":{"x":1}}})");
  auto groups = f.groups();
  CHECK(groups.warnings().size() == 2);
  CHECK(groups.groups().size() == 2); // RocketMQ may mean something by it
  auto refusal = [&](std::string_view group, std::string_view settings) {
    auto done = groups.put(group, settings);
    return done ? "" : done.error().message;
  };
  CHECK_FALSE(refusal("a/b", "{}").empty());
  CHECK_FALSE(refusal(std::string(256, 'g'), "{}").empty());
  CHECK(refusal("G", "[]") == "settings of group G: no JSON object");
  CHECK(refusal("G", R"({"retryMaxTimes":10001})") ==
        "settings of group G: retryMaxTimes must be a number from -1 to 10000");
  CHECK_FALSE(refusal("G", R"({"retryQueueNums":-1})").empty());
  CHECK_FALSE(refusal("G", R"({"brokerId":99999999999})").empty());
  CHECK(refusal("G", R"({"consumeEnable":1})") ==
        "settings of group G: consumeEnable must be true or false");
  CHECK_FALSE(refusal("G", "{\"x\":\"" + std::string(70'000, 'x') + "\"}").empty());
  CHECK_FALSE(refusal("G", std::string(40, '[')).empty());
  CHECK_FALSE(refusal("G", R"({"@type":"x"})").empty());
  CHECK_FALSE(refusal("G", R"({"attributes":{"a":"b"}})").empty());
  CHECK_FALSE(refusal("H", "{}").empty()); // as long as the file has what cannot be
  CHECK(groups.groups().size() == 2);
  CHECK(groups.erase("H"));
  CHECK(groups.erase("G"));
  REQUIRE(groups.put("good", "{}"));
  REQUIRE(groups.save(1));
  CHECK(f.text("subscriptionGroup.json").find("a/b") != std::string::npos); // stays in the file
}

TEST_CASE("group_table: what is taken can be read again", "[storage]") {
  fixture f;
  auto groups = f.groups();
  for (std::size_t depth = 20; depth < 40; ++depth) {
    auto nested = std::string(depth, '[') + std::string(depth, ']');
    if (groups.put("G", "{\"x\":" + nested + "}"))
      REQUIRE(groups.save(1));
    REQUIRE(f.groups().groups() == groups.groups());
  }
  for (auto* number : {"1e999", "-1e999", "0e999", "1e308"})
    if (groups.put("G", std::string("{\"x\":") + number + "}"))
      REQUIRE(groups.save(1));
  CHECK(f.groups().groups() == groups.groups());
  CHECK(f.groups().warnings().empty());
  auto before = groups.find("G");
  REQUIRE(before);
  REQUIRE(groups.put("G", R"({"retryMaxTimes":5})"));
  groups.restore("G", before);
  groups.restore("other", std::nullopt);
  CHECK(f.groups().groups() == groups.groups());
}

TEST_CASE("group_table: all groups together are bounded", "[storage]") {
  fixture f;
  auto groups = f.groups();
  auto large = "{\"x\":\"" + std::string(60'000, 'x') + "\"}";
  std::size_t taken = 0;
  while (taken < 1000 && groups.put("g" + std::to_string(taken), large))
    ++taken;
  CHECK(taken > 100);
  CHECK(taken < 150);
  CHECK_FALSE(groups.put("g0", R"({"y":")" + std::string(10'000, 'y') + "\"}")); // 64 KiB each
  CHECK(groups.erase("g0"));
  CHECK(groups.put("another", large));
  REQUIRE(groups.save(1));
  CHECK(f.groups().groups() == groups.groups());
}

TEST_CASE("tombstone_table: deleted topics keep their numbering", "[storage]") {
  fixture f;
  {
    auto table = tombstone_table::load(posix_file_system(), f.o).value();
    CHECK(table.all().empty());
    table.put({"A", 5000, {3, 0, 12}});
    table.put({"B", 1, {}});
    table.put({"A", 6000, {4}});
    REQUIRE(table.save().has_value());
  }
  auto table = tombstone_table::load(posix_file_system(), f.o).value();
  REQUIRE(table.all().size() == 2);
  REQUIRE(table.find("A") != nullptr);
  CHECK(table.find("A")->deleted_at == 6000);
  CHECK(table.find("A")->next_offsets == std::vector<queue_offset>{4});
  CHECK(table.erase("A"));
  CHECK_FALSE(table.erase("A"));
  REQUIRE(table.save().has_value());
  f.write("troupe-tombstones.json", R"({"tombstones":{"A":{"deletedAt":-5,"nextOffsets":[]}}})");
  auto damaged = tombstone_table::load(posix_file_system(), f.o);
  REQUIRE(damaged.has_error());
  CHECK(damaged.error().message.find("'A'") != std::string::npos);
}
