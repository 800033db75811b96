#include "tests/net/links/switchboard_stand.hpp"

#include <caf/actor_proxy.hpp>

#include "actors/front.hpp"

using namespace troupe;
using namespace troupe::test;

namespace {

/// Two nodes: a dials b.
struct pair_of_boards : board_world {
  explicit pair_of_boards(std::uint64_t incarnation = 100) {
    b = std::make_unique<board>(world, net, "b", with(incarnation));
    b->offer({adder(20)});
    net.hosts["host-b"] = b->published();
    a = std::make_unique<board>(world, net, "a", with(100));
    a->offer({adder(10)});
    world.run_for(10s);
    a->take_heard();
    b->take_heard();
  }
  static net::switchboard_setup with(std::uint64_t incarnation) {
    net::switchboard_setup setup;
    setup.incarnation = incarnation;
    setup.peers = {{"a", "host-a", 1}, {"b", "host-b", 1}};
    return setup;
  }
  void kill(board& which) {
    world.kill(which.actor);
    world.drain();
  }
  bool both_ways() { return ask(a->role("b"), 1) == 21 && ask(b->role("a"), 1) == 11; }

  std::unique_ptr<board> a;
  std::unique_ptr<board> b;
};

/// A peer that answers hellos by the book of a test.
struct scripted : board_world {
  peer_service plays(std::function<caf::result<peer_welcome>(const peer_hello&)> answer) {
    return world.play<peer_service>([this, answer](caf::event_based_actor* self) {
      return caf::message_handler{
          [this, answer, self](const peer_hello& h) {
            hellos.push_back(h);
            self_ptr = caf::actor_cast<caf::strong_actor_ptr>(self);
            return answer(h);
          },
          [this](const peer_goodbye& g) { goodbyes.push_back(g.link); },
          [this](const greet_again&) {},
          [this](watch_atom, const std::string&, std::uint64_t, std::uint64_t) {
            ++looks;
            return true;
          }};
    });
  }
  peer_welcome welcome_by(const std::string& node, std::uint64_t incarnation,
                          const peer_hello& h) const {
    return {node, incarnation, h.link, {}, self_ptr};
  }

  std::vector<peer_hello> hellos;
  std::vector<std::uint64_t> goodbyes;
  int looks = 0;
  caf::strong_actor_ptr self_ptr;
};

caf::strong_actor_ptr ptr(const peer_service& who) {
  return caf::actor_cast<caf::strong_actor_ptr>(who);
}

} // namespace

TEST_CASE("switchboard: the smaller name dials, and roles are reached both ways", "[links]") {
  board_world w;
  board b(w.world, w.net, "b", pair_of_boards::with(7));
  b.offer({w.adder(20)});
  w.net.hosts["host-b"] = b.published();
  w.world.run_for(10s);
  CHECK(w.net.dials.empty()); // not by the larger
  CHECK(b.heard.empty());
  board a(w.world, w.net, "a", pair_of_boards::with(6));
  CHECK(a.take_heard() == lines{"up b 7 1"});
  CHECK(b.take_heard() == lines{"up a 6 1"});
  CHECK(w.ask(a.role("b"), 1) == 21);
  CHECK(b.trusted == 1);
  CHECK(a.status_of("b").state == "up");
  CHECK(a.status_of("b").incarnation == 7);
  CHECK(b.status_of("a").state == "up");
  CHECK(b.status_of("b").state.empty()); // it is no peer of its own
  w.world.run_for(1500ms);
  CHECK(a.status_of("b").since_ms == 1500);
}

TEST_CASE("switchboard: what peers are given is exposed, and never the role itself", "[links]") {
  pair_of_boards w;
  CHECK(w.both_ways());
  for (auto* node : {w.a.get(), w.b.get()}) {
    CHECK(node->exposed.size() > 1);
    for (auto& who : node->exposed)
      CHECK((who == node->published() || dynamic_cast<caf::actor_proxy*>(who->get()) != nullptr));
  }
}

