// Over loopback: each node is an actor system of its own, with the guarded actor port.
#include "actors/front.hpp"
#include "net/actor_port/actor_port.hpp"
#include "net/client.hpp"
#include "net/switchboard.hpp"
#include "net/tls/tls_context.hpp"
#include "tests/net/links/cable.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/certificates.hpp"
#include "tests/support/comes_true.hpp"
#include "tests/support/temporary_directory.hpp"

#include <chrono>
#include <map>
#include <mutex>

using namespace troupe;
using namespace troupe::test;
using namespace std::chrono_literals;

namespace {

/// What a node knows of its peers' roles.
class known_peers {
public:
  void up(const peer_up& u) {
    std::lock_guard lock(mutex_);
    known_[u.node] = u;
    ++ups_;
  }
  void down(const peer_down& d) {
    std::lock_guard lock(mutex_);
    known_.erase(d.node);
    ++downs_;
  }
  std::optional<peer_up> of(const std::string& node) {
    std::lock_guard lock(mutex_);
    auto found = known_.find(node);
    return found == known_.end() ? std::nullopt : std::optional(found->second);
  }
  int downs() {
    std::lock_guard lock(mutex_);
    return downs_;
  }

private:
  std::mutex mutex_;
  std::map<std::string, peer_up> known_;
  int ups_ = 0;
  int downs_ = 0;
};

class exposed_actors {
public:
  void add(const caf::strong_actor_ptr& who) {
    std::lock_guard lock(mutex_);
    last_ = who;
  }
  caf::strong_actor_ptr last() {
    std::lock_guard lock(mutex_);
    return last_;
  }

private:
  std::mutex mutex_;
  caf::strong_actor_ptr last_;
};

/// Counts what it is told; adds its number to what it is asked.
caf::behavior role_of(caf::event_based_actor*, std::int32_t number,
                      std::shared_ptr<std::atomic<int>> told) {
  return {[number](std::int32_t x) { return x + number; }, [told](const std::string&) { ++*told; }};
}

/// Null without files.
std::shared_ptr<const net::tls_context> tls_of(const net::tls_files& files) {
  if (!files.given())
    return nullptr;
  auto loaded = net::tls_context::load(files, net::tls_use::node);
  REQUIRE(loaded);
  return loaded.value();
}

/// A process of the store, within this one.
class store_node {
public:
  store_node(std::string name, std::uint64_t incarnation, std::uint16_t port,
             std::vector<net::link_peer> peers, std::int32_t number,
             const net::tls_files& files = {})
      : name_(std::move(name)) {
    client::configure(config_);
    system_ = std::make_unique<caf::actor_system>(config_);
    listener_ =
        system_->spawn([known = known_](link_listener::pointer) -> link_listener::behavior_type {
          return {[known](const peer_up& u) { known->up(u); },
                  [known](const peer_down& d) { known->down(d); }};
        });
    auto tls = tls_of(files);
    auto gate = std::make_shared<std::weak_ptr<net::actor_gate>>();
    net::switchboard_setup setup;
    setup.cluster = "shop";
    setup.node = name_;
    setup.incarnation = incarnation;
    setup.peers = std::move(peers);
    setup.listener = listener_;
    setup.make_dialer = net::socket_dialers(*system_, 1s, tls);
    setup.expose = [gate, all = exposed_](const caf::strong_actor_ptr& who) {
      all->add(who);
      if (auto there = gate->lock())
        there->expose_to_trusted(who);
    };
    setup.trust = [gate](const caf::node_id& who) {
      if (auto there = gate->lock())
        there->trust(who);
    };
    front_setup door;
    door.node_name = name_;
    door.cluster = "shop";
    // The gate is there before the switchboard, and the switchboard before the front.
    auto first = system_->spawn(front, door);
    auto opened = net::actor_port::open(*system_, {}, "127.0.0.1", port, first, true, tls);
    REQUIRE(opened);
    port_ = std::make_unique<net::actor_port>(std::move(opened).value());
    *gate = port_->gate();
    board_ = net::spawn_switchboard(*system_, setup);
    door.peers = caf::actor_cast<peer_service>(board_);
    front_ = system_->spawn(front, door);
    port_->gate()->set_front(caf::actor_cast<caf::strong_actor_ptr>(front_));
    caf::anon_send_exit(first, caf::exit_reason::kill);
    offer(number);
  }
  ~store_node() {
    // As a process that dies: nothing is said.
    for (auto& who : {caf::actor_cast<caf::actor>(board_), caf::actor_cast<caf::actor>(front_),
                      caf::actor_cast<caf::actor>(listener_), role_})
      caf::anon_send_exit(who, caf::exit_reason::kill);
    port_->close(*system_);
  }

