#include "net/actor_port/actor_port.hpp"

#include "tests/net/actor_port/frames.hpp"
#include "tests/net/actor_port/open_node.hpp"
#include "tests/support/comes_true.hpp"

#include <atomic>
#include <chrono>
#include <functional>
#include <optional>
#include <thread>
#include <vector>

using namespace troupe;
using namespace troupe::test;
using namespace std::chrono_literals;

namespace {

/// Dials as a client does, and gives the front.
caf::strong_actor_ptr front_of(caf::actor_system& system, std::uint16_t port) {
  auto reached = system.middleman().remote_actor<front_actor>("127.0.0.1", port);
  REQUIRE(reached);
  return caf::actor_cast<caf::strong_actor_ptr>(*reached);
}

/// A RocketMQ client that asks for a route; its connection.
stranger rocketmq_client(std::uint16_t port) {
  std::string header = R"({"code":105,"language":"JAVA","version":407,"opaque":1,"flag":0,)"
                       R"("extFields":{"topic":"TBW102"}})";
  auto length = [](std::size_t n) { return number_bytes(n).substr(4); };
  stranger client(port);
  client.send(length(4 + header.size()) + length(header.size()) + header);
  return client;
}

/// Ends the keeper of a door, and waits until the node has noticed.
void end_keeper(open_node& node, const std::string& role, const caf::error& reason) {
  auto deaths = node.log.count("role.died role=" + role);
  auto who = node.node->keeper(role);
  REQUIRE(who);
  caf::anon_send(caf::actor_cast<caf::actor>(who),
                 caf::exit_msg{caf::actor_cast<caf::actor_addr>(who), reason});
  REQUIRE(comes_true([&] { return node.log.count("role.died role=" + role) > deaths; }, 1s));
}

/// As ends that come from outside, and as those of an exception that nobody caught.
const std::initializer_list<caf::error> ends = {caf::exit_reason::kill,
                                                caf::make_error(caf::sec::runtime_error)};

errc hello(caf::scoped_actor& self, const caf::strong_actor_ptr& front,
           caf::strong_actor_ptr* session = nullptr) {
  errc code = errc::none;
  self->request(caf::actor_cast<front_actor>(front), 5s, hello_atom_v, protocol_version,
                std::string{}, std::string{})
      .receive(
          [&](const caf::strong_actor_ptr& given, const welcome&) {
            if (session != nullptr)
              *session = given;
          },
          [&](const caf::error& why) { code = from_caf(why).code; });
  return code;
}

} // namespace

