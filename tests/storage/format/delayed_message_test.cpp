#include "storage/format/delayed_message.hpp"
#include "storage/format/properties.hpp"
#include "tests/support/catch.hpp"

#include <string>
#include <vector>

using namespace troupe::storage;

namespace {

std::string text(std::initializer_list<std::pair<std::string_view, std::string_view>> all) {
  properties_builder b;
  for (auto& [name, value] : all)
    REQUIRE(b.add(name, value));
  return b.take();
}

record_view waiting(const std::string& properties) {
  record_view v;
  v.topic = delay_topic;
  v.properties = properties;
  return v;
}

} // namespace

TEST_CASE("delay levels: RocketMQ's, and what others may be", "[storage]") {
  delay_levels usual;
  CHECK(usual.highest() == 18);
  CHECK(usual.of(1) == 1000);
  CHECK(usual.of(18) == 7'200'000);
  CHECK(usual.of(19) == 7'200'000);
  CHECK_FALSE(usual.of(0));
  CHECK(usual.text() == delay_levels::usual);
  CHECK(delay_levels::parse("  90s 60m 1d 0s ").value().text() == "90s 1h 1d 0s");
  for (auto* bad : {"", " ", "1", "s", "1x", "-1s", "1.5s", "+1s", "1s,2s", "99999999999999999999s",
                    "36501d", "1ms"})
    CHECK(delay_levels::parse(bad).has_error());
  std::string many;
  for (int i = 0; i < 64; ++i)
    many += "1s ";
  CHECK(delay_levels::parse(many).value().highest() == 64);
  CHECK(delay_levels::parse(many + "1s").has_error());
}

TEST_CASE("delayed message: it waits under its level, with the place it belongs to", "[storage]") {
  std::string out = "before";
  auto given = text({{"TAGS", "A"}, {"DELAY", "3"}, {"WAIT", "true"}});
  CHECK(asked_level(given) == 3);
  CHECK(put_off(given, "orders", 7, {}, out).value() == 3);
  CHECK(out == text({{"TAGS", "A"},
                     {"WAIT", "true"},
                     {"DELAY", "3"},
                     {"REAL_TOPIC", "orders"},
                     {"REAL_QID", "7"}}));
  CHECK(put_off(text({{"DELAY", "99"}}), "orders", 7, {}, out).value() == 18);
  CHECK(find_property(out, "DELAY") == "18");
  // Of a message that has waited once.
  auto again = out;
  CHECK(put_off(again, "%RETRY%g", 0, {}, out).value() == 18);
  CHECK(out == text({{"DELAY", "18"}, {"REAL_TOPIC", "%RETRY%g"}, {"REAL_QID", "0"}}));
  for (auto* none : {"", "0", "-3", "soon", "3 ", "99999999999"})
    CHECK(asked_level(std::string("DELAY\1") + none + '\2') == 0);
  CHECK(asked_level("XDELAY\1"
                    "3\2") == 0);
}

TEST_CASE("delayed message: what is no number or does not fit is refused", "[storage]") {
  CHECK(check_delay("A\1b\2", "t", 0).has_value());
  CHECK(check_delay("DELAY\1soon\2", "t", 0).error().code == errc::invalid_argument);
  CHECK(check_delay(text({{"DELAY", "-1"}}), "t", 0).has_value());
  auto rest =
      max_properties_bytes - text({{"DELAY", "3"}, {"REAL_TOPIC", "t"}, {"REAL_QID", "0"}}).size();
  auto fits = text({{"A", std::string(rest - 4, 'x')}, {"DELAY", "3"}});
  auto larger = text({{"A", std::string(rest - 2, 'x')}, {"DELAY", "3"}});
  std::string out;
  CHECK(check_delay(fits, "t", 0).has_value());
  CHECK(put_off(fits, "t", 0, {}, out).has_value());
  CHECK(check_delay(larger, "t", 0).error().code == errc::too_large);
  CHECK(put_off(larger, "t", 0, {}, out).error().code == errc::too_large);
}

TEST_CASE("delayed message: due, it is what it was, and says where it waited", "[storage]") {
  auto properties = text({{"TAGS", "A"},
                          {"DELAY", "3"},
                          {"REAL_TOPIC", "orders"},
                          {"REAL_QID", "7"},
                          {"__CRC32#", "0123456789"}});
  auto view = waiting(properties);
  view.sysflag = sysflag::compressed | sysflag::born_host_v6;
  auto message = due(view, 1).value();
  CHECK(message.topic == "orders");
  CHECK(message.queue_id == 7);
  CHECK(message.sysflag == sysflag::compressed);
  CHECK(message.properties == text({{"TAGS", "A"}, {"REAL_TOPIC", "orders"}, {"REAL_QID", "7"}}));
  for (auto& bad : {text({{"DELAY", "3"}}), text({{"REAL_TOPIC", "a b"}, {"REAL_QID", "0"}}),
                    text({{"REAL_TOPIC", "t"}, {"REAL_QID", "x"}}),
                    text({{"REAL_TOPIC", "t"}, {"REAL_QID", "-1"}}),
                    text({{"REAL_TOPIC", "t"}, {"REAL_QID", "1024"}}),
                    text({{"REAL_TOPIC", "SCHEDULE_TOPIC_XXXX"}, {"REAL_QID", "0"}}),
                    text({{"REAL_TOPIC", "RMQ_SYS_TRANS_HALF_TOPIC"}, {"REAL_QID", "0"}})})
    CHECK(due(waiting(bad), 1).error().code == errc::corrupt);
}
