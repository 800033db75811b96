#include "net/subscription.hpp"

#include "sim/net/link.hpp"
#include "tests/support/actor_stand.hpp"
#include "tests/support/catch.hpp"

#include <algorithm>
#include <map>
#include <numeric>
#include <set>

using namespace troupe;
using namespace troupe::test;
using namespace std::chrono_literals;

namespace {

using strings = std::vector<std::string>;
using numbers = std::vector<std::int32_t>;

/// What a member of a group was given, by queue; it answers at once, or when it is told to.
struct taker {
  explicit taker(sim::world& w) : world(w) {
    handle = w.play<client::delivery_consumer>([this](caf::event_based_actor* self) {
      return caf::message_handler{[this, self](const client::delivery& d) -> caf::result<bool> {
        auto& got = queues[d.queue_id];
        for (auto& [view, bytes] : d.messages)
          got.emplace_back(client::text_of(view.body));
        count += d.messages.size();
        if (refusals > 0) {
          --refusals;
          return false;
        }
        if (answers)
          return true;
        held.emplace_back(self->make_response_promise<bool>(), d.messages.size());
        return held.back().first;
      }};
    });
  }

  void release() {
    world.inside(handle, [this] {
      for (auto& [promise, size] : std::exchange(held, {}))
        promise.deliver(true);
    });
    world.drain();
  }
  std::size_t open() const {
    return std::accumulate(held.begin(), held.end(), std::size_t{0},
                           [](auto sum, auto& one) { return sum + one.second; });
  }

  sim::world& world;
  client::delivery_consumer handle;
  std::map<std::int32_t, strings> queues;
  std::size_t count = 0;
  bool answers = true;
  int refusals = 0;
  std::vector<std::pair<caf::typed_response_promise<bool>, std::size_t>> held;
};

/// A node with topic "t", and members of group "g".
struct group_stand {
  static constexpr std::int32_t queues = 4;

  group_stand() {
    node.start();
    node.create_topic("t", queues);
  }
  ~group_stand() {
    for (auto& s : subscriptions)
      world().kill(s);
    world().drain();
  }

  sim::world& world() { return node.stand.world; }
  session_actor open_session() {
    return world().ask<session_actor>(node.node, hello_atom_v, caf::strong_actor_ptr{}).value();
  }
  static client::subscription_options options(const std::string& id) {
    client::subscription_options o;
    o.group = "g";
    o.topic = "t";
    o.client_id = id;
    return o;
  }
  client::subscription_actor subscribe(const store_service& service, const taker& to,
                                       client::subscription_options o) {
    subscriptions.push_back(client::subscribe(world().system(), service, to.handle, std::move(o)));
    return subscriptions.back();
  }
  client::subscription_status status(const client::subscription_actor& of) {
    return world().ask<client::subscription_status>(of, status_atom_v).value();
  }
  bool until_owns(const client::subscription_actor& who, const numbers& wanted) {
    return world().run_until([&] { return status(who).queues == wanted; }, 20s);
  }
  void put(const std::string& prefix, int count) {
    REQUIRE(all_stored(node.put(put_of("t", numbered(prefix, count, queues)))));
  }
  queue_offset offset(std::int32_t queue) {
    return world()
        .ask<group_offset>(node.session, fetch_atom_v, group_offset{"g", "t", queue, -1})
        .value()
        .offset;
  }
  strings members() {
    return world()
        .ask<group_members>(node.session, group_join{"g", "looks", 0, 0})
        .value()
        .client_ids;
  }

  test_node node;
  std::vector<client::subscription_actor> subscriptions;
};

strings all_of(const std::string& prefix, int count, std::int32_t queue,
               std::int32_t queues = group_stand::queues) {
  strings bodies;
  for (int i = queue; i < count; i += queues)
    bodies.push_back(prefix + std::to_string(i));
  return bodies;
}

/// RocketMQ's AllocateMessageQueueAveragely, word by word.
numbers as_java_allocates(int index, int clients, int queues) {
  numbers result;
  int mod = queues % clients;
  int average =
      queues <= clients ? 1 : (mod > 0 && index < mod ? queues / clients + 1 : queues / clients);
  int start = (mod > 0 && index < mod) ? index * average : index * average + mod;
  int range = std::min(average, queues - start);
  for (int i = 0; i < range; i++)
    result.push_back((start + i) % queues);
  return result;
}

} // namespace

