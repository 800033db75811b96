#pragma once

#include <cstdint>

namespace troupe::storage {

/// Wall-clock time as the store writes it: milliseconds since 1970. Timers do not use it.
class wall_clock {
public:
  virtual ~wall_clock() = default;
  virtual std::int64_t now_ms() const = 0;
};

/// The machine's own clock. The returned object lives for the whole process.
const wall_clock& system_wall_clock() noexcept;

} // namespace troupe::storage
