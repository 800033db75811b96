#pragma once

#include "net/remoting/frame.hpp"
#include "tests/support/loopback.hpp"

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace troupe::test {

/// A request of which only the number matters, with a body.
inline std::string request_frame(std::int32_t opaque, std::size_t body_bytes) {
  remoting::command c;
  c.code = 1;
  c.opaque = opaque;
  c.type = remoting::header_type::binary;
  std::string out;
  remoting::append_frame_head(out, c, body_bytes);
  return out.append(body_bytes, 'b');
}

inline std::string request_frames(int count) {
  std::string out;
  for (int i = 0; i < count; ++i)
    out += request_frame(i, 0);
  return out;
}

/// The first bytes of a frame that is to be so long.
inline std::string announced_frame(std::size_t length) {
  auto out = request_frame(0, length);
  out.resize(64);
  return out;
}

/// One connection to a door of this machine, from an address of choice.
class socket_client {
public:
  explicit socket_client(std::uint16_t port, const char* from = "127.0.0.1")
      : fd_(dial_loopback(port, from)) {}
  socket_client(socket_client&& other) noexcept
      : fd_(std::exchange(other.fd_, -1)), open_(other.open_) {}
  socket_client& operator=(socket_client&&) = delete;
  ~socket_client() {
    if (fd_ >= 0)
      ::close(fd_);
  }

  /// All of it, however long that takes; ends early when the other side closes.
  void send(std::string_view bytes) {
    while (open_ && !bytes.empty()) {
      auto count = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      open_ = count > 0;
      if (open_)
        bytes.remove_prefix(static_cast<std::size_t>(count));
    }
  }

  /// Until nothing is taken for a while.
  void send_what_is_taken(std::string_view bytes) {
    while (!bytes.empty() && ready(POLLOUT, 50)) {
      auto count = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      if (count <= 0)
        return;
      bytes.remove_prefix(static_cast<std::size_t>(count));
    }
  }
  void send_what_is_taken(std::size_t count) { send_what_is_taken(std::string(count, 'x')); }

  /// Reads until the answer with this number is there whole; false when the other side closed.
  bool reads_an_answer(std::int32_t opaque) {
    while (open_ && ready(POLLIN, 20'000)) {
      auto room = splitter_.room();
      auto count = ::recv(fd_, room.data(), room.size(), 0);
      if (count <= 0)
        return false;
      splitter_.received(static_cast<std::size_t>(count));
      auto frame = splitter_.next();
      if (!frame)
        return false;
      if (frame.value())
        return remoting::decode_header(frame.value()->type, frame.value()->header.bytes())
                   .value()
                   .opaque == opaque;
    }
    return false;
  }

private:
  bool ready(short events, int timeout_ms) const {
    pollfd p{fd_, events, 0};
    return ::poll(&p, 1, timeout_ms) > 0;
  }

  int fd_;
  bool open_ = true;
  remoting::frame_splitter splitter_;
};

} // namespace troupe::test