TEST_CASE("subscription: queues are shared as RocketMQ's clients share them", "[net]") {
  for (int clients = 1; clients <= 9; ++clients) {
    strings ids;
    for (int i = 0; i < clients; ++i)
      ids.push_back("c" + std::to_string(i));
    for (int queues = 1; queues <= 20; ++queues)
      for (int i = 0; i < clients; ++i)
        CHECK(client::share_of(ids[static_cast<std::size_t>(i)], ids, queues) ==
              as_java_allocates(i, clients, queues));
    CHECK(client::share_of("stranger", ids, 8).empty());
  }
}

TEST_CASE("subscription: one member gets every message, in the order of each queue", "[net]") {
  group_stand t;
  t.put("a", 100);
  taker got(t.world());
  auto s = t.subscribe(t.open_session(), got, t.options("m1"));
  REQUIRE(t.world().run_until([&] { return got.count == 100; }));
  t.put("b", 100);
  REQUIRE(t.world().run_until([&] { return got.count == 200; }));
  t.world().run_for(2s);
  CHECK(got.count == 200);
  for (std::int32_t q = 0; q < t.queues; ++q) {
    auto expected = all_of("a", 100, q);
    auto more = all_of("b", 100, q);
    expected.insert(expected.end(), more.begin(), more.end());
    CHECK(got.queues[q] == expected);
    CHECK(t.offset(q) == 50);
  }
  CHECK(t.status(s).acknowledged == 200);
}

TEST_CASE("subscription: the consumer never has more than its credit", "[net]") {
  group_stand t;
  t.put("a", 200);
  taker got(t.world());
  got.answers = false;
  auto o = t.options("m1");
  o.credit_messages = 7;
  auto s = t.subscribe(t.open_session(), got, o);
  std::size_t most = 0;
  t.world().between_steps = [&] { most = std::max(most, got.open()); };
  for (int i = 0; i < 400 && got.count < 200; ++i) {
    t.world().run_for(20ms);
    got.release();
  }
  CHECK(got.count == 200);
  CHECK(most <= 7);
  CHECK(most >= 4);
  t.world().between_steps = nullptr;
  t.put("b", 100);
  t.world().run_for(60s); // whoever does not answer is not disturbed any more
  CHECK(got.open() <= 7);
  CHECK(t.status(s).open_messages == got.open());
}

TEST_CASE("subscription: bytes are credit, too, and one message always fits", "[net]") {
  group_stand t;
  REQUIRE(all_stored(t.node.put(put_of("t", numbered("big", 20, 4, 3000)))));
  taker got(t.world());
  got.answers = false;
  auto o = t.options("m1");
  o.credit_bytes = 2000; // less than any of them
  t.subscribe(t.open_session(), got, o);
  for (std::size_t i = 1; i <= 20; ++i) {
    REQUIRE(t.world().run_until([&] { return got.open() > 0; }));
    t.world().run_for(500ms);
    CHECK(got.open() == 1);
    CHECK(got.count == i);
    got.release();
  }
}

TEST_CASE("subscription: what is refused comes again, before what is behind it", "[net]") {
  group_stand t;
  t.put("a", 40);
  taker got(t.world());
  got.refusals = 4;
  t.subscribe(t.open_session(), got, t.options("m1"));
  t.world().run_for(5s);
  t.put("b", 4);
  t.world().run_for(5s);
  for (std::int32_t q = 0; q < t.queues; ++q) {
    auto expected = all_of("a", 40, q); // twice, then b
    auto& seen = got.queues[q];
    auto again = std::find(seen.begin() + 1, seen.end(), expected.front());
    CHECK(strings(again, seen.end() - 1) == expected);
    CHECK(seen.back() == "b" + std::to_string(q));
    CHECK(t.offset(q) == 11);
  }
}

