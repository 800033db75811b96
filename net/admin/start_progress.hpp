#pragma once

#include "storage/progress.hpp"

#include <atomic>
#include <chrono>
#include <cstdint>

namespace troupe::net {

/// How far a node is on its way to serving. Written by the thread that starts and stops it, read by
/// any.
class start_progress {
public:
  enum class phase { opening, waiting, serving, stopping };
  using clock = std::chrono::steady_clock;

  struct view {
    phase now = phase::opening;
    std::uint64_t done = 0; ///< bytes of the log that were checked
    std::uint64_t total = 0;
    std::chrono::milliseconds took{0}; ///< since the first of them
  };

  void enter(phase next) noexcept { phase_ = next; }

  /// The log is being checked.
  void checked(std::uint64_t done, std::uint64_t total) noexcept {
    if (began_.load() == 0)
      began_ = clock::now().time_since_epoch().count();
    done_ = done;
    total_ = total;
  }

  view read(clock::time_point now = clock::now()) const noexcept {
    view v{phase_, done_, total_, {}};
    if (auto began = began_.load(); began != 0)
      v.took = std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch() -
                                                                     clock::duration(began));
    return v;
  }

private:
  std::atomic<phase> phase_{phase::opening};
  std::atomic<std::uint64_t> done_{0};
  std::atomic<std::uint64_t> total_{0};
  std::atomic<clock::rep> began_{0};
};

} // namespace troupe::net
