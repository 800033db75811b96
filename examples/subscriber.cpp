// A member of a group that shares the queues of a topic. Appends "NAME QUEUE OFFSET BODY" for each
// message to a file; leaves the group in order when its standard input ends.
// subscriber HOST:PORT[,HOST:PORT...] GROUP TOPIC NAME FILE

#include "net/ask.hpp"
#include "net/client.hpp"
#include "net/subscription.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <iostream>

using namespace troupe;

/// Answers that it is done with a delivery once the file has it.
client::delivery_consumer::behavior_type write_down(client::delivery_consumer::pointer,
                                                    const std::string& name, int file) {
  return {[=](const client::delivery& d) {
    std::string lines;
    for (auto& [view, bytes] : d.messages) { // the view points into the bytes
      lines += name + " " + std::to_string(d.queue_id) + " " + std::to_string(view.queue_position);
      lines.append(" ").append(client::text_of(view.body)).append("\n");
    }
    // At once, so that members that share the file mix no lines; if it fails, all comes again.
    return ::write(file, lines.data(), lines.size()) == static_cast<ssize_t>(lines.size());
  }};
}

int main(int argc, char** argv) {
  auto address = client::parse_address(argc == 6 ? argv[1] : "");
  if (!address) {
    std::cerr << "usage: subscriber HOST:PORT[,HOST:PORT...] GROUP TOPIC NAME FILE\n";
    return 2;
  }
  int file = ::open(argv[5], O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
  if (file < 0) {
    std::cerr << "cannot write " << argv[5] << "\n";
    return 1;
  }
  caf::actor_system_config config;
  client::configure(config);
  caf::actor_system system{config};
  auto node = client::connect(system, address.value());
  client::subscription_options options;
  options.group = argv[2];
  options.topic = argv[3];
  options.client_id = argv[4];
  options.credit_messages = 256;
  options.store_interval = std::chrono::milliseconds(20);
  options.note = [](const std::string& text) { std::cerr << text << "\n"; };
  auto consumer = system.spawn(write_down, std::string(argv[4]), file);
  auto member = client::subscribe(system, node, consumer, options);
  for (std::string ignored; std::getline(std::cin, ignored);) {
  }
  caf::scoped_actor self{system};
  auto left = client::ask<bool>(self, member, stop_atom_v);
  caf::anon_send_exit(consumer, caf::exit_reason::user_shutdown);
  caf::anon_send(node, stop_atom_v); // else the connection would keep the program alive
  return left ? 0 : 1;
}