TEST_CASE("subscription: only the wanted tags come, and the offset passes the others", "[net]") {
  group_stand t;
  std::vector<text_message> messages;
  for (int i = 0; i < 20; ++i)
    messages.push_back({"m" + std::to_string(i), 0, i % 10 == 0 ? "Aa" : "BB"});
  t.node.put(put_of("t", messages));
  taker got(t.world());
  auto o = t.options("m1");
  o.tags = {"Aa"}; // "BB" has the same hash
  t.subscribe(t.open_session(), got, o);
  t.world().run_for(3s);
  CHECK(got.queues[0] == strings{"m0", "m10"});
  CHECK(t.offset(0) == 20);
}

TEST_CASE("subscription: a member that comes gets its share, one that leaves gives it back",
          "[net]") {
  group_stand t;
  t.put("a", 40);
  taker first(t.world()), second(t.world());
  auto a = t.subscribe(t.open_session(), first, t.options("a"));
  REQUIRE(t.until_owns(a, {0, 1, 2, 3}));
  REQUIRE(t.world().run_until([&] { return first.count == 40; }));
  auto b = t.subscribe(t.open_session(), second, t.options("b"));
  REQUIRE(t.until_owns(b, {2, 3}));
  CHECK(t.status(a).queues == numbers{0, 1});
  CHECK(t.status(a).members == strings{"a", "b"});
  t.put("b", 40);
  REQUIRE(t.world().run_until([&] { return first.count + second.count == 80; }));
  CHECK(second.queues[2] == all_of("b", 40, 2));
  auto left = t.world().ask<bool>(a, stop_atom_v);
  CHECK(left.value());
  REQUIRE(t.until_owns(b, {0, 1, 2, 3}));
  t.put("c", 40);
  REQUIRE(t.world().run_until([&] { return first.count + second.count >= 120; }));
  t.world().run_for(3s);
  CHECK(first.count + second.count == 120); // nothing came twice
  CHECK(second.queues[0] == all_of("c", 40, 0));
}

TEST_CASE("subscription: a queue changes hands when its member has the answer", "[net]") {
  group_stand t;
  t.put("a", 8);
  taker first(t.world()), second(t.world());
  first.answers = false;
  auto a = t.subscribe(t.open_session(), first, t.options("a"));
  REQUIRE(t.world().run_until([&] { return first.count == 8; }));
  auto b = t.subscribe(t.open_session(), second, t.options("b"));
  t.world().run_for(3s);
  CHECK(second.count == 0); // they are still with the first one
  bool answers = GENERATE(true, false);
  if (answers) {
    first.release();
    REQUIRE(t.until_owns(b, {2, 3}));
    t.world().run_for(3s);
    CHECK(second.count == 0);
  } else { // in the end it is not waited for any more
    REQUIRE(t.until_owns(b, {2, 3}));
    CHECK(t.world().now() < 15s);
    REQUIRE(t.world().run_until([&] { return second.count == 4; }));
    CHECK(second.queues[2] == all_of("a", 8, 2));
    first.release(); // too late, and harmless
    t.world().run_for(3s);
    CHECK(t.offset(2) == 2);
  }
  CHECK(t.status(a).queues == numbers{0, 1});
}

TEST_CASE("subscription: the queues of a dead member go on at the stored offset", "[net]") {
  group_stand t;
  t.put("a", 40);
  taker first(t.world()), second(t.world());
  auto session = t.open_session();
  auto a = t.subscribe(session, first, t.options("a"));
  REQUIRE(t.world().run_until([&] { return first.count == 40; }));
  t.world().run_for(2s);
  first.answers = false;
  t.put("b", 40);
  REQUIRE(t.world().run_until([&] { return first.count == 80; }));
  auto b = t.subscribe(t.open_session(), second, t.options("b"));
  t.world().run_for(1s);
  t.world().kill(a); // the whole process
  t.world().kill(session);
  REQUIRE(t.until_owns(b, {0, 1, 2, 3}));
  REQUIRE(t.world().run_until([&] { return second.count == 40; }));
  for (std::int32_t q = 0; q < t.queues; ++q)
    CHECK(second.queues[q] == all_of("b", 40, q)); // not answered, so again; and only that
}

