#pragma once

#include "actors/messages.hpp"

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// What a node's status says, for everybody who shows it: the commands, the admin port.
namespace troupe::net {

/// How far one part of a store is behind another. What a part that does not answer would say is
/// not known, and nothing is shown in its place.
struct status_edge {
  std::string from;
  std::string to;
  std::string from_node; ///< "" where nobody says where it is
  std::string to_node;
  std::string unit; ///< "bytes" of the log, or "positions"
  std::string what; ///< "not flushed"
  std::optional<std::int64_t> backlog;
  std::optional<std::int64_t> capacity; ///< for positions
  std::string link;          ///< state of the way between the two nodes; "" in the same process
  std::int64_t since_ms = 0; ///< for how long it is in that state
};

/// In the direction of a message.
std::vector<status_edge> edges_of(const node_status& s);

/// What a role that is silent or gone would say is not known, and nothing is shown in its place.
bool known(const node_status& s, std::initializer_list<std::string_view> roles);

/// How a reason begins when nobody knows whether the store takes messages.
inline constexpr std::string_view unknown = "unknown";

/// Why the store takes no messages; empty: it does.
std::string reason_of(const node_status& s);

/// What a node with this flush policy loses in which failure (docs/durability.md), in one line.
std::string_view durability_text(bool synchronous_flush);

} // namespace troupe::net
