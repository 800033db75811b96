#pragma once

#include "actors/messages.hpp"
#include "cli/group_progress.hpp"

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::cli {

/// What one look of `troupe top` brought.
struct top_sample {
  node_status status;
  /// As `progress_of_groups` answers; empty when nobody asked.
  std::map<std::string, std::vector<queue_progress>> groups;
  std::int64_t at_ms = 0; ///< on a clock that nobody sets
};

/// What happened between two looks, each a second. Nothing where one of them does not know it, or
/// the log is another one since.
struct top_rates {
  std::optional<double> messages;
  std::optional<double> bytes;
  std::optional<double> flushes;
};
top_rates rates_between(const top_sample& before, const top_sample& after);

/// How far a group is behind in all, and how many messages a second it consumes.
struct group_lag {
  std::string group;
  std::int64_t lag = 0;
  std::optional<double> consumed;
};
/// The groups furthest behind, at most so many.
std::vector<group_lag> furthest_behind(const top_sample* before, const top_sample& after,
                                       std::size_t most);

/// In lines that each end with a line break. Roles that do not run are marked when colours may be
/// used.
std::string top_text(const top_sample* before, const top_sample& after, std::size_t groups,
                     bool colours);
/// In one line without a line break.
std::string top_json(const top_sample* before, const top_sample& after, std::size_t groups);

} // namespace troupe::cli
