#include "net/remoting/registration.hpp"

#include "net/remoting/codes.hpp"
#include "net/remoting/kv_config.hpp"
#include "storage/format/crc.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/frames.hpp"

using namespace troupe;
using namespace troupe::remoting;
using test::as_bytes;

namespace {

std::string from_hex(std::string_view hex) {
  std::string bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2)
    bytes += static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16));
  return bytes;
}

// Made with zlib as Java's RegisterBrokerBody writes it: lengths and texts one behind another.
const std::string compressed =
    from_hex("78da636060d0ad564ace2fcd2b492d52b232d6512a2e492c490d4b2d2acecccf53b232d4512ac9cc4d050"
             "ae6162859999bd73230303001b16c88a182898285829942b0a79fbb8f6b7c88a3bb42b552a29295529212"
             "4891a46a906b4850a4aabb822110222b0399101d0b241900340b1e14");
/// The same, whose second topic is cut off behind its name.
const std::string cut_off = from_hex(
    "78da636060d0ad564ace2fcd2b492d52b232d6512a2e492c490d4b2d2acecccf53b232d4512ac9cc4d050ae6162859"
    "999bd73230303001b17088a182898285829942b0a79fbb8f6b7c88a33b482ac40800beba14e6");

std::string refusal(const register_header& header, std::string_view body) {
  auto read = read_registration(header, 407, as_bytes(body));
  REQUIRE(read.has_error());
  return read.error().message;
}

} // namespace

TEST_CASE("registration: what real brokers send is read", "[remoting]") {
  auto frames = test::cut(test::captured_file("frames.bin"));
  REQUIRE(frames);
  std::size_t registrations = 0, farewells = 0, topics = 0;
  for (auto& f : frames.value()) {
    auto c = decode_header(f.type, f.header.bytes()).value();
    if (c.is_answer())
      continue;
    if (c.code == request_code::register_broker) {
      auto header = read_fields<register_header>(c);
      REQUIRE(header);
      CHECK(check_broker(header.value()));
      CHECK(header.value().body_crc != 0);
      auto read = read_registration(header.value(), c.version, f.body.bytes());
      REQUIRE(read);
      CHECK(read.value().version.timestamp_ms > 0);
      topics += read.value().topics.size();
      ++registrations;
    }
    if (c.code == request_code::unregister_broker) {
      CHECK(read_fields<broker_header>(c));
      ++farewells;
    }
  }
  CHECK(registrations == 8);
  CHECK(farewells == 2);
  CHECK(topics >= 8);
}

TEST_CASE("registration: what we write is read again, with its CRC", "[remoting]") {
  registration ours;
  ours.version = {0, 1'795'389'120'552, 42};
  ours.topics.push_back({{"T\"1", 4, 2, 6}});
  ours.topics.push_back({{"%RETRY%G", 1, 1, 6}});
  register_header header;
  header.broker = "b";
  header.address = "10.0.0.1:10911";
  header.cluster = "C";
  header.ha_address = "10.0.0.1:10912";
  header.all_topics = true;
  auto body = write_registration(ours, header);
  command request;
  request.code = request_code::register_broker;
  write_fields(request, header);
  CHECK(*request.ext.find("brokerId") == "0");
  CHECK(*request.ext.find("haServerAddr") == "10.0.0.1:10912");
  auto again = read_fields<register_header>(request);
  REQUIRE(again);
  CHECK(again.value().all_topics);
  auto read = read_registration(again.value(), 407, as_bytes(body));
  REQUIRE(read);
  CHECK(read.value().version == ours.version);
  REQUIRE(read.value().topics.size() == 2);
  CHECK(read.value().topics[0].name == "T\"1");
  CHECK(read.value().topics[0].read_queues == 4);
  CHECK(read.value().topics[0].write_queues == 2);
  body[body.size() - 3] ^= 1;
  CHECK(refusal(again.value(), body) == "registration: crc32 not match");
}

