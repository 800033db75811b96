#include "storage/format/half_message.hpp"
#include "storage/format/producer_sequence.hpp"
#include "storage/format/properties.hpp"
#include "tests/support/bytes.hpp"
#include "tests/support/catch.hpp"

#include <string>
#include <string_view>
#include <vector>

using namespace troupe::storage;
using troupe::test::as_bytes;
using troupe::test::as_text;

namespace {

std::vector<std::byte> from_hex(std::string_view text) {
  std::vector<std::byte> bytes;
  for (std::size_t i = 0; i + 1 < text.size(); i += 2)
    bytes.push_back(static_cast<std::byte>(std::stoi(std::string(text.substr(i, 2)), nullptr, 16)));
  return bytes;
}

/// The record with which RocketMQ 4.9.7 asked a Java producer (request 39).
const std::string_view asked =
    "00000144daa320a70d2d316000000002000000000000000000000005000000001df4246b00000000000001a20594de"
    "3b7f0000010000beb2000001a20594de447f000001000051af0000000000000000000000000000001374782d327c61"
    "62636465666768696a6b6c6d6e045458543200d2686f77017478025245414c5f544f5049430154585432025452414e"
    "53414354494f4e5f434845434b5f54494d45530131024b4559530174782d32025452414e5f4d534701747275650269"
    "6478013202554e49515f4b455901464430303030303030303030303030303030303030303030303030303030303236"
    "423235333039343645303937313243463633423030303202434c55535445520144656661756c74436c757374657202"
    "5047524f55500154585002574149540166616c736502544147530154616741025245414c5f5149440132";

std::string text(std::initializer_list<std::pair<std::string_view, std::string_view>> all) {
  properties_builder b;
  for (auto& [name, value] : all)
    REQUIRE(b.add(name, value));
  return b.take();
}

record_view half_of(const std::string& properties) {
  record_view v;
  v.topic = half_topic;
  v.properties = properties;
  v.queue_position = 9;
  v.offset = 1000;
  return v;
}

} // namespace

TEST_CASE("half message: who asks for a transaction", "[storage]") {
  auto half = text({{"TAGS", "a"}, {"TRAN_MSG", "True"}, {"PGROUP", "G"}});
  CHECK(asks_for_transaction(half));
  CHECK_FALSE(asks_for_transaction("TRAN_MSG\1false\2"));
  CHECK_FALSE(asks_for_transaction("XTRAN_MSG\1true\2"));
  CHECK(becomes_half("T", 0, half));
  CHECK(becomes_half("T", sysflag::transaction_prepared | sysflag::compressed, half));
  CHECK_FALSE(becomes_half("T", sysflag::transaction_commit, half));
  CHECK_FALSE(becomes_half(half_topic, 0, half));
  CHECK_FALSE(becomes_half(unresolved_topic, 0, half));
  CHECK_FALSE(becomes_half("T", 0, "TAGS\1a\2"));

  CHECK(check_transaction(sysflag::transaction_prepared, half, "T", 0));
  CHECK(check_transaction(0, "TAGS\1a\2", "T", 0));
  CHECK_FALSE(check_transaction(sysflag::transaction_prepared, "TAGS\1a\2", "T", 0));
  CHECK_FALSE(check_transaction(sysflag::transaction_commit, half, "T", 0));
  CHECK_FALSE(check_transaction(sysflag::transaction_rollback, "", "T", 0));
  CHECK_FALSE(check_transaction(0, "TRAN_MSG\1true\2", "T", 0)); // of nobody
  auto long_one = half + text({{"x", std::string(max_properties_bytes - half.size() - 20, 'x')}});
  CHECK(check_transaction(0, long_one, "T", 0).error().code == errc::too_large);
}

