#include "storage/format/properties.hpp"
#include "tests/support/actor_stand.hpp"
#include "tests/support/catch.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>

using namespace troupe;
using namespace troupe::test;
using namespace std::chrono_literals;
using action = observed_file_system::action;

namespace {

using texts = std::vector<std::string>;

/// Everything from writer to reader, asked directly.
struct queues_stand : actor_stand {
  explicit queues_stand(std::uint64_t seed = 1) : actor_stand(seed) {}

  void run() {
    open();
    add_pipeline();
    start();
  }
  void store(const std::string& topic, const std::vector<text_message>& messages) {
    if (!all_stored(put(put_of(topic, messages))))
      throw std::runtime_error("not stored");
    world.drain();
  }
  static pull_request wish(const std::string& topic, queue_offset from, std::int32_t queue = 0) {
    pull_request request;
    request.topic = topic;
    request.queue_id = queue;
    request.from = from;
    return request;
  }
  pull_response pull(const pull_request& request) {
    return world.ask<pull_response>(client(), request).value();
  }
  answer<pull_response> wait_for(pull_request request, std::uint32_t wait_ms) {
    request.wait_ms = wait_ms;
    auto parked = world.request<pull_response>(client(), request);
    world.drain();
    return parked;
  }
  queue_manager_status status() {
    return world.ask<queue_manager_status>(roles.queue_manager, status_atom_v).value();
  }
  /// The queue-manager ends as if killed, and another takes its place from what is on disk.
  void restart_queues() {
    world.kill(roles.queue_manager);
    world.kill(roles.queue_flusher);
    world.drain();
    store_known();
    add_queues();
    announce();
    auto state = world.ask<queue_state>(roles.queue_manager, resume_atom_v, log_offset{0});
    world.tell(roles.dispatcher, resume_atom_v, std::uint32_t{0}, state.value().applied);
    auto end = writer_state().end;
    world.ask<queue_state>(roles.queue_manager, resume_atom_v, end).value();
  }
  void store_known() {
    auto path = storage::checkpoint_path(options.store);
    actor_stand::store->known = storage::load_checkpoint(files, path).value();
    actor_stand::store->after_orderly_stop = false;
    actor_stand::store->log.end = writer_state().end;
  }
};

} // namespace

TEST_CASE("queue_manager: a pull takes the messages that the limits allow", "[actors]") {
  queues_stand t;
  t.run();
  t.store("a", numbered("m", 10, 1, 100));
  auto request = t.wish("a", 2);
  request.max_messages = 3;
  auto three = t.pull(request);
  CHECK(three.status == pull_status::found);
  CHECK(three.records.size() == 3);
  CHECK(read_back(three.records.at(0)).number == 2);
  CHECK(three.next == 5);
  CHECK(three.min == 0);
  CHECK(three.max == 10);
  auto size = three.records.at(0).size();
  request.max_messages = 100;
  request.max_bytes = 2 * size;
  CHECK(t.pull(request).records.size() == 2);
  request.max_bytes = 2 * size - 1;
  CHECK(t.pull(request).records.size() == 1);
  request.max_bytes = 1; // at least one, or nobody would ever get on
  auto one = t.pull(request);
  CHECK(one.records.size() == 1);
  CHECK(one.next == 3);
}

TEST_CASE("queue_manager: each pull says where it stands", "[actors]") {
  queues_stand t;
  t.run();
  t.store("a", numbered("m", 3));
  CHECK(t.pull(t.wish("a", 3)).status == pull_status::nothing_new);
  auto beyond = t.pull(t.wish("a", 4));
  CHECK(beyond.status == pull_status::offset_too_large);
  CHECK(beyond.next == 3);
  auto huge = t.pull(t.wish("a", INT64_MAX));
  CHECK(huge.status == pull_status::offset_too_large);
  CHECK(huge.next == 3);
  CHECK(t.pull(t.wish("a", 0, 1)).status == pull_status::no_queue);
  CHECK(t.pull(t.wish("a", 0, 1023)).status == pull_status::no_queue);
  auto negative = t.world.ask<read_request>(t.roles.queue_manager, t.wish("a", 0, -1)).value();
  CHECK(negative.answer.status == pull_status::no_queue);
  CHECK(t.pull(t.wish("a", 0, INT32_MAX)).status == pull_status::no_queue);
  CHECK(t.pull(t.wish("none", 0)).status == pull_status::no_queue);
  CHECK(t.pull(t.wish("none", 7)).status == pull_status::offset_too_large);
}

