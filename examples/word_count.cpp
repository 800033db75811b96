// An actor that counts the words of one topic into another: word_count HOST:PORT FROM TO MESSAGES

#include "net/client.hpp"
#include "net/consumer.hpp"

#include <cstdlib>
#include <iostream>
#include <map>
#include <sstream>

using namespace troupe;

struct word_counts {
  word_counts() = default;
  client::connection_actor node;
  std::string from, to;
  int left = 0;          // messages to count before the end
  queue_offset next = 0; // in queue 0 of `from`
  std::map<std::string, int> words;
};
using counter = caf::stateful_actor<word_counts>;

void count(counter* self, const pull_response& answer);

void pull(counter* self) {
  pull_request request;
  request.topic = self->state.from;
  request.from = self->state.next;
  request.wait_ms = 1000; // if there is no message yet
  self->request(self->state.node, caf::infinite, request)
      .then([=](const pull_response& answer) { count(self, answer); },
            [=](const caf::error& why) {
              // While the node restarts: a pull changes nothing, so ask again.
              auto code = from_caf(why).code;
              bool away = code == errc::connection_lost || code == errc::unavailable;
              away ? pull(self) : self->quit(why);
            });
}

void count(counter* self, const pull_response& answer) {
  auto& state = self->state;
  client::batch counts{topic_info{state.to, 1, 1}};
  for (auto& record : answer.records) {
    auto message = client::decode(record);
    if (!message)
      return self->quit(to_caf(message.error()));
    std::istringstream text{std::string{client::text_of(message.value().body)}};
    for (std::string word; text >> word;)
      (void)counts.add({.body = word + " " + std::to_string(++state.words[word])});
    if (--state.left == 0)
      break;
  }
  state.next = answer.next;
  auto go_on = [=] { self->state.left > 0 ? pull(self) : self->quit(); };
  if (counts.count() == 0)
    return go_on();
  self->request(state.node, caf::infinite, counts.take()).then([=](const put_response& stored) {
    stored.failure.code == errc::none ? go_on() : self->quit(to_caf(stored.failure));
  }); // any other error ends the actor, with that error
}

int main(int argc, char** argv) {
  auto address = client::parse_address(argc == 5 ? argv[1] : "");
  if (!address) {
    std::cerr << "usage: word_count HOST:PORT FROM TO MESSAGES\n";
    return 2;
  }
  caf::actor_system_config config;
  client::configure(config);
  caf::actor_system system{config};
  auto node = client::connect(system, address.value());
  caf::scoped_actor self{system};
  self->spawn<caf::monitored>([=](counter* counting) {
    counting->state.node = node;
    counting->state.from = argv[2];
    counting->state.to = argv[3];
    counting->state.left = std::atoi(argv[4]);
    counting->request(node, caf::infinite, create_atom_v, topic_info{argv[3], 1, 1})
        .then([=](const topic_info&) { pull(counting); });
  });
  storage::error failure;
  self->receive([&](const caf::down_msg& down) { failure = from_caf(down.reason); });
  caf::anon_send(node, stop_atom_v); // else the connection would keep the program alive
  std::cerr << failure.message << (failure.message.empty() ? "" : "\n");
  return failure.code == errc::none ? 0 : 1;
}
