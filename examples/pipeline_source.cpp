// First step of a pipeline: sends the lines of a file, each with its number as its key, and ends.
//
//     pipeline_source HOST:PORT[,HOST:PORT...] TOPIC FILE
//
// It may be killed at any moment and be started again: it looks up which line arrived last and goes
// on behind it. A batch whose answer was lost is sent again, so a line may be there twice; the next
// step drops it by its number. One process of each step runs at a time.
#include "examples/pipeline.hpp"

#include <fstream>

using namespace pipeline;

constexpr std::uint32_t lines_per_batch = 100;

result<void> send_lines(caf::actor_system& system, const store_service& node,
                        const std::string& topic, std::ifstream file) {
  caf::scoped_actor self{system};
  TROUPE_TRY(auto there, last_position(self, node, topic));
  client::producer producer{system, node, patient()};
  client::batch batch{topic};
  std::int64_t number = 0;
  // A line without its end is still being written: the next start finds it.
  for (std::string line; std::getline(file, line) && !file.eof();) {
    if (++number <= there)
      continue; // it arrived in an earlier life
    TROUPE_TRY(batch.add({.queue_id = 0, .body = line, .keys = std::to_string(number)}));
    if (batch.count() == lines_per_batch) {
      TROUPE_TRY(producer.send(batch.take()));
    }
  }
  if (batch.count() > 0) {
    TROUPE_TRY(producer.send(batch.take()));
  }
  return producer.finish(); // everything is acknowledged
}

int main(int argc, char** argv) {
  std::ifstream file(argc == 4 ? argv[3] : "");
  if (!file) {
    std::cerr << "usage: pipeline_source HOST:PORT[,HOST:PORT...] TOPIC FILE\n";
    return 2;
  }
  return run(argv[1], [&](caf::actor_system& system, const store_service& node) {
    return send_lines(system, node, argv[2], std::move(file));
  });
}
