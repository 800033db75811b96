#include "tests/support/actor_stand.hpp"
#include "tests/support/catch.hpp"

#include <algorithm>
#include <memory>

using namespace troupe;
using namespace troupe::test;
using namespace std::chrono_literals;

namespace {

/// A dispatcher between a log of records, 100 bytes each, and queues that remember what they get.
struct dispatcher_stand {
  explicit dispatcher_stand(bool queues_answer = true) {
    auto& world = stand.world;
    stand.open();
    stand.add_dispatcher();
    stand.roles.queue_manager = world.play<queue_manager_actor>([=, this](caf::event_based_actor*) {
      auto follows = caf::message_handler{[this](const position_list& list) { got(list); }};
      return queues_answer ? follows.or_else([](status_atom) { return queue_manager_status{}; })
                           : follows;
    });
    stand.roles.readers.push_back(world.play<reader_actor>([this](caf::event_based_actor* self) {
      return caf::message_handler{
          [this, self](replay_atom, log_offset from, log_offset to,
                       std::uint32_t count) -> caf::result<position_list> {
            if (!holds_answers)
              return replay(from, to, count);
            held.push_back(self->make_response_promise<position_list>());
            return held.back();
          },
      };
    }));
    stand.roles.writer = world.play<writer_actor>([this](caf::event_based_actor* self) {
      return caf::message_handler{
          [this](applied_atom, log_offset end) { confirmed.push_back(end); },
          [this](const write_bar& why) { refusals.push_back(why); },
          [](follow_atom) { return log_state{}; },
          [this, self](status_atom) -> caf::result<writer_status> {
            if (writer_silent) {
              unanswered.push_back(self->make_response_promise<writer_status>());
              return unanswered.back();
            }
            writer_status status;
            status.end = written < 0 ? log_end : written;
            return status;
          }};
    });
    stand.announce();
    world.drain();
  }

  static position_list records(log_offset from, log_offset to) {
    storage::position_batch batch;
    batch.from = from;
    batch.to = to;
    batch.topics = {"t"};
    for (auto at = from; at < to; at += 100) {
      storage::position p;
      p.offset = at;
      p.size = 100;
      p.queue_position = at / 100;
      batch.positions.push_back(p);
    }
    return {std::make_shared<const storage::position_batch>(std::move(batch))};
  }

  caf::result<position_list> replay(log_offset from, log_offset to, std::uint32_t count) {
    ++replays;
    if (reader_away)
      return make_caf_error(errc::unavailable, "away");
    auto end = std::min({to, log_end, from + 100 * static_cast<log_offset>(count)});
    return records(from, std::max(from, end));
  }

  void got(const position_list& list) {
    CHECK(list.batch->from == next); // never a gap, never something twice
    next = list.batch->to;
    for (auto& p : list.batch->positions)
      seen.push_back(p.offset);
    if (confirms)
      stand.world.tell(stand.roles.dispatcher, applied_atom_v, std::uint32_t{0}, next);
  }

  void resume(log_offset from) {
    next = from;
    stand.world.tell(stand.roles.dispatcher, resume_atom_v, std::uint32_t{0}, from);
    stand.world.drain();
  }
  void send(log_offset from, log_offset to) {
    log_end = std::max(log_end, to);
    stand.world.tell(stand.roles.dispatcher, records(from, to));
    stand.world.drain();
  }
  dispatcher_status status() {
    return stand.world.ask<dispatcher_status>(stand.roles.dispatcher, status_atom_v).value();
  }

  actor_stand stand;
  log_offset log_end = 0;
  log_offset written = -1; ///< what the writer says; -1: all of the log
  log_offset next = 0;
  std::vector<log_offset> seen;
  std::vector<write_bar> refusals;
  std::vector<log_offset> confirmed;
  int replays = 0;
  bool reader_away = false;
  bool writer_silent = false;
  bool confirms = true;
  bool holds_answers = false;
  std::vector<caf::typed_response_promise<position_list>> held;
  std::vector<caf::typed_response_promise<writer_status>> unanswered;
};

} // namespace

