#pragma once

#include "net/gateway/options.hpp"
#include "net/gateway/traffic.hpp"
#include "net/tls/door_tls.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace troupe::net {

/// The gateway's sockets, on a thread of their own: accepts, cuts frames, decodes headers, writes.
/// What arrives together is handed on together; what is to be sent to one client at one time leaves
/// with one call of the system, bodies straight from their slices.
class socket_server {
public:
  struct handlers {
    std::function<void(arrived)> requests;
    std::function<void(departed)> end;
  };

  /// Listens at the ports (0: any); connections wait until `start`. `tls` is null for plain bytes;
  /// with it `gateway_options::tls` says who has to speak it.
  static storage::result<std::unique_ptr<socket_server>>
  listen(const gateway_options& options, const std::string& host,
         const std::vector<std::uint16_t>& ports, std::shared_ptr<const door_tls> tls = nullptr);
  ~socket_server();
  socket_server(const socket_server&) = delete;
  socket_server& operator=(const socket_server&) = delete;

  /// As bound, in the order in which they were given.
  std::vector<std::uint16_t> ports() const;

  /// From any thread, as long as somebody has the function.
  std::function<socket_bytes()> bytes_function() const;

  /// Lets clients in. The handlers are called on the server's thread. Fails without a thread.
  storage::result<void> start(handlers to);

  /// Closes all connections and settles what they hold; clients may come again. For a gateway that
  /// is replaced: the new one knows nothing of them. From any thread between `start` and `stop`.
  void close_clients();
  /// Lets nobody in any more. As `close_clients`.
  void close_listeners();

  /// Closes everything; afterwards no handler is called. From the thread that called `start`.
  void stop();

  /// From any thread, also after `stop`. Ignored when the connection is gone.
  using sender = std::function<void(outgoing)>;
  sender send_function() const;

private:
  struct parts;
  explicit socket_server(std::unique_ptr<parts> p);
  std::unique_ptr<parts> parts_;
};

} // namespace troupe::net
