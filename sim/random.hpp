#pragma once

#include "storage/check.hpp"

#include <bit>
#include <cstdint>
#include <string_view>

namespace troupe::sim {

/// A small generator with the same numbers on every machine (splitmix64). Copying it forks the
/// sequence.
class random_source {
public:
  explicit random_source(std::uint64_t seed) noexcept : state_(seed) {}

  std::uint64_t next() noexcept {
    state_ += 0x9e3779b97f4a7c15;
    auto z = state_;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }

  /// A number in [0, end); `end` is at least 1. The bias of the remainder is of no matter here.
  std::uint64_t below(std::uint64_t end) noexcept {
    TROUPE_CHECK(end > 0);
    return next() % end;
  }

  /// A number in [low, high].
  std::uint64_t between(std::uint64_t low, std::uint64_t high) noexcept {
    TROUPE_CHECK(low <= high);
    return low + below(high - low + 1);
  }

  /// True once in `n` calls, on average.
  bool one_in(std::uint64_t n) noexcept { return below(n) == 0; }

  /// True `percent` times in a hundred calls, on average.
  bool percent(std::uint64_t percent) noexcept { return below(100) < percent; }

private:
  std::uint64_t state_;
};

/// The generator of one purpose ("storage", "load"). Streams of one seed know nothing of each
/// other: one more draw in one of them leaves the others as they were.
inline random_source stream(std::uint64_t seed, std::string_view name) noexcept {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (auto c : name)
    hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  random_source mixed(seed ^ std::rotl(hash, 17));
  return random_source(mixed.next());
}

} // namespace troupe::sim
