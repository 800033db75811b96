#include "net/placement.hpp"
#include "tests/support/catch.hpp"

#include <rapidcheck.h>

#include <algorithm>
#include <set>

using namespace troupe;
using namespace troupe::net;

namespace {

/// A node as the rules see it, in words of this test alone.
struct drawn_node {
  bool whole = false;
  std::set<std::string> roles;
  std::string directory = "/d";
  int machine = 0; ///< 0: loopback; -1: every address
  int port = 0;    ///< -1: off
  bool remoting_port_given = false;
};

const std::vector<std::string> role_names = {"writer",     "flusher",       "cleaner",   "readers",
                                             "dispatcher", "queue-manager", "registrar", "door"};
const std::set<std::string> at_the_log = {"writer", "flusher", "cleaner", "readers", "registrar"};
const std::set<std::string> may_be_several = {"readers", "queue-manager"};

/// From the whole range, also in the first of a hundred cases.
int drawn(int from, int to) {
  return *rc::gen::resize(rc::kNominalSize, rc::gen::inRange(from, to));
}

/// One thing is changed, which may or may not break a rule.
void change(std::vector<drawn_node>& nodes) {
  auto& n = nodes[static_cast<std::size_t>(drawn(0, static_cast<int>(nodes.size())))];
  auto role = *rc::gen::elementOf(role_names);
  switch (drawn(0, 10)) {
  case 0:
    n.roles.insert(role);
    break;
  case 1:
    n.roles.erase(role);
    break;
  case 2:
    n.directory = "/e";
    break;
  case 3:
  case 4:
    n.machine = drawn(0, 3);
    break;
  case 5:
    n.machine = -1;
    break;
  case 6:
    n.port = drawn(-1, static_cast<int>(nodes.size()) + 1);
    break;
  case 7:
    n.remoting_port_given = true;
    break;
  case 8:
    n.whole = true;
    break;
  default:
    nodes.push_back({.whole = true, .roles = {}, .port = 9});
  }
}

/// Each role somewhere, then up to two changes.
std::vector<drawn_node> drawn_nodes() {
  std::vector<drawn_node> nodes(static_cast<std::size_t>(drawn(1, 6)));
  for (auto& role : role_names)
    nodes[static_cast<std::size_t>(drawn(0, static_cast<int>(nodes.size())))].roles.insert(role);
  // A node without roles cannot be written.
  std::erase_if(nodes, [](const drawn_node& n) { return n.roles.empty(); });
  for (std::size_t i = 0; i < nodes.size(); ++i)
    nodes[i].port = static_cast<int>(i) + 1;
  if (drawn(0, 10) == 0)
    for (auto& n : nodes)
      n.whole = true;
  for (int changes = drawn(0, 3); changes > 0; --changes)
    change(nodes);
  std::erase_if(nodes, [](const drawn_node& n) { return !n.whole && n.roles.empty(); });
  return nodes;
}

/// The rules once more, as a person would say them.
bool allowed(const std::vector<drawn_node>& nodes) {
  auto whole = std::ranges::count_if(nodes, &drawn_node::whole);
  if (whole != 0)
    return whole == static_cast<std::ptrdiff_t>(nodes.size());
  std::multiset<std::string> placed;
  std::set<std::string> log_directories;
  std::set<int> log_machines;
  std::set<int> machines;
  std::set<std::pair<int, int>> addresses;
  bool fine = true;
  for (auto& n : nodes) {
    placed.insert(n.roles.begin(), n.roles.end());
    machines.insert(n.machine);
    addresses.insert({n.machine, n.port});
    if (std::ranges::any_of(n.roles, [](auto& role) { return at_the_log.contains(role); })) {
      log_directories.insert(n.directory);
      log_machines.insert(n.machine);
    }
    fine = fine && (!n.remoting_port_given || n.roles.contains("door"));
    if (nodes.size() > 1)
      fine = fine && n.port > 0 && n.machine >= 0;
  }
  for (auto& role : role_names)
    fine = fine &&
           (placed.count(role) == 1 || (may_be_several.contains(role) && placed.count(role) > 1));
  if (nodes.size() > 1) {
    fine = fine && addresses.size() == nodes.size();
    fine = fine && !(machines.contains(0) && machines.size() > 2);
  }
  log_machines.erase(0);
  return fine && log_directories.size() <= 1 && log_machines.size() <= 1;
}

/// One queue-manager that sees the files of the log: loopback is the machine of all others here.
bool are_beside_log(const std::vector<drawn_node>& nodes) {
  const drawn_node* queues = nullptr;
  std::set<int> machines;
  std::string directory;
  for (auto& n : nodes) {
    if (n.roles.contains("queue-manager") && std::exchange(queues, &n) != nullptr)
      return false;
    if (n.roles.contains("writer"))
      directory = n.directory;
    if (std::ranges::any_of(n.roles, [](auto& role) { return at_the_log.contains(role); }))
      machines.insert(n.machine);
  }
  machines.erase(0);
  return queues->directory == directory &&
         (machines.empty() || queues->machine == 0 || machines.contains(queues->machine));
}

cluster_config config_of(const std::vector<drawn_node>& nodes) {
  cluster_config config;
  for (auto& n : nodes) {
    node_config made;
    made.name = "n" + std::to_string(config.nodes.size());
    made.directory = n.directory;
    made.actor_host = n.machine < 0    ? "0.0.0.0"
                      : n.machine == 0 ? "127.0.0.1"
                                       : "10.0.0." + std::to_string(n.machine);
    if (n.port < 0)
      made.actor_port.reset();
    else
      made.actor_port = static_cast<std::uint16_t>(n.port);
    if (!n.whole) {
      made.roles.emplace();
      for (auto& role : n.roles)
        made.roles->add(*role_of(role));
    }
    if (n.remoting_port_given)
      made.places["remoting-port"] = "c.ini:9";
    config.nodes.push_back(made);
  }
  return config;
}

} // namespace

TEST_CASE("placement: accepted are exactly those that keep the rules", "[net]") {
  int spread = 0;
  int refused = 0;
  bool held = rc::check("accepted as the rules say", [&] {
    auto nodes = drawn_nodes();
    RC_PRE(!nodes.empty());
    auto config = config_of(nodes);
    auto placed = place_roles(config);
    RC_LOG() << (placed ? to_text(placed.value()) : placed.error().message);
    RC_ASSERT(placed.has_value() == allowed(nodes));
    refused += placed.has_error() ? 1 : 0;
    if (placed.has_error())
      return;
    RC_ASSERT(placed.value().spread() == (nodes.size() > 1 && !nodes.front().whole));
    spread += placed.value().spread() ? 1 : 0;
    auto managers = placed.value().where(store_role::queue_manager);
    if (placed.value().spread()) {
      RC_ASSERT(placed.value().queue_nodes(config.nodes.front().name) == managers);
      RC_ASSERT(placed.value().queues_beside_log("n0") == are_beside_log(nodes));
    }
    for (auto& role : role_names) {
      std::vector<std::string> expected;
      for (std::size_t i = 0; i < nodes.size(); ++i) {
        bool has = nodes[i].whole || nodes[i].roles.contains(role);
        RC_ASSERT(placed.value().of(config.nodes[i].name).has(*role_of(role)) == has);
        if (has)
          expected.push_back(config.nodes[i].name);
      }
      RC_ASSERT(placed.value().where(*role_of(role)) == expected);
    }
  });
  CHECK(held);
  // Neither answer is rare among those that were drawn.
  CHECK(spread >= 20);
  CHECK(refused >= 20);
}
