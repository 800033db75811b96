#include "tests/support/actor_stand.hpp"
#include "tests/support/catch.hpp"

#include <map>
#include <set>

using namespace troupe;
using namespace troupe::test;
using namespace std::chrono_literals;
using action = observed_file_system::action;

namespace {

std::vector<queue_offset> numbers_of(const put_response& response) {
  std::vector<queue_offset> numbers;
  for (auto& result : response.results)
    numbers.push_back(result.queue_position);
  return numbers;
}

bool is_log_file(const std::string& path) {
  return path.find("/commitlog/0") != std::string::npos;
}

/// What lies at an offset of the log.
read_message fetch(actor_stand& stand, log_offset offset) {
  auto batch = stand.world.ask<record_batch>(stand.roles.readers.front(), fetch_atom_v, offset);
  return read_back(batch.value().records.at(0));
}

struct running_pipeline : actor_stand {
  explicit running_pipeline(std::uint64_t seed = 1) : actor_stand(seed) {}
  void run() {
    open();
    add_pipeline();
    start();
  }
};

} // namespace

TEST_CASE("writer: queue offsets rise one by one in each queue", "[actors]") {
  running_pipeline t;
  t.run();
  std::map<std::int32_t, queue_offset> next;
  std::map<std::string, queue_offset> next_of_other;
  for (int round = 0; round < 20; ++round) {
    auto response = t.put(put_of("a", numbered("m", 7, 3)));
    REQUIRE(response.results.size() == 7);
    for (std::size_t i = 0; i < 7; ++i) {
      CHECK(response.results[i].code == errc::none);
      CHECK(response.results[i].queue_position == next[static_cast<std::int32_t>(i % 3)]++);
    }
    auto other = t.put(put_of("b", numbered("m", 2)));
    CHECK(numbers_of(other) ==
          std::vector<queue_offset>{next_of_other["b"], next_of_other["b"] + 1});
    next_of_other["b"] += 2;
  }
}

TEST_CASE("writer: what is read at the answered offset is what was sent", "[actors]") {
  running_pipeline t;
  t.run();
  auto response =
      t.put(put_of("a", {{"one", 0, "red", "k1 k2"}, {"", 5}, {std::string(3000, 'z')}}));
  REQUIRE(all_stored(response));
  auto first = fetch(t, response.results[0].offset);
  CHECK(first.body == "one");
  CHECK(first.queue == 0);
  CHECK(first.topic == "a");
  CHECK(first.properties.find("red") != std::string::npos);
  CHECK(first.properties.find("k1 k2") != std::string::npos);
  CHECK(first.store_ms == t.clock.ms);
  auto empty = fetch(t, response.results[1].offset);
  CHECK(empty.body.empty());
  CHECK(empty.queue == 5);
  CHECK(fetch(t, response.results[2].offset).body == std::string(3000, 'z'));
}

TEST_CASE("writer: store times hold through small steps back of the clock", "[actors]") {
  running_pipeline t;
  t.run();
  auto early = t.put(put_of("a", {{"1"}}));
  auto first = t.clock.ms;
  t.clock.ms -= 10'000;
  auto late = t.put(put_of("a", {{"2"}}));
  CHECK(fetch(t, early.results[0].offset).store_ms == first);
  CHECK(fetch(t, late.results[0].offset).store_ms == first);
  t.clock.ms = first + 5;
  auto last = t.put(put_of("a", {{"3"}}));
  CHECK(fetch(t, last.results[0].offset).store_ms == first + 5);
}

TEST_CASE("writer: a clock that was years ahead is followed back", "[actors]") {
  running_pipeline t;
  auto right = t.clock.ms;
  t.clock.ms += 5LL * 365 * 24 * 3600 * 1000;
  t.run();
  auto ahead = t.put(put_of("a", {{"ahead"}}));
  t.clock.ms = right;
  auto back = t.put(put_of("a", {{"back"}}));
  t.clock.ms = right - 1000; // a small step again
  auto held = t.put(put_of("a", {{"held"}}));
  CHECK(fetch(t, ahead.results[0].offset).store_ms > right);
  CHECK(fetch(t, back.results[0].offset).store_ms == right);
  CHECK(fetch(t, held.results[0].offset).store_ms == right);
}