TEST_CASE("switchboard: the pauses between dials double up to the longest", "[links]") {
  board_world w;
  board a(w.world, w.net, "a", pair_of_boards::with(6));
  w.world.run_for(8s);
  CHECK(w.net.dials == std::vector<std::int64_t>{0, 200, 600, 1400, 3000, 5000, 7000});
  CHECK(a.status_of("b").state == "away");
  CHECK(a.status_of("b").reason == "nobody listens there");
  CHECK(a.heard.empty());
}

TEST_CASE("switchboard: one dial of a peer at a time, also when one blocks", "[links]") {
  board_world w;
  w.net.hosts["host-b"] = nullptr;
  board a(w.world, w.net, "a", pair_of_boards::with(6));
  w.world.run_for(1s);
  CHECK(a.status_of("b").state == "dialling");
  w.world.run_for(60s);
  CHECK(w.net.dials.size() == 1);
  CHECK(a.status_of("b").state == "away");
  CHECK(a.status_of("b").reason == "no connection in time");
}

TEST_CASE("switchboard: after a link that lasted the next dial comes soon", "[links]") {
  pair_of_boards w;
  w.net.dials.clear();
  auto died = w.world.now().count();
  w.kill(*w.b);
  CHECK(w.a->take_heard() == lines{"down b"});
  CHECK(w.net.hang_ups == std::vector<std::int64_t>{died});
  w.net.hosts.erase("host-b");
  w.world.run_for(700ms);
  CHECK(w.net.dials == std::vector<std::int64_t>{died + 200, died + 600});
}

TEST_CASE("switchboard: a peer that was started again is another one", "[links]") {
  pair_of_boards w(100);
  auto old_role = w.a->role("b");
  auto old_port = w.b->role("a");
  w.kill(*w.b);
  CHECK(w.ask(old_role, 1) == -1); // however it ended, its ports did with it
  CHECK(w.ask(old_port, 1) == -1);
  board again(w.world, w.net, "b", pair_of_boards::with(101));
  again.offer({w.adder(30)});
  w.net.hosts["host-b"] = again.published();
  w.world.run_for(1s);
  CHECK(w.a->take_heard() == lines{"down b", "up b 101 3"});
  CHECK(again.take_heard() == lines{"up a 100 3"});
  CHECK(w.ask(w.a->role("b"), 1) == 31);
  CHECK(w.ask(again.role("a"), 1) == 11);
  CHECK(w.ask(old_role, 1) == -1);
}

TEST_CASE("switchboard: a link that the other end has lost without a word is made anew",
          "[links]") {
  pair_of_boards w;
  w.a->take_heard();
  w.b->take_heard();
  // As if the end of an older connection had taken it down: what b says of it is lost.
  REQUIRE(w.a->status_of("b").state == "up");
  for (std::uint64_t link = 1; link < 10; ++link) // one of them it is
    w.world.tell(w.b->actor, peer_goodbye{"a", 100, link, "the connection is lost"});
  w.world.drain();
  REQUIRE(w.b->take_heard() == lines{"down a"});
  CHECK(w.a->take_heard().empty()); // it does not know
  w.world.run_for(5s);
  CHECK(w.both_ways());
  CHECK(w.b->status_of("a").state == "up");
  CHECK(w.a->take_heard().front() == "down b");
}

/// As if what was read of a connection before its end was known after it: the handles in it lead
/// nowhere, and nobody says so.
TEST_CASE("switchboard: a link to a peer that is silent is made anew by who dials", "[links]") {
  scripted w;
  auto nowhere = ptr(w.world.play_dead<peer_service>());
  auto b = w.plays([&](const peer_hello& h) {
    return peer_welcome{"b", 9, h.link, {}, w.hellos.size() == 1 ? nowhere : w.self_ptr};
  });
  w.net.hosts["host-b"] = ptr(b);
  board a(w.world, w.net, "a", pair_of_boards::with(6));
  REQUIRE(a.take_heard() == lines{"up b 9 1"});
  w.world.run_for(6900ms);
  CHECK(a.take_heard().empty()); // it may be busy
  w.world.run_for(400ms);
  CHECK(a.take_heard() == lines{"down b", "up b 9 2"});
  CHECK(w.net.dials.size() == 2);
  w.world.run_for(60s);
  CHECK(a.take_heard().empty()); // whoever answers is left alone
  CHECK(w.looks > 20);
}

