#include "storage/format/properties.hpp"

#include "storage/format/message_batch.hpp"
#include "storage/format/position.hpp"
#include "storage/os/slice.hpp"
#include "tests/support/catch.hpp"

#include <rapidcheck.h>

#include <map>
#include <string>
#include <vector>

using namespace troupe::storage;

namespace {

std::map<std::string, std::string> all(std::string_view text) {
  std::map<std::string, std::string> found;
  for_each_property(text, [&](std::string_view name, std::string_view value) {
    found[std::string(name)] = value;
  });
  return found;
}

std::int64_t code(std::string_view topic, std::string_view properties, std::int64_t time = 0) {
  return tags_code(topic, indexed_properties(properties), time, delay_levels{});
}

std::vector<std::string> keys(std::string_view properties) {
  std::vector<std::string> found;
  for_each_key(indexed_properties(properties),
               [&](std::string_view key) { found.emplace_back(key); });
  return found;
}

} // namespace

TEST_CASE("properties: pairs without name or value are dropped, the last of a name counts",
          "[storage]") {
  using pairs = std::map<std::string, std::string>;
  CHECK(all("") == pairs{});
  CHECK(all("a\1b\2") == pairs{{"a", "b"}});
  CHECK(all("a\1b") == pairs{{"a", "b"}});
  CHECK(all("a\1b\2a\1c\2") == pairs{{"a", "c"}});
  CHECK(all("\2\2\1x\2y\1\2zz\2a\1b\1c\2") == pairs{{"a", "b\1c"}});
  CHECK(find_property("ab\1x\2a\1y\2", "a") == "y");
  CHECK(find_property("ab\1x\2a\1y\2", "b") == "");
}

TEST_CASE("properties: what the builder wrote is found again", "[storage]") {
  CHECK(rc::check("builder", [](const std::map<std::string, std::string>& wanted) {
    properties_builder builder;
    std::map<std::string, std::string> accepted;
    for (auto& [name, value] : wanted)
      if (builder.add(name, value))
        accepted[name] = value;
    RC_ASSERT(all(builder.text()) == accepted);
    RC_ASSERT(property_problem(builder.text()) == nullptr);
    for (auto& [name, value] : accepted)
      RC_ASSERT(find_property(builder.text(), name) == value);
  }));
  properties_builder builder;
  CHECK_FALSE(builder.add("a", ""));
  CHECK_FALSE(builder.add("a\1", "b"));
  CHECK_FALSE(builder.add("a", "b\2"));
  CHECK(builder.text().empty());
}

TEST_CASE("properties: hashes are Java's", "[storage]") {
  CHECK(java_hash("") == 0);
  CHECK(java_hash("TagA") == 2598919);
  CHECK(java_hash("标签") == 857175);
  CHECK(java_hash("polygenelubricants") == std::numeric_limits<std::int32_t>::min());
  CHECK(java_hash("\xf0\x9f\x98\x80") == 31 * 0xd83d + 0xde00); // one supplementary character
  CHECK(java_hash("\xff") == 0xfffd);
  CHECK(java_hash("\xe6\xa0") == 0xfffd);                        // cut short: one replacement
  CHECK(java_hash("\xed\xa0\x80") == java_hash("\xff\xff\xff")); // an encoded surrogate
  CHECK(java_hash("b", java_hash("a")) == java_hash("ab"));
}

TEST_CASE("properties: the tags code is the tag's hash, in the delay topic the delivery time",
          "[storage]") {
  CHECK(code("T", "TAGS\1TagA\2") == 2598919);
  CHECK(code("T", "KEYS\1k\2") == 0);
  CHECK(code("T", "TAGS\1polygenelubricants\2") == -2147483648LL);
  CHECK(code("T",
             "DELAY\1"
             "3\2TAGS\1TagA\2",
             1000) == 2598919);
  CHECK(code("SCHEDULE_TOPIC_XXXX",
             "DELAY\1"
             "3\2TAGS\1TagA\2",
             1000) == 11000);
  CHECK(code("SCHEDULE_TOPIC_XXXX",
             "DELAY\1"
             "99\2",
             1000) == 7'201'000);
  CHECK(code("SCHEDULE_TOPIC_XXXX",
             "DELAY\1"
             "0\2TAGS\1TagA\2",
             1000) == 2598919);
  CHECK(code("SCHEDULE_TOPIC_XXXX", "DELAY\1x\2TAGS\1TagA\2", 1000) == 2598919);
  CHECK(code("SCHEDULE_TOPIC_XXXX", "TAGS\1TagA\2", 1000) == 2598919);
}

TEST_CASE("properties: keys come as unique key first, then word by word", "[storage]") {
  using list = std::vector<std::string>;
  CHECK(keys("KEYS\1a  b \2UNIQ_KEY\1u\2") == list{"u", "a", "b"});
  CHECK(keys("KEYS\1 \2") == list{});
  CHECK(keys("TAGS\1a\2") == list{});
}

