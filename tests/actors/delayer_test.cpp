#include "storage/format/message_batch.hpp"
#include "storage/format/properties.hpp"
#include "tests/support/actor_stand.hpp"
#include "tests/support/catch.hpp"

#include <algorithm>
#include <fstream>

using namespace troupe;
using namespace troupe::test;
using namespace std::chrono_literals;

namespace {

const std::string waiting(storage::delay_topic);

put_request delayed(const std::string& topic, const std::string& body, int level,
                    std::int32_t queue = 0, const std::string& more = {}) {
  storage::message_batch_builder builder;
  storage::new_message message;
  auto properties = "DELAY\1" + std::to_string(level) + "\2" + more;
  message.queue_id = queue;
  message.flag = 7;
  message.born_timestamp = 1234;
  message.reconsume_times = 2;
  message.body = std::as_bytes(std::span(body));
  message.properties = properties;
  builder.add(message);
  put_request request;
  request.topic = topic;
  request.count = 1;
  request.messages = builder.take();
  request.born_host = storage::host::ipv4(0x0a010203, 99);
  return request;
}

struct delay_stand : test_node {
  explicit delay_stand(std::uint64_t seed = 1) : test_node(seed) {}

  /// Time passes, on the wall as well.
  void pass(std::chrono::milliseconds span) {
    for (auto left = span; left.count() > 0; left -= std::min(left, step)) {
      stand.clock.ms += std::min(left, step).count();
      stand.world.run_for(std::min(left, step));
    }
  }
  std::vector<std::string> in(const std::string& topic, std::int32_t queue = 0) {
    return read_all(topic, queue);
  }
  std::string progress() const {
    std::ifstream file(stand.options.store.directory + "/config/delayOffset.json");
    std::string text{std::istreambuf_iterator<char>(file), {}};
    std::erase_if(text, [](char c) { return c == '\t' || c == '\n'; });
    auto from = text.find("\"offsetTable\":");
    if (from == std::string::npos)
      return {};
    return text.substr(from + 14, text.find('}', from) - from - 13);
  }
  void put_delayed(const std::string& body, int level, const std::string& topic = "orders") {
    REQUIRE(all_stored(put(delayed(topic, body, level))));
  }
  static constexpr std::chrono::milliseconds step = 10ms;
};

using bodies = std::vector<std::string>;

} // namespace

TEST_CASE("delayer: a message waits under its level, and comes when it is due", "[actors]") {
  delay_stand t;
  t.start();
  t.create_topic("orders", 4);
  auto answer = t.put(delayed("orders", "x", 2, 3, "TAGS\1A\2"));
  REQUIRE(all_stored(answer));
  CHECK(answer.results[0].queue_position == 0);
  t.pass(100ms);
  auto there = t.pull(waiting, 1, 0);
  REQUIRE(there.records.size() == 1);
  auto held = read_back(there.records[0]);
  CHECK(held.properties == "TAGS\1A\2DELAY\1"
                           "2\2REAL_TOPIC\1orders\2REAL_QID\1"
                           "3\2");
  CHECK(held.offset == answer.results[0].offset);
  t.pass(4890ms);
  CHECK(t.in("orders", 3).empty());
  t.pass(110ms);
  auto here = t.pull("orders", 3, 0);
  REQUIRE(here.records.size() == 1);
  auto message = read_back(here.records[0]);
  CHECK(message.body == "x");
  CHECK(message.properties == "TAGS\1A\2REAL_TOPIC\1orders\2REAL_QID\1"
                              "3\2");
  CHECK(message.store_ms - held.store_ms >= 5000);
  CHECK(message.store_ms - held.store_ms <= 5100);
  auto bytes = here.records[0].bytes();
  auto view = storage::decode_record(bytes, message.offset, storage::verify::structure).view;
  CHECK(view.born_timestamp == 1234);
  CHECK(view.born_host == storage::host::ipv4(0x0a010203, 99));
  CHECK(view.reconsume_times == 2);
  CHECK(view.flag == 7);
  t.pass(1s);
  CHECK(t.progress() == "{2:1}");
}