TEST_CASE("queue_manager: a filter leaves out what has another tag", "[actors]") {
  queues_stand t;
  t.run();
  t.store("a", {{"1", 0, "red"}, {"2", 0, "blue"}, {"3"}, {"4", 0, "red"}, {"5", 0, "blue"}});
  auto request = t.wish("a", 0);
  request.tag_hashes = {storage::java_hash("red")};
  auto red = t.pull(request);
  CHECK(bodies_of(red.records) == texts{"1", "4"});
  CHECK(red.next == 5);
  request.tag_hashes = {storage::java_hash("red"), storage::java_hash("blue")};
  CHECK(bodies_of(t.pull(request).records) == texts{"1", "2", "4", "5"});
  request.max_messages = 1;
  request.from = 1;
  request.tag_hashes = {storage::java_hash("red")};
  auto one = t.pull(request);
  CHECK(bodies_of(one.records) == texts{"4"});
  CHECK(one.next == 5); // the rest did not match: nobody has to look at it again
  request.tag_hashes = {storage::java_hash("green")};
  auto none = t.pull(request);
  CHECK(none.status == pull_status::filtered);
  CHECK(none.next == 5);
  CHECK(none.records.empty());
}

TEST_CASE("queue_manager: a parked pull wakes up for its own queue only", "[actors]") {
  queues_stand t;
  t.run();
  t.store("a", {{"old"}});
  auto parked = t.wait_for(t.wish("a", 1), 10'000);
  auto first = t.wait_for(t.wish("new", 0, 2), 10'000); // a topic that does not exist yet
  CHECK(t.status().parked_pulls == 2);
  t.store("a", {{"other", 1}});
  t.store("b", {{"other"}});
  CHECK_FALSE(parked.there());
  t.store("a", {{"mine"}});
  REQUIRE(parked.there());
  CHECK(bodies_of(parked.value().records) == texts{"mine"});
  CHECK_FALSE(first.there());
  t.store("new", {{"first", 2}});
  REQUIRE(first.there());
  CHECK(bodies_of(first.value().records) == texts{"first"});
  CHECK(t.status().parked_pulls == 0);
}

TEST_CASE("queue_manager: a parked pull ends when its time is over", "[actors]") {
  queues_stand t;
  t.run();
  t.store("a", {{"old"}});
  auto soon = t.wait_for(t.wish("a", 1), 500);
  auto late = t.wait_for(t.wish("a", 1), 5000);
  t.world.run_for(499ms);
  CHECK_FALSE(soon.there());
  t.world.run_for(2ms);
  REQUIRE(soon.there());
  CHECK(soon.value().status == pull_status::nothing_new);
  CHECK(soon.value().next == 1);
  CHECK_FALSE(late.there());
  t.store("a", {{"new"}});
  REQUIRE(late.there());
  CHECK(bodies_of(late.value().records) == texts{"new"});
}

TEST_CASE("queue_manager: whoever waits for a message costs next to nothing", "[actors]") {
  queues_stand t;
  t.run();
  t.store("a", {{"old"}});
  t.world.run_for(5s); // everything is durable
  std::vector<answer<read_request>> waiting;
  for (int i = 0; i < 1000; ++i) {
    auto wish = t.wish("a", i % 10 == 0 ? 1 : 0, i % 10);
    wish.wait_ms = static_cast<std::uint32_t>(30'000 - i % 5); // not all end at one moment
    waiting.push_back(t.world.request<read_request>(t.roles.queue_manager, wish));
  }
  t.world.drain();
  CHECK(t.status().parked_pulls == 1000);
  std::size_t steps = 0;
  t.world.on_step = [&](const sim::step_info& step) { steps += step.actor == "queue-manager"; };
  t.world.run_for(20s);
  CHECK(steps == 0); // none has waited for long enough
  t.world.run_for(11s);
  CHECK(std::ranges::all_of(waiting, [](auto& one) { return one.there(); }));
  CHECK(steps == 5); // one for all that end together
}

TEST_CASE("queue_manager: confirmations that nobody waits for cost nothing", "[actors]") {
  queues_stand t;
  t.run();
  t.store("a", {{"first"}});
  t.world.run_for(5s);
  std::map<std::string, int> steps;
  t.world.on_step = [&](const sim::step_info& step) { ++steps[std::string(step.actor)]; };
  constexpr int puts = 50; // one at a time, within a millisecond or so
  for (int i = 0; i < puts; ++i)
    t.store("a", {{"one"}});
  // Each put passes each of them once, and nothing comes back; the writer takes it and writes it,
  // and hears now and then how much is durable.
  CHECK(steps["writer"] >= 2 * puts);
  CHECK(steps["writer"] <= 2 * puts + puts / 10);
  CHECK(steps["flusher"] <= puts / 5);
  CHECK(steps["dispatcher"] == puts);
  CHECK(steps["queue-manager"] == puts);
  CHECK(t.writer_state().backlog == puts);
  t.world.on_step = nullptr;
  t.world.run_for(11ms);
  CHECK(t.writer_state().backlog == 0);
}

TEST_CASE("queue_manager: pulls that wait do not delay those with less time, nor the disk",
          "[actors]") {
  queues_stand t;
  t.run();
  t.store("a", {{"old"}});
  t.world.run_for(5s);
  auto late = t.wait_for(t.wish("a", 1), 20'000);
  auto sooner = t.wait_for(t.wish("a", 1), 10'000);
  auto soon = t.wait_for(t.wish("a", 1), 1000);
  t.world.run_for(500ms);
  t.store("b", {{"new"}});
  t.world.run_for(501ms);
  CHECK(soon.there());
  CHECK_FALSE(sooner.there());
  t.world.run_for(2s);
  CHECK(t.status().durable == t.writer_state().end);
  t.world.run_for(7s);
  CHECK(sooner.there());
  CHECK_FALSE(late.there());
  t.world.run_for(10s);
  CHECK(late.there());
}

TEST_CASE("queue_manager: of too many parked pulls the last are answered at once", "[actors]") {
  queues_stand t;
  t.options.queue_manager.parked_pulls = 2;
  t.run();
  auto a = t.wait_for(t.wish("a", 0), 1000);
  auto b = t.wait_for(t.wish("a", 0), 1000);
  auto c = t.wait_for(t.wish("a", 0), 1000);
  CHECK_FALSE(a.there());
  CHECK_FALSE(b.there());
  REQUIRE(c.there());
  CHECK(c.value().status == pull_status::no_queue);
}

TEST_CASE("queue_manager: with synchronous flush only what is durable is shown", "[actors]") {
  queues_stand t;
  t.options.store.flush = storage::flush_policy::sync;
  t.open();
  t.add_flusher();
  auto real = t.roles.flusher;
  auto& world = t.world;
  t.roles.flusher = world.play<flusher_actor>([&world, real](caf::event_based_actor*) {
    return caf::message_handler{
        [&world, real](extend_atom, log_offset start) { world.tell(real, extend_atom_v, start); },
    };
  });
  t.add_writer();
  t.add_dispatcher();
  t.add_queues();
  t.add_readers();
  t.start();
  world.tell(real, t.roles);
  auto request = put_of("a", {{"m0", 0, "", "k"}, {"m1", 0, "", "k"}, {"m2", 0, "", "k"}});
  request.wait = false; // acknowledged before it is durable: hidden all the same
  auto response = t.put(request);
  REQUIRE(all_stored(response));
  world.run_for(100ms);
  CHECK(t.status().applied > response.results[2].offset);
  auto hidden = t.pull(t.wish("a", 0));
  CHECK(hidden.status == pull_status::nothing_new);
  CHECK(hidden.max == 0);
  auto by_key = [&] {
    key_query query;
    query.topic = "a";
    query.key = "k";
    return bodies_of(world.ask<record_batch>(t.client(), query).value().records);
  };
  CHECK(by_key().empty());
  auto parked = t.wait_for(t.wish("a", 0), 10'000);
  // Durable up to and with the second one.
  world.tell(t.roles.queue_manager, log_flushed{response.results[2].offset, 0});
  world.drain();
  REQUIRE(parked.there());
  CHECK(bodies_of(parked.value().records) == texts{"m0", "m1"});
  CHECK(parked.value().max == 2);
  CHECK(by_key() == texts{"m0", "m1"});
  auto too_far = t.pull(t.wish("a", 3));
  CHECK(too_far.status == pull_status::offset_too_large);
  // An older report takes nothing back.
  world.tell(t.roles.queue_manager, log_flushed{response.results[1].offset, 0});
  CHECK(bodies_of(t.pull(t.wish("a", 0)).records) == texts{"m0", "m1"});
  world.tell(t.roles.queue_manager, log_flushed{t.writer_state().end, 0});
  CHECK(bodies_of(t.pull(t.wish("a", 0)).records) == texts{"m0", "m1", "m2"});
}

TEST_CASE("queue_manager: records of a deleted topic do not come back", "[actors]") {
  queues_stand t;
  t.run();
  t.store("a", numbered("dead", 3));
  t.store("b", numbered("kept", 2));
  auto dead = t.world.ask<tombstone>(t.roles.writer, remove_atom_v, std::string("a")).value();
  t.world.tell(t.roles.queue_manager, remove_atom_v, dead);
  CHECK(t.pull(t.wish("a", 0)).status == pull_status::offset_too_small);
  CHECK(t.pull(t.wish("a", 3)).status == pull_status::no_queue); // where it would go on
  // Everything again, from the log's first byte.
  t.world.tell(t.roles.writer, revive_atom_v, dead);
  t.store("a", {{"alive"}});
  t.store("b", {{"kept2"}});
  auto check = [&] {
    auto revived = t.pull(t.wish("a", 0));
    CHECK(revived.status == pull_status::offset_too_small);
    CHECK(revived.min == 3);
    CHECK(bodies_of(t.pull(t.wish("a", 3)).records) == texts{"alive"});
    CHECK(bodies_of(t.pull(t.wish("b", 0)).records) == texts{"kept0", "kept1", "kept2"});
  };
  check();
  std::filesystem::remove(storage::checkpoint_path(t.options.store));
  actor_stand& stand = t;
  stand.store->tombstones.push_back({"a", dead.deleted_at, dead.next_offsets});
  t.restart_queues();
  check();
}

TEST_CASE("queue_manager: nobody sees what files of a deleted topic still hold", "[actors]") {
  queues_stand t;
  t.run();
  t.store("a", {{"dead0", 0, "", "k"}, {"dead1", 0, "", "k"}, {"dead2", 0, "", "k"}});
  auto dead = t.world.ask<tombstone>(t.roles.writer, remove_atom_v, std::string("a")).value();
  // What is there: the numbers of queue 0, the first one that a search finds, bodies of a key.
  auto check = [&](queue_offset end, std::int64_t last_store_ms, const texts& bodies) {
    auto before = t.pull(t.wish("a", 0));
    CHECK(before.status == pull_status::offset_too_small);
    CHECK(before.next == 3);
    CHECK(before.max == end);
    CHECK(bodies_of(t.pull(t.wish("a", 3)).records) == bodies);
    auto bounds = t.world.ask<bounds_read>(t.roles.queue_manager, bounds_atom_v, std::string("a"),
                                           log_offset{0});
    REQUIRE(bounds.value().queues.size() == 1);
    CHECK(bounds.value().queues[0].min == 3);
    CHECK(bounds.value().queues[0].max == end);
    auto whole = t.world.ask<std::vector<queue_bounds>>(t.roles.readers.front(), bounds.value());
    CHECK(whole.value()[0].last_store_ms == last_store_ms);
    auto found = t.world.ask<queue_offset>(t.roles.queue_manager, search_atom_v, std::string("a"),
                                           std::int32_t{0}, std::int64_t{0});
    CHECK(found.value() == 3);
    key_query query;
    query.topic = "a";
    query.key = "k";
    auto by_key = t.world.ask<record_batch>(t.client(), query);
    CHECK(bodies_of(by_key.value().records) == bodies);
  };
  auto make_again = [&] {
    t.world.tell(t.roles.writer, revive_atom_v, dead);
    t.clock.ms += 1000;
    t.store("a", {{"alive", 0, "", "k"}});
  };
  SECTION("because they cannot be removed") {
    t.files.fault = [](action what, const std::string& path) {
      return what == action::remove && path.find("consumequeue/a") != std::string::npos
                 ? errc::io_error
                 : errc::none;
    };
    t.world.tell(t.roles.queue_manager, remove_atom_v, dead);
    check(3, -1, {});
    make_again();
  }
  SECTION("because it was made again before the queues heard of the deletion") {
    make_again();
    t.world.tell(t.roles.queue_manager, remove_atom_v, dead);
  }
  check(4, t.clock.ms, {"alive"});
}

TEST_CASE("queue_manager: three failed writes hold up writing, and reads go on", "[actors]") {
  queues_stand t;
  t.options.queue_manager.tail_entries = 4;
  t.run();
  t.store("a", numbered("m", 4));
  t.world.run_for(2s);
  int failed = 0;
  bool broken = true;
  t.files.fault = [&](action what, const std::string& path) {
    bool hit = broken && what == action::write && path.find("/consumequeue/") != std::string::npos;
    failed += hit ? 1 : 0;
    return hit ? errc::io_error : errc::none;
  };
  REQUIRE(all_stored(t.put(put_of("a", numbered("n", 9)))));
  t.world.run_for(10ms);
  CHECK(failed == 1);
  CHECK(t.status().failure.empty());
  t.world.run_for(500ms);
  CHECK(failed == 3);
  auto refused = t.put(put_of("a", {{"x"}}));
  CHECK(refused.results.at(0).code == errc::busy);
  CHECK(refused.failure.message.find("writing the queues failed") != std::string::npos);
  auto found = t.pull(t.wish("a", 0));
  CHECK(found.records.size() >= 4);
  CHECK(bodies_of(found.records).front() == "m0");
  auto report = t.world.ask<stop_report>(t.roles.queue_manager, stop_atom_v);
  CHECK(report.value().left_over.find("writing the queues failed") == 0);
  // With the disk whole again, the next one reads it all from the log.
  broken = false;
  t.restart_queues();
  auto again = t.pull(t.wish("a", 0));
  CHECK(bodies_of(again.records) ==
        texts{"m0", "m1", "m2", "m3", "n0", "n1", "n2", "n3", "n4", "n5", "n6", "n7", "n8"});
}

TEST_CASE("queue_manager: a queue-flusher that knows nobody yet is asked again", "[actors]") {
  queues_stand t;
  t.run();
  auto unknown = t.roles;
  unknown.flusher = nullptr;
  t.world.tell(t.roles.queue_flusher, unknown);
  t.store("a", numbered("m", 4));
  t.world.run_for(5s);
  CHECK(t.status().failure.empty());
  CHECK(t.status().durable < t.status().applied);
  t.announce();
  t.world.run_for(5s);
  CHECK(t.status().failure.empty());
  CHECK(t.status().durable == t.status().applied);
}

TEST_CASE("queue_manager: a write that fails twice is no failure", "[actors]") {
  queues_stand t;
  t.options.queue_manager.tail_entries = 4;
  t.run();
  int left = 2;
  t.files.fault = [&](action what, const std::string& path) {
    if (left == 0 || what != action::write || path.find("/consumequeue/") == std::string::npos)
      return errc::none;
    --left;
    return errc::no_space;
  };
  REQUIRE(all_stored(t.put(put_of("a", numbered("m", 20)))));
  t.world.run_for(5s);
  CHECK(left == 0);
  CHECK(t.status().failure.empty());
  CHECK(t.pull(t.wish("a", 0)).max == 20);
  CHECK(t.writer_state().backlog == 0);
  CHECK(t.status().durable == t.writer_state().end);
}

TEST_CASE("queue_manager: what is applied meanwhile does not excuse failed writes", "[actors]") {
  queues_stand t;
  t.run();
  auto since = t.world.now();
  std::chrono::milliseconds third{0};
  int failures = 0;
  t.files.fault = [&](action what, const std::string& path) {
    if (what != action::write || path.find("/consumequeue/") == std::string::npos)
      return errc::none;
    if (++failures == 3)
      third = t.world.now() - since;
    return errc::io_error;
  };
  for (int i = 0; i < 30 && t.writer_state().refusal.empty(); ++i) {
    t.put(put_of("a", {{"m"}}));
    t.world.run_for(50ms);
  }
  CHECK_FALSE(t.writer_state().refusal.empty());
  CHECK(failures == 3);
  CHECK(third >= 200ms); // a pause between two tries
}

TEST_CASE("queue_manager: writing goes on by itself when the disk has room again", "[actors]") {
  queues_stand t;
  t.run();
  bool full = true;
  auto part = GENERATE(as<std::string>{}, "/consumequeue/", "/index/", "/checkpoint");
  t.files.fault = [&](action what, const std::string& path) {
    return full && what == action::write && path.find(part) != std::string::npos ? errc::no_space
                                                                                 : errc::none;
  };
  REQUIRE(all_stored(t.put(put_of("a", numbered("m", 20)))));
  REQUIRE(all_stored(t.put(put_of("b", {{"m", 0, "", "key"}}))));
  t.world.run_for(10s);
  CHECK(t.status().failure.empty());
  CHECK(t.writer_state().refusal.find("and writing when the cause is gone") != std::string::npos);
  CHECK(t.put(put_of("a", {{"n"}})).results.at(0).code == errc::busy);
  full = false;
  t.world.run_for(5s);
  CHECK(t.writer_state().refusal.empty());
  CHECK(all_stored(t.put(put_of("a", {{"n"}}))));
  t.world.run_for(10s);
  CHECK(t.status().durable == t.writer_state().end);
  CHECK(t.pull(t.wish("a", 0)).max == 21);
}

TEST_CASE("queue_manager: a stop that cannot write says so", "[actors]") {
  queues_stand t;
  t.run();
  t.files.fault = [&](action what, const std::string& path) {
    return what == action::write && path.find("/consumequeue/") != std::string::npos
               ? errc::io_error
               : errc::none;
  };
  REQUIRE(all_stored(t.put(put_of("a", numbered("m", 5)))));
  t.world.drain();
  auto report = t.world.request<stop_report>(t.roles.queue_manager, stop_atom_v);
  t.world.run_for(5s);
  REQUIRE(report.there());
  CHECK(report.value().left_over.find("writing the queues failed") == 0);
}

TEST_CASE("queue_manager: between syncs the disk rests as long as it was busy", "[actors]") {
  queues_stand t;
  t.open();
  t.add_pipeline();
  caf::response_promise answer;
  queue_sync asked;
  std::vector<caf::actor_clock::time_point> syncs;
  t.world.kill(t.roles.queue_flusher);
  t.roles.queue_flusher = t.world.play<queue_flusher_actor>([&](caf::event_based_actor* self) {
    return caf::message_handler{[&, self](const queue_sync& what) {
      answer = self->make_response_promise();
      asked = what;
      syncs.push_back(self->clock().now());
      return answer;
    }};
  });
  t.start();
  auto finish = [&](std::uint32_t disk_ms) {
    t.world.inside(t.roles.queue_flusher, [&, disk_ms] {
      answer.deliver(queue_synced{asked.applied, disk_ms});
    });
    t.world.drain();
    syncs.clear();
    t.store("a", numbered("m", 1));
  };
  t.store("a", numbered("m", 1));
  t.world.run_for(20s); // the log's flusher is away; the disk does nothing
  REQUIRE(syncs.size() == 1);
  finish(0);
  t.world.run_for(2s);
  REQUIRE(syncs.size() == 1);
  finish(2000);
  t.world.run_for(15s);
  CHECK(syncs.empty());
  t.world.run_for(2s);
  REQUIRE(syncs.size() == 1);
  finish(2000); // and no longer than somebody waits for it
  t.world.tell(t.roles.queue_manager, flush_atom_v);
  t.world.run_for(100ms);
  CHECK(syncs.size() == 1);
}

TEST_CASE("queue_manager: a missing or damaged queue is built again from the log", "[actors]") {
  queues_stand t;
  t.run();
  t.store("a", numbered("a", 50, 2));
  t.store("b", numbered("b", 10));
  t.world.run_for(3s); // written, synced, and the checkpoint says so
  REQUIRE(t.status().durable == t.writer_state().end);
  auto queue = storage::queue_directory(t.options.store) + "/a/1";
  REQUIRE(std::filesystem::exists(queue));
  SECTION("its directory is gone") {
    std::filesystem::remove_all(queue);
  }
  SECTION("the topic is gone") {
    std::filesystem::remove_all(queue + "/..");
  }
  SECTION("its file has a wrong size") {
    std::filesystem::resize_file(queue + "/00000000000000000000", 12'345);
  }
  t.restart_queues();
  auto all = t.pull(t.wish("a", 0, 1));
  CHECK(all.max == 25);
  REQUIRE(all.records.size() == 25);
  for (std::size_t i = 0; i < 25; ++i)
    CHECK(read_back(all.records[i]).body == "a" + std::to_string(2 * i + 1));
  CHECK(t.pull(t.wish("a", 0, 0)).max == 25);
  CHECK(t.pull(t.wish("b", 0)).max == 10);
  t.store("a", {{"next", 1}});
  CHECK(bodies_of(t.pull(t.wish("a", 25, 1)).records) == texts{"next"});
}

TEST_CASE("queue_manager: what a checkpoint vouches for is not read again", "[actors]") {
  queues_stand t;
  t.run();
  t.store("a", numbered("m", 50));
  t.world.run_for(3s);
  t.store("a", numbered("late", 5));
  t.restart_queues();
  CHECK(t.pull(t.wish("a", 0)).max == 55);
  auto replayed = t.world.ask<dispatcher_status>(t.roles.dispatcher, status_atom_v);
  CHECK(replayed.value().replayed == 5);
}

TEST_CASE("queue_manager: finds the first message of a time", "[actors]") {
  queues_stand t;
  t.run();
  auto begin = t.clock.ms;
  for (int i = 0; i < 40; ++i) {
    t.clock.ms = begin + std::int64_t{10} * (i / 2); // two in each 10 ms
    t.store("a", {{"m"}});
  }
  auto search = [&](std::int64_t ms, std::int32_t queue = 0) {
    return t.world
        .ask<queue_offset>(t.roles.queue_manager, search_atom_v, std::string("a"), queue, ms)
        .value();
  };
  CHECK(search(0) == 0);
  CHECK(search(-1) == 0);
  CHECK(search(begin) == 0);
  CHECK(search(begin + 1) == 2);
  CHECK(search(begin + 10) == 2);
  CHECK(search(begin + 100) == 20);
  CHECK(search(begin + 190) == 38);
  CHECK(search(begin + 191) == 40);
  CHECK(search(INT64_MAX) == 40);
  CHECK(search(begin, 7) == 0);
  CHECK(search(begin, -1) == 0);
}

TEST_CASE("queue_manager: a key finds its messages and no others", "[actors]") {
  queues_stand t;
  t.run();
  REQUIRE(storage::key_hash("a", "Aa") == storage::key_hash("a", "BB"));
  auto begin = t.clock.ms;
  t.store("a", {{"1", 0, "", "Aa"}, {"2", 1, "", "BB"}, {"3", 0, "", "x Aa y"}, {"4"}});
  t.store("b", {{"other", 0, "", "Aa"}});
  t.clock.ms = begin + 5000;
  t.store("a", {{"late", 0, "", "Aa"}});
  key_query query;
  query.topic = "a";
  query.key = "Aa";
  auto find = [&] {
    auto found = t.world.ask<record_batch>(t.client(), query).value();
    return bodies_of(found.records);
  };
  CHECK(find() == texts{"1", "3", "late"});
  query.key = "BB";
  CHECK(find() == texts{"2"});
  query.key = "Aa";
  query.end_ms = begin + 1000;
  CHECK(find() == texts{"1", "3"});
  query.begin_ms = begin + 1;
  CHECK(find().empty());
  query.key = "nobody";
  query.begin_ms = 0;
  CHECK(find().empty());
}

TEST_CASE("queue_manager: a key finds no more than one answer may hold", "[actors]") {
  queues_stand t;
  t.options.store.log_file_size_bytes = 32 * storage::mib;
  t.run();
  for (int i = 0; i < 5; ++i)
    t.store("a", {{std::string(5 * storage::mib, 'x'), 0, "", "k"}});
  key_query query;
  query.topic = "a";
  query.key = "k";
  auto found = t.world.ask<record_batch>(t.client(), query).value();
  CHECK(found.records.size() == 3);
  CHECK(found.left_out == 2);
}

TEST_CASE("queue_manager: bounds say when each queue's last message was stored", "[actors]") {
  queues_stand t;
  t.run();
  auto begin = t.clock.ms;
  t.store("a", {{"1", 0}, {"2", 2}});
  t.clock.ms += 700;
  t.store("a", {{"3", 2}});
  auto ask = [&](const std::string& topic) {
    auto found =
        t.world.ask<bounds_read>(t.roles.queue_manager, bounds_atom_v, topic, log_offset{0});
    return t.world.ask<std::vector<queue_bounds>>(t.roles.readers.front(), found.value()).value();
  };
  auto bounds = ask("a");
  REQUIRE(bounds.size() == 2);
  CHECK(bounds[0].queue_id == 0);
  CHECK(bounds[0].max == 1);
  CHECK(bounds[0].last_store_ms == begin);
  CHECK(bounds[1].queue_id == 2);
  CHECK(bounds[1].min == 0);
  CHECK(bounds[1].max == 2);
  CHECK(bounds[1].last_store_ms == begin + 700);
  CHECK(ask("none").empty());
}

TEST_CASE("queue_manager: bounds wait for what is in the log, and no longer than a second",
          "[actors]") {
  queues_stand t;
  t.options.store.flush = storage::flush_policy::sync;
  t.open();
  t.add_pipeline();
  t.start();
  // The flusher's reports do not arrive: nothing is visible.
  auto end = t.writer_state().end + 1'000'000;
  auto ask = [&](log_offset from_log) {
    auto asked = t.world.request<bounds_read>(t.roles.queue_manager, bounds_atom_v,
                                              std::string("a"), from_log);
    t.world.drain();
    return asked;
  };
  t.store("a", {{"1", 0}});
  CHECK(ask(t.writer_state().end).value().queues.at(0).max == 1);
  auto ahead = ask(end);
  CHECK_FALSE(ahead.there());
  t.world.run_for(900ms);
  CHECK_FALSE(ahead.there());
  t.store("a", {{"2", 0}});
  CHECK_FALSE(ahead.there());
  t.world.run_for(200ms);
  REQUIRE(ahead.there());
  CHECK(ahead.value().queues.at(0).max == 2);
  // Applied is not enough: it has to be durable too.
  auto applied = t.status().applied;
  t.world.tell(t.roles.queue_manager,
               position_list{std::make_shared<storage::position_batch>(
                   storage::position_batch{applied, applied + 10'000, {}, {}, {}})});
  auto hidden = ask(applied + 10'000);
  CHECK_FALSE(hidden.there());
  t.world.tell(t.roles.queue_manager, log_flushed{applied + 10'000, 0});
  t.world.drain();
  CHECK(hidden.there());
}

TEST_CASE("queue_manager: a damaged record is left out and named, the rest is served", "[actors]") {
  queues_stand t;
  t.run();
  auto response = t.put(put_of("a", numbered("m", 3, 1, 200)));
  t.world.drain();
  {
    std::fstream log(storage::log_directory(t.options.store) + "/00000000000000000000",
                     std::ios::binary | std::ios::in | std::ios::out);
    log.seekp(response.results[1].offset + 100);
    log.put('!');
  }
  auto found = t.pull(t.wish("a", 0));
  CHECK(found.status == pull_status::found);
  CHECK(found.records.size() == 2);
  CHECK(found.damaged == 1);
  CHECK(found.next == 3);
  CHECK(found.warning.find("00000000000000000000") != std::string::npos);
}