  void offer(std::int32_t number) {
    if (role_)
      caf::anon_send_exit(role_, caf::exit_reason::kill);
    role_ = system_->spawn(role_of, number, told_);
    caf::anon_send(board_, role_offer{{{"adder", caf::actor_cast<caf::strong_actor_ptr>(role_)}}});
  }

  /// Null when the peer is away.
  caf::actor role(const std::string& node) {
    auto known = known_->of(node);
    return known && !known->roles.empty() ? caf::actor_cast<caf::actor>(known->roles[0].port)
                                          : nullptr;
  }
  template <class... Arguments>
  std::int32_t ask(const caf::actor& whom, Arguments... arguments) {
    std::int32_t result = -1;
    if (whom)
      self()
          ->request(whom, 1s, arguments...)
          .receive([&](std::int32_t x) { result = x; }, [](const caf::error&) {});
    return result;
  }
  bool reaches(const std::string& node, std::int32_t number) {
    return comes_true([&] { return ask(role(node), std::int32_t{1}) == number + 1; });
  }
  caf::scoped_actor& self() {
    if (!self_)
      self_ = std::make_unique<caf::scoped_actor>(*system_);
    return *self_;
  }
  /// The framework here would find the actor for a message.
  bool keeps(const caf::strong_actor_ptr& ours) {
    return system_->registry().get(ours->id()) != nullptr;
  }
  /// What the peer was given last.
  caf::strong_actor_ptr newest_port() { return exposed_->last(); }
  std::uint16_t port() const { return port_->port(); }
  int told() const { return *told_; }
  known_peers& known() { return *known_; }
  const net::switchboard_actor& board() const { return board_; }

private:
  std::string name_;
  caf::actor_system_config config_;
  std::shared_ptr<known_peers> known_ = std::make_shared<known_peers>();
  std::shared_ptr<exposed_actors> exposed_ = std::make_shared<exposed_actors>();
  std::shared_ptr<std::atomic<int>> told_ = std::make_shared<std::atomic<int>>(0);
  std::unique_ptr<caf::actor_system> system_;
  std::unique_ptr<caf::scoped_actor> self_;
  link_listener listener_;
  std::unique_ptr<net::actor_port> port_;
  net::switchboard_actor board_;
  front_actor front_;
  caf::actor role_;
};

} // namespace

TEST_CASE("links: nodes meet over sockets, and ask each other's roles both ways", "[links]") {
  store_node c("c", 3, 0, {{"a", "", 0}, {"b", "", 0}}, 300);
  store_node b("b", 2, 0, {{"a", "", 0}, {"c", "127.0.0.1", c.port()}}, 200);
  store_node a("a", 1, 0, {{"b", "127.0.0.1", b.port()}, {"c", "127.0.0.1", c.port()}}, 100);
  CHECK(a.reaches("b", 200));
  CHECK(a.reaches("c", 300));
  CHECK(b.reaches("a", 100)); // over the connection that a dialled
  CHECK(b.reaches("c", 300));
  CHECK(c.reaches("a", 100));
  CHECK(c.reaches("b", 200));
  CHECK(a.known().of("b")->incarnation == 2);
  CHECK(b.known().of("a")->incarnation == 1);
  // Handles of a node come from that node, so that no third one stands between.
  CHECK(a.known().downs() + b.known().downs() + c.known().downs() <= 4); // offers at the start
}

TEST_CASE("links: a node that dies and comes back is met again as another one", "[links]") {
  auto b = std::make_unique<store_node>("b", 2, 0,
                                        std::vector<net::link_peer>{{"a", "127.0.0.1", 1}}, 200);
  auto port = b->port();
  store_node a("a", 1, 0, {{"b", "127.0.0.1", port}}, 100);
  REQUIRE(a.reaches("b", 200));
  auto old_role = a.role("b");
  b.reset();
  CHECK(comes_true([&] { return !a.known().of("b"); }, 1s));
  CHECK(a.ask(old_role, std::int32_t{1}) == -1);
  b = std::make_unique<store_node>("b", 22, port,
                                   std::vector<net::link_peer>{{"a", "127.0.0.1", 1}}, 220);
  CHECK(a.reaches("b", 220));
  CHECK(b->reaches("a", 100));
  CHECK(a.known().of("b")->incarnation == 22);
  a.self()->send(old_role, std::string{"late"});
  a.self()->send(a.role("b"), std::string{"in time"});
  CHECK(comes_true([&] { return b->told() == 1; }));
  CHECK(a.ask(old_role, std::int32_t{1}) == -1);
  CHECK(b->told() == 1);
}

