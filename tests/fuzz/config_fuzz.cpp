#include "net/config.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdlib>

using namespace troupe;

/// Any text is either a configuration with a node in it, or refused with a message.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  auto parsed = net::parse_config({reinterpret_cast<const char*>(data), size}, "fuzz.ini");
  if (parsed.has_value() ? parsed.value().nodes.empty() : parsed.error().message.empty())
    std::abort();
  return 0;
}