TEST_CASE("actor port: bytes of strangers end their connection, not the node", "[actor-port]") {
  open_node node;
  good_client client(node.at.actor_port);
  REQUIRE(client.served());
  auto port = node.at.actor_port;
  auto greet = greeting(program(default_kind(*client.system), 5));
  auto before = most_memory_kib();
  CHECK(is_cut_at_once(port, bytes_of({.operation = handshake})));
  CHECK(is_cut_at_once(port, bytes_of({.operation = 0, .data = 3})));
  CHECK(is_cut_at_once(port, bytes_of({.operation = handshake, .length = 2u << 30})));
  auto announced = greet + bytes_of({.operation = message,
                                     .length = 2u << 30,
                                     .data = ordinary,
                                     .source = 7,
                                     .destination = 1});
  CHECK(is_cut_at_once(port, announced));
  CHECK(is_cut_at_once(port, std::string(100'000, 'x')));
  // What may be long is not taken before it has come.
  std::vector<stranger> holders;
  for (std::uint64_t i = 0; i < 20; ++i) {
    holders.emplace_back(port);
    holders.back().send(greeting(program(default_kind(*client.system), 100 + i)) +
                        bytes_of({.operation = message,
                                  .length = max_block_bytes,
                                  .data = ordinary,
                                  .source = 7,
                                  .destination = 1}));
  }
  CHECK(client.served());
  CHECK(most_memory_kib() < before + (100u << 10));
}

TEST_CASE("actor port: those who say nothing are closed, and others are served", "[actor-port]") {
  net::cluster_config with;
  with.actor_port.greeting_time = 1s;
  open_node node(with);
  good_client client(node.at.actor_port);
  REQUIRE(client.served());
  std::vector<stranger> crowd;
  for (int i = 0; i < 300; ++i) {
    crowd.emplace_back(node.at.actor_port);
    crowd.back().send("\1\1\1");
  }
  CHECK(client.served());
  CHECK(crowd.back().ends_within(500ms)); // no room for so many of one address
  CHECK(node.log.count("actor_port.full") == 1);
  for (auto& silent : crowd)
    REQUIRE(silent.ends_within(3s));
  good_client next(node.at.actor_port);
  CHECK(next.served());
}

TEST_CASE("actor port: who asks on and on and reads no answer is cut", "[actor-port]") {
  net::cluster_config with;
  with.actor_port.unread_bytes = 64 * storage::kib;
  open_node node(with);
  good_client client(node.at.actor_port);
  REQUIRE(client.served());
  stranger deaf(node.at.actor_port);
  deaf.send(greeting(program(default_kind(*client.system), 5)));
  std::string questions;
  for (std::uint64_t i = 1; i <= 1000; ++i)
    questions += message_to(node.node->keeper("front")->id(), content("@none", ""), ordinary | i);
  auto is_cut = [&] { return node.log.count("answers that are not read") == 1; };
  for (int round = 0; round < 500 && !is_cut(); ++round) // far more than the sockets hold
    deaf.send(questions);
  CHECK(is_cut());
  CHECK(deaf.ends_within(2s));
  CHECK(client.served());
}

TEST_CASE("actor port: exits and links from outside end nobody", "[actor-port]") {
  open_node node;
  good_client client(node.at.actor_port);
  REQUIRE(client.served());
  CHECK(node.log.count("actor_port.dropped") == 0); // a client that behaves sends nothing odd
  program_of_its_own hostile;
  auto front = front_of(*hostile.system, node.at.actor_port);
  caf::scoped_actor self{*hostile.system};
  caf::strong_actor_ptr session;
  REQUIRE(hello(self, front, &session) == errc::none);
  for (auto& whom : {front, session})
    caf::anon_send_exit(whom, caf::exit_reason::kill);
  CHECK(hello(self, front) == errc::none); // behind the exits, on the same connection
  CHECK(node.log.count("actor_port.dropped") == 1);
  CHECK(node.log.count("actor_port.cut") == 0);
  // A link travels as a message to pass on, in the name of another actor: the connection is cut.
  // The hostile framework then drops what is sent to its handles, without an answer.
  for (auto& whom : {front, session}) {
    auto victim = hostile.system->spawn([whom](caf::event_based_actor* x) -> caf::behavior {
      x->link_to(caf::actor_cast<caf::actor>(whom));
      return {[](retry_atom) {}};
    });
    CHECK(comes_true([&] { return node.log.count("actor_port.cut") == 1; }));
    caf::anon_send_exit(victim, caf::exit_reason::kill);
  }
  CHECK(client.served());
  good_client next(node.at.actor_port); // comes in through the front
  CHECK(next.served());
  CHECK(node.log.count("role.died") == 0);
}

TEST_CASE("actor port: the framework's own servers and the node's inside are not reached",
          "[actor-port]") {
  open_node node;
  program_of_its_own hostile;
  auto front = front_of(*hostile.system, node.at.actor_port);
  caf::scoped_actor self{*hostile.system};
  auto made = hostile.system->middleman().remote_spawn<caf::actor>(
      front->node(), "anything", caf::make_message(), caf::duration{5s});
  REQUIRE_FALSE(made);
  CHECK(made.error() == caf::sec::request_receiver_down);
  caf::strong_actor_ptr session;
  REQUIRE(hello(self, front, &session) == errc::none);
  // Only the node tells a session who plays which role.
  caf::anon_send(caf::actor_cast<caf::actor>(session), role_table{});
  bool served = false;
  self->request(caf::actor_cast<store_service>(session), 5s, list_atom_v)
      .receive([&](const topic_list&) { served = true; }, [](const caf::error&) {});
  CHECK(served);
}

TEST_CASE("actor port: one program has few sessions, one client one", "[actor-port]") {
  net::cluster_config with;
  with.options.session.sessions = 20;
  open_node node(with);
  program_of_its_own hostile;
  auto front = front_of(*hostile.system, node.at.actor_port);
  caf::scoped_actor self{*hostile.system};
  caf::strong_actor_ptr first;
  caf::strong_actor_ptr last;
  REQUIRE(hello(self, front, &first) == errc::none);
  for (int i = 0; i < 200; ++i)
    REQUIRE(hello(self, front, &last) == errc::none);
  CHECK(first == last);
  std::vector<std::unique_ptr<caf::scoped_actor>> many;
  std::size_t granted = 0;
  for (int i = 0; i < 40; ++i) {
    many.push_back(std::make_unique<caf::scoped_actor>(*hostile.system));
    granted += hello(*many.back(), front) == errc::none ? 1 : 0;
  }
  CHECK(granted == 15);
  CHECK(node.log.count("session.refused") == 1);
  for (int i = 0; i < 50; ++i) // without a sender
    caf::anon_send(caf::actor_cast<front_actor>(front), hello_atom_v, protocol_version,
                   std::string{}, std::string{});
  good_client other(node.at.actor_port);
  CHECK(other.served());
}

TEST_CASE("doors: a gateway that ends takes its connections along and is replaced",
          "[actor-port]") {
  open_node node;
  for (auto& reason : ends) {
    auto before = rocketmq_client(node.at.remoting_port);
    REQUIRE(before.hears_within(1s));
    end_keeper(node, "gateway", reason);
    CHECK(before.ends_within(1s));
    CHECK(rocketmq_client(node.at.remoting_port).hears_within(1s));
  }
  CHECK(node.log.count("role.died role=gateway") == 2);
  for (int death = 2; death < 6; ++death)
    end_keeper(node, "gateway", caf::exit_reason::kill);
  CHECK(comes_true([&] { return node.log.count("role.stopped role=gateway") == 1; }, 1s));
  CHECK(rocketmq_client(node.at.remoting_port).ends_within(1s));
  CHECK_FALSE(node.node->keeper("gateway"));
  good_client other(node.at.actor_port); // the other door stays open
  CHECK(other.served());
}

TEST_CASE("doors: a front that ends is replaced, and its clients go on", "[actor-port]") {
  open_node node;
  good_client before(node.at.actor_port);
  REQUIRE(before.served());
  for (auto& reason : ends) {
    end_keeper(node, "front", reason);
    CHECK(before.served());
    auto start = clock_type::now();
    good_client next(node.at.actor_port);
    CHECK(next.served());
    CHECK(clock_type::now() - start < 1s);
  }
  for (int death = 2; death < 6; ++death)
    end_keeper(node, "front", caf::exit_reason::kill);
  CHECK(comes_true([&] { return node.log.count("role.stopped role=front") == 1; }, 1s));
  CHECK(stranger(node.at.actor_port).ends_within(1s));
  CHECK(before.served()); // a session does not need the front
  CHECK(rocketmq_client(node.at.remoting_port).hears_within(1s));
}

namespace {

storage::result<caf::strong_actor_ptr> order_stop(caf::scoped_actor& self, std::uint16_t port) {
  storage::result<caf::strong_actor_ptr> got = storage::error{errc::unavailable, "no answer"};
  auto door = self->system().middleman().remote_actor<front_actor>("127.0.0.1", port);
  REQUIRE(door);
  self->request(*door, 5s, stop_atom_v, protocol_version, std::string{}, std::string{"n"})
      .receive([&](const caf::strong_actor_ptr& who) { got = who; },
               [&](const caf::error& why) { got = from_caf(why); });
  return got;
}

} // namespace

TEST_CASE("doors: an order to stop comes in, and how that ended goes out", "[actor-port]") {
  std::atomic<int> orders{0};
  open_node node({}, [&] { ++orders; });
  auto program = std::make_unique<program_of_its_own>();
  auto self = std::make_unique<caf::scoped_actor>(*program->system);
  auto desk = order_stop(*self, node.at.actor_port);
  REQUIRE(desk);
  CHECK(orders == 1);
  auto reports = caf::actor_cast<stop_reports>(desk.value());
  std::optional<stop_report> told;
  // What else the desk takes is not for clients.
  caf::anon_send(caf::actor_cast<stop_desk_actor>(desk.value()), stop_report{"a lie"});
  std::jthread stops([&] {
    auto began = clock_type::now();
    CHECK(node.node->stop());
    CHECK(clock_type::now() - began < 1900ms); // and not the time that it waits for us at most
    node.node.reset();
  });
  (*self)
      ->request(reports, 10s, fetch_atom_v)
      .receive([&](const stop_report& report) { told = report; }, [](const caf::error&) {});
  REQUIRE(told);
  CHECK(told->left_over.empty());
  desk = storage::error{};
  reports = stop_reports{};
  self.reset();
  program.reset();
  stops.join();
}

TEST_CASE("doors: a node that nobody stops so takes no order", "[actor-port]") {
  open_node node;
  program_of_its_own program;
  caf::scoped_actor self{*program.system};
  auto desk = order_stop(self, node.at.actor_port);
  REQUIRE_FALSE(desk);
  CHECK(desk.error().code == errc::unavailable);
}

TEST_CASE("doors: it is known from where a program is connected", "[actor-port]") {
  program_of_its_own here;
  auto door = here.system->spawn([](front_actor::pointer) -> front_actor::behavior_type {
    return {[](hello_atom, std::uint32_t, const std::string&,
               const std::string&) -> caf::result<caf::strong_actor_ptr, welcome> {
              return make_caf_error(errc::busy, "no sessions here");
            },
            [](peer_hello&) -> caf::result<peer_welcome> {
              return make_caf_error(errc::busy, "no links here");
            },
            [](stop_atom, std::uint32_t, const std::string&,
               const std::string&) -> caf::result<caf::strong_actor_ptr> {
              return make_caf_error(errc::busy, "it goes on");
            }};
  });
  auto port = net::actor_port::open(*here.system, {}, "127.0.0.1", 0, door);
  REQUIRE(port);
  auto gate = port.value().gate();
  program_of_its_own there;
  CHECK(gate->address_of(there.system->node()).empty());
  caf::scoped_actor self{*there.system};
  CHECK_FALSE(order_stop(self, port.value().port()));
  CHECK(gate->address_of(there.system->node()) == "127.0.0.1");
  CHECK(gate->address_of(here.system->node()).empty());
  port.value().close(*here.system);
  caf::anon_send_exit(door, caf::exit_reason::kill);
}
