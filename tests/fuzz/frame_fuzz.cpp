#include "net/remoting/batch_body.hpp"
#include "net/remoting/frame.hpp"
#include "net/remoting/headers.hpp"
#include "net/remoting/heartbeat.hpp"
#include "net/remoting/queue_locks.hpp"
#include "net/remoting/subscription.hpp"
#include "tests/fuzz/hostile.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>

using namespace troupe;
using namespace troupe::remoting;
using fuzz::must;
using fuzz::require;

namespace {

/// What was understood must mean the same after it was written and read again, in either form.
void check_again(command c) {
  for (auto type : {header_type::json, header_type::binary}) {
    c.type = type;
    std::string out;
    append_frame_head(out, c, 0);
    frame_splitter splitter;
    auto room = splitter.room();
    if (out.size() > room.size() || c.ext.size() > 100)
      continue;
    std::memcpy(room.data(), out.data(), out.size());
    splitter.received(out.size());
    auto f = must(splitter.next());
    require(f.has_value(), "a frame that was written is whole");
    // Bytes that are no UTF-8 pass through, but a language that has no name becomes OTHER.
    auto again = must(decode_header(f->type, f->header.bytes()));
    require(again.ext == c.ext && again.opaque == c.opaque && again.remark == c.remark,
            "a header that was written reads equal");
  }
}

/// Bodies and fields as the gateway reads them: a value or a message, never bytes from outside.
void check_request(const command& c, const frame& f) {
  auto body = f.body.bytes();
  if (auto header = read_send_header(c); header.has_error())
    require(!header.error().message.empty(), "a header that is refused has a message");
  if (auto header = read_fields<pull_header>(c))
    (void)tag_hashes(header.value().subscription);
  if (auto h = read_heartbeat(body); h.has_value()) {
    auto text = write_heartbeat(h.value());
    must(read_heartbeat(std::as_bytes(std::span(text))));
  }
  (void)read_lock_body(body);
  batch_body_reader batch(body);
  for (;;) {
    auto next = batch.next();
    if (next.has_error() || !next.value())
      break;
    require(next.value()->body.size() + next.value()->properties.size() <= body.size(),
            "a message of a batch lies inside of its body");
  }
}

} // namespace

/// A hostile stream in pieces: every frame lies inside it, and every header is understood or
/// refused with a message. The first byte chooses the pieces.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0)
    return 0;
  const std::size_t piece = std::size_t{data[0]} + 1;
  frame_splitter splitter;
  std::size_t taken = 0;
  for (std::size_t at = 1; at < size;) {
    auto room = splitter.room();
    auto count = std::min({piece, size - at, room.size()});
    std::memcpy(room.data(), data + at, count);
    splitter.received(count);
    at += count;
    for (;;) {
      auto f = splitter.next();
      if (f.has_error()) {
        require(!f.error().message.empty(), "a stream that is refused has a message");
        return 0;
      }
      if (!f.value())
        break;
      taken += f.value()->bytes;
      require(taken <= size, "frames lie inside of their stream");
      auto c = decode_header(f.value()->type, f.value()->header.bytes());
      if (c) {
        check_again(c.value());
        check_request(c.value(), *f.value());
      } else {
        require(!c.error().message.empty(), "a header that is refused has a message");
      }
    }
  }
  return 0;
}
