#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::cli {

/// What became of the run of one seed.
struct seed_outcome {
  std::optional<std::string> failure; ///< the promise that was broken
  std::uint64_t trace = 0;            ///< hash of all that happened
  std::uint64_t steps = 0;
  std::uint64_t messages = 0; ///< compared with what was promised
  std::uint64_t restarts = 0;
};

/// A simulation that `troupe sim` can run.
struct sim_kind {
  using line_sink = std::function<void(const std::string& line)>;
  using class_set = std::set<std::string>;

  const char* name;
  /// The classes of faults that it has; those in `by_default` are in "all".
  std::vector<std::string> classes;
  class_set by_default;
  /// Runs one seed; `say` may be null.
  std::function<seed_outcome(std::uint64_t seed, const class_set& classes, const line_sink& say)>
      run;
  /// For a person: the shortest part of a failing run that still fails, and how.
  std::function<void(std::uint64_t seed, const class_set& classes, const line_sink& say)> shorten;
};

/// "node", with its clients, "gateway", with RocketMQ's too, "spread", in several processes, or
/// "storage", a store alone; null when there is none of this name.
const sim_kind* find_sim_kind(std::string_view name);

} // namespace troupe::cli
