#pragma once

#include "net/gateway/options.hpp"
#include "net/gateway/traffic.hpp"
#include "net/remoting/frame.hpp"

#include <boost/asio/ip/tcp.hpp>

#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <span>
#include <string>

namespace troupe::net {

/// What the sockets of one server share; lives as long as any of them.
struct socket_context {
  gateway_options options;
  std::function<void(arrived)> requests;
  std::function<void(connection_id)> closed;
  std::size_t held_bytes = 0; ///< of all connections
  std::function<void()> room; ///< held bytes fell: those who wait may read again
};

/// One client's connection. Everything runs on the server's thread.
class client_socket : public std::enable_shared_from_this<client_socket> {
public:
  using clock = std::chrono::steady_clock;

  client_socket(connection_id id, boost::asio::ip::tcp::socket socket,
                std::shared_ptr<socket_context> context);

  /// Reads what comes, from now on or again; it stops for want of room.
  void resume();
  void send(outgoing message);
  /// Writes what `send` has gathered.
  void flush();
  /// Closes when nothing came for too long, a frame is not completed, or answers are not taken.
  void check_time(clock::time_point now);
  /// Closes without a word.
  void close();

private:
  /// Heads of frames one behind another, or a slice of a body, on its way out.
  struct piece {
    std::string text;
    storage::slice slice;    ///< if there is no text
    std::size_t written = 0; ///< of its bytes

    storage::byte_view rest() const noexcept {
      auto all = text.empty() ? slice.bytes() : std::as_bytes(std::span(text));
      return all.subspan(written);
    }
  };

  void read();
  storage::result<bool> read_into(arrived& batch);
  storage::result<void> take_frames(arrived& batch);
  bool may_read() const noexcept;
  void wait_writable();
  void hold(std::size_t bytes);
  void release(std::size_t bytes);
  void close_for(const std::string& reason);
  void written(std::size_t count);

  connection_id id_;
  boost::asio::ip::tcp::socket socket_;
  std::shared_ptr<socket_context> context_;
  storage::host peer_;
  remoting::frame_splitter splitter_;
  std::deque<piece> pieces_;
  std::size_t held_bytes_ = 0; ///< requests that are not settled, answers that are not written
  bool reading_ = false;
  bool writing_ = false; ///< waits until the socket takes more
  bool closed_ = false;
  clock::time_point last_read_;
  clock::time_point frame_began_;
  clock::time_point last_write_;
};

} // namespace troupe::net
