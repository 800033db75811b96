// Last step of a pipeline: appends the messages of a topic to a file, a line each, once each.
//
//     pipeline_sink HOST:PORT[,HOST:PORT...] TOPIC FILE
//
// It never ends by itself; to end it, kill it. Where it is stands in the file itself: line n is the
// message with position n. So after a restart it drops what is in the file already, and half a line
// that the kill left. The group offset at the node only saves reading the topic from its start, and
// is stored when the lines are in the file.
#include "examples/pipeline.hpp"

#include <filesystem>
#include <fstream>

using namespace pipeline;

constexpr auto group = "pipeline_sink";

/// Counts the whole lines, and cuts off what stands behind the last one.
std::int64_t whole_lines(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::int64_t lines = 0;
  std::uintmax_t size = 0;
  std::uintmax_t whole = 0;
  for (char c = 0; file.get(c);) {
    ++size;
    if (c == '\n') {
      ++lines;
      whole = size;
    }
  }
  if (whole < size)
    std::filesystem::resize_file(path, whole);
  return lines;
}

result<void> write_lines(caf::actor_system& system, const store_service& node,
                         const std::string& topic, const std::string& path) {
  auto last = whole_lines(path);
  std::ofstream file(path, std::ios::binary | std::ios::app);
  caf::scoped_actor self{system};
  TROUPE_TRY(last_position(self, node, topic)); // makes the topic
  TROUPE_TRY(auto consumer, follow(system, self, node, topic, group));
  for (;;) {
    TROUPE_TRY(auto messages, consumer.next());
    if (messages.empty())
      continue;
    for (auto& [view, bytes] : messages) { // the view points into the bytes
      TROUPE_TRY(auto position, position_of(view));
      TROUPE_TRY(auto is_new, is_next(position, last));
      if (is_new)
        file << client::text_of(view.body) << "\n";
    }
    if (!file.flush()) // in the system's hands: a kill loses nothing, a power loss may
      return storage::error{errc::io_error, "cannot write " + path};
    group_offset place{group, topic, 0, messages.back().view.queue_position + 1};
    TROUPE_TRY(insist<group_offset>(self, node, store_atom_v, place));
  }
}

int main(int argc, char** argv) {
  if (argc != 4) {
    std::cerr << "usage: pipeline_sink HOST:PORT[,HOST:PORT...] TOPIC FILE\n";
    return 2;
  }
  return run(argv[1], [&](caf::actor_system& system, const store_service& node) {
    return write_lines(system, node, argv[2], argv[3]);
  });
}
