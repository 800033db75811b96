#include "storage/format/message_batch.hpp"
#include "tests/fuzz/hostile.hpp"

#include <algorithm>

using namespace troupe;
using namespace troupe::storage;
using fuzz::require;

/// A block from a client: the messages that are read from it, put together again, are the bytes
/// they were read from, and what follows them is refused with a message.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = fuzz::input(data, size).rest();
  message_batch_reader reader(bytes);
  message_batch_builder builder;
  for (;;) {
    auto next = reader.next();
    if (next.has_error()) {
      require(!next.error().message.empty(), "a refusal says why");
      break;
    }
    if (!next.value()) {
      require(builder.bytes() == size, "a block without error is read to its end");
      break;
    }
    builder.add(*next.value());
    require(builder.bytes() <= size, "messages lie inside of their block");
  }
  auto again = builder.take();
  require(std::ranges::equal(again.bytes(), bytes.first(again.size())),
          "messages encode to the bytes they were read from");
  return 0;
}