TEST_CASE("dispatcher: what continues is passed on without reading the log", "[actors]") {
  dispatcher_stand t;
  t.resume(0);
  auto asked = t.replays;
  t.send(0, 300);
  t.send(300, 400);
  CHECK(t.seen == std::vector<log_offset>{0, 100, 200, 300});
  CHECK(t.replays == asked);
  CHECK(t.status().next == 400);
  CHECK(t.status().applied == 400);
  CHECK(t.confirmed.back() == 400);
}

TEST_CASE("dispatcher: a gap is read again from the log", "[actors]") {
  dispatcher_stand t;
  t.resume(0);
  t.send(0, 200);
  t.send(500, 600); // what lies between was lost on the way
  CHECK(t.next == 600);
  CHECK(t.seen == std::vector<log_offset>{0, 100, 200, 300, 400, 500});
  CHECK(t.status().replayed == 4);
  t.send(600, 700);
  CHECK(t.next == 700);
  CHECK(t.status().replayed == 4);
}

TEST_CASE("dispatcher: reads no further than the writer has written", "[actors]") {
  dispatcher_stand t;
  t.log_end = 5000; // of the last 2000 bytes nobody knows yet whether they will stay
  t.written = 3000;
  t.resume(0);
  CHECK(t.next == 3000);
  t.send(3500, 4000);
  CHECK(t.next == 4000);
  CHECK(t.seen.size() == 40);
  t.send(4000, 5000);
  CHECK(t.seen.size() == 50);
}

TEST_CASE("dispatcher: reads nothing as long as the writer is silent", "[actors]") {
  dispatcher_stand t;
  t.log_end = 1000;
  t.written = 700; // behind it a write is going on
  t.writer_silent = true;
  t.resume(0);
  t.stand.world.run_for(10s);
  CHECK(t.replays == 0);
  t.writer_silent = false;
  t.stand.world.run_for(3s);
  CHECK(t.next == 700);
}

TEST_CASE("dispatcher: a hole in the log is asked for again without haste", "[actors]") {
  dispatcher_stand t;
  t.log_end = 2000;
  t.written = 3000;
  t.resume(0);
  CHECK(t.next == 2000);
  auto before = t.replays;
  t.stand.world.run_for(950ms);
  CHECK(t.replays - before >= 9);
  CHECK(t.replays - before <= 11);
  CHECK(t.next == 2000);
  t.log_end = 3000;
  t.stand.world.run_for(100ms);
  CHECK(t.next == 3000);
}

TEST_CASE("dispatcher: what it knows already is dropped", "[actors]") {
  dispatcher_stand t;
  t.resume(0);
  t.send(0, 300);
  t.send(0, 300);
  t.send(100, 200);
  CHECK(t.next == 300);
  t.send(200, 500); // begins before and ends behind: the log has it all
  CHECK(t.next == 500);
  CHECK(t.seen == std::vector<log_offset>{0, 100, 200, 300, 400});
}

TEST_CASE("dispatcher: goes back to where the queues resume, and reads on from there", "[actors]") {
  dispatcher_stand t;
  t.resume(0);
  t.send(0, 1000);
  t.confirms = false;
  t.send(1000, 1500);
  t.confirms = true;
  t.resume(700); // the queues were started again and know less
  CHECK(t.next == 1500);
  CHECK(t.status().applied == 1500);
  t.send(1500, 1600);
  CHECK(t.next == 1600);
}

TEST_CASE("dispatcher: queues that know less than was confirmed are fed again", "[actors]") {
  dispatcher_stand t;
  t.resume(0);
  t.send(0, 1000);
  REQUIRE(t.status().applied == 1000);
  t.resume(0);
  CHECK(t.next == 1000);
  t.send(1000, 1100);
  CHECK(t.next == 1100);
  CHECK(t.status().applied == 1100);
}

