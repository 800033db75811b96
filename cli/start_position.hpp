#pragma once

#include "net/consumer.hpp"

#include <string>

namespace troupe::cli {

/// "earliest", "latest", an offset, or a moment as `net::parse_moment` reads it.
storage::result<client::start_position> start_of(const std::string& text);

} // namespace troupe::cli
