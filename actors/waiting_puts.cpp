#include "actors/waiting_puts.hpp"

namespace troupe {

void waiting_puts::push(open_group group) {
  bytes_ += group.bytes;
  if (parked_)
    group.delay();
  groups_.push_back(std::move(group));
}

open_group waiting_puts::pop(caf_time now) {
  auto group = std::move(groups_.front());
  groups_.pop_front();
  bytes_ -= group.bytes;
  add_delay(group, now, left_);
  if (groups_.empty())
    parked_ = false;
  return group;
}

void waiting_puts::park() {
  if (!parked_)
    for (auto& group : groups_)
      group.delay();
  parked_ = true;
}

waiting_puts::count waiting_puts::counted(caf_time now) const {
  auto all = left_;
  for (auto& group : groups_) {
    all.waiting += group.group.requests.size() - group.request;
    add_delay(group, now, all);
  }
  return all;
}

void waiting_puts::add_delay(const open_group& group, caf_time now, count& to) {
  auto waited = std::chrono::duration_cast<milliseconds>(now - group.arrived).count();
  if (group.delayed == 0 || waited == 0) // shorter than anybody counts
    return;
  to.delayed += group.delayed;
  to.delayed_ms += group.delayed * static_cast<std::uint64_t>(waited);
}

} // namespace troupe
