#include "net/port_check.hpp"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace troupe::net {

namespace {

/// 0, or why it cannot listen there.
int try_to_listen(int fd, const sockaddr_in& where) {
  // As those who will listen: a connection of the last process that still ends is no obstacle.
  int yes = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  auto bound = ::bind(fd, reinterpret_cast<const sockaddr*>(&where), sizeof where);
  return bound == 0 && ::listen(fd, 1) == 0 ? 0 : errno;
}

} // namespace

storage::result<void> check_port(const std::string& host, std::uint16_t port) {
  sockaddr_in where{};
  where.sin_family = AF_INET;
  where.sin_port = htons(port);
  if (::inet_pton(AF_INET, host.c_str(), &where.sin_addr) != 1)
    return storage::error{storage::errc::invalid_argument, host + " is no IPv4 address"};
  int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0)
    return storage::system_error(errno, "cannot make a socket");
  auto problem = try_to_listen(fd, where);
  ::close(fd);
  if (problem == 0)
    return boost::outcome_v2::success();
  return storage::error{storage::errc::unavailable, "cannot listen at " + host + ":" +
                                                        std::to_string(port) + ": " +
                                                        std::strerror(problem)};
}

} // namespace troupe::net
