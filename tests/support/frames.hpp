#pragma once

#include "net/remoting/frame.hpp"
#include "tests/support/bytes.hpp"
#include "tests/support/manifest.hpp"

#include <algorithm>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::test {

/// A file of the data that was captured between real clients and a broker.
inline std::string captured_file(const std::string& name) {
  std::string path = TROUPE_TEST_DATA "/remoting/";
  return as_text(read_bytes(path.append(name)));
}

/// The frames of a stream that comes in pieces as `piece` chooses; stops at the first error.
template <class Piece>
storage::result<std::vector<remoting::frame>> cut(std::string_view stream, Piece piece) {
  remoting::frame_splitter splitter;
  std::vector<remoting::frame> frames;
  while (!stream.empty()) {
    auto room = splitter.room();
    auto count = std::min({stream.size(), room.size(), std::max<std::size_t>(piece(), 1)});
    std::memcpy(room.data(), stream.data(), count);
    splitter.received(count);
    stream.remove_prefix(count);
    for (;;) {
      TROUPE_TRY(auto f, splitter.next());
      if (!f)
        break;
      frames.push_back(std::move(*f));
    }
  }
  if (splitter.pending() != 0)
    return storage::error{storage::errc::corrupt, "bytes are left"};
  return frames;
}

inline storage::result<std::vector<remoting::frame>> cut(std::string_view stream) {
  return cut(stream, [&] { return stream.size(); });
}

} // namespace troupe::test