TEST_CASE("links: the dialling node too may die and come back", "[links]") {
  store_node b("b", 2, 0, {{"a", "", 0}}, 200);
  auto a = std::make_unique<store_node>(
      "a", 1, 0, std::vector<net::link_peer>{{"b", "127.0.0.1", b.port()}}, 100);
  REQUIRE(b.reaches("a", 100));
  a.reset();
  CHECK(comes_true([&] { return !b.known().of("a"); }, 1s));
  a = std::make_unique<store_node>("a", 11, 0,
                                   std::vector<net::link_peer>{{"b", "127.0.0.1", b.port()}}, 110);
  CHECK(b.reaches("a", 110));
  CHECK(a->reaches("b", 200));
  CHECK(b.known().of("a")->incarnation == 11);
}

TEST_CASE("links: what is sent into a port of an older link is not delivered", "[links]") {
  store_node b("b", 2, 0, {{"a", "", 0}}, 200);
  store_node a("a", 1, 0, {{"b", "127.0.0.1", b.port()}}, 100);
  REQUIRE(a.reaches("b", 200));
  REQUIRE(b.reaches("a", 100));
  auto old_at_a = a.role("b");
  auto old_at_b = b.role("a");
  auto old_port = b.newest_port();
  a.offer(101); // b's role stays the same
  REQUIRE(b.reaches("a", 101));
  REQUIRE(a.reaches("b", 200));
  a.self()->send(old_at_a, std::string{"late"});
  b.self()->send(old_at_b, std::string{"late"});
  a.self()->send(a.role("b"), std::string{"in time"});
  CHECK(comes_true([&] { return b.told() == 1; }));
  CHECK(a.ask(old_at_a, std::int32_t{1}) == -1);
  CHECK(a.ask(a.role("b"), std::int32_t{1}) == 201);
  CHECK(b.ask(b.role("a"), std::int32_t{1}) == 102);
  CHECK(b.told() == 1);
  CHECK(a.told() == 0);
  // And the framework, which keeps every actor whose handle it has sent, has let it go.
  CHECK(b.keeps(b.newest_port()));
  CHECK_FALSE(b.keeps(old_port));
}

TEST_CASE("links: ports are for peers: a client does not reach them", "[links]") {
  store_node b("b", 2, 0, {{"a", "", 0}}, 200);
  store_node a("a", 1, 0, {{"b", "127.0.0.1", b.port()}}, 100);
  REQUIRE(a.reaches("b", 200));
  auto port_of_b = b.newest_port();
  caf::actor_system_config config;
  client::configure(config);
  caf::actor_system stranger(config);
  auto front = stranger.middleman().remote_actor<front_actor>("127.0.0.1", b.port());
  REQUIRE(front);
  // The handle that the framework makes of a number that was guessed.
  auto& broker = *dynamic_cast<caf::io::basp_broker*>(caf::actor_cast<caf::abstract_actor*>(
      stranger.middleman().named_broker<caf::io::basp_broker>(caf::atom("BASP"))));
  auto guessed = broker.proxies().get_or_put(port_of_b->node(), port_of_b->id());
  REQUIRE(guessed);
  caf::scoped_actor self(stranger);
  bool refused = false;
  self->request(caf::actor_cast<caf::actor>(guessed), 2s, std::int32_t{1})
      .receive([](std::int32_t) {},
               [&](const caf::error& why) { refused = why == caf::sec::request_receiver_down; });
  CHECK(refused);
  // Nor does a hello of somebody who is no node of the store make it one.
  // Nor one that brings the actors of another process.
  auto of_b = caf::actor_cast<caf::strong_actor_ptr>(*front);
  for (auto& h : {peer_hello{protocol_version, "shop", "mallory", "b", 1, 1, {}, of_b, {}},
                  peer_hello{protocol_version, "shop", "a", "b", 77, 1, {}, of_b, {}}})
    self->request(caf::actor_cast<peer_service>(*front), 2s, h)
        .receive(
            [](const peer_welcome&) { FAIL("welcome"); },
            [](const caf::error& why) { CHECK(from_caf(why).code == errc::invalid_argument); });
  refused = false;
  self->request(caf::actor_cast<caf::actor>(guessed), 2s, std::int32_t{1})
      .receive([](std::int32_t) {},
               [&](const caf::error& why) { refused = why == caf::sec::request_receiver_down; });
  CHECK(refused);
  CHECK(a.reaches("b", 200));
}

