#include "net/link_port.hpp"

#include "net/client.hpp"
#include "sim/world.hpp"
#include "tests/support/catch.hpp"

using namespace troupe;

namespace {

/// A role, the port before it, and what the role was told.
struct stand {
  stand() {
    role = world.play<caf::actor>([this](caf::event_based_actor* self) -> caf::message_handler {
      return {[this](std::int32_t x) {
                told.push_back(x);
                return x + 1;
              },
              [this, self](fetch_atom) {
                kept = self->make_response_promise<std::string>();
                return kept;
              },
              [self, this](seen_atom, std::int32_t x) { return self->delegate(second, x); }};
    });
    second = world.play<caf::actor>([](caf::event_based_actor*) -> caf::message_handler {
      return {[](std::int32_t x) { return x + 100; }};
    });
    made = net::link_port::open(world.system(), caf::actor_cast<caf::strong_actor_ptr>(role));
    port = caf::actor_cast<caf::actor>(made);
    world.drain();
  }
  ~stand() { net::link_port::close(made); }

  sim::world world;
  std::vector<std::int32_t> told;
  caf::response_promise kept;
  caf::actor role;
  caf::actor second;
  caf::strong_actor_ptr made;
  caf::actor port;
};

} // namespace

TEST_CASE("link port: what is sent to it reaches the role, and answers come back", "[links]") {
  stand s;
  CHECK(s.world.ask<std::int32_t>(s.port, std::int32_t{4}).value() == 5);
  s.world.tell(s.port, std::int32_t{7});
  s.world.drain();
  CHECK(s.told == std::vector<std::int32_t>{4, 7});
  auto later = s.world.request<std::string>(s.port, fetch_atom_v);
  s.world.drain();
  CHECK_FALSE(later.there());
  s.world.inside(s.role, [&] { s.kept.deliver(std::string{"late"}); });
  s.world.drain();
  CHECK(later.value() == "late");
}

TEST_CASE("link port: a role behind it may leave the answer to another", "[links]") {
  stand s;
  CHECK(s.world.ask<std::int32_t>(s.port, seen_atom_v, std::int32_t{1}).value() == 101);
  s.second = s.port; // and that other may be behind a port
  CHECK(s.world.ask<std::int32_t>(s.role, seen_atom_v, std::int32_t{1}).value() == 2);
}

TEST_CASE("link port: nothing passes a closed one, and who asks is told", "[links]") {
  stand s;
  auto open = s.world.request<std::string>(s.port, fetch_atom_v);
  s.world.drain();
  net::link_port::close(s.made);
  s.world.tell(s.port, std::int32_t{7});
  auto refused = s.world.ask<std::int32_t>(s.port, std::int32_t{8});
  CHECK(refused.code() == errc::connection_lost);
  CHECK(s.told.empty());
  CHECK_FALSE(open.there()); // what was let in is still answered
  s.world.inside(s.role, [&] { s.kept.deliver(std::string{"late"}); });
  s.world.drain();
  CHECK(open.value() == "late");
  net::link_port::close(s.made); // once more does no harm
}

TEST_CASE("link port: its end is seen, and another one before the role lives on", "[links]") {
  stand s;
  auto other =
      net::link_port::open(s.world.system(), caf::actor_cast<caf::strong_actor_ptr>(s.role));
  int downs = 0;
  auto watcher =
      s.world.play<caf::actor>([&](caf::event_based_actor* self) -> caf::message_handler {
        self->set_down_handler([&](const caf::down_msg&) { ++downs; });
        self->monitor(s.port);
        return {[](watch_atom) {}};
      });
  s.world.drain();
  net::link_port::close(s.made);
  s.world.drain();
  CHECK(downs == 1);
  CHECK(s.world.ask<std::int32_t>(caf::actor_cast<caf::actor>(other), std::int32_t{4}).value() ==
        5);
  net::link_port::close(other);
}

TEST_CASE("link port: a peer does not end the role", "[links]") {
  stand s;
  caf::anon_send_exit(s.port, caf::exit_reason::kill);
  s.world.drain();
  CHECK(s.world.ask<std::int32_t>(s.role, std::int32_t{4}).value() == 5);
}
