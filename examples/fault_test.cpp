// A test of an actor of your own against a node that is killed while the actor works: everything
// runs in this thread, in virtual time, and one seed is one run.
#include "sim/node.hpp"
#include "storage/message_batch.hpp"

#include <cstdio>
#include <string>

using namespace std::chrono_literals;
using namespace troupe;

namespace {

constexpr int orders = 100;

/// The actor under test: stores numbered orders one behind the other, and each again until the node
/// has said that it is stored.
struct order_keeper {
  order_keeper() = default;
  static inline const char* name = "order-keeper";
  int stored = 0;
  int repeated = 0;
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
  self->send(self, commit_atom_v);
  return {[self, node](commit_atom) {
    auto again = [self] {
      ++self->state.repeated;
      self->delayed_send(self, 50ms, commit_atom_v);
    };
    self->request(node, 10s, order(self->state.stored))
        .then(
            [self, again](const put_response& response) {
              if (response.failure.code != errc::none)
                return again();
              if (++self->state.stored < orders)
                self->send(self, commit_atom_v);
            },
            [again](const caf::error&) { again(); });
  }};
}

int failed(std::uint64_t seed, const std::string& what) {
  std::printf("seed %llu: %s\n", static_cast<unsigned long long>(seed), what.c_str());
  return 1;
}

int run(std::uint64_t seed) {
  sim::world world(seed);
  sim::simulated_node node(world, 1);
  if (!node.start())
    return failed(seed, "the node does not start");
  auto wire = node.connect();
  topic_info topic{"orders", 1, 1, 6};
  world.ask<topic_info>(wire->service(), create_atom_v, topic).value();

  auto keeper = world.system().spawn(keep_orders, wire->service());
  auto& state = caf::actor_cast<caf::stateful_actor<order_keeper>*>(keeper)->state;
  wire->set({1ms, 2ms}); // so that some answers are on their way when the node dies
  world.run_until([&] { return state.stored == orders / 2; });
  world.run_for(3ms);
  node.kill();
  world.run_for(1s);
  if (!node.start())
    return failed(seed, "the node does not start again");
  world.run_for(30s);

  // What the actor promises: every order is there, in order, perhaps more than once.
  if (state.stored != orders)
    return failed(seed, "the actor gave up at order " + std::to_string(state.stored));
  auto found = world.ask<topic_description>(wire->service(), bounds_atom_v, topic.name).value();
  auto count = found.queues.at(0).max;
  if (count < orders || count > orders + state.repeated)
    return failed(seed, std::to_string(count) + " messages in the queue");
  std::printf("seed %llu: %d orders, %d sent again, %lld stored\n",
              static_cast<unsigned long long>(seed), orders, state.repeated,
              static_cast<long long>(count));
  return 0;
}

} // namespace

int main() {
  int bad = 0;
  for (std::uint64_t seed = 1; seed <= 20; ++seed)
    bad += run(seed);
  return bad == 0 ? 0 : 1;
}
