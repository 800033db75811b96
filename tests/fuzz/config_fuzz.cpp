#include "net/config.hpp"
#include "tests/fuzz/hostile.hpp"

#include <string_view>

using namespace troupe;
using fuzz::require;

/// Any text is a configuration with a node in it, whose store has sizes that can be, or it is
/// refused with the file's name.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  auto parsed = net::parse_config({reinterpret_cast<const char*>(data), size}, "fuzz.ini");
  if (parsed.has_error()) {
    require(std::string_view(parsed.error().message).starts_with("fuzz.ini"),
            "a refusal names the file");
    return 0;
  }
  auto& config = parsed.value();
  require(!config.nodes.empty(), "a configuration has a node");
  const auto store = net::options_of(config, config.nodes.front()).store;
  require(store.log_file_size_bytes > 0 && store.queue_file_size_bytes > 0 &&
              store.queue_file_size_bytes % 20 == 0 && store.index_slots > 0 &&
              store.index_entries > 1,
          "the files of a store have a size");
  require(store.file_reserved_time_ms >= 0 && store.destroy_mapped_file_interval_ms >= 0,
          "no time is negative");
  return 0;
}