TEST_CASE("delayer: many of many levels come once each, in the order of their level", "[actors]") {
  delay_stand t(GENERATE(range(std::uint64_t{1}, std::uint64_t{6})));
  t.stand.options.store.flush = GENERATE(storage::flush_policy::async, storage::flush_policy::sync);
  t.start();
  t.create_topic("orders");
  bodies wanted;
  for (int i = 0; i < 700; ++i) {
    t.put_delayed("a" + std::to_string(i), 1);
    wanted.push_back("a" + std::to_string(i));
  }
  t.put_delayed("late", 3);
  t.put_delayed("most", 99);
  t.pass(8s);
  CHECK(t.in("orders") == wanted);
  t.pass(3s);
  wanted.emplace_back("late");
  CHECK(t.in("orders") == wanted);
  CHECK(t.progress() == "{1:700,3:1}");
}

TEST_CASE("delayer: over a restart nothing is lost or late, and over an orderly one nothing twice",
          "[actors]") {
  auto seed = GENERATE(range(std::uint64_t{1}, std::uint64_t{9}));
  bool orderly = GENERATE(true, false);
  INFO("seed " << seed << (orderly ? ", stopped" : ", killed"));
  delay_stand t(seed);
  t.start();
  t.create_topic("orders");
  for (int i = 0; i < 50; ++i) {
    t.put_delayed("m" + std::to_string(i), 1);
    t.pass(20ms);
  }
  t.pass(std::chrono::milliseconds(10 * seed));
  auto before = t.in("orders").size();
  CHECK(before < 50);
  if (orderly)
    CHECK(t.stop().value().left_over.empty());
  else
    t.crash();
  t.stand.clock.ms += 500;
  t.start();
  t.pass(2s);
  auto all = t.in("orders");
  bodies once;
  for (auto& body : all)
    if (std::find(once.begin(), once.end(), body) == once.end())
      once.push_back(body);
  CHECK(once.size() == 50);
  for (std::size_t i = 0; i < once.size(); ++i)
    CHECK(once[i] == "m" + std::to_string(i));
  if (orderly)
    CHECK(all.size() == 50);
}

TEST_CASE("delayer: it is replaced when it dies, and meets queues and readers again", "[actors]") {
  auto victim =
      GENERATE(as<std::string>{}, "delayer", "queue-manager", "reader", "dispatcher", "registrar");
  delay_stand t;
  t.start();
  t.create_topic("orders");
  t.put_delayed("1", 1);
  t.pass(500ms);
  REQUIRE(t.stand.world.kill_all(victim));
  t.pass(1s);
  t.put_delayed("2", 1);
  t.pass(2s);
  INFO(victim);
  CHECK(t.in("orders") == bodies{"1", "2"});
  CHECK(t.stop().value().left_over.empty());
}

TEST_CASE("delayer: what was for a topic that is deleted is left out, and holds nobody up",
          "[actors]") {
  delay_stand t;
  t.start();
  t.create_topic("orders");
  t.create_topic("gone");
  t.put_delayed("1", 1);
  t.put_delayed("2", 1, "gone");
  t.put_delayed("3", 1);
  t.stand.world.ask<tombstone>(t.session, remove_atom_v, std::string("gone")).value();
  t.pass(2s);
  CHECK(t.in("orders") == bodies{"1", "3"});
  CHECK(t.progress() == "{1:3}");
}

