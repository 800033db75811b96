#include "net/remoting/frame.hpp"

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
      if (c)
        check_again(c.value());
      else if (c.error().message.empty())
        std::abort();
    }
  }
  return 0;
}
