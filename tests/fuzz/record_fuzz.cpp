#include "cli/message_json.hpp"
#include "storage/message_batch.hpp"
#include "storage/position.hpp"
#include "storage/record.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdlib>

using namespace troupe::storage;

/// Hostile bytes as the rest of a log file, and as a batch from a client: what is decoded must be
/// printable and lie inside the input.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  byte_view bytes(reinterpret_cast<const std::byte*>(data), size);
  for (auto what : {verify::structure, verify::structure_and_crc}) {
    auto found = decode_record(bytes, 0, what);
    if (found.kind == record_kind::message) {
      if (found.size > size || found.view.bytes.size() != found.size)
        std::abort();
      position_builder positions;
      positions.start(0);
      positions.add(found.view);
      (void)positions.take(found.size);
      std::string line;
      troupe::cli::append_message_json(line, found.view);
    }
  }
  message_batch_reader batch(bytes);
  for (;;) {
    auto next = batch.next();
    if (next.has_error() || !next.value())
      break;
    if (next.value()->body.size() > size)
      std::abort();
  }
  return 0;
}
