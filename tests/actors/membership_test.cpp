#include "actors/membership.hpp"

#include "sim/world.hpp"
#include "tests/support/catch.hpp"

using namespace troupe;
using namespace std::chrono_literals;

namespace {

using strings = std::vector<std::string>;
using numbers = std::vector<std::int32_t>;

/// The table of members, and sessions and doors that the test plays.
struct member_stand {
  explicit member_stand(const membership_options& limits = {}) {
    table = world.system().spawn(membership, limits);
    first = open_session();
    second = open_session();
  }
  ~member_stand() {
    world.kill_all();
    world.drain();
  }

  /// What the gateway is to the table.
  struct door {
    caf::actor handle;
    std::map<std::string, strings> told;
  };

  caf::actor open_session() {
    return caf::actor_cast<caf::actor>(world.play<store_service>(
        [](caf::event_based_actor*) { return caf::message_handler{[](int) {}}; }));
  }
  /// In the name of a session.
  template <class Result, class Message>
  std::shared_ptr<std::optional<storage::result<Result>>> send(const caf::actor& who,
                                                               Message message) {
    auto slot = std::make_shared<std::optional<storage::result<Result>>>();
    caf::anon_send(who, sim::client_task{[this, slot, message](caf::event_based_actor* self) {
                     self->request(table, caf::infinite, message)
                         .then([slot](Result& value) { slot->emplace(std::move(value)); },
                               [slot](const caf::error& why) { slot->emplace(from_caf(why)); });
                   }});
    world.drain();
    return slot;
  }
  storage::result<group_members> join(const caf::actor& who, const std::string& id,
                                      const std::string& group = "g") {
    return **send<group_members>(who, group_join{group, id, 0, 0});
  }
  auto wait(const caf::actor& who, const std::string& id, std::uint64_t known) {
    return send<group_members>(who, group_join{"g", id, known, 10'000});
  }
  numbers claim(const caf::actor& who, const std::string& id, const numbers& queues) {
    return (**send<group_claim>(who, group_claim{"g", id, "t", queues})).value().queues;
  }
  std::unique_ptr<door> open_door() {
    auto d = std::make_unique<door>();
    d->handle = caf::actor_cast<caf::actor>(
        world.play<member_watcher>([d = d.get()](caf::event_based_actor*) {
          return caf::message_handler{
              [d](const group_members& m) { d->told[m.group] = m.client_ids; }};
        }));
    world.tell(table, watch_atom_v, caf::actor_cast<caf::strong_actor_ptr>(d->handle));
    world.drain();
    return d;
  }
  void report(const door& d, const strings& ids) {
    caf::anon_send(d.handle, sim::client_task{[this, ids](caf::event_based_actor* self) {
                     self->send(table, group_members{"g", ids, 0});
                   }});
    world.drain();
  }

  sim::world world;
  membership_actor table;
  caf::actor first, second;
};

} // namespace

TEST_CASE("membership: who waits learns at once who comes and who leaves", "[actors]") {
  member_stand t;
  auto alone = t.join(t.first, "a").value();
  CHECK(alone.client_ids == strings{"a"});
  auto waits = t.wait(t.first, "a", alone.mark);
  CHECK_FALSE(waits->has_value());
  CHECK(t.join(t.second, "b").value().client_ids == strings{"a", "b"});
  REQUIRE(waits->has_value());
  auto both = (**waits).value();
  CHECK(both.client_ids == strings{"a", "b"});
  CHECK(both.mark != alone.mark);
  waits = t.wait(t.first, "a", both.mark);
  CHECK((**t.send<bool>(t.second, group_leave{"g", "b"})).value());
  REQUIRE(waits->has_value());
  CHECK((**waits).value().mark == alone.mark);
  CHECK_FALSE((**t.send<bool>(t.second, group_leave{"g", "a"})).value()); // not its own
}

TEST_CASE("membership: a member leaves with its session, or when it is silent", "[actors]") {
  member_stand t;
  auto mark = t.join(t.first, "a").value().mark;
  REQUIRE(t.join(t.second, "b"));
  bool killed = GENERATE(true, false);
  if (killed)
    t.world.kill(t.second);
  for (int i = 0; i < 4; ++i) { // ours goes on asking
    t.wait(t.first, "a", mark);
    t.world.run_for(killed ? 1s : 10s);
  }
  CHECK(t.join(t.first, "a").value().client_ids == strings{"a"});
}

TEST_CASE("membership: a question that waits is answered in time", "[actors]") {
  member_stand t;
  auto mark = t.join(t.first, "a").value().mark;
  auto waits = t.wait(t.first, "a", mark);
  t.world.run_for(9s);
  CHECK_FALSE(waits->has_value());
  t.world.run_for(2s);
  REQUIRE(waits->has_value());
  CHECK((**waits).value().mark == mark);
}

TEST_CASE("membership: a queue has one holder, until it lets go or is gone", "[actors]") {
  member_stand t;
  REQUIRE(t.join(t.first, "a"));
  REQUIRE(t.join(t.second, "b"));
  CHECK(t.claim(t.first, "a", {0, 1, 2, 3}) == numbers{0, 1, 2, 3});
  CHECK(t.claim(t.second, "b", {2, 3}).empty());
  CHECK(t.claim(t.first, "a", {0, 1, 2}) == numbers{0, 1, 2});
  CHECK(t.claim(t.second, "b", {2, 3}) == numbers{3});
  t.world.kill(t.first);
  t.world.drain();
  CHECK(t.claim(t.second, "b", {0, 1, 2, 3}) == numbers{0, 1, 2, 3});
  auto stranger = **t.send<group_claim>(t.open_session(), group_claim{"g", "b", "t", {0}});
  CHECK(stranger.error().code == errc::not_found);
}

TEST_CASE("membership: doors learn of the members of others, and theirs are seen", "[actors]") {
  member_stand t;
  REQUIRE(t.join(t.first, "a"));
  auto d = t.open_door();
  CHECK(d->told["g"] == strings{"a"});
  t.report(*d, {"java2", "java1"});
  auto all = t.join(t.first, "a").value();
  CHECK(all.client_ids == strings{"a", "java1", "java2"});
  CHECK(d->told["g"] == strings{"a"}); // without its own
  auto waits = t.wait(t.first, "a", all.mark);
  t.report(*d, {"java1"});
  REQUIRE(waits->has_value());
  waits = t.wait(t.first, "a", (**waits).value().mark);
  t.world.kill(d->handle);
  t.world.drain();
  REQUIRE(waits->has_value());
  CHECK((**waits).value().client_ids == strings{"a"});
}

TEST_CASE("membership: groups, their members and bytes are bounded", "[actors]") {
  membership_options limits;
  limits.groups = 2;
  limits.members = 3;
  limits.bytes = 2000;
  member_stand t(limits);
  for (auto* id : {"a", "b", "c"})
    REQUIRE(t.join(t.first, id));
  CHECK(t.join(t.first, "d").error().code == errc::busy);
  REQUIRE(t.join(t.first, "a")); // who is in stays in
  REQUIRE(t.join(t.first, "a", "h"));
  CHECK(t.join(t.first, "a", "i").error().code == errc::busy);
  auto held = t.claim(t.first, "a", {0, 1, 2, 3, 4, 5, 6, 7});
  CHECK(held.size() == 2); // for more there is no room
  for (int i = 0; i < 20; ++i) {
    CHECK((**t.send<bool>(t.first, group_leave{"g", "a"})).value());
    REQUIRE(t.join(t.first, "a"));
    CHECK(t.claim(t.first, "a", {0, 1, 2}).size() == 2); // all room came back
  }
  REQUIRE(t.join(t.first, "")); // only asks who is there
  for (auto* id : {"with blank", "umlaut\xc3\xa4"})
    CHECK(t.join(t.first, id).error().code == errc::invalid_argument);
  CHECK(t.join(t.first, "a", "no good").error().code == errc::invalid_argument);
}
