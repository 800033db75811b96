// Sends numbered messages to a topic: producer HOST:PORT TOPIC [MESSAGES]

#include "net/producer.hpp"
#include "net/ask.hpp"
#include "net/client.hpp"

#include <cstdlib>
#include <iostream>

using namespace troupe;

constexpr int queues = 4;
constexpr int messages_per_batch = 100;

storage::result<std::uint64_t> produce(caf::actor_system& system, const store_service& node,
                                       const std::string& topic, int messages) {
  caf::scoped_actor self{system};
  TROUPE_TRY(auto made,
             client::ask<topic_info>(self, node, create_atom_v, topic_info{topic, queues, queues}));

  // Batches are sent without waiting for answers; `send` blocks while too many are open.
  client::producer producer{system, node};
  client::batch batch{made}; // its queues in turn, as no message names one
  for (int i = 0; i < messages; ++i) {
    auto body = "message " + std::to_string(i);
    TROUPE_TRY(batch.add({.body = body, .tag = "example"}));
    if (static_cast<int>(batch.count()) == messages_per_batch || i == messages - 1) {
      TROUPE_TRY(producer.send(batch.take()));
    }
  }
  TROUPE_TRY(producer.finish()); // every answer is there, and none is an error
  return producer.acknowledged();
}

int main(int argc, char** argv) {
  auto address = client::parse_address(argc >= 3 ? argv[1] : "");
  if (!address) {
    std::cerr << "usage: producer HOST:PORT TOPIC [MESSAGES]\n";
    return 2;
  }
  caf::actor_system_config config;
  client::configure(config);
  caf::actor_system system{config};
  auto node = client::connect(system, address.value());
  auto acknowledged = produce(system, node, argv[2], argc > 3 ? std::atoi(argv[3]) : 1000);
  caf::anon_send(node, stop_atom_v); // else the connection would keep the program alive
  if (!acknowledged) {
    std::cerr << acknowledged.error().message << "\n";
    return 1;
  }
  std::cout << "acknowledged " << acknowledged.value() << " messages\n";
}
