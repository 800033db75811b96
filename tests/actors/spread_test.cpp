// One store in several processes of a simulated world: placements, ends and broken links are drawn.

#include "actors/link_messages.hpp"
#include "actors/node.hpp"
#include "sim/random.hpp"
#include "storage/logging.hpp"
#include "storage/store.hpp"
#include "tests/support/actor_stand.hpp"
#include "tests/support/catch.hpp"

#include <caf/actor_proxy.hpp>
#include <caf/binary_deserializer.hpp>
#include <caf/binary_serializer.hpp>

#include <cstdlib>
#include <map>
#include <memory>
#include <set>

using namespace troupe;
using namespace troupe::test;
using namespace std::chrono_literals;

namespace {

/// Two processes that can reach each other, until the wire is cut.
struct wire {
  explicit wire(caf::actor_system& s) : system(s) {}

  caf::actor_system& system;
  bool whole = true;
  /// By actor: what the other end has in its place.
  std::map<caf::actor_id, caf::strong_actor_ptr> ports;

  caf::strong_actor_ptr port(const caf::strong_actor_ptr& of, const caf::node_id& process,
                             const caf::node_id& other, const std::shared_ptr<wire>& self);
};

/// An actor of another process. Each message crosses as bytes; what comes when the wire is cut is
/// lost, and whoever asked hears nothing.
class remote_port final : public caf::actor_proxy {
public:
  remote_port(caf::actor_config& config, std::shared_ptr<wire> through, caf::strong_actor_ptr to,
              caf::node_id there, caf::node_id here)
      : actor_proxy(config), wire_(std::move(through)), to_(std::move(to)),
        there_(std::move(there)), here_(std::move(here)) {}

  void enqueue(caf::mailbox_element_ptr what, caf::execution_unit*) override {
    if (!wire_->whole || what->content().match_elements<caf::exit_msg>())
      return;
    auto content = what->move_content_to_message();
    std::vector<char> bytes;
    caf::binary_serializer sink{wire_->system, bytes};
    if (sink(content))
      throw std::runtime_error("a message cannot leave its process: " + to_string(content));
    caf::message arrived;
    caf::binary_deserializer source{wire_->system, bytes};
    if (source(arrived) || arrived.size() != content.size())
      throw std::runtime_error("a message does not arrive: " + to_string(content));
    auto sender = what->sender ? wire_->port(what->sender, here_, there_, wire_) : nullptr;
    to_->enqueue(caf::make_mailbox_element(std::move(sender), what->mid, {}, std::move(arrived)),
                 nullptr);
  }
  void kill_proxy(caf::execution_unit* unit, caf::error why) override {
    cleanup(std::move(why), unit);
  }

private:
  std::shared_ptr<wire> wire_;
  caf::strong_actor_ptr to_;
  caf::node_id there_; ///< where `to_` is
  caf::node_id here_;  ///< where the port is
};

caf::strong_actor_ptr wire::port(const caf::strong_actor_ptr& of, const caf::node_id& process,
                                 const caf::node_id& other, const std::shared_ptr<wire>& self) {
  auto& made = ports[of->id()];
  if (!made) {
    caf::actor_config config;
    made = caf::make_actor<remote_port, caf::strong_actor_ptr>(
        system.next_actor_id(), process, &system, config, self, of, process, other);
  }
  return made;
}

/// The processes of one store. Their disk is one machine's: it survives all of them.
class spread_store {
public:
  spread_store(std::uint64_t seed, const std::vector<role_set>& placement) : stand(seed) {
    stand.options = small_options(stand.directory / "store");
    stand.options.store.flush =
        seed % 2 == 0 ? storage::flush_policy::sync : stand.options.store.flush;
    for (std::size_t i = 0; i < placement.size(); ++i) {
      auto& p = processes_.emplace_back();
      p.name = "n" + std::to_string(i);
      p.roles = placement[i];
      p.id = *caf::make_node_id(static_cast<std::uint32_t>(1000 + i), std::string(40, 'a'));
    }
  }
  ~spread_store() {
    for (std::size_t i = 0; i < processes_.size(); ++i)
      kill(i);
  }

  std::size_t count() const { return processes_.size(); }
  bool runs(std::size_t i) const { return processes_[i].node != nullptr; }

