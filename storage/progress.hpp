#pragma once

#include <cstdint>
#include <functional>

namespace troupe::storage {

/// Whoever wants to know how far a long work is. Called on the thread that does the work, each time
/// some megabytes more are done; must not take long.
struct progress_sink {
  /// `done` of `total` bytes; `total` is an upper bound, and the last call says what it really was.
  std::function<void(std::uint64_t done, std::uint64_t total)> report;

  void operator()(std::uint64_t done, std::uint64_t total) const {
    if (report)
      report(done, total);
  }
};

} // namespace troupe::storage
