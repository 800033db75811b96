#include "storage/format/delayed_message.hpp"
#include "storage/format/properties.hpp"
#include "storage/format/timer_message.hpp"
#include "tests/support/catch.hpp"

#include <string>

using namespace troupe::storage;

namespace {

constexpr std::int64_t now = 1'700'000'000'000;

std::string text(std::initializer_list<std::pair<std::string_view, std::string_view>> all) {
  properties_builder b;
  for (auto& [name, value] : all)
    REQUIRE(b.add(name, value));
  return b.take();
}

std::optional<std::int64_t> asked(const std::string& properties) {
  return asked_time(properties, now).value();
}

} // namespace

TEST_CASE("timer message: which time it asks for", "[storage]") {
  CHECK(asked(text({{"TIMER_DELAY_SEC", "5"}})) == now + 5000);
  CHECK(asked(text({{"TIMER_DELAY_MS", "5"}})) == now + 5);
  CHECK(asked(text({{"TIMER_DELIVER_MS", "77"}})) == 77);
  CHECK(asked(text({{"__STARTDELIVERTIME", "78"}})) == 78);
  CHECK(asked(text({{"__STARTDELIVERTIME", "1"},
                    {"TIMER_DELIVER_MS", "2"},
                    {"TIMER_DELAY_MS", "3"},
                    {"TIMER_DELAY_SEC", "4"}})) == now + 4000);
  CHECK(asked(text({{"TIMER_DELIVER_MS", "2"}, {"TIMER_DELAY_MS", "-3"}})) == now - 3);
  CHECK_FALSE(asked(text({{"TIMER_DELAY_SEC", "5"}, {"TIMER_OUT_MS", "1"}})));
  CHECK_FALSE(asked(text({{"A", "TIMER_DELAY_SEC"}})));
  CHECK_FALSE(asked(""));
  for (auto* bad : {"soon", "5s", "5.0", "99999999999999999999", "9223372036854775807"}) {
    auto properties = text({{"TIMER_DELAY_SEC", bad}});
    CHECK(asked_time(properties, now).error().code == errc::invalid_argument);
    CHECK(check_delay(properties, "t", 0).error().code == errc::invalid_argument);
    CHECK(asks_for_time(properties));
    // A level is more than a time.
    CHECK(check_delay(text({{"TIMER_DELAY_SEC", bad}, {"DELAY", "1"}}), "t", 0).has_value());
  }
}

TEST_CASE("timer message: how far ahead it may ask", "[storage]") {
  CHECK(check_timer_limit(now + 5000, now, 5000).has_value());
  CHECK(check_timer_limit(now + 5001, now, 5000).error().code == errc::invalid_argument);
  CHECK(check_timer_limit(-5000, now, 0).has_value());
}

TEST_CASE("timer message: it waits in the longest level that is over by its time", "[storage]") {
  auto levels = delay_levels::parse("5s 1s 1m 1s").value();
  CHECK(level_until(now + 59'999, now, levels) == 1);
  CHECK(level_until(now + 60'000, now, levels) == 3);
  CHECK(level_until(now + 4'999, now, levels) == 2);
  CHECK(level_until(now + 1, now, levels) == 2);
  CHECK(level_until(now + 1, now, delay_levels::parse("1s 0s").value()) == 2);
}

TEST_CASE("timer message: it waits with its time, and asks for it again until it is over",
          "[storage]") {
  auto given = text({{"TAGS", "A"}, {"TIMER_DELAY_SEC", "7"}, {"REAL_TOPIC", "x"}});
  std::string out;
  REQUIRE(put_off_until(given, "orders", 3, now + 7000, now, 2, {}, out).has_value());
  CHECK(out == text({{"TAGS", "A"},
                     {"DELAY", "2"},
                     {"REAL_TOPIC", "orders"},
                     {"REAL_QID", "3"},
                     {"TIMER_DELIVER_MS", "1700000007000"},
                     {"TIMER_DELAY_MS", "2000"}}));
  CHECK(waits_until(out) == now + 7000);
  record_view view;
  view.topic = delay_topic;
  view.properties = out;
  auto early = due(view, now + 6999).value();
  CHECK(early.topic == "orders");
  CHECK(early.queue_id == 3);
  CHECK(asked(early.properties) == now + 7000);
  CHECK(has_waited(early.properties));
  auto over = due(view, now + 7000).value();
  CHECK(over.properties == text({{"TAGS", "A"},
                                 {"TIMER_DELIVER_MS", "1700000007000"},
                                 {"TIMER_OUT_MS", "1700000007000"}}));
  CHECK_FALSE(asked(over.properties));
  CHECK(put_off_until(std::string(32'700, 'x') + "\1y\2", "orders", 3, now, now, 2, {}, out)
            .error()
            .code == errc::too_large);
}

TEST_CASE("timer message: what another broker left of a time is none", "[storage]") {
  for (auto& foreign : {text({{"DELAY", "3"}, {"TIMER_DELAY_SEC", "9"}, {"TIMER_DELIVER_MS", "9"}}),
                        text({{"DELAY", "3"}, {"TIMER_DELIVER_MS", "x"}}), text({{"DELAY", "3"}})})
    CHECK_FALSE(waits_until(foreign));
  auto properties =
      text({{"DELAY", "3"}, {"REAL_TOPIC", "t"}, {"REAL_QID", "0"}, {"TIMER_DELIVER_MS", "x"}});
  record_view view;
  view.topic = delay_topic;
  view.properties = properties;
  CHECK(due(view, now).value().properties == text({{"REAL_TOPIC", "t"}, {"REAL_QID", "0"}}));
  std::string out;
  REQUIRE(put_off(text({{"DELAY", "3"}, {"TIMER_DELAY_SEC", "9"}}), "t", 0, {}, out).has_value());
  CHECK(out == text({{"DELAY", "3"}, {"REAL_TOPIC", "t"}, {"REAL_QID", "0"}}));
  CHECK(with_time(text({{"TIMER_DELAY_MS", "4"}, {"REAL_QID", "0"}, {"A", "b"}}), now) ==
        text({{"A", "b"}, {"TIMER_DELIVER_MS", "1700000000000"}}));
}
