#include "tests/support/actor_stand.hpp"
#include "tests/support/catch.hpp"

#include <rapidcheck.h>

#include <algorithm>
#include <deque>

using namespace troupe;
using namespace troupe::test;
using namespace std::chrono_literals;

namespace {

/// A writer, its flusher, the dispatcher, and a queue-manager that confirms when the test says so.
struct stuck_queues {
  explicit stuck_queues(std::size_t capacity, std::uint64_t seed = 1) : stand(seed) {
    stand.options.dispatcher.mailbox_capacity = capacity;
  }

  void start() {
    stand.open();
    stand.add_writer();
    stand.add_flusher();
    stand.add_dispatcher();
    stand.add_readers();
    stand.roles.queue_manager =
        stand.world.play<queue_manager_actor>([this](caf::event_based_actor*) {
          return caf::message_handler{
              [this](const position_list& list) { lists.push_back(list); },
              [this](resume_atom, log_offset) {
                return queue_state{lists_end(), 0, {}};
              },
              [this](status_atom) {
                queue_manager_status status;
                status.applied = lists_end();
                return status;
              },
          };
        });
    stand.start();
  }

  /// With a flusher that hangs when it is to make the second file, and without a dispatcher.
  void start_without_second_file() {
    stand.open();
    auto& world = stand.world;
    stand.add_flusher();
    auto real = stand.roles.flusher;
    stand.roles.flusher = world.play<flusher_actor>([&world, real](caf::event_based_actor*) {
      return caf::message_handler{[&world, real](extend_atom, log_offset start) {
        if (start == 0)
          world.tell(real, extend_atom_v, start);
      }};
    });
    stand.add_writer();
    stand.announce();
    world.tell(real, stand.roles);
    world.tell(stand.roles.writer, queue_state{});
  }

  log_offset lists_end() const { return lists.empty() ? 0 : lists.back().batch->to; }
  void confirm(log_offset end) {
    stand.world.tell(stand.roles.dispatcher, applied_atom_v, std::uint32_t{0}, end);
  }
  void confirm_all() {
    confirm(lists_end());
    stand.world.drain();
  }

  answer<put_bundle_response> send(put_request request) {
    return stand.world.request<put_bundle_response>(stand.roles.writer,
                                                    group_of(std::move(request)));
  }

  /// Every message that has come to the queues, in order.
  std::vector<log_offset> offsets() const {
    std::vector<log_offset> all;
    for (auto& list : lists)
      for (auto& p : list.batch->positions)
        all.push_back(p.offset);
    return all;
  }

  std::vector<position_list> lists;
  actor_stand stand;
};

errc code_of(answer<put_bundle_response>& sent) {
  return sent.value().responses.at(0).results.at(0).code;
}

} // namespace

