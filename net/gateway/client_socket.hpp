#pragma once

#include "net/gateway/line_budget.hpp"
#include "net/gateway/options.hpp"
#include "net/gateway/request_memory.hpp"
#include "net/gateway/traffic.hpp"
#include "net/remoting/frame.hpp"
#include "net/tls/door_tls.hpp"

#include <boost/asio/ip/tcp.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <span>
#include <string>

namespace troupe::net {

/// Answers that clients have not taken.
struct unread_bytes {
  std::size_t all = 0;    ///< wherever they lie
  std::size_t copied = 0; ///< those of them that are no part of a mapped file
};

/// What the sockets of one server share; lives as long as any of them.
struct socket_context {
  socket_context(const gateway_options& o, std::function<void()> room,
                 std::shared_ptr<const door_tls> t)
      : options(o), tls(std::move(t)), memory(o.total_bytes, o.connections, std::move(room)) {}

  gateway_options options;
  std::shared_ptr<const door_tls> tls; ///< null: plain bytes only
  request_memory memory;
  unread_bytes unread; ///< of all connections
  /// Of frames, without what TLS adds. Read by any thread.
  std::atomic<std::uint64_t> received{0};
  std::atomic<std::uint64_t> sent{0};
  line_budget closed_lines{100};
  line_budget refused_lines{1};
  std::function<void(arrived)> requests;
  std::function<void(connection_id)> closed;
  std::array<char, std::size_t{16} << 10> joined; ///< what goes into one piece of TLS
};

/// One client's connection. Everything runs on the server's thread.
class client_socket : public std::enable_shared_from_this<client_socket> {
public:
  using clock = std::chrono::steady_clock;

  /// `address`: what its address has open.
  client_socket(connection_id id, boost::asio::ip::tcp::socket socket,
                std::shared_ptr<socket_context> context, std::shared_ptr<request_share> address);

  /// Reads what comes, from now on or again; it stops for want of room.
  void resume();
  /// There may be room for one that waits for it.
  void try_again();
  void send(outgoing message);
  /// Writes what `send` has gathered.
  void flush();
  /// Closes when nothing came for too long, a frame is not completed, or answers are not taken.
  void check_time(clock::time_point now);
  void close_for(const std::string& reason);
  /// Closes without a word.
  void close();

  const unread_bytes& unread() const noexcept { return unread_; }

private:
  /// Heads of frames one behind another, or a slice of a body, on its way out.
  struct piece {
    std::string text;
    storage::slice slice;          ///< if there is no text
    std::shared_ptr<void> receipt; ///< of the answer that ends here
    std::size_t written = 0;       ///< of its bytes

    storage::byte_view bytes() const noexcept {
      return text.empty() ? slice.bytes() : std::as_bytes(std::span(text));
    }
    storage::byte_view rest() const noexcept { return bytes().subspan(written); }
  };

  /// How far it is known what the client speaks.
  enum class speech { unknown, shaking_hands, plain, tls };

  void read();
  storage::result<bool> listen();
  storage::result<bool> shake_hands();
  std::size_t read_some(std::span<std::byte> room, boost::system::error_code& failure);
  storage::result<bool> read_into(arrived& batch);
  storage::result<void> take_frames(arrived& batch);
  bool has_share();
  bool may_read() { return is_below_own_limit() && has_share(); }
  bool is_below_own_limit() const noexcept {
    return request_bytes_ + unread_.all < context_->options.connection_bytes;
  }
  void count(std::size_t request_bytes, std::size_t block_bytes);
  void count_block() { count(request_bytes_, splitter_.held_bytes()); }
  void end_turn();
  bool has_room_for(const remoting::command& request, remoting::header_type type);

  void push_head(std::string head);
  void flush_plain();
  void flush_tls();
  void push(piece p);
  void written(std::size_t count);
  void count_unread(std::size_t bytes, bool mapped);
  void pop_piece();
  void wait_writable();

  connection_id id_;
  boost::asio::ip::tcp::socket socket_;
  std::shared_ptr<socket_context> context_;
  storage::host peer_;
  std::unique_ptr<tls_session> session_; ///< null: plain bytes
  speech speech_ = speech::unknown;
  remoting::frame_splitter splitter_;
  std::deque<piece> pieces_;
  std::size_t request_bytes_ = 0; ///< what requests cost that are not settled
  open_requests open_requests_;
  std::size_t block_bytes_ = 0; ///< counted of the splitter's memory
  unread_bytes unread_;
  bool reading_ = false; ///< waits until something comes
  bool stopped_ = false; ///< is not read from: the client's time does not count
  bool waiting_ = false; ///< is tried again when there is memory
  bool writing_ = false; ///< waits until the socket takes more
  bool ending_ = false;  ///< is closed when it has taken what it was sent
  bool closed_ = false;
  clock::time_point came_;
  clock::time_point last_read_;
  clock::time_point frame_began_;
  clock::time_point last_write_;
};

} // namespace troupe::net
