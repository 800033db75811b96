// Middle step of a pipeline: writes the messages of one topic into another, in capital letters.
//
//     pipeline_transform HOST:PORT[,HOST:PORT...] FROM TO
//
// It never ends by itself; to end it, kill it. Its place in FROM is a group offset that the node
// keeps. It is stored only after what was made of the messages is acknowledged in TO, so that
// nothing is lost; killed in between, it gets those messages again, finds in TO which position
// stands there last, and drops them up to that one.
#include "examples/pipeline.hpp"

#include <cctype>

using namespace pipeline;

constexpr auto group = "pipeline_transform";

/// Made of one message alone: the same input always gives the same output.
std::string transformed(std::string_view text) {
  std::string capitals{text};
  for (auto& c : capitals)
    c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return capitals;
}

result<void> transform(caf::actor_system& system, const store_service& node,
                       const std::string& from, const std::string& to) {
  caf::scoped_actor self{system};
  TROUPE_TRY(last_position(self, node, from)); // makes the topic
  TROUPE_TRY(auto last, last_position(self, node, to));
  TROUPE_TRY(auto consumer, follow(system, self, node, from, group));
  client::producer producer{system, node, patient()};
  client::batch batch{to};
  for (;;) {
    TROUPE_TRY(auto messages, consumer.next());
    for (auto& [view, bytes] : messages) { // the view points into the bytes
      TROUPE_TRY(auto position, position_of(view));
      TROUPE_TRY(auto is_new, is_next(position, last));
      if (is_new) {
        auto body = transformed(client::text_of(view.body));
        TROUPE_TRY(batch.add({.queue_id = 0, .body = body, .keys = std::to_string(position)}));
      }
    }
    if (messages.empty())
      continue;
    if (batch.count() > 0) {
      TROUPE_TRY(producer.send(batch.take()));
      TROUPE_TRY(producer.finish());
    }
    group_offset place{group, from, 0, messages.back().view.queue_position + 1};
    TROUPE_TRY(insist<group_offset>(self, node, store_atom_v, place));
  }
}

int main(int argc, char** argv) {
  if (argc != 4) {
    std::cerr << "usage: pipeline_transform HOST:PORT[,HOST:PORT...] FROM TO\n";
    return 2;
  }
  return run(argv[1], [&](caf::actor_system& system, const store_service& node) {
    return transform(system, node, argv[2], argv[3]);
  });
}
