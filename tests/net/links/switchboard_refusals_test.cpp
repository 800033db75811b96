#include "tests/net/links/switchboard_stand.hpp"

using namespace troupe;
using namespace troupe::test;

namespace {

/// Node b, and hellos as others send them.
struct greeted_board : board_world {
  greeted_board() : b(world, net, "b") {
    b.offer({adder(20)});
    one = process("one");
    two = process("two");
  }

  /// A switchboard of another process, which hears of goodbyes.
  peer_service process(const std::string& name) {
    return world.play<peer_service>([this, name](caf::event_based_actor*) {
      return caf::message_handler{[this, name](const peer_goodbye& g) {
                                    noted.push_back(name + " goodbye " + std::to_string(g.link));
                                  },
                                  [this, name](const greet_again& g) {
                                    noted.push_back(name + " again " + std::to_string(g.link));
                                  }};
    });
  }
  static peer_hello hello_of(const peer_service& who, std::uint64_t incarnation,
                             std::uint64_t link) {
    peer_hello h;
    h.version = protocol_version;
    h.cluster = "shop";
    h.node = "a";
    h.to = "b";
    h.incarnation = incarnation;
    h.link = link;
    h.switchboard = caf::actor_cast<caf::strong_actor_ptr>(who);
    return h;
  }
  sim::answer<peer_welcome> say(const peer_hello& h) {
    auto answer = world.ask<peer_welcome>(b.actor, h);
    world.drain();
    return answer;
  }
  static caf::actor role_of(sim::answer<peer_welcome>& answer) {
    return caf::actor_cast<caf::actor>(answer.value().roles.at(0).port);
  }

  board b;
  peer_service one;
  peer_service two;
  lines noted;
};

struct refusal {
  const char* what;
  std::function<void(peer_hello&)> spoil;
  errc code;
  std::vector<std::string> says;
};

} // namespace

