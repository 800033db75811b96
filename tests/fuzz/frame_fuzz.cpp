#include "net/remoting/batch_body.hpp"
#include "net/remoting/frame.hpp"
#include "net/remoting/headers.hpp"
#include "net/remoting/heartbeat.hpp"
#include "net/remoting/queue_locks.hpp"
#include "net/remoting/subscription.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>

using namespace troupe::remoting;

namespace {

/// What was understood must mean the same after it was written and read again, in either form.
void check_again(command c) {
  auto form = c.type;
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
    auto f = splitter.next();
    if (!f || !f.value())
      std::abort();
    auto again = decode_header(f.value()->type, f.value()->header.bytes());
    // Bytes that are no UTF-8 pass through, but a language that has no name becomes OTHER.
    if (!again || again.value().ext != c.ext || again.value().opaque != c.opaque ||
        again.value().remark != c.remark)
      std::abort();
  }
  c.type = form;
}

/// Bodies and fields as the gateway reads them: a value or a message, never bytes from outside.
void check_request(const command& c, const frame& f) {
  auto body = f.body.bytes();
  if (auto header = read_send_header(c); header.has_error() && header.error().message.empty())
    std::abort();
  if (auto header = read_fields<pull_header>(c))
    (void)tag_hashes(header.value().subscription);
  if (auto h = read_heartbeat(body); h.has_value()) {
    auto text = write_heartbeat(h.value());
    if (read_heartbeat(std::as_bytes(std::span(text))).has_error())
      std::abort();
  }
  (void)read_lock_body(body);
  batch_body_reader batch(body);
  for (;;) {
    auto next = batch.next();
    if (next.has_error() || !next.value())
      break;
    if (next.value()->body.size() + next.value()->properties.size() > body.size())
      std::abort();
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
      if (f.has_error())
        return f.error().message.empty() ? (std::abort(), 0) : 0;
      if (!f.value())
        break;
      taken += f.value()->bytes;
      if (taken > size)
        std::abort();
      auto c = decode_header(f.value()->type, f.value()->header.bytes());
      if (c) {
        check_again(c.value());
        check_request(c.value(), *f.value());
      } else if (c.error().message.empty()) {
        std::abort();
      }
    }
  }
  return 0;
}