  void start(std::size_t i) {
    auto& p = processes_[i];
    node_setup setup{p.name, "shop", stand.options, &stand.files, &stand.clock, nullptr};
    if (p.roles.has(store_role::writer)) {
      p.store = std::make_shared<storage::opened_store>(
          storage::open_store(stand.files, stand.options.store, stand.clock).value());
      setup.store = p.store;
    }
    setup.roles = p.roles;
    setup.run = ++runs_;
    for (auto& other : processes_)
      if (other.name != p.name)
        setup.peers[other.name] = other.roles;
    stand.world.in_process(process_of(i),
                           [&] { p.node = stand.world.system().spawn(node, std::move(setup)); });
    p.board = caf::actor_cast<caf::strong_actor_ptr>(
        stand.world.play<caf::actor>([this, i](caf::event_based_actor*) {
          return caf::message_handler{[this, i](role_offer& all) { offered(i, all); },
                                      [](status_atom) { return link_report{}; }};
        }));
    stand.world.tell(p.node, attach_atom_v, p.board);
    stand.world.drain();
    for (std::size_t j = 0; j < count(); ++j)
      connect(i, j);
    stand.world.drain();
  }

  /// As `kill -9`.
  void kill(std::size_t i) {
    auto& p = processes_[i];
    if (!runs(i))
      return;
    for (std::size_t j = 0; j < count(); ++j)
      cut(i, j);
    p.node = nullptr;
    stand.world.kill_process(process_of(i));
    caf::anon_send_exit(std::exchange(p.board, nullptr), caf::exit_reason::kill);
    p.offer = {};
    p.session = nullptr;
    p.store.reset();
    stand.world.drain();
  }

  void connect(std::size_t i, std::size_t j) {
    if (i == j || !runs(i) || !runs(j) || wires_.count(std::minmax(i, j)) > 0)
      return;
    auto made = std::make_shared<wire>(stand.world.system());
    wires_[std::minmax(i, j)] = made;
    for (auto [from, to] : {std::pair{i, j}, std::pair{j, i}}) {
      auto& there = processes_[from];
      peer_up up{there.name, 1, ++links_, there.offer.roles};
      for (auto& role : up.roles)
        role.port = made->port(role.port, there.id, processes_[to].id, made);
      stand.world.tell(processes_[to].node, up);
    }
  }

  void cut(std::size_t i, std::size_t j) {
    auto found = wires_.find(std::minmax(i, j));
    if (found == wires_.end())
      return;
    found->second->whole = false;
    found->second->ports.clear();
    wires_.erase(found);
    for (auto [at, other] : {std::pair{i, j}, std::pair{j, i}})
      stand.world.tell(processes_[at].node, peer_down{processes_[other].name, "cut"});
  }

  /// A session at the door; null when it is away.
  session_actor door() {
    for (auto& p : processes_) {
      if (!p.roles.has(store_role::door) || !p.node)
        continue;
      if (!p.session) {
        auto opened = stand.world.ask<session_actor>(p.node, hello_atom_v, caf::strong_actor_ptr{});
        p.session = opened.value();
      }
      return p.session;
    }
    return {};
  }

  actor_stand stand;

private:
  struct process {
    std::string name;
    role_set roles;
    caf::node_id id;
    node_actor node;
    caf::strong_actor_ptr board;
    role_offer offer;
    session_actor session;
    std::shared_ptr<storage::opened_store> store = {};
  };

  static sim::process_id process_of(std::size_t i) { return static_cast<sim::process_id>(i + 1); }

  /// Links are made anew when what is offered changes.
  void offered(std::size_t i, const role_offer& all) {
    processes_[i].offer = all;
    for (std::size_t j = 0; j < count(); ++j)
      if (wires_.count(std::minmax(i, j)) > 0) {
        cut(i, j);
        connect(i, j);
      }
  }

  std::vector<process> processes_;
  std::map<std::pair<std::size_t, std::size_t>, std::shared_ptr<wire>> wires_;
  std::uint64_t links_ = 0;
  log_run runs_ = 0;
};

/// Each role at one of up to five processes.
std::vector<role_set> draw_placement(sim::random_source& random) {
  std::vector<role_set> all(static_cast<std::size_t>(random.between(2, 5)));
  for (auto role : every_role)
    all[random.below(all.size())].add(role);
  std::erase_if(all, [](const role_set& roles) { return roles.empty(); });
  return all;
}

/// Sends messages one by one, and remembers what became of them.
class ledger {
public:
  explicit ledger(spread_store& store) : store_(store) {}