TEST_CASE("switchboard: a new offer of the one who dials is a new link", "[links]") {
  pair_of_boards w;
  auto old_port = w.b->role("a");
  auto old_of_b = w.a->role("b");
  w.a->offer({w.adder(11)});
  w.world.drain();
  CHECK(w.a->take_heard() == lines{"down b", "up b 100 3"});
  CHECK(w.b->take_heard() == lines{"down a", "up a 100 3"});
  CHECK(w.ask(w.b->role("a"), 1) == 12);
  CHECK(w.ask(w.a->role("b"), 1) == 21);
  CHECK(w.ask(old_port, 1) == -1);
  CHECK(w.ask(old_of_b, 1) == -1);
  CHECK(w.net.dials.size() == 1); // over the same connection
  CHECK(w.net.hang_ups.empty());
}

TEST_CASE("switchboard: a new offer of the one who is dialled is a new link too", "[links]") {
  pair_of_boards w;
  auto old_of_b = w.a->role("b");
  auto role = w.adder(22);
  w.b->offer({role});
  w.world.drain();
  CHECK(w.b->take_heard() == lines{"down a", "up a 100 3"});
  CHECK(w.a->take_heard() == lines{"down b", "up b 100 3"});
  CHECK(w.ask(w.a->role("b"), 1) == 23);
  CHECK(w.ask(old_of_b, 1) == -1);
  CHECK(w.net.dials.size() == 1);
  w.b->offer({role}); // says nothing new
  CHECK(w.a->take_heard().empty());
}

TEST_CASE("switchboard: an offer that comes while the greeting is under way is not lost",
          "[links]") {
  scripted w;
  std::vector<caf::typed_response_promise<peer_welcome>> open;
  caf::event_based_actor* peer = nullptr;
  auto b = w.world.play<peer_service>([&](caf::event_based_actor* self) {
    peer = self;
    return caf::message_handler{[&](const peer_hello& h) -> caf::result<peer_welcome> {
      w.hellos.push_back(h);
      open.push_back(peer->make_response_promise<peer_welcome>());
      return open.back();
    }};
  });
  w.self_ptr = ptr(b);
  w.net.hosts["host-b"] = ptr(b);
  board a(w.world, w.net, "a", pair_of_boards::with(6));
  REQUIRE(w.hellos.size() == 1);
  CHECK(a.status_of("b").state == "greeting");
  a.offer({w.adder(1)});
  w.world.inside(b, [&] { open[0].deliver(w.welcome_by("b", 9, w.hellos[0])); });
  w.world.drain();
  REQUIRE(w.hellos.size() == 2);
  CHECK(w.hellos[0].roles.empty());
  CHECK(w.hellos[1].roles.size() == 1);
  CHECK(w.hellos[1].link == 2);
}

TEST_CASE("switchboard: a peer that refuses is asked again, and people see why", "[links]") {
  scripted w;
  auto b = w.plays([](const peer_hello&) -> caf::result<peer_welcome> {
    return make_caf_error(errc::version_mismatch, "node b belongs to another cluster");
  });
  w.net.hosts["host-b"] = ptr(b);
  board a(w.world, w.net, "a", pair_of_boards::with(6));
  w.world.run_for(1s);
  CHECK(w.net.dials == std::vector<std::int64_t>{0, 200, 600});
  CHECK(w.net.hang_ups == w.net.dials);
  CHECK(a.status_of("b").reason == "node b belongs to another cluster");
  CHECK(a.heard.empty());
  CHECK(w.hellos.back().link == 3);
  CHECK(a.status_of("b").since_ms == 1000); // however often it was tried meanwhile
}

