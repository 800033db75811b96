#pragma once

#include "net/config.hpp"

#include <limits>
#include <span>

namespace troupe::net {

enum class quantity { bytes, duration, count, percent, on_off, text };

/// One key of cluster.ini. The table of these is all that reading, range checks and help know.
struct setting {
  std::string_view section; ///< "node" stands for every `[node NAME]`
  std::string_view key;
  quantity kind = quantity::count;
  std::int64_t least = 0;
  std::int64_t most = std::numeric_limits<std::int64_t>::max();
  std::int64_t step = 1; ///< a valid number is a multiple of it
  std::string_view about;

  // Of a number (all kinds but text).
  std::int64_t (*number)(const cluster_config&, const node_config&) = nullptr;
  void (*set_number)(cluster_config&, node_config&, std::int64_t) = nullptr;
  // Of a text: `set_text` answers what is wrong with it, or nothing.
  std::string (*text)(const cluster_config&, const node_config&) = nullptr;
  std::string (*set_text)(cluster_config&, node_config&, std::string_view) = nullptr;
};

/// Ordered by section as cluster.ini shows them.
std::span<const setting> settings();

/// The section names of the table, in order, and `caf`.
std::span<const std::string_view> section_names();

/// The setting's value as it is written in the file.
std::string written(const setting& s, const cluster_config& config, const node_config& node);

/// " (1 to 1024)" for a number, nothing for a text or a switch.
std::string range_text(const setting& s);

/// Takes a value over; the error says what is wrong with it and what would be right.
storage::result<void> assign(const setting& s, cluster_config& config, node_config& node,
                             std::string_view value);

} // namespace troupe::net