TEST_CASE("links: a silent wire is noticed by both ends, and what was under way is not delivered",
          "[links]") {
  store_node b("b", 2, 0, {{"a", "", 0}}, 200);
  cable wire(b.port());
  store_node a("a", 1, 0, {{"b", "127.0.0.1", wire.port()}}, 100);
  REQUIRE(a.reaches("b", 200));
  REQUIRE(b.reaches("a", 100));
  wire.hold();
  for (int i = 0; i < 100; ++i) {
    a.self()->send(a.role("b"), std::string{"late"});
    b.self()->send(b.role("a"), std::string{"late"});
  }
  CHECK(comes_true([&] { return !a.known().of("b") && !b.known().of("a"); }, 4s));
  wire.release();
  CHECK(a.reaches("b", 200));
  CHECK(b.reaches("a", 100));
  CHECK(a.told() == 0);
  CHECK(b.told() == 0);
}

TEST_CASE("links: the end that heard nothing of a broken connection is told by the next hello",
          "[links]") {
  store_node b("b", 2, 0, {{"a", "", 0}}, 200);
  cable wire(b.port());
  store_node a("a", 1, 0, {{"b", "127.0.0.1", wire.port()}}, 100);
  REQUIRE(a.reaches("b", 200));
  REQUIRE(b.reaches("a", 100));
  auto downs = b.known().downs();
  auto link = b.known().of("a")->link;
  wire.cut_dialling_end();
  CHECK(comes_true([&] {
    auto now = b.known().of("a");
    return now && now->link > link;
  }));
  CHECK(b.known().downs() == downs + 1);
  CHECK(a.reaches("b", 200));
  CHECK(b.reaches("a", 100));
  // The old connection ends by its time-out, and takes nothing with it.
  CHECK(comes_true([&] { return wire.cut_line_ended(); }));
  CHECK(b.known().downs() == downs + 1);
  CHECK(b.reaches("a", 100));
}

TEST_CASE("links: with TLS nodes of one authority meet, are lost and meet again", "[links]") {
  temporary_directory directory;
  certificate_authority authority(directory.path());
  auto files = authority.issue("b");
  auto b = std::make_unique<store_node>("b", 2, 0, std::vector<net::link_peer>{{"a", "", 0}}, 200,
                                        files);
  auto port = b->port();
  store_node a("a", 1, 0, {{"b", "127.0.0.1", port}}, 100, authority.issue("a"));
  REQUIRE(a.reaches("b", 200));
  REQUIRE(b->reaches("a", 100));
  for (int i = 0; i < 1000; ++i)
    a.self()->send(a.role("b"), std::string(10'000, 'x'));
  CHECK(comes_true([&] { return b->told() == 1000; }));
  b.reset();
  CHECK(comes_true([&] { return !a.known().of("b"); }, 1s));
  b = std::make_unique<store_node>("b", 22, port, std::vector<net::link_peer>{{"a", "", 0}}, 220,
                                   files);
  CHECK(a.reaches("b", 220));
  CHECK(b->reaches("a", 100));
}

TEST_CASE("links: a silent wire under TLS is noticed, and what was under way is not delivered",
          "[links]") {
  temporary_directory directory;
  certificate_authority authority(directory.path());
  store_node b("b", 2, 0, {{"a", "", 0}}, 200, authority.issue("b"));
  cable wire(b.port());
  store_node a("a", 1, 0, {{"b", "127.0.0.1", wire.port()}}, 100, authority.issue("a"));
  REQUIRE(a.reaches("b", 200));
  wire.hold();
  a.self()->send(a.role("b"), std::string{"late"});
  CHECK(comes_true([&] { return !a.known().of("b") && !b.known().of("a"); }, 4s));
  wire.release();
  CHECK(a.reaches("b", 200));
  CHECK(b.reaches("a", 100));
  CHECK(b.told() == 0);
}

TEST_CASE("links: a node of another authority, or without TLS, is no peer", "[links]") {
  temporary_directory directory;
  certificate_authority authority(directory.path());
  certificate_authority other(directory.path(), "other");
  store_node b("b", 2, 0, {{"a", "", 0}}, 200, authority.issue("b"));
  store_node foreign("a", 1, 0, {{"b", "127.0.0.1", b.port()}}, 100, other.issue("a"));
  store_node plain("a", 1, 0, {{"b", "127.0.0.1", b.port()}}, 100);
  std::this_thread::sleep_for(3s); // several dials
  for (auto* one : {&foreign, &plain})
    CHECK_FALSE(one->known().of("b"));
  CHECK_FALSE(b.known().of("a"));
  store_node a("a", 1, 0, {{"b", "127.0.0.1", b.port()}}, 100, authority.issue("a"));
  CHECK(a.reaches("b", 200));
}
