// A user's program: a test against a simulated node, and the address of a real one.
#include "net/client.hpp"
#include "sim/node/node.hpp"

#include <cstdio>

int main() {
  troupe::sim::world world(1);
  troupe::sim::simulated_node node(world, 1);
  if (!node.start())
    return 1;
  auto wire = node.connect();
  troupe::topic_info topic{"orders", 1, 1, 6};
  world.ask<troupe::topic_info>(wire->service(), troupe::create_atom_v, topic).value();
  troupe::client::batch batch{topic};
  if (!batch.add({.body = "one"}))
    return 1;
  world.ask<troupe::put_response>(wire->service(), batch.take()).value();
  node.kill();
  if (!node.start())
    return 1;
  auto found = world.ask<troupe::topic_list>(wire->service(), troupe::list_atom_v).value();
  auto address = troupe::client::parse_address("localhost:10915");
  std::printf("%zu topic, port %d\n", found.topics.size(), address ? address.value().port : 0);
  return found.topics.size() == 1 && address ? 0 : 1;
}
