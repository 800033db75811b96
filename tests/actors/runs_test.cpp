// What is said of one run of the log counts for nothing in another.

#include "storage/log/log_file.hpp"
#include "tests/support/actor_stand.hpp"
#include "tests/support/catch.hpp"

#include <array>
#include <span>

using namespace troupe;
using namespace troupe::test;

namespace {

struct stand_with_messages : actor_stand {
  stand_with_messages() {
    open();
    add_pipeline();
    start();
    REQUIRE(all_stored(put(put_of("a", {{"x"}, {"y"}}))));
    world.drain();
  }
  queue_manager_status queues() {
    return world.ask<queue_manager_status>(roles.queue_manager, status_atom_v).value();
  }
  position_list nothing_behind(log_offset from, log_run run) const {
    storage::position_batch batch;
    batch.from = from;
    batch.to = from + 100;
    return {std::make_shared<const storage::position_batch>(std::move(batch)), run};
  }
};

} // namespace

TEST_CASE("queue_manager: positions of another run are not applied", "[actors][spread]") {
  stand_with_messages t;
  auto applied = t.queues().applied;
  t.world.tell(t.roles.queue_manager, t.nothing_behind(applied, 7));
  t.world.drain();
  CHECK(t.queues().applied == applied);
  t.world.tell(t.roles.queue_manager, t.nothing_behind(applied, 0));
  t.world.drain();
  CHECK(t.queues().applied == applied + 100);
}

TEST_CASE("queue_manager: it forgets what a new run of the log does not have", "[actors][spread]") {
  stand_with_messages t;
  auto applied = t.queues().applied;
  auto met =
      t.world.ask<queue_manager_status>(t.roles.queue_manager, meet_atom_v, log_run{7}, applied);
  CHECK(met.value().run == 7);
  CHECK(met.value().applied == applied);
  auto shorter = t.world.ask<queue_manager_status>(t.roles.queue_manager, meet_atom_v, log_run{8},
                                                   applied - 1);
  CHECK(shorter.code() == errc::connection_lost); // another one opens the files without it
  auto gone = t.world.ask<queue_manager_status>(t.roles.queue_manager, status_atom_v);
  CHECK(gone.code() == errc::connection_lost);
}

TEST_CASE("flusher: with a new run nothing counts that it knew", "[actors][spread]") {
  stand_with_messages t;
  auto end = t.writer_state().end;
  CHECK(t.world.ask<log_flushed>(t.roles.flusher, flush_atom_v, log_run{0}, end).value().end ==
        end);
  log_state log;
  log.run = 7;
  log.end = log.flushed = end - 1;
  t.world.tell(t.roles.flusher, attach_atom_v, log);
  t.world.drain();
  auto former = t.world.ask<log_flushed>(t.roles.flusher, flush_atom_v, log_run{0}, log_offset{1});
  CHECK(former.code() == errc::unavailable);
  auto now = t.world.ask<log_flushed>(t.roles.flusher, flush_atom_v, log_run{7}, log_offset{1});
  CHECK(now.value().end == end - 1);
  CHECK(now.value().run == 7);
}

TEST_CASE("flusher: a file that another one made ahead is taken, and no other file",
          "[actors][spread]") {
  actor_stand t;
  t.open();
  t.add_flusher();
  std::vector<log_offset> ready;
  std::vector<errc> refused;
  t.roles.writer = t.world.play<writer_actor>([&](caf::event_based_actor*) {
    return caf::message_handler{[&](extended_atom, log_offset start) { ready.push_back(start); },
                                [&](const write_bar& why) { refused.push_back(why.code); }};
  });
  t.announce();
  auto size = static_cast<log_offset>(t.options.store.log_file_size_bytes);
  REQUIRE(storage::create_log_file(t.files, t.options.store, 0));
  t.world.tell(t.roles.flusher, extend_atom_v, log_offset{0});
  t.world.drain();
  CHECK(ready == std::vector<log_offset>{0});
  auto written = storage::create_log_file(t.files, t.options.store, size);
  REQUIRE(written);
  std::array<storage::byte_view, 1> bytes{std::as_bytes(std::span("x", 1))};
  REQUIRE(written.value()->write_at(5000, bytes));
  t.world.tell(t.roles.flusher, extend_atom_v, size);
  t.world.drain();
  CHECK(ready == std::vector<log_offset>{0});
  CHECK(refused == std::vector<errc>{errc::exists});
}
