#pragma once

#include "net/admin/http_message.hpp"
#include "net/admin/options.hpp"
#include "storage/error.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace troupe::net {

/// HTTP/1.1 for those who look at a node: GET and HEAD without a body, one request at a time on a
/// connection, headers of at most 16 KiB, everything in bounded time. One thread of its own, which
/// sleeps while nobody asks: timers run for connections only.
class admin_server {
public:
  /// Listens (port 0: any free one); connections wait until `start`. `hosts` are those that a
  /// request may name beside loopback and the address that it came to.
  static storage::result<std::unique_ptr<admin_server>> listen(const admin_options& options,
                                                               const std::string& host,
                                                               std::uint16_t port,
                                                               std::vector<std::string> hosts);
  ~admin_server();
  admin_server(const admin_server&) = delete;
  admin_server& operator=(const admin_server&) = delete;

  std::uint16_t port() const;

  /// Fails without a thread. Answers may come when they like, also after `stop`.
  storage::result<void> start(admin_handler handler);

  /// Closes everything; afterwards the handler is not called. From the thread that called `start`.
  void stop();

private:
  struct parts;
  explicit admin_server(std::unique_ptr<parts> p);
  std::unique_ptr<parts> parts_;
};

} // namespace troupe::net