  void put() {
    auto door = store_.door();
    if (!door)
      return;
    auto body = "m" + std::to_string(sent_++);
    pending_.emplace_back(body, store_.stand.world.request<put_response>(
                                    door, put_of("t", {{body + std::string(300, '.'), 0}})));
  }
  /// What is answered by now.
  void collect() {
    std::erase_if(pending_, [&](auto& one) {
      if (!one.second.there())
        return false;
      if (one.second.code() == errc::none && all_stored(one.second.value()))
        acknowledged.push_back(one.first);
      return true;
    });
  }

  std::vector<std::string> acknowledged;

private:
  spread_store& store_;
  int sent_ = 0;
  std::vector<std::pair<std::string, answer<put_response>>> pending_;
};

/// All of the queue, in its order, or why it cannot be read now.
storage::result<std::vector<std::string>> read_all(spread_store& store) {
  std::vector<std::string> bodies;
  pull_request request;
  request.topic = "t";
  request.max_messages = 1024;
  for (;;) {
    auto answer = store.stand.world.ask<pull_response>(store.door(), request);
    if (answer.code() != errc::none)
      return answer.get().error();
    auto& part = answer.value();
    if (part.status != pull_status::found)
      return bodies;
    for (auto& record : part.records) {
      auto message = read_back(record);
      CHECK(message.number == request.from++);
      bodies.push_back(message.body.substr(0, message.body.find('.')));
    }
    REQUIRE(part.next == request.from);
  }
}

/// All that was acknowledged is there, and nothing twice.
void check_complete(spread_store& store, const ledger& sent) {
  auto now = store.stand.world.ask<node_status>(store.door(), status_atom_v).value();
  INFO("log to " << now.writer.end << ", flushed to " << now.flusher.flushed << ", dispatched to "
                 << now.dispatcher.next << ", in the queues to " << now.queues.applied);
  auto read = read_all(store);
  REQUIRE(read);
  auto& bodies = read.value();
  std::set<std::string> there(bodies.begin(), bodies.end());
  CHECK(there.size() == bodies.size());
  for (auto& body : sent.acknowledged) {
    INFO(body);
    CHECK(there.count(body) == 1);
  }
}

/// SPREAD_SEEDS in the environment says more.
std::uint64_t seeds() {
  const char* wanted = std::getenv("SPREAD_SEEDS");
  return wanted == nullptr ? 60 : std::strtoull(wanted, nullptr, 10);
}

} // namespace

TEST_CASE("spread: whatever ends or is cut off, all that was acknowledged is read in order",
          "[actors][spread]") {
  auto seed = GENERATE(range(std::uint64_t{1}, seeds() + 1));
  INFO("seed " << seed);
  storage::set_log_sink([](std::string_view) {});
  sim::random_source random(seed);
  spread_store store(seed, draw_placement(random));
  auto& world = store.stand.world;
  for (std::size_t i = 0; i < store.count(); ++i)
    store.start(i);
  world.run_for(3s);
  REQUIRE(world.ask<topic_info>(store.door(), create_atom_v, topic_info{"t", 1, 1, 6}).code() ==
          errc::none);
  ledger sent(store);
  for (int round = 0; round < 30; ++round) {
    for (auto count = random.between(0, 20); count > 0; --count)
      sent.put();
    world.run_for(std::chrono::milliseconds(random.between(0, 1500)));
    sent.collect();
    auto i = random.below(store.count());
    auto j = random.below(store.count());
    switch (random.below(4)) {
    case 0:
      store.kill(i);
      break;
    case 1:
      if (!store.runs(i))
        store.start(i);
      break;
    case 2:
      if (i != j)
        store.cut(i, j);
      break;
    default:
      store.connect(i, j);
    }
  }
  for (std::size_t i = 0; i < store.count(); ++i) {
    if (!store.runs(i))
      store.start(i);
    for (std::size_t j = 0; j < store.count(); ++j)
      store.connect(i, j);
  }
  world.run_for(8s);
  sent.collect();
  check_complete(store, sent); // without anything new that would show what is missing
  auto before = sent.acknowledged.size();
  sent.put(); // and it goes on
  world.run_for(8s);
  sent.collect();
  CHECK(sent.acknowledged.size() > before);
  check_complete(store, sent);
  storage::set_log_sink(nullptr);
}
