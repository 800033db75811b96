#include "storage/clock.hpp"

#include <chrono>

namespace troupe::storage {

namespace {

class machine_clock final : public wall_clock {
public:
  std::int64_t now_ms() const override {
    auto now = std::chrono::system_clock::now().time_since_epoch();
    return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
  }
};

} // namespace

const wall_clock& system_wall_clock() noexcept {
  static const machine_clock clock;
  return clock;
}

} // namespace troupe::storage