TEST_CASE("half message: it waits with the place it belongs to, and nothing else of such",
          "[storage]") {
  std::string out = "before";
  auto given = text({{"TROUPE_SEQ", "s"},
                     {"TAGS", "A"},
                     {"DELAY", "3"},
                     {"REAL_TOPIC", "other"},
                     {"TRAN_MSG", "true"},
                     {"TRANSACTION_CHECK_TIMES", "9"},
                     {"TRAN_PREPARED_QUEUE_OFFSET", "0"}});
  REQUIRE(make_half(given, "T", 3, out));
  CHECK(out == text({{"TROUPE_SEQ", "s"},
                     {"TAGS", "A"},
                     {"TRAN_MSG", "true"},
                     {"REAL_TOPIC", "T"},
                     {"REAL_QID", "3"}}));
  CHECK(make_half(text({{"x", std::string(32'745, 'x')}}), "T", 3, out).error().code ==
        errc::too_large);
}

TEST_CASE("half message: a producer is asked with the bytes of RocketMQ's broker", "[storage]") {
  auto golden = from_hex(asked);
  auto real = decode_record(golden, 502'539'371, verify::structure_and_crc);
  REQUIRE(real.kind == record_kind::message);
  CHECK(real.view.topic == "TXT2");
  // As it waited before.
  record_fields fields;
  fields.topic = half_topic;
  fields.flag = real.view.flag;
  fields.born_timestamp = real.view.born_timestamp;
  fields.born_host = real.view.born_host;
  fields.store_host = real.view.store_host;
  fields.body = real.view.body;
  fields.properties = real.view.properties;
  std::vector<std::byte> bytes(encoded_size(fields, false));
  encode_record(fields, {4, 70'000, real.view.store_timestamp}, false, bytes);
  auto half = decode_record(bytes, 70'000, verify::structure_and_crc);
  REQUIRE(half.kind == record_kind::message);
  auto facts = facts_of(half.view);
  CHECK(facts.group == "TXP");
  CHECK(facts.unique_key == "FD0000000000000000000000000000026B2530946E09712CF63B0002");
  CHECK(facts.checks == 1);
  CHECK(facts.first == 4);
  CHECK(facts.written_again);
  auto said = record_for_check(half.view, 1, 502'539'371, 5);
  REQUIRE(said);
  CHECK(said.value() == golden);
  auto again = record_for_check(half.view, 2, 502'539'371, 5);
  REQUIRE(again);
  auto counted = decode_record(again.value(), 502'539'371, verify::structure_and_crc);
  CHECK(find_property(counted.view.properties, "TRANSACTION_CHECK_TIMES") == "2");
}

TEST_CASE("half message: committed it is what its producer sent, and of the transaction",
          "[storage]") {
  auto properties = text({{"TROUPE_SEQ", "s"},
                          {"TAGS", "A"},
                          {"TRAN_MSG", "true"},
                          {"REAL_TOPIC", "T"},
                          {"REAL_QID", "3"},
                          {"__CRC32#", "0123456789"}});
  auto half = half_of(properties);
  half.sysflag = sysflag::compressed | sysflag::sequenced | sysflag::born_host_v6;
  auto real = committed(half);
  REQUIRE(real);
  CHECK(real.value().topic == "T");
  CHECK(real.value().queue_id == 3);
  CHECK(real.value().sysflag == (sysflag::compressed | sysflag::transaction_commit));
  CHECK(real.value().prepared_transaction_offset == 1000);
  CHECK(find_property(real.value().properties, "TRAN_MSG") == "true"); // as RocketMQ leaves it
  CHECK(find_property(real.value().properties, "__CRC32#").empty());
  CHECK_FALSE(becomes_half("T", real.value().sysflag, real.value().properties));
  for (auto* bad : {"", "REAL_TOPIC\1T\2", "REAL_TOPIC\1T\2REAL_QID\1-1\2",
                    "REAL_TOPIC\1T\2REAL_QID\0012000\2", "REAL_TOPIC\1a/b\2REAL_QID\0011\2",
                    "REAL_TOPIC\1RMQ_SYS_TRANS_HALF_TOPIC\2REAL_QID\0010\2"})
    CHECK(committed(half_of(bad)).error().code == errc::corrupt);
}

TEST_CASE("half message: written again it counts, and knows where it was first", "[storage]") {
  auto properties = text({{"PGROUP", "G"}, {"CHECK_IMMUNITY_TIME_IN_SECONDS", "60"}});
  auto half = half_of(properties);
  CHECK(facts_of(half).immunity_ms == 60'000);
  CHECK_FALSE(facts_of(half).written_again);
  auto once = half_again(half, 1);
  CHECK(once.topic == half_topic);
  CHECK(once.properties ==
        properties + text({{"TRANSACTION_CHECK_TIMES", "1"}, {"TRAN_PREPARED_QUEUE_OFFSET", "9"}}));
  auto second = half_of(once.properties);
  second.queue_position = 20;
  CHECK(facts_of(second).first == 9);
  auto twice = half_again(second, 2);
  auto third = half_of(twice.properties);
  third.queue_position = 30;
  CHECK(facts_of(third).first == 9);
  CHECK(facts_of(third).checks == 2);
  third.queue_position = 5; // of another queue, or damaged
  CHECK(facts_of(third).first == 5);

  auto given_up = unresolved(second);
  CHECK(given_up.topic == unresolved_topic);
  auto lost = half_of(given_up.properties);
  lost.topic = unresolved_topic;
  lost.queue_position = 0;
  CHECK(facts_of(lost).first == 9);
  CHECK(find_property(half_again(lost, 0).properties, "TRAN_PREPARED_QUEUE_OFFSET") == "9");
  auto javas = half_of(properties);
  javas.topic = unresolved_topic;
  CHECK(find_property(half_again(javas, 0).properties, "TRAN_PREPARED_QUEUE_OFFSET").empty());
}

TEST_CASE("half message: what the op queue says, one or several", "[storage]") {
  record_view op;
  op.properties = op_properties;
  auto said = [&](std::string_view body) {
    op.body = as_bytes(body);
    return done_by(op);
  };
  using places = std::vector<queue_offset>;
  auto own = op_body(17);
  CHECK(own == "17"); // without the comma, which 4.x does not read
  CHECK(said(own) == places{17});
  CHECK(said("1,2,30") == places{1, 2, 30});
  CHECK(said("4,5,") == places{4, 5}); // as 5.x writes: one behind each
  op.properties = "TAGS\1d\2UNIQ_KEY\1FD0000000000000000000000000000026B2530946E09712CF63B0002\2";
  CHECK(said("6,") == places{6}); // its own properties
  CHECK(said("8") == places{8});  // 4.x
  op.properties = op_properties;
  CHECK(said("").empty());
  CHECK(said("x,-3,99999999999999999999,7") == places{7});
  op.properties = "TAGS\1r\2";
  CHECK(said("1").empty());
}

TEST_CASE("half message: the committed message is known by its key, time and body", "[storage]") {
  auto properties = text({{"UNIQ_KEY", "k"}, {"REAL_TOPIC", "T"}, {"REAL_QID", "0"}});
  auto half = half_of(properties);
  half.born_timestamp = 5;
  half.body_crc = 6;
  auto real = half;
  real.topic = "T";
  real.sysflag = sysflag::transaction_commit;
  CHECK(is_commit_of(real, half));
  CHECK_FALSE(is_given_up(real, half));
  auto given_up = half;
  given_up.topic = unresolved_topic;
  CHECK(is_given_up(given_up, half));
  CHECK_FALSE(is_commit_of(given_up, half));
  given_up.body_crc = 7;
  CHECK_FALSE(is_given_up(given_up, half));
  real.born_timestamp = 4; // its producer has tried again
  CHECK_FALSE(is_commit_of(real, half));
  real.born_timestamp = 5;
  real.sysflag = 0;
  CHECK_FALSE(is_commit_of(real, half));
}

TEST_CASE("half message: what can wait again names its producers and its place", "[storage]") {
  auto whole =
      text({{"TRAN_MSG", "true"}, {"PGROUP", "G"}, {"REAL_TOPIC", "T"}, {"REAL_QID", "0"}});
  auto message = half_of(whole);
  CHECK(may_wait_again(message));
  for (auto topic : {unresolved_topic, std::string_view("T")}) {
    message.topic = topic;
    CHECK(may_wait_again(message));
  }
  for (auto& bad : {text({{"PGROUP", "G"}, {"REAL_TOPIC", "T"}, {"REAL_QID", "0"}}),
                    text({{"TRAN_MSG", "true"}, {"REAL_TOPIC", "T"}, {"REAL_QID", "0"}}),
                    text({{"TRAN_MSG", "true"}, {"PGROUP", "G"}, {"REAL_QID", "0"}}),
                    text({{"TRAN_MSG", "true"}, {"PGROUP", "G"}, {"REAL_TOPIC", "T"}})})
    CHECK_FALSE(may_wait_again(half_of(bad)));
  // As it was committed, it is a half again without a place in the half queue.
  message = half_of(whole);
  message.topic = "T";
  auto again = half_again(message, 0);
  CHECK(again.topic == half_topic);
  CHECK(find_property(again.properties, "TRANSACTION_CHECK_TIMES") == "0");
  CHECK(find_property(again.properties, "TRAN_PREPARED_QUEUE_OFFSET").empty());
}
