#pragma once

#include "sim/store/storage_load.hpp"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

namespace troupe::sim {

/// A broken promise.
struct run_failure {
  std::size_t life = 0;            ///< which of the scenario's, from 0
  std::optional<std::size_t> step; ///< nothing: at the recovery or at the end of the life
  std::string what;
};

struct run_outcome {
  std::optional<run_failure> failure;
  std::uint64_t trace = 0; ///< of every call and of the store's bytes after each life
  std::uint64_t calls = 0;
  std::uint64_t recoveries = 0; ///< that succeeded and were checked
  std::uint64_t records = 0;    ///< seen in those checks
};

/// Lets processes open, use and lose a store on one simulated disk, life after life, and checks
/// after each recovery that everything promised is there. The tracer gets what happens.
using run_tracer = std::function<void(const std::string&)>;
run_outcome run_storage(const storage_scenario& scenario, const run_tracer& tracer = nullptr);

/// A part of the scenario, as short as could be found, for which `run` still fails.
using run_function = std::function<run_outcome(const storage_scenario&)>;
storage_scenario shorten(
    storage_scenario scenario,
    const run_function& run = [](const storage_scenario& tried) { return run_storage(tried); });

/// For a person: what went wrong, and the scenario.
std::string to_string(const run_failure& failure, const storage_scenario& scenario);

} // namespace troupe::sim