TEST_CASE("switchboard: who is refused is told why, and leaves nothing behind", "[links]") {
  auto spoilt =
      GENERATE(values<refusal>({{"version",
                                 [](peer_hello& h) { h.version = 99; },
                                 errc::version_mismatch,
                                 {"99", std::to_string(protocol_version)}},
                                {"settings",
                                 [](peer_hello& h) { h.agreed = {"flush = sync"}; },
                                 errc::version_mismatch,
                                 {"has \"flush = sync\" in its cluster.ini where this node has "
                                  "nothing: use the same file"}},
                                {"cluster",
                                 [](peer_hello& h) { h.cluster = "bank"; },
                                 errc::version_mismatch,
                                 {"bank", "shop"}},
                                {"somebody else is meant",
                                 [](peer_hello& h) { h.to = "c"; },
                                 errc::invalid_argument,
                                 {"node c", "node b"}},
                                {"no node of the store",
                                 [](peer_hello& h) { h.node = "mallory"; },
                                 errc::invalid_argument,
                                 {"node mallory has no place"}},
                                {"this node's own name",
                                 [](peer_hello& h) { h.node = "b"; },
                                 errc::invalid_argument,
                                 {"node b has no place"}},
                                {"one that is dialled",
                                 [](peer_hello& h) { h.node = "c"; },
                                 errc::invalid_argument,
                                 {"node c is dialled by node b"}},
                                {"nobody to watch",
                                 [](peer_hello& h) { h.switchboard = nullptr; },
                                 errc::invalid_argument,
                                 {"actors of others"}},
                                {"a role without an actor",
                                 [](peer_hello& h) { h.roles.resize(1); },
                                 errc::invalid_argument,
                                 {"actors of others"}},
                                {"too many roles",
                                 [](peer_hello& h) {
                                   h.roles.assign(65, {"writer", h.switchboard});
                                 },
                                 errc::invalid_argument,
                                 {"actors of others"}},
                                {"a long name",
                                 [](peer_hello& h) { h.node = std::string(100'000, 'x'); },
                                 errc::invalid_argument,
                                 {"xxx..."}}}));
  INFO(spoilt.what);
  greeted_board s;
  auto exposed = s.b.exposed.size();
  auto h = s.hello_of(s.one, 1, 1);
  spoilt.spoil(h);
  auto answer = s.say(h);
  CHECK(answer.code() == spoilt.code);
  for (auto& text : spoilt.says)
    CHECK(answer.reason().find(text) != std::string::npos);
  CHECK(answer.reason().size() < 400);
  CHECK(s.b.heard.empty());
  CHECK(s.b.exposed.size() == exposed);
  CHECK(s.b.trusted == 0);
  CHECK(s.b.status_of("a").incarnation == 0);
  // And one that is in order is taken.
  CHECK(s.say(s.hello_of(s.one, 1, 1)).value().node == "b");
  CHECK(s.b.take_heard() == lines{"up a 1 1"});
}

TEST_CASE("switchboard: a hello of a node that is up is a down and an up", "[links]") {
  greeted_board s;
  auto first = s.say(s.hello_of(s.one, 1, 1));
  auto second = s.say(s.hello_of(s.one, 1, 2));
  CHECK(second.value().link == 2);
  CHECK(second.value().incarnation == 100);
  CHECK(s.b.take_heard() == lines{"up a 1 1", "down a", "up a 1 2"});
  CHECK(s.ask(s.role_of(first), 1) == -1);
  CHECK(s.ask(s.role_of(second), 1) == 21);
  CHECK(s.noted.empty()); // it knows itself
}

TEST_CASE("switchboard: what comes late over an old connection changes nothing", "[links]") {
  greeted_board s;
  auto newest = s.say(s.hello_of(s.one, 1, 5));
  s.b.take_heard();
  CHECK(s.say(s.hello_of(s.one, 1, 4)).code() == errc::invalid_argument);
  CHECK(s.say(s.hello_of(s.one, 1, 5)).code() == errc::invalid_argument);
  s.world.tell(s.b.actor, peer_goodbye{"a", 1, 4, "over"});
  s.world.tell(s.b.actor, peer_goodbye{"a", 2, 5, "over"});
  s.world.tell(s.b.actor, peer_goodbye{"mallory", 1, 5, "over"});
  s.world.tell(s.b.actor, greet_again{"a", 1, 5}); // a is the one who dials
  s.world.drain();
  CHECK(s.b.heard.empty());
  CHECK(s.ask(s.role_of(newest), 1) == 21);
}

TEST_CASE("switchboard: a goodbye ends the link", "[links]") {
  greeted_board s;
  auto newest = s.say(s.hello_of(s.one, 1, 5));
  s.world.tell(s.b.actor, peer_goodbye{"a", 1, 5, "its node stops"});
  s.world.drain();
  CHECK(s.b.take_heard() == lines{"up a 1 5", "down a"});
  CHECK(s.b.status_of("a").reason == "it ended the link: its node stops");
  CHECK(s.ask(s.role_of(newest), 1) == -1);
  // It is still known what was the newest.
  CHECK(s.say(s.hello_of(s.one, 1, 5)).code() == errc::invalid_argument);
}

TEST_CASE("switchboard: another incarnation takes the place, and the other is told", "[links]") {
  greeted_board s;
  auto first = s.say(s.hello_of(s.one, 1, 9));
  auto second = s.say(s.hello_of(s.two, 2, 1)); // counts from the beginning
  CHECK(second.value().link == 1);
  CHECK(s.b.take_heard() == lines{"up a 1 9", "down a", "up a 2 1"});
  CHECK(s.noted == lines{"one goodbye 9"});
  CHECK(s.ask(s.role_of(first), 1) == -1);
  // Its end is no news any more.
  s.world.kill(s.one);
  s.world.drain();
  CHECK(s.b.heard.empty());
  CHECK(s.ask(s.role_of(second), 1) == 21);
  s.world.kill(s.two);
  s.world.drain();
  CHECK(s.b.take_heard() == lines{"down a"});
}

TEST_CASE("switchboard: who is dialled asks for a new hello when its offer changes", "[links]") {
  greeted_board s;
  auto first = s.say(s.hello_of(s.one, 1, 1));
  s.b.take_heard();
  s.b.offer({s.adder(30)});
  CHECK(s.noted == lines{"one again 1"});
  CHECK(s.b.heard.empty()); // the link is there until then
  auto second = s.say(s.hello_of(s.one, 1, 2));
  CHECK(s.ask(s.role_of(second), 1) == 31);
  CHECK(s.ask(s.role_of(first), 1) == -1);
}

TEST_CASE("switchboard: a link to a peer that is silent ends at who was dialled, too", "[links]") {
  greeted_board w;
  auto silent = w.world.play_dead<peer_service>();
  REQUIRE(w.say(greeted_board::hello_of(silent, 7, 1)).get());
  REQUIRE(w.b.take_heard() == lines{"up a 7 1"});
  w.world.run_for(6900ms);
  CHECK(w.b.take_heard().empty());
  w.world.run_for(200ms);
  CHECK(w.b.take_heard() == lines{"down a"});
  CHECK(w.b.status_of("a").reason == "it does not say whether it has the link, too");
}
