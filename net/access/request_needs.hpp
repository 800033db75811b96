#pragma once

#include "net/remoting/command.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace troupe::access {

/// What one may do with a topic or with a consumer group.
namespace right {
inline constexpr std::uint8_t none = 0;
inline constexpr std::uint8_t pub = 1;
inline constexpr std::uint8_t sub = 2;
inline constexpr std::uint8_t either = pub | sub; ///< as a need: one of them is enough
} // namespace right

struct need {
  bool group = false; ///< else a topic
  std::string name;
  std::uint8_t rights = right::none; ///< any of these
  friend bool operator==(const need&, const need&) = default;
};

/// What it takes to do this with the topic: one for retries counts as its group. Nothing: any
/// account may.
std::optional<need> need_for_topic(const std::string& topic, std::uint8_t rights);

/// What a request asks of whoever sends it.
struct request_needs {
  bool open = false;  ///< nothing: what RocketMQ's name servers answer to anybody
  bool admin = false; ///< an account that may do everything
  std::vector<need> needs;
};

/// By the request's code and what it names. What is not listed takes an admin: a code that is new
/// is closed until somebody thought of it. Fails when the body that has to be looked into is not
/// understood.
storage::result<request_needs> needs_of(const remoting::command& header, remoting::byte_view body);

} // namespace troupe::access
