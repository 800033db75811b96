// Requests that wait for one save, and groups that are ahead of their queues.
#include "tests/actors/registrar_stand.hpp"
#include "tests/support/catch.hpp"

#include <algorithm>

using namespace troupe;
using namespace troupe::test;
using namespace std::chrono_literals;
using action = observed_file_system::action;

namespace {

struct groups_stand : registrar_stand {
  void store(std::int32_t queue, queue_offset offset) {
    world.ask<group_offset>(roles.registrar, store_atom_v, group_offset{"g", "a", queue, offset})
        .value();
  }
  queue_offset kept(std::int32_t queue) {
    return world.ask<group_offset>(roles.registrar, fetch_atom_v, group_offset{"g", "a", queue, -1})
        .value()
        .offset;
  }
};

} // namespace

TEST_CASE("registrar: settings of groups that come together are one save", "[actors]") {
  registrar_stand t;
  t.run();
  t.create("a", 1).value(); // the next save is some time away
  std::vector<answer<group_settings>> stored;
  for (int i = 0; i < 100; ++i)
    stored.push_back(t.world.request<group_settings>(
        t.roles.registrar, store_atom_v, group_settings{"g" + std::to_string(i), "{}"}));
  t.world.run_for(1s);
  CHECK(std::ranges::all_of(stored, [](auto& one) { return one.code() == errc::none; }));
  CHECK(t.files.count(action::rename, "subscriptionGroup.json") == 1);
  t.reload();
  CHECK(t.world.ask<group_list>(t.roles.registrar, list_atom_v, std::string{})
            .value()
            .settings.size() == 100);
}

TEST_CASE("registrar: so many requests wait for a save, the next one is refused", "[actors]") {
  registrar_stand t;
  t.run();
  t.create("a", 1).value(); // the next save is some time away
  std::vector<answer<topic_info>> changed;
  for (int i = 0; i < 10'001; ++i)
    changed.push_back(
        t.world.request<topic_info>(t.roles.registrar, update_atom_v, topic_info{"a", 1, 1, 6}));
  auto settings =
      t.world.request<group_settings>(t.roles.registrar, store_atom_v, group_settings{"g", "{}"});
  t.world.run_for(1s);
  CHECK(settings.code() == errc::busy);
  CHECK(changed.back().code() == errc::busy);
  changed.pop_back();
  CHECK(std::ranges::all_of(changed, [](auto& one) { return one.code() == errc::none; }));
}

TEST_CASE("registrar: a topic that waits for its save can be deleted", "[actors]") {
  registrar_stand t;
  t.run();
  t.create("a", 1).value(); // the next save is some time away
  auto made =
      t.world.request<topic_info>(t.roles.registrar, create_atom_v, topic_info{"b", 1, 1, 6});
  t.world.drain();
  REQUIRE_FALSE(made.there());
  CHECK(t.remove("b").code() == errc::none);
  CHECK(made.code() == errc::none);
  t.reload();
  CHECK(t.topics() == std::map<std::string, std::int32_t>{{"a", 1}});
}

TEST_CASE("registrar: where nothing can be gone, what groups store is their own affair",
          "[actors]") {
  groups_stand t;
  t.run();
  t.create("a", 1).value();
  queue_state ends;
  ends.next_offsets["a"] = {12};
  t.world.tell(t.roles.registrar, ends);
  t.store(0, 31);
  t.world.tell(t.roles.registrar, ends);
  CHECK(t.kept(0) == 31);
}

TEST_CASE("registrar: a group ahead of a queue that begins at 0 is set back at every start",
          "[actors]") {
  groups_stand t;
  t.run();
  t.create("a", 3).value();
  queue_state ends;
  ends.next_offsets["a"] = {12, 500};
  t.world.tell(t.roles.registrar, ends); // settled from here on
  t.store(0, 31);
  t.store(1, 500);
  t.store(2, 7); // of a queue that has no file
  t.reload();
  ends.next_offsets["a"] = {12, 0};
  t.world.tell(t.roles.registrar, ends); // in all of the log nothing was ever lost
  CHECK(t.kept(1) == 500);
  CHECK(t.kept(2) == 7);
  ends.log_min = 65536; // built from a log that has none of their messages any more
  t.world.tell(t.roles.registrar, ends);
  CHECK(t.kept(0) == 31);
  CHECK(t.kept(1) == 0);
  CHECK(t.kept(2) == 0);
  t.reload();
  CHECK(t.kept(1) == 0);
}

TEST_CASE("registrar: what a group stores while the queues are asked is not set back",
          "[actors][spread]") {
  groups_stand t;
  t.run();
  t.create("a", 1).value();
  t.reload();
  t.store(0, 31); // of messages that came since
  queue_state ends;
  ends.next_offsets["a"] = {GENERATE(0, 12)};
  ends.log_min = 65536;
  t.world.tell(t.roles.registrar, ends);
  CHECK(t.kept(0) == 31);
}

TEST_CASE("registrar: a group is set back to where a deleted topic's numbers ended", "[actors]") {
  groups_stand t;
  t.run();
  t.create("a", 2).value();
  REQUIRE(all_stored(t.put(put_of("a", numbered("m", 5, 2)))));
  t.world.drain();
  REQUIRE(t.remove("a").value().next_offsets == std::vector<queue_offset>{3, 2});
  t.create("a", 2).value();
  t.store(0, 3);
  t.store(1, 9);
  t.reload();
  t.world.tell(t.roles.registrar, queue_state{});
  CHECK(t.kept(0) == 3);
  CHECK(t.kept(1) == 2);
}
