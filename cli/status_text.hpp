#pragma once

#include "actors/messages.hpp"

#include <optional>
#include <string>
#include <vector>

namespace troupe::cli {

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

/// For people, in lines that each end with a line break.
std::string status_text(const node_status& s);
/// For programs, in one line without a line break.
std::string status_json(const node_status& s);

} // namespace troupe::cli