TEST_CASE("switchboard: a peer that does not answer a hello is hung up on", "[links]") {
  scripted w;
  auto b = w.world.play_dead<peer_service>();
  w.net.hosts["host-b"] = ptr(b);
  board a(w.world, w.net, "a", pair_of_boards::with(6));
  w.world.run_for(3100ms);
  CHECK(w.net.hang_ups == std::vector<std::int64_t>{3000});
  CHECK(a.status_of("b").reason == "it does not answer our hello");
  w.world.run_for(200ms);
  CHECK(w.net.dials == std::vector<std::int64_t>{0, 3200});
}

TEST_CASE("switchboard: a welcome of another node is none", "[links]") {
  scripted w;
  auto wrong = GENERATE(0, 1, 2, 3);
  auto b = w.plays([&](const peer_hello& h) {
    auto answer = w.welcome_by(wrong == 0 ? "c" : "b", 9, h);
    if (wrong == 1)
      answer.link += 1;
    if (wrong == 2)
      answer.switchboard = nullptr;
    if (wrong == 3)
      answer.roles = {{"writer", nullptr}};
    return answer;
  });
  w.net.hosts["host-b"] = ptr(b);
  board a(w.world, w.net, "a", pair_of_boards::with(6));
  CHECK(a.heard.empty());
  CHECK(a.status_of("b").state == "away");
  CHECK(w.net.hang_ups.size() == 1);
}

TEST_CASE("switchboard: the end of the peer's switchboard is the end of the link", "[links]") {
  pair_of_boards w;
  auto at_b = w.b->role("a");
  w.kill(*w.a);
  CHECK(w.b->take_heard() == lines{"down a"});
  CHECK(w.b->status_of("a").state == "away");
  CHECK(w.b->status_of("a").reason == "the connection is lost");
  CHECK(w.ask(at_b, 1) == -1);
}

TEST_CASE("switchboard: who stops says goodbye, closes its ports and hangs up", "[links]") {
  pair_of_boards w;
  auto at_a = w.a->role("b");
  auto at_b = w.b->role("a");
  auto& stops = GENERATE(0, 1) == 0 ? *w.a : *w.b;
  auto& stays = &stops == w.a.get() ? *w.b : *w.a;
  CHECK(w.world.ask<bool>(stops.actor, stop_atom_v).value());
  w.world.drain();
  CHECK(stops.take_heard().size() == 1);
  CHECK(stays.take_heard().size() == 1);
  CHECK(stays.roles.empty());
  CHECK(w.ask(at_a, 1) == -1);
  CHECK(w.ask(at_b, 1) == -1);
  CHECK(w.net.hang_ups.size() == 1);
  auto dials = w.net.dials.size();
  w.world.run_for(100ms);
  CHECK(w.net.dials.size() == dials);
}

TEST_CASE("switchboard: two processes under one name take the link slower and slower", "[links]") {
  board_world w;
  board b(w.world, w.net, "b", pair_of_boards::with(7));
  w.net.hosts["host-b"] = b.published();
  board first(w.world, w.net, "a", pair_of_boards::with(1));
  board second(w.world, w.net, "a", pair_of_boards::with(2));
  w.world.run_for(60s);
  CHECK(w.net.dials.size() > 10);
  CHECK(w.net.dials.size() < 80);
}

TEST_CASE("switchboard: the front hands hellos on, or says that there is nobody", "[links]") {
  board_world w;
  bool alone = GENERATE(true, false);
  auto setup = pair_of_boards::with(7);
  board b(w.world, w.net, "b", setup);
  front_setup door;
  door.node_name = "b";
  door.peers = alone ? peer_service{} : caf::actor_cast<peer_service>(b.actor);
  auto front = w.world.system().spawn(troupe::front, door);
  w.net.hosts["host-b"] = caf::actor_cast<caf::strong_actor_ptr>(front);
  board a(w.world, w.net, "a", pair_of_boards::with(6));
  w.world.drain();
  if (alone)
    CHECK(a.status_of("b").reason.find("node b runs every role itself") != std::string::npos);
  else
    CHECK(a.take_heard() == lines{"up b 7 1"});
  w.world.kill(front);
  w.world.drain();
  CHECK(a.status_of("b").state == (alone ? "away" : "up")); // a new door is no new process
}