TEST_CASE("writer: a request rolls over as many files as it needs", "[actors]") {
  running_pipeline t;
  t.run();
  auto response = t.put(put_of("a", numbered("m", 100, 1, 3000))); // 5 files of 64 KiB
  REQUIRE(all_stored(response));
  std::set<log_offset> files;
  for (std::size_t i = 0; i < response.results.size(); ++i) {
    auto& result = response.results[i];
    CHECK(result.queue_position == static_cast<queue_offset>(i));
    files.insert(result.offset / 65536);
    REQUIRE(fetch(t, result.offset).body.starts_with("m" + std::to_string(i) + "."));
  }
  CHECK(files == std::set<log_offset>{0, 1, 2, 3, 4});
  // One write for each file touched at a time, not one for each message.
  CHECK(t.files.count(action::write, "/commitlog/") < 15);
}

TEST_CASE("writer: a message too large for any file is refused alone", "[actors]") {
  running_pipeline t;
  t.run();
  auto response = t.put(put_of("a", {{std::string(70'000, 'x')}, {"small"}}));
  CHECK(response.results.at(0).code == errc::too_large);
  CHECK(response.results.at(0).offset == -1);
  CHECK(response.results.at(1).code == errc::none);
  CHECK(response.results.at(1).queue_position == 0);
  CHECK(response.failure.message.find("mapped-file-size-commit-log") != std::string::npos);
  t.world.run_for(10ms);
  CHECK(t.writer_state().backlog == 0);
}

TEST_CASE("writer: a failed write is doubt for what was staged and ends writing", "[actors]") {
  running_pipeline t;
  t.run();
  auto before = t.put(put_of("a", numbered("before", 3)));
  REQUIRE(all_stored(before));
  t.world.run_for(10ms);
  bool broken = true;
  t.files.fault = [&](action what, const std::string& path) {
    return broken && what == action::write && is_log_file(path) ? errc::io_error : errc::none;
  };
  put_bundle group = group_of(put_of("a", {{"1"}}));
  group.requests.push_back(put_of("b", {{"2"}}));
  auto staged = t.world.ask<put_bundle_response>(t.roles.writer, group);
  REQUIRE(staged.value().responses.size() == 2);
  for (auto& response : staged.value().responses) {
    CHECK(response.results.at(0).code == errc::maybe_stored);
    CHECK(response.failure.message.find("maybe stored") != std::string::npos);
  }
  broken = false;
  auto after = t.put(put_of("a", {{"3"}}));
  CHECK(after.results.at(0).code == errc::write_stopped);
  CHECK(after.failure.message.find("restart the node") != std::string::npos);
  CHECK(t.writer_state().refusal.find("writing the commit log failed") != std::string::npos);
  CHECK(t.files.count(action::write, "/commitlog/0") == 2); // never tried again
  CHECK(fetch(t, before.results[0].offset).body == "before0");
  // The writer ends in order all the same.
  CHECK(t.world.ask<log_offset>(t.roles.writer, stop_atom_v).there());
}

TEST_CASE("writer: without room for the next file writes are refused until there is", "[actors]") {
  running_pipeline t;
  t.run();
  bool full = true;
  t.files.fault = [&](action what, const std::string& path) {
    return full && what == action::allocate && path.ends_with("65536") ? errc::no_space
                                                                       : errc::none;
  };
  std::vector<put_response> responses;
  for (int i = 0; i < 30; ++i)
    responses.push_back(t.put(put_of("a", numbered("m", 1, 1, 3000))));
  auto refused = responses.back();
  CHECK(refused.results.at(0).code == errc::no_space);
  CHECK(refused.failure.message.find("00000000000000065536") != std::string::npos);
  CHECK(refused.failure.message.find("when there is room") != std::string::npos);
  CHECK(t.writer_state().refusal.find("00000000000000065536") != std::string::npos);
  std::size_t stored = 0;
  for (auto& r : responses)
    stored += all_stored(r) ? 1 : 0;
  CHECK(stored < 30);
  t.world.run_for(3s);
  CHECK(t.put(put_of("a", {{"still"}})).results.at(0).code == errc::no_space);
  full = false;
  t.world.run_for(2s); // nobody has to do anything
  auto again = t.put(put_of("a", {{"again"}}));
  REQUIRE(all_stored(again));
  // No hole: numbers go on behind the last one that was stored.
  CHECK(again.results[0].queue_position == static_cast<queue_offset>(stored));
  CHECK(t.writer_state().refusal.empty());
}

TEST_CASE("writer: a file that cannot be opened is tried again", "[actors]") {
  running_pipeline t;
  t.run();
  bool scarce = true; // the flusher made the file, and then there is no descriptor for the writer
  t.files.fault = [&](action what, const std::string& path) {
    return scarce && what == action::open && path.ends_with("65536") ? errc::io_error : errc::none;
  };
  std::vector<put_response> responses;
  for (int i = 0; i < 30; ++i)
    responses.push_back(t.put(put_of("a", numbered("m", 1, 1, 3000))));
  CHECK_FALSE(all_stored(responses.back()));
  t.world.run_for(3s);
  CHECK_FALSE(all_stored(t.put(put_of("a", {{"still"}}))));
  scarce = false;
  t.world.run_for(2s);
  CHECK(all_stored(t.put(put_of("a", {{"again"}}))));
  CHECK(t.writer_state().refusal.empty());
}

TEST_CASE("writer: a request that is refused half-way gives all of its room back", "[actors]") {
  running_pipeline t;
  t.options.dispatcher.mailbox_capacity = 100;
  t.run();
  bool full = true;
  t.files.fault = [&](action what, const std::string& path) {
    return full && what == action::allocate && path.ends_with("65536") ? errc::no_space
                                                                       : errc::none;
  };
  auto half = t.put(put_of("a", numbered("m", 60, 1, 2000)));
  REQUIRE(half.results.size() == 60);
  CHECK(half.results.front().code == errc::none);
  CHECK(half.results.back().code == errc::no_space);
  CHECK(half.failure.code == errc::no_space);
  queue_offset stored = 0;
  for (auto& result : half.results)
    stored += result.code == errc::none ? 1 : 0;
  CHECK(stored > 20);
  t.world.run_for(10ms);
  CHECK(t.writer_state().backlog == 0);
  full = false;
  t.world.run_for(2s);
  auto rest = t.put(put_of("a", numbered("m", 100)));
  REQUIRE(all_stored(rest)); // needs the whole capacity
  CHECK(rest.results.front().queue_position == stored);
}

TEST_CASE("writer: roles that change while a file is made do not stop it", "[actors]") {
  auto seed = GENERATE(range(std::uint64_t{1}, std::uint64_t{9}));
  running_pipeline t{seed};
  t.run();
  std::vector<answer<put_bundle_response>> sent;
  for (int i = 0; i < 40; ++i) {
    auto request = put_of("a", numbered("m", 5, 1, 3000));
    sent.push_back(t.world.request<put_bundle_response>(t.roles.writer, group_of(request)));
    for (auto steps = t.world.random() % 6; steps > 0; --steps)
      t.world.step();
    t.world.tell(t.roles.writer, t.roles);
    t.world.tell(t.roles.flusher, t.roles);
  }
  t.world.run_for(5s);
  CHECK(t.writer_state().refusal.empty());
  queue_offset number = 0;
  for (auto& each : sent) {
    REQUIRE(each.there());
    for (auto& result : each.value().responses.at(0).results) {
      CHECK(result.code == errc::none);
      CHECK(result.queue_position == number++);
    }
  }
}

TEST_CASE("writer: before the queues are known nothing is stored", "[actors]") {
  actor_stand t;
  t.open();
  t.add_writer();
  t.add_flusher();
  t.announce(); // with queues that do not answer
  auto early = t.put(put_of("a", {{"x"}}));
  CHECK(early.results.at(0).code == errc::unavailable);
  queue_state known;
  known.next_offsets["a"] = {7, 3};
  t.world.tell(t.roles.writer, known);
  CHECK(numbers_of(t.put(put_of("a", {{"x", 1}, {"y", 0}}))) == std::vector<queue_offset>{3, 7});
  // A table that comes late knows less than the writer.
  t.world.tell(t.roles.writer, known);
  CHECK(numbers_of(t.put(put_of("a", {{"x", 1}, {"y", 0}}))) == std::vector<queue_offset>{4, 8});
}

TEST_CASE("writer: a retired topic is refused, and revived it goes on numbering", "[actors]") {
  running_pipeline t;
  t.run();
  REQUIRE(all_stored(t.put(put_of("a", numbered("m", 6, 2)))));
  auto dead = t.world.ask<tombstone>(t.roles.writer, remove_atom_v, std::string("a")).value();
  CHECK(dead.topic == "a");
  CHECK(dead.deleted_at == t.writer_state().end);
  CHECK(dead.next_offsets == std::vector<queue_offset>{3, 3});
  auto refused = t.put(put_of("a", {{"x"}}));
  CHECK(refused.results.at(0).code == errc::not_found);
  CHECK(refused.failure.message.find("was deleted") != std::string::npos);
  CHECK(all_stored(t.put(put_of("b", {{"x"}}))));
  t.world.tell(t.roles.writer, revive_atom_v, dead);
  CHECK(numbers_of(t.put(put_of("a", {{"x", 0}, {"y", 1}, {"z", 2}}))) ==
        std::vector<queue_offset>{3, 3, 0});
}

TEST_CASE("writer: what goes with the request before it is stored with it, or not", "[actors]") {
  running_pipeline t;
  t.run();
  t.world.ask<tombstone>(t.roles.writer, remove_atom_v, std::string("a")).value();
  auto with_former = [](put_request request) {
    request.with_former = true;
    return request;
  };
  put_bundle group;
  group.requests = {put_of("a", {{"1"}}), with_former(put_of("b", {{"2"}})),
                    with_former(put_of("b", {{"3"}})), put_of("b", {{"4"}}),
                    with_former(put_of("b", {{"5"}}))};
  auto done = t.world.ask<put_bundle_response>(t.roles.writer, group).value().responses;
  REQUIRE(done.size() == 5);
  for (std::size_t i = 0; i < 3; ++i) {
    CHECK(done[i].results.at(0).code == errc::not_found);
    CHECK(done[i].failure.message == done[0].failure.message);
  }
  CHECK(all_stored(done[3]));
  CHECK(all_stored(done[4]));
  CHECK(done[4].results.at(0).queue_position == 1);
}

TEST_CASE("writer: a reason to refuse lasts until it is taken back", "[actors]") {
  running_pipeline t;
  t.run();
  t.world.tell(t.roles.writer,
               write_bar{bar_source::cleaner, errc::disk_full, "the disk is 91 % full"});
  auto refused = t.put(put_of("a", {{"x"}}));
  CHECK(refused.results.at(0).code == errc::disk_full);
  CHECK(refused.failure.message == "not stored: the disk is 91 % full");
  auto counted = t.writer_state().refusals;
  REQUIRE(counted.size() == 1);
  CHECK(counted[0].cause == "disk_full");
  CHECK(counted[0].requests == 1);
  CHECK(t.writer_state().refusal == "the disk is 91 % full");
  t.world.tell(t.roles.writer, write_bar{bar_source::cleaner, errc::disk_full, {}});
  auto stored = t.put(put_of("a", {{"x"}}));
  REQUIRE(all_stored(stored));
  CHECK(stored.results[0].queue_position == 0);
}

TEST_CASE("writer: only who has barred it from writing lifts the bar", "[actors]") {
  running_pipeline t;
  t.run();
  write_bar bar{bar_source::queues, errc::unavailable, "queues 2 cannot write", 2};
  write_bar other{bar_source::dispatcher, errc::unavailable, "the log is not readable", 0};
  t.world.tell(t.roles.writer, bar);
  t.world.tell(t.roles.writer, other);
  for (auto source : {bar_source::node, bar_source::cleaner, bar_source::flusher,
                      bar_source::log_file, bar_source::writer})
    for (auto share : {0U, 2U})
      t.world.tell(t.roles.writer, write_bar{source, errc::unavailable, {}, share});
  t.world.tell(t.roles.writer, write_bar{bar_source::queues, errc::unavailable, {}, 0});
  t.world.tell(t.roles.writer, write_bar{bar_source::queues, errc::busy, {}, 2});
  other.reason.clear();
  t.world.tell(t.roles.writer, other);
  CHECK(t.writer_state().refusal == bar.reason);
  bar.reason.clear();
  t.world.tell(t.roles.writer, bar);
  CHECK(t.writer_state().refusal.empty());
}

TEST_CASE("writer: a damaged log is not written to, and says so", "[actors]") {
  actor_stand t;
  t.open();
  t.add_flusher();
  t.add_dispatcher();
  t.add_queues();
  t.add_readers();
  t.add_writer("commitlog/0 is damaged in the middle; run: troupe store repair");
  t.start();
  auto refused = t.put(put_of("a", {{"x"}}));
  CHECK(refused.results.at(0).code == errc::needs_repair);
  CHECK(refused.failure.message.find("troupe store repair") != std::string::npos);
}

TEST_CASE("writer: a log file that is said to be there and is not is asked for again",
          "[actors][spread]") {
  actor_stand t;
  t.open();
  std::size_t asked = 0;
  t.roles.flusher = t.world.play<flusher_actor>([&](caf::event_based_actor* self) {
    return caf::message_handler{[&, self](extend_atom, log_offset start) {
      // Made in a run of the log before this one, and removed since.
      if (++asked == 3)
        REQUIRE(storage::create_log_file(t.files, t.options.store, start));
      self->send(t.roles.writer, extended_atom_v, start);
    }};
  });
  t.add_writer();
  t.announce();
  t.world.tell(t.roles.writer, queue_state{});
  auto sent = t.world.request<put_bundle_response>(t.roles.writer, group_of(put_of("a", {{"x"}})));
  t.world.run_for(1s);
  CHECK_FALSE(sent.there());
  CHECK(t.writer_state().refusal.empty());
  t.world.run_for(2s);
  REQUIRE(sent.there());
  CHECK(all_stored(sent.value().responses.at(0)));
  CHECK(asked == 3);
}

TEST_CASE("writer: a write that fails during a stop does not hold it up", "[actors]") {
  actor_stand t;
  t.options.store.log_file_size_bytes = 16 * storage::mib;
  t.open();
  t.add_flusher();
  auto real = t.roles.flusher;
  // A flusher that makes files when the test says so.
  t.roles.flusher = t.world.play<flusher_actor>(
      [](caf::event_based_actor*) { return caf::message_handler{[](extend_atom, log_offset) {}}; });
  t.add_writer();
  t.announce();
  t.world.tell(real, t.roles);
  t.world.tell(t.roles.writer, queue_state{});
  t.files.fault = [&](action what, const std::string& path) {
    return what == action::write && is_log_file(path) ? errc::io_error : errc::none;
  };
  // So much that it is written while it is being staged, once there is a file.
  auto request = put_of("a", numbered("m", 20, 1, 20'000));
  auto sent = t.world.request<put_bundle_response>(t.roles.writer, group_of(request));
  auto stopped = t.world.request<log_offset>(t.roles.writer, stop_atom_v);
  t.world.drain();
  CHECK_FALSE(stopped.there());
  t.world.tell(real, extend_atom_v, log_offset{0});
  t.world.drain();
  CHECK(sent.there());
  CHECK(stopped.there()); // at once: no time has passed
}

TEST_CASE("writer: a stop answers everything that was accepted, then refuses", "[actors]") {
  running_pipeline t;
  t.run();
  std::vector<answer<put_bundle_response>> sent;
  for (int i = 0; i < 50; ++i)
    sent.push_back(t.world.request<put_bundle_response>(
        t.roles.writer, group_of(put_of("a", numbered("m", 5, 1, 2000)))));
  auto stopped = t.world.request<log_offset>(t.roles.writer, stop_atom_v);
  auto late =
      t.world.request<put_bundle_response>(t.roles.writer, group_of(put_of("a", {{"late"}})));
  t.world.run_until([&] { return stopped.there(); });
  log_offset highest = 0;
  for (auto& each : sent) {
    REQUIRE(each.there());
    REQUIRE(all_stored(each.value().responses.at(0)));
    highest = std::max(highest, each.value().responses.at(0).results.back().offset);
  }
  CHECK(stopped.value() > highest);
  CHECK(stopped.value() == t.writer_state().end);
  t.world.drain();
  CHECK(late.value().responses.at(0).results.at(0).code == errc::write_stopped);
}
