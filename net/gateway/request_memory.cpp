#include "net/gateway/request_memory.hpp"

#include "storage/check.hpp"

namespace troupe::net {

void request_memory::release(std::size_t bytes) {
  TROUPE_CHECK(bytes <= held_bytes_);
  held_bytes_ -= bytes;
  if (bytes > 0)
    wake();
}

bool request_memory::take_turn(connection_id who) noexcept {
  if (turn_ == 0)
    turn_ = who;
  return turn_ == who;
}

void request_memory::end_turn(connection_id who) {
  if (turn_ != who)
    return;
  turn_ = 0;
  wake();
}

/// Once for all that becomes free until those who wait were asked.
void request_memory::wake() {
  if (!waiting_.empty() && !std::exchange(waking_, true))
    room_();
}

std::vector<connection_id> request_memory::take_waiting() {
  waking_ = false;
  return std::exchange(waiting_, {});
}

} // namespace troupe::net
