// Prints the messages of a topic, from the first to the last: consumer HOST:PORT TOPIC

#include "net/consumer.hpp"
#include "net/client.hpp"

#include <iostream>

using namespace troupe;

storage::result<void> consume(caf::actor_system& system, const store_service& node,
                              const std::string& topic) {
  client::consumer_options options;
  options.topic = topic;
  options.from = client::start_earliest{};
  auto note = [](const std::string& text) { std::cerr << text << "\n"; };
  TROUPE_TRY(auto consumer, client::consumer::open(system, node, options, note));
  while (!consumer.finished()) {
    TROUPE_TRY(auto messages, consumer.next());
    for (auto& [view, bytes] : messages) // the view points into the bytes
      std::cout << "queue " << view.queue_id << " offset " << view.queue_position << ": "
                << client::text_of(view.body) << "\n";
  }
  return boost::outcome_v2::success();
}

int main(int argc, char** argv) {
  auto address = client::parse_address(argc == 3 ? argv[1] : "");
  if (!address) {
    std::cerr << "usage: consumer HOST:PORT TOPIC\n";
    return 2;
  }
  caf::actor_system_config config;
  client::configure(config);
  caf::actor_system system{config};
  auto node = client::connect(system, address.value());
  auto done = consume(system, node, argv[2]);
  caf::anon_send(node, stop_atom_v); // else the connection would keep the program alive
  if (!done) {
    std::cerr << done.error().message << "\n";
    return 1;
  }
}
