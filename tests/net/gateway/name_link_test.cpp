#include "net/gateway/name_link.hpp"

#include "tests/support/catch.hpp"

#include <vector>

using namespace troupe::net;
using namespace std::chrono_literals;
using deed = name_link::deed;

namespace {

struct link_stand {
  name_link link;
  name_link::time now{std::chrono::hours(1)};
  std::vector<deed> did;

  /// Does what is to be done at this moment.
  std::vector<deed> go_on() {
    did.clear();
    for (auto next = link.next(now); next != deed::none; next = link.next(now))
      did.push_back(next);
    return did;
  }
  /// Lets the time pass until there is something to do; answers how long that was.
  std::chrono::milliseconds wait() {
    auto began = now;
    REQUIRE(link.wakes());
    now = std::max(now, *link.wakes());
    go_on();
    return std::chrono::duration_cast<std::chrono::milliseconds>(now - began);
  }
  void come_up() {
    link.topics_changed();
    REQUIRE(go_on() == std::vector{deed::connect});
    link.connected(now);
    REQUIRE(go_on() == std::vector{deed::say_all});
    link.answered(true);
    REQUIRE(go_on().empty());
  }
};

using deeds = std::vector<deed>;

} // namespace

TEST_CASE("name_link: it registers when topics are known, and every 30 s", "[gateway]") {
  link_stand t;
  CHECK(t.go_on().empty());
  CHECK_FALSE(t.link.wakes());
  t.come_up();
  CHECK(t.wait() == 30s);
  CHECK(t.did == deeds{deed::say_all});
  t.now += 100ms;
  t.link.answered(true);
  t.go_on();
  CHECK(t.wait() == 29'900ms);
}

TEST_CASE("name_link: what is new is said at once, but once a second at most", "[gateway]") {
  link_stand t;
  t.come_up();
  t.now += 5s;
  t.link.topics_changed();
  CHECK(t.go_on() == deeds{deed::say_all});
  t.link.topics_changed(); // while it is being said
  CHECK(t.go_on().empty());
  t.link.answered(true);
  CHECK(t.go_on().empty());
  CHECK(t.wait() == 1s);
  CHECK(t.did == deeds{deed::say_all});
  t.link.answered(true);
  t.go_on();
  CHECK(t.wait() == 30s);
}

TEST_CASE("name_link: one that is away is dialled with pauses that grow", "[gateway]") {
  link_stand t;
  t.link.topics_changed();
  t.go_on();
  std::vector<std::chrono::milliseconds> pauses;
  for (int i = 0; i < 8; ++i) {
    t.link.lost(t.now);
    CHECK(t.go_on().empty());
    pauses.push_back(t.wait());
    CHECK(t.did == deeds{deed::connect});
  }
  CHECK(pauses == std::vector<std::chrono::milliseconds>{200ms, 400ms, 800ms, 1600ms, 3200ms,
                                                         6400ms, 10s, 10s});
  t.link.connected(t.now);
  CHECK(t.go_on() == deeds{deed::say_all});
  t.link.answered(true);
  t.link.lost(t.now);
  t.go_on();
  CHECK(t.wait() == 200ms); // it was there
}

TEST_CASE("name_link: in a new connection it registers anew", "[gateway]") {
  link_stand t;
  t.come_up();
  t.now += 10s;
  t.link.lost(t.now);
  t.go_on();
  t.wait();
  REQUIRE(t.did == deeds{deed::connect});
  t.link.connected(t.now);
  CHECK(t.go_on() == deeds{deed::say_all});
}

TEST_CASE("name_link: who does not answer is given up", "[gateway]") {
  link_stand t;
  t.link.topics_changed();
  t.go_on();
  CHECK(t.wait() == 3s);
  CHECK(t.did == deeds{deed::close});
  t.wait();
  REQUIRE(t.did == deeds{deed::connect});
  t.link.connected(t.now);
  t.go_on();
  CHECK(t.wait() == 10s);
  CHECK(t.did == deeds{deed::close});
  t.link.lost(t.now); // as the socket says it, too
  CHECK(t.wait() == 400ms);
}

TEST_CASE("name_link: one that refuses is asked again as usual", "[gateway]") {
  link_stand t;
  t.link.topics_changed();
  t.go_on();
  t.link.connected(t.now);
  t.go_on();
  t.link.answered(false);
  CHECK(t.go_on().empty());
  CHECK(t.wait() == 30s);
  CHECK(t.did == deeds{deed::say_all});
}

TEST_CASE("name_link: it unregisters at the end, whatever it was doing", "[gateway]") {
  SECTION("when it is registered") {
    link_stand t;
    t.come_up();
    t.link.leave();
    CHECK(t.go_on() == deeds{deed::say_farewell});
    CHECK_FALSE(t.link.is_done());
    t.link.answered(true);
    CHECK(t.link.is_done());
  }
  SECTION("while it registers") {
    link_stand t;
    t.come_up();
    t.wait();
    t.link.leave();
    CHECK(t.go_on() == deeds{deed::say_farewell});
    CHECK(t.wait() == 2s); // no longer
    CHECK(t.did == deeds{deed::close});
    CHECK(t.link.is_done());
  }
  SECTION("when nobody is there") {
    link_stand t;
    t.link.topics_changed();
    t.go_on();
    t.link.leave();
    CHECK(t.go_on() == deeds{deed::close});
    CHECK(t.link.is_done());
  }
  SECTION("before anything was known") {
    link_stand t;
    t.link.leave();
    CHECK(t.go_on().empty());
    CHECK(t.link.is_done());
  }
  SECTION("when the other one goes first") {
    link_stand t;
    t.come_up();
    t.link.leave();
    t.go_on();
    t.link.lost(t.now);
    CHECK(t.link.is_done());
  }
}
