#pragma once

#include "storage/error.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace troupe::net::remoting {

/// What a producer is given for a timer message, and gives back to recall it: `v1 topic broker time
/// key`, parted by blanks, in the Base64 of URLs (RocketMQ: RecallMessageHandle).
struct recall_handle {
  std::string topic;
  std::string broker;
  std::int64_t deliver_ms = -1; ///< -1: it was no number
  std::string unique_key;
};

std::string write_recall_handle(const recall_handle& handle);
/// From a client. `invalid_argument` with RocketMQ's words.
storage::result<recall_handle> read_recall_handle(std::string_view text);

} // namespace troupe::net::remoting
