#include "net/gateway/request_memory.hpp"

#include "storage/check.hpp"

namespace troupe::net {

void request_memory::change(std::size_t before, std::size_t after) {
  auto was = shared_part(before), is = shared_part(after);
  TROUPE_CHECK(was <= used_bytes_);
  used_bytes_ += is - was;
  if (is < was)
    wake();
}

bool request_memory::allows(std::size_t before, std::size_t after) const noexcept {
  auto was = shared_part(before), is = shared_part(after);
  return is == 0 || is + (is > was ? is - was : 0) <= free_bytes();
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
