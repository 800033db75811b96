#include "tests/fuzz/hostile_stream.hpp"

#include <cstddef>
#include <cstdint>

/// A hostile stream in pieces, whose size the first byte chooses.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0)
    return 0;
  troupe::fuzz::input in(data, size);
  auto piece = std::size_t{in.number<std::uint8_t>()} + 1;
  troupe::fuzz::check_stream(in.rest(), piece);
  return 0;
}