TEST_CASE("registration: a compressed body is Java's own text of topics", "[remoting]") {
  register_header header;
  header.compressed = true;
  header.body_crc = static_cast<std::int32_t>(storage::record_crc32(as_bytes(compressed)));
  for (auto version : {407, 479}) {
    auto read = read_registration(header, version, as_bytes(compressed));
    REQUIRE(read);
    CHECK(read.value().version == data_version{1, 77, 3});
    REQUIRE(read.value().topics.size() == 2);
    CHECK(read.value().topics[0].name == "T1");
    CHECK(read.value().topics[0].read_queues == 4);
    CHECK(read.value().topics[0].write_queues == 8);
    CHECK(read.value().topics[1].name == "%RETRY%G");
    CHECK(read.value().topics[1].perm == 6);
  }
  header.body_crc = 0;
  for (std::size_t length = 1; length < compressed.size(); ++length)
    CHECK(read_registration(header, 407, as_bytes(compressed.substr(0, length))).has_error());
  for (std::size_t at = 0; at < compressed.size(); ++at) {
    auto damaged = compressed;
    damaged[at] ^= 0x10;
    CHECK(read_registration(header, 407, as_bytes(damaged)).has_error());
  }
  CHECK(refusal(header, cut_off) == "registration: the settings of topic T2 cannot be read");
}

TEST_CASE("registration: what no topic has is refused", "[remoting]") {
  auto table = [](const std::string& topics) {
    return R"({"topicConfigSerializeWrapper":{"topicConfigTable":)" + topics + "}}";
  };
  CHECK(read_registration({}, 407, {}).value().topics.empty());
  CHECK(read_registration({}, 407, as_bytes("{}")).value().topics.empty());
  auto plain = read_registration({}, 407, as_bytes(table(R"({"T":{}})")));
  CHECK(plain.value().topics[0].perm == 6);
  CHECK(refusal({}, "[]").find("is no object") != std::string::npos);
  CHECK(refusal({}, table("[]")).find("topicConfigTable is no object") != std::string::npos);
  CHECK(refusal({}, table(R"({"T":7})")).find("topic T is no object") != std::string::npos);
  CHECK(refusal({}, table(R"({"":{}})")).find("a topic's name must have") != std::string::npos);
  CHECK(refusal({}, table(R"({"T":{"readQueueNums":-1}})")).find("readQueueNums is -1") !=
        std::string::npos);
  CHECK(refusal({}, table(R"({"T":{"perm":256}})")).find("perm is 256") != std::string::npos);
  broker_header broker{"b", "a:1", "c", 0};
  CHECK(check_broker(broker));
  broker.id = -1;
  CHECK_FALSE(check_broker(broker));
  broker = {"b", std::string(256, 'a'), "c", 0};
  CHECK_FALSE(check_broker(broker));
}

TEST_CASE("kv config: kept by namespace, as Java's file, within a bound", "[remoting]") {
  kv_config kv;
  REQUIRE(kv.put("ORDER_TOPIC_CONFIG", "T", "b:4"));
  REQUIRE(kv.put("other", "k\"", "v\n"));
  CHECK(*kv.find("ORDER_TOPIC_CONFIG", "T") == "b:4");
  CHECK(kv.list("ORDER_TOPIC_CONFIG") == R"({"table":{"T":"b:4"}})");
  CHECK_FALSE(kv.list("none"));
  auto again = kv_config::read(kv.write());
  REQUIRE(again);
  CHECK(again.value().write() == kv.write());
  CHECK(kv.remove("other", "k\""));
  CHECK_FALSE(kv.remove("other", "k\""));
  CHECK_FALSE(kv.list("other"));
  CHECK(kv.write() == R"({"configTable":{"ORDER_TOPIC_CONFIG":{"T":"b:4"}}})");
  CHECK_FALSE(kv.put("", "k", "v"));
  CHECK_FALSE(kv.put("s", std::string(256, 'k'), "v"));
  REQUIRE(kv.put("s", "k", std::string(kv_config::most_bytes - 1000, 'v')));
  CHECK(kv.put("s", "l", std::string(1000, 'v')).error().code == storage::errc::busy);
  REQUIRE(kv.put("s", "k", "small")); // in its place
  CHECK(kv.put("s", "l", std::string(1000, 'v')));
  CHECK(kv_config::read("{}").has_error());
  CHECK(kv_config::read(R"({"configTable":{"s":{"k":1}}})").has_error());
}