TEST_CASE("subscription: a member whose consumer dies leaves the group", "[net]") {
  group_stand t;
  t.put("a", 8);
  taker first(t.world()), second(t.world());
  first.answers = false;
  t.subscribe(t.open_session(), first, t.options("a"));
  auto b = t.subscribe(t.open_session(), second, t.options("b"));
  REQUIRE(t.until_owns(b, {2, 3}));
  REQUIRE(t.world().run_until([&] { return first.count == 4; }));
  t.world().kill(first.handle);
  REQUIRE(t.until_owns(b, {0, 1, 2, 3}));
  REQUIRE(t.world().run_until([&] { return second.count == 8; }));
  CHECK(t.members() == strings{"b", "looks"});
}

TEST_CASE("subscription: a lost connection is outlived, and what was answered stays so", "[net]") {
  group_stand t;
  sim::simulated_link link(t.world(), 7, [&] { return t.node.node; });
  t.put("a", 40);
  taker got(t.world());
  got.answers = false;
  auto o = t.options("m1");
  o.store_interval = 10s; // the node does not know yet how far we are
  t.subscribe(link.service(), got, o);
  REQUIRE(t.world().run_until([&] { return got.count == 40; }));
  got.release();
  t.put("b", 40);
  REQUIRE(t.world().run_until([&] { return got.count == 80; }));
  link.cut();
  t.world().run_for(2s);
  got.release(); // they were delivered on the old connection
  got.answers = true;
  t.put("c", 40);
  REQUIRE(t.world().run_until([&] { return got.count >= 120; }));
  t.world().run_for(15s);
  CHECK(got.count == 120); // nothing twice
  CHECK(t.offset(3) == 30);
}

TEST_CASE("subscription: the death of the member table hurts nobody for long", "[net]") {
  group_stand t;
  taker first(t.world()), second(t.world());
  auto a = t.subscribe(t.open_session(), first, t.options("a"));
  auto b = t.subscribe(t.open_session(), second, t.options("b"));
  REQUIRE(t.until_owns(b, {2, 3}));
  t.world().kill_all("membership");
  t.world().run_for(2s);
  t.put("a", 40);
  REQUIRE(t.world().run_until([&] { return first.count + second.count == 40; }));
  CHECK(t.status(a).queues == numbers{0, 1});
  CHECK(t.status(b).queues == numbers{2, 3});
}

TEST_CASE("subscription: a new group begins where it is told to, and others go on there", "[net]") {
  group_stand t;
  t.put("a", 8);
  taker got(t.world());
  auto o = t.options("m1");
  o.from = client::start_latest{};
  auto s = t.subscribe(t.open_session(), got, o);
  REQUIRE(t.until_owns(s, {0, 1, 2, 3}));
  t.world().run_for(1s);
  CHECK(t.offset(0) == 2); // stored before there is anything to answer
  t.world().ask<bool>(s, stop_atom_v);
  t.put("b", 8);
  o.from = client::start_latest{};
  t.subscribe(t.open_session(), got, o);
  REQUIRE(t.world().run_until([&] { return got.count == 8; }));
  CHECK(got.queues[1] == all_of("b", 8, 1));
}

TEST_CASE("subscription: a group name that nobody may have ends it with the reason", "[net]") {
  group_stand t;
  taker got(t.world());
  auto o = t.options("m1");
  o.group = "no good";
  strings notes;
  o.note = [&](const std::string& text) { notes.push_back(text); };
  auto s = t.subscribe(t.open_session(), got, o);
  t.world().run_for(1s);
  REQUIRE(notes.size() == 1);
  CHECK(notes.front().find("the subscription ends") == 0);
  CHECK(t.world().ask<bool>(s, stop_atom_v).code() != errc::none); // nobody is there
}