TEST_CASE("dispatcher: catches up in pieces, the next only when the queues have the last",
          "[actors]") {
  dispatcher_stand t;
  t.log_end = 100 * 10'000;
  t.confirms = false;
  t.resume(0);
  CHECK(t.next == 100 * 4096);
  t.stand.world.run_for(10s);
  CHECK(t.next == 100 * 4096);
  // A confirmation of a part of it is not enough.
  t.stand.world.tell(t.stand.roles.dispatcher, applied_atom_v, std::uint32_t{0},
                     log_offset{100 * 4000});
  t.stand.world.drain();
  CHECK(t.next == 100 * 4096);
  t.confirms = true;
  t.stand.world.tell(t.stand.roles.dispatcher, applied_atom_v, std::uint32_t{0},
                     log_offset{100 * 4096});
  t.stand.world.drain();
  CHECK(t.next == 100 * 10'000);
  CHECK(t.seen.size() == 10'000);
}

TEST_CASE("dispatcher: holds what comes while the reader is away, and asks again", "[actors]") {
  dispatcher_stand t;
  t.reader_away = true;
  t.log_end = 100;
  t.resume(0);
  t.send(0, 100);
  t.send(300, 400);
  CHECK(t.seen.empty());
  t.stand.world.run_for(950ms);
  CHECK(t.replays >= 9); // every 100 ms
  CHECK(t.replays <= 11);
  t.reader_away = false;
  t.stand.world.run_for(100ms);
  CHECK(t.next == 400);
  CHECK(t.seen == std::vector<log_offset>{0, 100, 200, 300});
}

TEST_CASE("dispatcher: keeps nothing of the writer's that was read from the log meanwhile",
          "[actors]") {
  dispatcher_stand t;
  t.log_end = 100'000;
  t.holds_answers = true;
  t.confirms = false;
  t.resume(0);
  REQUIRE(t.held.size() == 1);
  auto send = [&](log_offset from, log_offset to) {
    auto list = t.records(from, to);
    t.stand.world.tell(t.stand.roles.dispatcher, list);
    return std::weak_ptr(list.batch);
  };
  auto before = send(0, 500);
  auto across = send(500, 1500);
  t.stand.world.drain();
  auto& reader = t.stand.roles.readers.front();
  t.stand.world.inside(reader, [&] { t.held[0].deliver(t.records(0, 1000)); });
  t.stand.world.drain();
  REQUIRE(t.next == 1000);
  auto late = send(700, 1000);
  t.stand.world.drain();
  CHECK(before.expired());
  CHECK(late.expired());
  CHECK_FALSE(across.expired());
}

TEST_CASE("dispatcher: a late answer to an older question changes nothing", "[actors]") {
  dispatcher_stand t;
  t.log_end = 5000;
  t.holds_answers = true;
  t.resume(0);
  REQUIRE(t.held.size() == 1);
  t.resume(2000);
  REQUIRE(t.held.size() == 2);
  auto& reader = t.stand.roles.readers.front();
  t.stand.world.inside(reader, [&] { t.held[0].deliver(t.records(0, 5000)); });
  t.stand.world.drain();
  CHECK(t.seen.empty());
  t.holds_answers = false;
  t.stand.world.inside(reader, [&] { t.held[1].deliver(t.records(2000, 3000)); });
  t.stand.world.drain();
  CHECK(t.next == 5000);
  CHECK(t.seen.size() == 30);
}

TEST_CASE("dispatcher: a reader that is gone is not waited for", "[actors][spread]") {
  dispatcher_stand t;
  t.log_end = 1000;
  t.holds_answers = true; // out of reach, it would never answer
  t.resume(0);
  REQUIRE(t.held.size() == 1);
  auto roles = t.stand.roles;
  roles.readers.clear();
  t.stand.world.tell(t.stand.roles.dispatcher, roles);
  t.stand.world.drain();
  CHECK(t.seen.empty());
  roles.readers.push_back(t.stand.world.play<reader_actor>([&t](caf::event_based_actor*) {
    return caf::message_handler{[&t](replay_atom, log_offset from, log_offset to,
                                     std::uint32_t count) { return t.replay(from, to, count); }};
  }));
  t.stand.world.tell(t.stand.roles.dispatcher, roles);
  t.stand.world.drain();
  CHECK(t.next == 1000);
}

TEST_CASE("dispatcher: confirmations reach the writer in rising order only", "[actors]") {
  dispatcher_stand t;
  t.confirms = false;
  t.resume(0);
  t.send(0, 1000);
  for (log_offset end : {300, 100, 300, 900, 400})
    t.stand.world.tell(t.stand.roles.dispatcher, applied_atom_v, std::uint32_t{0}, end);
  t.stand.world.drain();
  CHECK(t.confirmed == std::vector<log_offset>{300, 900});
  // A writer that was out of reach hears where things stand.
  auto roles = t.stand.roles;
  roles.writer = nullptr;
  t.stand.world.tell(t.stand.roles.dispatcher, roles);
  t.stand.world.tell(t.stand.roles.dispatcher, t.stand.roles);
  t.stand.world.drain();
  CHECK(t.confirmed == std::vector<log_offset>{300, 900, 900});
}

TEST_CASE("dispatcher: of several queue-managers the slowest gives the credit",
          "[actors][spread]") {
  dispatcher_stand t;
  t.confirms = false;
  auto& world = t.stand.world;
  queue_manager_status status;
  status.parts = {{0, 0, 0}, {2, 0, 0}};
  status.missing = 1;
  auto roles = t.stand.roles;
  auto meet = [&] {
    roles.queue_manager = world.play<queue_manager_actor>([&](caf::event_based_actor*) {
      return caf::message_handler{[&](const position_list& list) { t.got(list); },
                                  [&](status_atom) { return status; }};
    });
    world.tell(t.stand.roles.dispatcher, roles);
    world.drain();
  };
  auto applied = [&](std::uint32_t share, log_offset end) {
    world.tell(t.stand.roles.dispatcher, applied_atom_v, share, end);
    world.drain();
  };
  meet();
  t.send(0, 1000);
  CHECK(t.next == 1000);
  applied(0, 1000);
  applied(2, 1000);
  // What the third has nobody knows: it gets it from the log, when it is there.
  CHECK(t.confirmed.empty());
  status.parts = {{0, 1000, 0}, {1, 400, 0}, {2, 1000, 0}};
  status.applied = 400;
  status.missing = 0;
  t.next = 400;
  t.confirmed.clear();
  meet();
  CHECK(t.confirmed == std::vector<log_offset>{400});
  CHECK(t.next == 1000);
  applied(0, 1000);
  applied(2, 1000);
  CHECK(t.confirmed == std::vector<log_offset>{400});
  applied(1, 700);
  CHECK(t.confirmed == std::vector<log_offset>{400, 700});
  applied(1, 1000);
  CHECK(t.confirmed == std::vector<log_offset>{400, 700, 1000});
}

TEST_CASE("dispatcher: a writer that was out of reach hears whether the log is readable",
          "[actors][spread]") {
  dispatcher_stand t;
  auto& world = t.stand.world;
  auto without = t.stand.roles;
  without.writer = nullptr;
  auto meet_again = [&] {
    world.tell(t.stand.roles.dispatcher, without);
    world.tell(t.stand.roles.dispatcher, t.stand.roles);
    world.drain();
  };
  t.log_end = 1000;
  t.reader_away = true;
  t.resume(0);
  world.run_for(7s);
  t.refusals.clear();
  meet_again();
  REQUIRE(t.refusals.size() == 1);
  auto said = t.refusals.front();
  CHECK(said.reason.find("cannot follow the log") != std::string::npos);
  world.tell(t.stand.roles.dispatcher, without);
  t.reader_away = false;
  world.run_for(2s);
  REQUIRE(t.next == 1000);
  t.refusals.clear();
  world.tell(t.stand.roles.dispatcher, t.stand.roles);
  world.drain();
  bool taken_back = false;
  for (auto& why : t.refusals) {
    CHECK(why.reason.empty());
    CHECK(why.source == bar_source::dispatcher); // what others say under the same code stays
    taken_back = taken_back || why.code == said.code;
  }
  CHECK(taken_back);
}

TEST_CASE("dispatcher: before it is told where to begin it passes nothing on", "[actors]") {
  dispatcher_stand t(false);
  t.send(0, 100);
  CHECK(t.seen.empty());
  t.resume(0);
  CHECK(t.seen == std::vector<log_offset>{0});
}

TEST_CASE("dispatcher: what was held and the queues have is no reason to ask on and on",
          "[actors][spread]") {
  dispatcher_stand t(false);
  t.send(0, 100);
  t.resume(200); // the log has lost its end
  CHECK(t.seen.empty());
  t.resume(0);
  CHECK(t.seen == std::vector<log_offset>{0});
}
