#pragma once

#include <cstdint>

#include <arpa/inet.h>
#include <sys/socket.h>

namespace troupe::test {

/// A socket that has dialled a port of this machine, from an address of choice; where nobody
/// listens it fails when it is used.
inline int dial_loopback(std::uint16_t port, const char* from = "127.0.0.1") {
  int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in at{};
  at.sin_family = AF_INET;
  ::inet_pton(AF_INET, from, &at.sin_addr);
  (void)::bind(fd, reinterpret_cast<const sockaddr*>(&at), sizeof at);
  ::inet_pton(AF_INET, "127.0.0.1", &at.sin_addr);
  at.sin_port = htons(port);
  (void)::connect(fd, reinterpret_cast<const sockaddr*>(&at), sizeof at);
  return fd;
}

} // namespace troupe::test
