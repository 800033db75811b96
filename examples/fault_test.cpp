// A test of an actor of your own against a node that is killed while the actor works: everything
// runs in this thread, in virtual time, and one seed is one run.
#include "sim/node/node.hpp"
#include "sim/node/node_scene.hpp"
#include "storage/format/message_batch.hpp"

#include <cstdio>
#include <optional>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using namespace troupe;

namespace {

constexpr int orders = 100;

/// The actor under test: stores numbered orders one behind the other, and each again until the node
/// has said that it is stored. After an error nobody may know whether it was: so an order may be
/// there more than once, and whoever reads them has to expect that.
struct order_keeper {
  order_keeper() = default;
  static inline const char* name = "order-keeper";
  int stored = 0;
  int refused = 0;  ///< surely not stored
  int in_doubt = 0; ///< the connection broke or the answer did not come: it may be stored
};

put_request order(int number) {
  auto text = "order " + std::to_string(number);
  storage::message_batch_builder batch;
  storage::new_message message;
  message.body = std::as_bytes(std::span(text));
  batch.add(message);
  put_request request;
  request.topic = "orders";
  request.messages = batch.take();
  request.count = 1;
  return request;
}

caf::behavior keep_orders(caf::stateful_actor<order_keeper>* self, const store_service& node) {
  self->send(self, work_atom_v);
  return {[self, node](work_atom) {
    auto again = [self](errc why) {
      bool unknown = why == errc::connection_lost || why == errc::maybe_stored;
      ++(unknown ? self->state.in_doubt : self->state.refused);
      self->delayed_send(self, 50ms, work_atom_v);
    };
    self->request(node, 40s, order(self->state.stored))
        .then(
            [self, again](const put_response& response) {
              if (response.failure.code != errc::none)
                return again(response.failure.code);
              if (++self->state.stored < orders)
                self->send(self, work_atom_v);
            },
            [again](const caf::error& why) { again(from_caf(why).code); });
  }};
}

std::nullopt_t failed(std::uint64_t seed, const std::string& what) {
  std::printf("seed %llu: %s\n", static_cast<unsigned long long>(seed), what.c_str());
  return std::nullopt;
}

/// The numbers of the orders that a consumer gets.
std::vector<int> read_orders(sim::world& world, const store_service& node) {
  std::vector<int> numbers;
  pull_request request;
  request.topic = "orders";
  for (;;) {
    auto found = world.ask<pull_response>(node, request).value();
    for (auto& record : found.records)
      numbers.push_back(std::stoi(sim::decode_message(record).body.substr(6)));
    if (found.next == request.from)
      return numbers;
    request.from = found.next;
  }
}

/// Every order, in order; one that was sent again may be there again.
bool complete(const std::vector<int>& numbers, int repeats) {
  int next = 0;
  int again = 0;
  for (auto number : numbers)
    if (number == next)
      ++next;
    else if (number == next - 1)
      ++again;
    else
      return false;
  return next == orders && again <= repeats;
}

/// How often the actor was left in doubt; nothing if its promise is broken.
std::optional<int> run(std::uint64_t seed) {
  sim::world world(seed);
  sim::simulated_node node(world, 1);
  if (!node.start())
    return failed(seed, "the node does not start");
  auto wire = node.connect();
  topic_info topic{"orders", 1, 1, 6};
  world.ask<topic_info>(wire->service(), create_atom_v, topic).value();

  auto keeper = world.system().spawn(keep_orders, wire->service());
  auto& state = caf::actor_cast<caf::stateful_actor<order_keeper>*>(keeper)->state;
  wire->set({1ms, 2ms}); // so that requests or answers are on their way when the node dies
  world.run_until([&] { return state.stored == orders / 2; });
  world.run_for(std::chrono::milliseconds(seed % 7));
  node.kill();
  world.run_for(1s);
  if (!node.start())
    return failed(seed, "the node does not start again");
  world.run_for(30s);

  if (state.stored != orders)
    return failed(seed, "the actor gave up at order " + std::to_string(state.stored));
  auto found = read_orders(world, wire->service());
  if (!complete(found, state.in_doubt))
    return failed(seed, "of " + std::to_string(orders) + " orders others were read");
  std::printf("seed %llu: %d orders, %d refused, %d in doubt, %zu stored\n",
              static_cast<unsigned long long>(seed), orders, state.refused, state.in_doubt,
              found.size());
  return state.in_doubt;
}

} // namespace

int main() {
  int in_doubt = 0;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    auto doubts = run(seed);
    if (!doubts)
      return 1;
    in_doubt += *doubts;
  }
  std::printf("20 seeds: %d requests ended in doubt\n", in_doubt);
  return in_doubt > 0 ? 0 : 1; // else the test would have tested nothing
}
