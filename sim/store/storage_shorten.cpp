#include "sim/store/storage_run.hpp"

#include <algorithm>
#include <utility>

namespace troupe::sim {

namespace {

/// Tries smaller scenarios as long as there are runs left, and keeps the last that failed.
class shortening {
public:
  shortening(storage_scenario scenario, const run_function& run)
      : best_(std::move(scenario)), run_(run) {}

  storage_scenario find() {
    cut_behind_failure();
    for (bool shorter = true; shorter && tries_ > 0;) {
      shorter = drop_lives();
      for (std::size_t i = 0; i < best_.lives.size(); ++i) {
        shorter |= drop_parts([i](storage_scenario & s) -> auto& { return s.lives[i].faults; });
        shorter |= drop_parts([i](storage_scenario & s) -> auto& { return s.lives[i].steps; });
      }
    }
    return std::move(best_);
  }

private:
  bool still_fails(const storage_scenario& tried) {
    if (tries_ == 0)
      return false;
    --tries_;
    if (!run_(tried).failure)
      return false;
    best_ = tried;
    cut_behind_failure();
    return true;
  }

  void cut_behind_failure() {
    auto failure = run_(best_).failure;
    if (!failure)
      return;
    best_.lives.resize(failure->life + 1);
    if (failure->step)
      best_.lives.back().steps.resize(*failure->step + 1);
  }

  bool drop_lives() {
    bool shorter = false;
    for (std::size_t i = 0; i < best_.lives.size();) {
      auto tried = best_;
      tried.lives.erase(tried.lives.begin() + static_cast<std::ptrdiff_t>(i));
      if (still_fails(tried))
        shorter = true;
      else
        ++i;
    }
    return shorter;
  }

  /// Halves first, then smaller and smaller parts of a list.
  template <class List>
  bool drop_parts(List list) {
    bool shorter = false;
    for (auto part = list(best_).size(); part > 0; part /= 2) {
      for (std::size_t from = 0; from < list(best_).size();) {
        auto tried = best_;
        auto& items = list(tried);
        auto to = std::min(from + part, items.size());
        items.erase(items.begin() + static_cast<std::ptrdiff_t>(from),
                    items.begin() + static_cast<std::ptrdiff_t>(to));
        auto lives = best_.lives.size();
        if (still_fails(tried)) {
          shorter = true;
          if (best_.lives.size() != lives)
            return true; // the list may be another one now
        } else {
          from += part;
        }
      }
    }
    return shorter;
  }

  storage_scenario best_;
  const run_function& run_;
  std::size_t tries_ = 2000; ///< runs that are left
};

} // namespace

storage_scenario shorten(storage_scenario scenario, const run_function& run) {
  return shortening(std::move(scenario), run).find();
}

} // namespace troupe::sim