TEST_CASE("bound: with stuck queues the backlog stops at the capacity and nothing is lost",
          "[actors]") {
  auto capacity = GENERATE(std::size_t{1}, std::size_t{64}, std::size_t{400'000});
  auto batch = static_cast<int>(std::min<std::size_t>(capacity, 1000));
  stuck_queues t{capacity};
  t.stand.options.store.log_file_size_bytes = 16 * storage::mib;
  t.stand.options.flusher.dirty_budget_bytes = 1024 * storage::mib;
  t.start();
  auto request = put_of("t", numbered("", batch));
  std::deque<answer<put_bundle_response>> sent;
  // Ten batches more than there is room for.
  auto fitting = capacity / static_cast<std::size_t>(batch);
  for (std::size_t i = 0; i < fitting + 10; ++i)
    sent.push_back(t.send(request));
  t.stand.world.run_for(100ms);
  auto status = t.stand.writer_state();
  CHECK(status.backlog == capacity);
  CHECK(status.backlog_max == capacity);
  CHECK(status.parked_requests == 10);
  CHECK(status.delayed_requests == 10); // whoever queues behind the one in front waits as long
  CHECK(status.delayed_ms >= 990);
  CHECK(status.delayed_ms <= 1010);
  CHECK(std::count_if(sent.begin(), sent.end(), [](auto& s) { return s.there(); }) ==
        static_cast<std::ptrdiff_t>(fitting));
  CHECK(t.offsets().size() == capacity);
  while (t.offsets().size() < (fitting + 10) * static_cast<std::size_t>(batch)) {
    auto before = t.offsets().size();
    t.confirm_all();
    t.stand.world.run_for(2ms);
    REQUIRE(t.offsets().size() > before);
  }
  status = t.stand.writer_state();
  CHECK(status.backlog_max == capacity);
  CHECK(status.parked_requests == 0);
  CHECK(status.delayed_requests == 10);
  CHECK(status.delayed_ms >= 1000);
  // Everything was stored, in the order in which it came.
  log_offset last = -1;
  for (auto& each : sent) {
    REQUIRE(each.there());
    auto& response = each.value().responses.at(0);
    CHECK(all_stored(response));
    CHECK(response.results.front().offset > last);
    last = response.results.back().offset;
  }
  auto offsets = t.offsets();
  CHECK(std::is_sorted(offsets.begin(), offsets.end()));
  CHECK(std::adjacent_find(offsets.begin(), offsets.end()) == offsets.end());
  CHECK(offsets.back() == last);
  t.confirm_all();
  CHECK(t.stand.writer_state().backlog == 0);
}

TEST_CASE("bound: a delayed request is stored by the tick after room came", "[actors]") {
  stuck_queues t{1};
  t.start();
  CHECK(all_stored(t.stand.put(put_of("t", {{"first"}}))));
  auto second = t.send(put_of("t", {{"second"}}));
  t.stand.world.run_for(10ms);
  CHECK_FALSE(second.there());
  t.confirm_all();
  CHECK_FALSE(second.there()); // no message wakes the writer, its timer does
  t.stand.world.run_for(1ms);
  REQUIRE(second.there());
  CHECK(code_of(second) == errc::none);
}

TEST_CASE("bound: a batch that can never fit is refused as illegal", "[actors]") {
  stuck_queues t{64};
  t.start();
  auto refused = t.stand.put(put_of("t", numbered("", 65)));
  REQUIRE(refused.results.size() == 65);
  CHECK(refused.failure.code == errc::invalid_argument);
  CHECK(refused.failure.message.find("mailbox-capacity is 64") != std::string::npos);
  for (auto& result : refused.results)
    CHECK(result.code == errc::invalid_argument);
  CHECK(t.offsets().empty());
  CHECK(all_stored(t.stand.put(put_of("t", numbered("", 64)))));
}

TEST_CASE("bound: who waits longer than the deadline is refused as busy, and why", "[actors]") {
  stuck_queues t{2};
  t.start();
  CHECK(all_stored(t.stand.put(put_of("t", numbered("", 2)))));
  auto early = t.send(put_of("t", {{"early"}}));
  t.stand.world.run_for(3s);
  auto late = t.send(put_of("t", {{"late"}}));
  t.stand.world.run_for(1999ms);
  CHECK_FALSE(early.there());
  auto read =
      t.stand.world.ask<record_batch>(t.stand.roles.readers.front(), fetch_atom_v, log_offset{0});
  CHECK(read.value().records.size() == 1); // only writes wait
  t.stand.world.run_for(2ms);
  REQUIRE(early.there());
  auto& failure = early.value().responses.at(0).failure;
  CHECK(failure.code == errc::busy);
  CHECK(failure.message.find("not stored: waited 5000 ms") != std::string::npos);
  CHECK(failure.message.find("2 positions are not in the queues yet") != std::string::npos);
  CHECK_FALSE(late.there());
  t.confirm_all();
  t.stand.world.run_for(1ms);
  REQUIRE(late.there());
  CHECK(code_of(late) == errc::none);
  // The refused one left no hole.
  CHECK(late.value().responses.at(0).results.at(0).queue_position == 2);
  CHECK(t.stand.writer_state().backlog == 1);
}

TEST_CASE("bound: when too many bytes wait, the next request is refused as busy at once",
          "[actors]") {
  stuck_queues t{1};
  t.stand.options.writer.parked_bytes = 2500;
  t.start();
  CHECK(all_stored(t.stand.put(put_of("t", {{"first"}}))));
  std::vector<text_message> large{{std::string(1000, 'x')}};
  auto a = t.send(put_of("t", large));
  auto b = t.send(put_of("t", large));
  t.stand.world.run_for(5ms);
  auto c = t.send(put_of("t", large));
  t.stand.world.drain();
  REQUIRE(c.there());
  CHECK(code_of(c) == errc::busy);
  CHECK(c.value().responses.at(0).failure.message.find("parked-bytes") != std::string::npos);
  CHECK_FALSE(a.there());
  CHECK_FALSE(b.there());
  for (int i = 0; i < 2; ++i) {
    t.confirm_all();
    t.stand.world.run_for(1ms);
  }
  CHECK((a.there() && b.there()));
  CHECK((code_of(a) == errc::none && code_of(b) == errc::none));
  t.confirm_all();
  CHECK(all_stored(t.stand.put(put_of("t", large))));
}

TEST_CASE("bound: who waits for a file is bounded in bytes and in time too", "[actors]") {
  stuck_queues t{1000};
  t.stand.options.writer.parked_bytes = 20'000;
  t.start_without_second_file();
  auto& world = t.stand.world;
  CHECK(all_stored(t.stand.put(put_of("t", numbered("", 20, 1, 3000)))));
  auto half = t.send(put_of("t", numbered("", 3, 1, 3000)));
  auto behind = t.send(put_of("t", numbered("", 3, 1, 3000)));
  world.run_for(10ms);
  auto over = t.send(put_of("t", numbered("", 3, 1, 3000)));
  world.drain();
  REQUIRE(over.there());
  CHECK(code_of(over) == errc::busy);
  CHECK(t.stand.writer_state().parked_requests == 2);
  CHECK(t.stand.writer_state().delayed_requests == 2);
  world.run_for(4980ms);
  CHECK_FALSE(half.there());
  world.run_for(20ms);
  REQUIRE((half.there() && behind.there()));
  auto& cut = half.value().responses.at(0);
  CHECK(cut.results.at(0).code == errc::none); // there was room for one
  CHECK(cut.results.at(1).code == errc::busy);
  CHECK(cut.failure.message.find("waited 5000 ms for the log file that begins at 65536") !=
        std::string::npos);
  CHECK(code_of(behind) == errc::busy);
  // Only what is in the log counts as backlog.
  CHECK(t.stand.writer_state().backlog == 21);
}

TEST_CASE("bound: the rest of a put that is half stored is not stored behind its producer's back",
          "[actors]") {
  stuck_queues t{1000};
  t.start_without_second_file();
  auto& world = t.stand.world;
  auto messages = put_of("t", numbered("", 30, 1, 3000));
  messages.time_left_ms = 2500;
  auto half = t.send(messages);
  auto behind = t.send(messages);
  world.run_for(2400ms);
  CHECK_FALSE(half.there());
  world.run_for(200ms);
  REQUIRE((half.there() && behind.there()));
  auto& results = half.value().responses.at(0).results;
  REQUIRE(results.size() == 30);
  CHECK(results.front().code == errc::none); // and is known while its producer still waits
  CHECK(results.back().code == errc::busy);
  CHECK(code_of(behind) == errc::busy);
}

TEST_CASE("bound: unflushed bytes over the budget delay writers like missing room", "[actors]") {
  stuck_queues t{1000};
  t.stand.options.flusher.dirty_budget_bytes = 5000;
  t.stand.open();
  // A flusher that makes files but never gets round to flushing.
  t.stand.add_flusher();
  auto real = t.stand.roles.flusher;
  auto& world = t.stand.world;
  t.stand.roles.flusher = world.play<flusher_actor>([&world, real](caf::event_based_actor*) {
    return caf::message_handler{
        [&world, real](extend_atom, log_offset start) { world.tell(real, extend_atom_v, start); },
    };
  });
  t.stand.add_writer();
  t.stand.announce();
  role_table known = t.stand.roles;
  world.tell(real, known);
  world.tell(t.stand.roles.writer, queue_state{});
  std::vector<answer<put_bundle_response>> sent;
  for (int i = 0; i < 8; ++i)
    sent.push_back(t.send(put_of("t", {{std::string(1000, 'x')}})));
  world.run_for(50ms);
  auto stored = std::count_if(sent.begin(), sent.end(), [](auto& s) { return s.there(); });
  CHECK(stored == 5); // the one that crosses the line is the last
  auto status = t.stand.writer_state();
  CHECK(status.dirty_bytes > 5000);
  CHECK(status.dirty_bytes < 6200);
  world.tell(t.stand.roles.writer, log_flushed{status.end, 0});
  world.run_for(2ms);
  CHECK(std::all_of(sent.begin(), sent.end(), [](auto& s) { return s.there(); }));
}

TEST_CASE("bound: any mix of batches and confirmations keeps bound, order and every message",
          "[actors]") {
  auto property = [](std::uint64_t seed) {
    auto capacity = *rc::gen::inRange<std::size_t>(1, 40);
    auto sizes =
        *rc::gen::container<std::vector<int>>(rc::gen::inRange(1, static_cast<int>(capacity) + 1));
    stuck_queues t{capacity, seed};
    t.start();
    std::vector<answer<put_bundle_response>> sent;
    std::size_t messages = 0;
    auto check_bound = [&] {
      auto status = t.stand.writer_state();
      RC_ASSERT(status.backlog <= capacity);
      RC_ASSERT(status.backlog_max <= capacity);
    };
    for (auto size : sizes) {
      sent.push_back(t.send(put_of("t", numbered("", size))));
      messages += static_cast<std::size_t>(size);
      // Confirmations of anything that arrived, old ones and repeated ones too.
      if (!t.lists.empty() && t.stand.world.random() % 2 == 0)
        t.confirm(t.lists[t.stand.world.random() % t.lists.size()].batch->to);
      for (auto steps = t.stand.world.random() % 20; steps > 0; --steps)
        t.stand.world.step();
      if (t.stand.world.random() % 4 == 0)
        t.stand.world.run_for(1ms);
      check_bound();
    }
    for (std::size_t rounds = 0; t.offsets().size() < messages; ++rounds) {
      RC_ASSERT(rounds <= messages);
      t.confirm_all();
      t.stand.world.run_for(1ms);
      check_bound();
    }
    t.stand.world.drain();
    std::vector<log_offset> answered;
    queue_offset number = 0;
    for (auto& each : sent)
      for (auto& result : each.value().responses.at(0).results) {
        RC_ASSERT(result.code == errc::none);
        RC_ASSERT(result.queue_position == number++);
        answered.push_back(result.offset);
      }
    RC_ASSERT(answered == t.offsets());
    t.confirm_all();
    RC_ASSERT(t.stand.writer_state().backlog == 0u);
  };
  CHECK(rc::check("bound", property));
}

TEST_CASE("bound: what waits for longer than its producer is refused, not stored", "[actors]") {
  stuck_queues t{1};
  t.start();
  auto first = t.send(put_of("t", {{"first"}}));
  t.stand.world.run_until([&] { return first.there(); });
  auto late = put_of("t", {{"late"}});
  late.time_left_ms = 2500;
  auto patient = put_of("t", {{"patient"}});
  auto late_sent = t.send(late), patient_sent = t.send(patient);
  t.stand.world.run_for(2400ms);
  CHECK_FALSE(late_sent.there());
  t.stand.world.run_for(200ms);
  REQUIRE(late_sent.there());
  CHECK(code_of(late_sent) == errc::busy);
  CHECK_FALSE(patient_sent.there()); // it waits until parked-deadline
  t.confirm_all();
  t.stand.world.run_for(10ms);
  CHECK(code_of(patient_sent) == errc::none);
  CHECK(t.offsets().size() == 2);
}

TEST_CASE("bound: a put that its writer sees too late is refused", "[actors]") {
  stuck_queues t{64};
  t.start();
  auto late = put_of("t", {{"late"}});
  late.time_left_ms = 2500;
  auto group = group_of(late);
  group.sent_ms = 1; // the writer was in the disk for long
  t.stand.world.run_for(3s);
  auto sent = t.stand.world.ask<put_bundle_response>(t.stand.roles.writer, group);
  CHECK(code_of(sent) == errc::busy);
  CHECK(t.offsets().empty());
}