TEST_CASE("properties: a key's hash is never negative", "[storage]") {
  CHECK(key_hash("T", "k") == static_cast<std::uint32_t>(std::abs(java_hash("T#k"))));
  // "polygenelubricants" hashes to -2^31; the part behind the # alone must not decide.
  CHECK(key_hash(0, "polygenelubricants") == 0);
  CHECK(rc::check("range", [](const std::string& topic, const std::string& key) {
    RC_ASSERT(key_hash(topic, key) <= 0x7fffffffU);
  }));
}

TEST_CASE("position_builder: batches stand alone, topics are numbered anew in each", "[storage]") {
  position_builder builder;
  auto add = [&](std::string_view topic, log_offset offset, std::int32_t flags,
                 std::string_view properties) {
    record_view view;
    view.topic = topic;
    view.offset = offset;
    view.size = 100;
    view.sysflag = flags;
    view.properties = properties;
    builder.add(view);
  };
  builder.start(0);
  add("A", 0, 0, "KEYS\1x y\2");
  add("B", 100, sysflag::transaction_prepared, "UNIQ_KEY\1u\2");
  add("A", 200, sysflag::transaction_rollback, "UNIQ_KEY\1u\2");
  CHECK(builder.count() == 3);
  auto first = builder.take(300);
  CHECK(first.from == 0);
  CHECK(first.to == 300);
  CHECK(first.topics == std::vector<std::string>{"A", "B"});
  REQUIRE(first.positions.size() == 3);
  CHECK(first.positions[0].keys == 2);
  CHECK(first.positions[0].has_queue_entry);
  CHECK(first.positions[1].topic == 1);
  CHECK_FALSE(first.positions[1].has_queue_entry);
  CHECK(first.positions[1].keys == 1);
  CHECK(first.positions[2].topic == 0);
  CHECK(first.positions[2].keys == 0);
  CHECK(first.key_hashes ==
        std::vector<std::uint32_t>{key_hash("A", "x"), key_hash("A", "y"), key_hash("B", "u")});

  builder.start(300);
  add("B", 300, 0, "");
  auto second = builder.take(400);
  CHECK(second.topics == std::vector<std::string>{"B"});
  CHECK(second.positions.at(0).topic == 0);
  CHECK(second.key_hashes.empty());
}

TEST_CASE("message_batch: messages travel unchanged", "[storage]") {
  CHECK(rc::check("round trip", [](const std::vector<std::pair<std::string, std::string>>& given) {
    message_batch_builder builder;
    for (auto& [body, properties] : given) {
      new_message message;
      message.queue_id = static_cast<std::int32_t>(body.size());
      message.flag = -1;
      message.sysflag = 1;
      message.born_timestamp = -5;
      message.reconsume_times = 7;
      message.prepared_transaction_offset = 1LL << 40;
      message.body = std::as_bytes(std::span(body));
      message.properties = properties;
      builder.add(message);
    }
    RC_ASSERT(builder.count() == given.size());
    auto block = builder.take();
    RC_ASSERT(builder.count() == 0U);
    message_batch_reader reader(block.bytes());
    for (auto& [body, properties] : given) {
      auto message = reader.next().value().value();
      RC_ASSERT(message.queue_id == static_cast<std::int32_t>(body.size()));
      RC_ASSERT(message.flag == -1);
      RC_ASSERT(message.sysflag == 1);
      RC_ASSERT(message.born_timestamp == -5);
      RC_ASSERT(message.reconsume_times == 7);
      RC_ASSERT(message.prepared_transaction_offset == 1LL << 40);
      RC_ASSERT(message.properties == properties);
      auto expected = std::as_bytes(std::span(body));
      RC_ASSERT(
          std::equal(message.body.begin(), message.body.end(), expected.begin(), expected.end()));
    }
    RC_ASSERT(!reader.next().value().has_value());
  }));
}

TEST_CASE("message_batch: a damaged block gives an error, never bytes from outside", "[storage]") {
  message_batch_builder builder;
  new_message message;
  message.properties = "a\1b\2";
  builder.add(message);
  auto block = builder.take();
  for (std::size_t size = 1; size < block.size(); ++size)
    CHECK_FALSE(message_batch_reader(block.bytes().first(size)).next().has_value());
  std::vector<std::byte> bytes(block.bytes().begin(), block.bytes().end());
  bytes[36] = std::byte{0xff};
  CHECK_FALSE(message_batch_reader(bytes).next().has_value());
}

TEST_CASE("slice: a copy stands alone and parts share it", "[storage]") {
  std::vector<std::byte> bytes{std::byte{1}, std::byte{2}, std::byte{3}};
  auto copy = slice::copy_of(bytes);
  bytes[1] = std::byte{9};
  auto part = copy.part(1, 2);
  CHECK(part.bytes()[0] == std::byte{2});
  CHECK(part.bytes().data() == copy.bytes().data() + 1);
  CHECK_FALSE(part.damaged());
  CHECK(slice::copy_of({}).empty());
}