TEST_CASE("delayer: how far it is never gets ahead of what is durable", "[actors]") {
  delay_stand t;
  t.start();
  t.create_topic("orders");
  t.put_delayed("1", 1);
  t.pass(900ms);
  t.stand.files.fault = [](observed_file_system::action what, const std::string& path) {
    bool log = path.find("/commitlog/") != std::string::npos;
    return log && what == observed_file_system::action::sync ? errc::io_error : errc::none;
  };
  t.pass(2s);
  CHECK(t.in("orders") == bodies{"1"});
  CHECK(t.progress().empty());
  t.stand.files.fault = nullptr;
  t.crash();
  t.start();
  t.pass(2s);
  CHECK(t.in("orders") == bodies{"1", "1"}); // nobody knew that the first one would stay
  CHECK(t.progress() == "{1:1}");
}

TEST_CASE("delayer: a clock that is set does not hold it up", "[actors]") {
  delay_stand t;
  t.start();
  t.create_topic("orders");
  t.put_delayed("1", 2);
  t.pass(1s);
  t.stand.clock.ms -= 3'600'000;
  t.pass(5s + 1100ms);
  CHECK(t.in("orders") == bodies{"1"});
  t.put_delayed("2", 18);
  t.stand.clock.ms += 7'200'000;
  t.pass(1200ms);
  CHECK(t.in("orders") == bodies{"1", "2"});
}

TEST_CASE("delayer: a timer message waits in one level after the other, and comes at its time",
          "[actors]") {
  delay_stand t;
  t.start();
  t.create_topic("orders", 4);
  REQUIRE(all_stored(t.put(delayed("orders", "x", 0, 3,
                                   "TAGS\1A\2TIMER_DELAY_MS\1"
                                   "6300\2"))));
  REQUIRE(all_stored(t.put(delayed("orders", "soon", 0, 3,
                                   "TIMER_DELAY_MS\1"
                                   "250\2"))));
  REQUIRE(all_stored(t.put(delayed("orders", "past", 0, 3,
                                   "TIMER_DELIVER_MS\1"
                                   "5\2"))));
  auto time = std::to_string(t.stand.clock.ms + 6300);
  t.put_delayed("before", 1); // nobody waits for it
  t.pass(240ms);
  CHECK(t.in("orders", 3) == bodies{"past"});
  t.pass(110ms);
  CHECK(t.in("orders", 3) == bodies{"past", "soon"});
  t.pass(5s);
  CHECK(t.in("orders") == bodies{"before"});
  CHECK(t.in(waiting, 1) == bodies{"x"}); // 5 s, then 1 s, then the rest
  CHECK(t.in(waiting, 0) == bodies{"soon", "before", "x"});
  t.pass(930ms);
  CHECK(t.in("orders", 3).size() == 2);
  t.pass(120ms);
  auto here = t.pull("orders", 3, 2);
  REQUIRE(here.records.size() == 1);
  auto record = read_back(here.records[0]);
  CHECK(record.properties ==
        "TAGS\1A\2TIMER_DELIVER_MS\1" + time + "\2TIMER_OUT_MS\1" + time + "\2");
  t.pass(1s);
  CHECK(t.progress() == "{1:3,2:1}");
}

TEST_CASE("delayer: timer messages come once over a stop, and are not early for a clock set back",
          "[actors]") {
  delay_stand t;
  t.start();
  t.create_topic("orders");
  auto send = [&](const std::string& body, int ms) {
    auto more = "TIMER_DELAY_MS\1" + std::to_string(ms) + "\2";
    REQUIRE(all_stored(t.put(delayed("orders", body, 0, 0, more))));
  };
  send("900", 900);
  send("300", 300);
  send("1800", 1800);
  t.put_delayed("level", 1);
  t.pass(500ms);
  CHECK(t.in("orders") == bodies{"300"});
  CHECK(t.stop().value().left_over.empty());
  t.start();
  t.pass(300ms);
  CHECK(t.in("orders") == bodies{"300"});
  t.stand.clock.ms -= 10'000;
  t.pass(9500ms);
  CHECK(t.in("orders") == bodies{"300", "level"});
  t.pass(3s);
  CHECK(t.in("orders") == bodies{"300", "level", "900", "1800"});
}
