#include "storage/log/retention.hpp"
#include "tests/support/catch.hpp"

#include <rapidcheck.h>

#include <vector>

using namespace troupe::storage;

namespace {

constexpr std::int64_t hour_ms = 3'600'000;
constexpr std::int64_t now_ms = 1000 * hour_ms;

struct fixture {
  options o;
  std::vector<retained_file> files;
  retention_input input;

  /// Files of 1 GiB that were last changed so many hours ago.
  explicit fixture(std::vector<std::int64_t> ages) {
    for (auto age : ages) {
      const auto end = static_cast<std::int64_t>((files.size() + 1) * gib);
      files.push_back({end, now_ms - age * hour_ms});
    }
    input.safe_until = static_cast<std::int64_t>(files.size() * gib);
    input.now_ms = now_ms;
    input.local_hour = 12;
    input.used_percent = 50;
    input.disk_bytes = 100 * gib;
  }
  retention_decision decide() {
    input.files = files;
    return decide_retention(o, input);
  }
};

} // namespace

TEST_CASE("retention: expired files go at their hour, on request, or when the disk asks",
          "[storage]") {
  fixture f({100, 73, 72, 71, 1});
  CHECK(f.decide().drop == 0);
  f.input.local_hour = 4;
  CHECK(f.decide().drop == 3);
  f.input.local_hour = 12;
  f.input.asked = true;
  CHECK(f.decide().drop == 3);
  f.input.asked = false;
  f.input.used_percent = 75;
  CHECK(f.decide().drop == 0);
  f.input.used_percent = 76;
  CHECK(f.decide().drop == 3);
  f.o.delete_when_hours = {11, 12};
  f.input.used_percent = 10;
  CHECK(f.decide().drop == 3);
}

TEST_CASE("retention: above the limit the oldest files go though not expired", "[storage]") {
  fixture f({5, 4, 3, 2, 1, 0});
  f.input.used_percent = 85;
  CHECK(f.decide().drop == 0);
  f.input.used_percent = 88; // 3 GiB above
  CHECK(f.decide().drop == 3);
  f.input.used_percent = 99;
  CHECK(f.decide().drop == 5); // never the last
  f.input.disk_bytes = gib;
  f.input.used_percent = 86; // less than a file above
  CHECK(f.decide().drop == 1);
  f.input.disk_bytes = 0;
  CHECK(f.decide().drop == 5);
}

TEST_CASE("retention: with forced cleaning off only expired files go, and writes stop",
          "[storage]") {
  fixture f({100, 4, 3, 2, 1, 0});
  f.o.clean_file_forcibly = false;
  f.input.used_percent = 95;
  auto decision = f.decide();
  CHECK(decision.drop == 1);
  CHECK(decision.disk_full);
  f.o.clean_file_forcibly = true;
  CHECK(f.decide().drop > 1);
}

TEST_CASE("retention: what is not dispatched and durable stays", "[storage]") {
  fixture f({100, 100, 100, 100});
  f.input.local_hour = 4;
  f.input.safe_until = static_cast<std::int64_t>(2 * gib);
  CHECK(f.decide().drop == 2);
  f.input.safe_until -= 1;
  CHECK(f.decide().drop == 1);
  f.input.used_percent = 99;
  CHECK(f.decide().drop == 1);
}

TEST_CASE("retention: the first file that stays keeps all behind it", "[storage]") {
  fixture f({1, 100, 100, 100});
  f.input.local_hour = 4;
  CHECK(f.decide().drop == 0);
  fixture future({-500, 100, 100});
  future.input.local_hour = 4;
  CHECK(future.decide().drop == 0);
  CHECK(fixture({}).decide().drop == 0);
  fixture many(std::vector<std::int64_t>(30, 100));
  many.input.local_hour = 4;
  CHECK(many.decide().drop == 10);
}

TEST_CASE("retention: a full disk is writable again only at the lower limit", "[storage]") {
  fixture f({1});
  auto full_at = [&](int percent) {
    f.input.used_percent = percent;
    return f.input.disk_full = f.decide().disk_full;
  };
  CHECK_FALSE(full_at(90));
  CHECK(full_at(91));
  CHECK(full_at(90));
  CHECK(full_at(86));
  CHECK_FALSE(full_at(85));
  CHECK_FALSE(full_at(90));
  f.o.disk_warning_percent = 100; // RocketMQ allows no more than 90
  CHECK(full_at(91));
}

TEST_CASE("retention: while the clock is not believed only want of room deletes", "[storage]") {
  fixture f({100, 99, 98, 97, 1});
  f.input.local_hour = 4;
  f.input.clock_believed = false;
  CHECK(f.decide().drop == 0);
  f.input.asked = true;
  CHECK(f.decide().drop == 0);
  f.input.used_percent = 87;
  CHECK(f.decide().drop == 2); // two of a hundred GiB too much
  f.input.used_percent = 50;
  f.input.clock_believed = true;
  CHECK(f.decide().drop == 4);
}

TEST_CASE("retention: a clock that jumped is believed when files have aged without it",
          "[storage]") {
  constexpr auto reserved = 72 * hour_ms;
  static constexpr auto year = 365 * 24 * hour_ms;
  retention_clock clock;
  CHECK_FALSE(clock.look(now_ms, 0, now_ms - hour_ms));
  CHECK_FALSE(clock.look(now_ms + 70'000, 70'000, now_ms));  // looked late
  CHECK_FALSE(clock.look(now_ms + 130'000, 80'000, now_ms)); // a small step
  CHECK(clock.believed(reserved));
  auto jump = GENERATE(year, -year, 2 * hour_ms);
  CHECK(clock.look(now_ms + jump, 90'000, now_ms));
  CHECK_FALSE(clock.believed(reserved));
  CHECK_FALSE(clock.look(now_ms + jump + reserved - 1, 90'000 + reserved - 1, now_ms));
  CHECK_FALSE(clock.believed(reserved));
  CHECK_FALSE(clock.look(now_ms + jump + reserved, 90'000 + reserved, now_ms));
  CHECK(clock.believed(reserved));
}

TEST_CASE("retention: a start long after the log's last change may be a jump", "[storage]") {
  auto at_start = [](std::int64_t newest_ms) {
    retention_clock clock;
    clock.look(now_ms, 5, newest_ms);
    return clock.believed(hour_ms);
  };
  CHECK(at_start(now_ms - 23 * hour_ms));
  CHECK(at_start(now_ms + 100 * hour_ms)); // files from the future are not old by themselves
  CHECK(at_start(0));
  CHECK_FALSE(at_start(now_ms - 25 * hour_ms));
}
