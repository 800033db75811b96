#pragma once

#include "storage/error.hpp"

#include <cstdint>
#include <string>

namespace troupe::net {

/// Whether this process could listen at that IPv4 address and port now; nobody does afterwards.
/// `unavailable` with the system's reason if not. Port 0, any free one, is only checked for the
/// address.
storage::result<void> check_port(const std::string& host, std::uint16_t port);

} // namespace troupe::net
