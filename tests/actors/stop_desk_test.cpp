// Orders to stop: who may give one, and what is told to those who did.

#include "actors/front.hpp"
#include "actors/stop_desk.hpp"
#include "tests/support/actor_stand.hpp"
#include "tests/support/catch.hpp"

using namespace troupe;
using namespace troupe::test;
using namespace std::chrono_literals;

namespace {

using order_answer = storage::result<caf::strong_actor_ptr>;

/// A desk behind a front, before a node that the test plays.
struct desk_stand {
  desk_stand() {
    node = world().play<node_actor>([this](caf::event_based_actor*) {
      return caf::message_handler{[this](status_atom) {
        node_status status;
        status.waits_for = waits_for;
        return status;
      }};
    });
    desk = spawn_stop_desk(world().system(), {node, [this] { ++orders; }});
    setup = {node, "n1", "shop"};
    setup.stop_desk = desk;
    setup.may_stop = [](const caf::node_id&) { return true; };
    client =
        world().play<caf::actor>([](caf::event_based_actor*) { return caf::message_handler{}; });
  }
  ~desk_stand() {
    client = nullptr;
    caf::anon_send_exit(desk, caf::exit_reason::kill);
    caf::anon_send_exit(node, caf::exit_reason::kill);
    world().drain();
  }

  sim::world& world() { return stand.world; }

  order_answer order(const std::string& name = "n1", const std::string& cluster = "shop",
                     std::uint32_t version = protocol_version) {
    auto door = world().system().spawn(front, setup);
    order_answer got = storage::error{errc::none, "no answer"};
    world().inside(client, [&] {
      auto* self = caf::actor_cast<caf::event_based_actor*>(client);
      self->request(door, caf::infinite, stop_atom_v, version, cluster, name)
          .then([&](const caf::strong_actor_ptr& who) { got = who; },
                [&](const caf::error& why) { got = from_caf(why); });
    });
    world().drain();
    caf::anon_send_exit(door, caf::exit_reason::kill);
    world().drain();
    return got;
  }
  errc refusal(const order_answer& answer) {
    CHECK(orders == 0);
    REQUIRE_FALSE(answer);
    return answer.error().code;
  }

  actor_stand stand;
  node_actor node;
  stop_desk_actor desk;
  front_setup setup;
  caf::actor client;
  std::string waits_for;
  int orders = 0;
};

} // namespace

TEST_CASE("stop desk: an order is taken, and who gave it is told how the stop ended", "[actors]") {
  desk_stand s;
  auto taken = s.order();
  REQUIRE(taken);
  CHECK(s.orders == 1);
  auto reports = caf::actor_cast<stop_reports>(taken.value());
  auto early = s.world().request<stop_report>(reports, fetch_atom_v);
  s.world().drain();
  CHECK_FALSE(early.there());
  s.waits_for = "the writer";
  CHECK(s.world().ask<std::string>(reports, status_atom_v).value() == "the writer");
  auto farewell = s.world().request<bool>(s.desk, stop_report{"half"});
  s.world().run_until([&] { return early.there(); }, 100ms);
  CHECK(early.value().left_over == "half");
  auto late = s.world().request<stop_report>(reports, fetch_atom_v);
  s.world().run_until([&] { return late.there(); }, 100ms);
  CHECK(late.value().left_over == "half");
  CHECK_FALSE(farewell.there()); // the client may still be about to ask
  s.world().kill(s.client);
  s.world().run_until([&] { return farewell.there(); }, 100ms);
  CHECK(farewell.value());
}

TEST_CASE("stop desk: a client that stays does not keep the process", "[actors]") {
  desk_stand s;
  REQUIRE(s.order());
  auto before = s.world().now();
  auto farewell = s.world().request<bool>(s.desk, stop_report{});
  s.world().run_until([&] { return farewell.there(); }, 10s);
  CHECK_FALSE(farewell.value());
  CHECK(s.world().now() - before >= 2s);
}

TEST_CASE("stop desk: without an order nobody is waited for", "[actors]") {
  desk_stand s;
  auto farewell = s.world().request<bool>(s.desk, stop_report{});
  s.world().run_until([&] { return farewell.there(); }, 100ms);
  CHECK(farewell.value());
}

TEST_CASE("front: orders to stop that are refused", "[actors]") {
  desk_stand s;
  CHECK(s.refusal(s.order("n2")) == errc::invalid_argument);
  CHECK(s.refusal(s.order("n1", "other")) == errc::version_mismatch);
  CHECK(s.refusal(s.order("n1", "shop", protocol_version + 1)) == errc::version_mismatch);
  s.setup.may_stop = [](const caf::node_id&) { return false; };
  auto stranger = s.order();
  CHECK(s.refusal(stranger) == errc::invalid_argument);
  CHECK(stranger.error().message.find("remote-stop") != std::string::npos);
  s.setup.may_stop = {};
  CHECK(s.refusal(s.order()) == errc::invalid_argument);
  s.setup.stop_desk = stop_desk_actor{};
  CHECK(s.refusal(s.order()) == errc::unavailable);
}

TEST_CASE("front: an order may leave open which node and cluster it means", "[actors]") {
  desk_stand s;
  CHECK(s.order("", ""));
  CHECK(s.orders == 1);
}
