#include "actors/waiting_puts.hpp"

namespace troupe {

void waiting_puts::push(open_bundle bundle) {
  bytes_ += bundle.bytes;
  if (parked_)
    bundle.delay();
  bundles_.push_back(std::move(bundle));
}

open_bundle waiting_puts::pop(caf_time now) {
  auto bundle = std::move(bundles_.front());
  bundles_.pop_front();
  bytes_ -= bundle.bytes;
  add_delay(bundle, now, left_);
  if (bundles_.empty())
    parked_ = false;
  return bundle;
}

void waiting_puts::park() {
  if (!parked_)
    for (auto& bundle : bundles_)
      bundle.delay();
  parked_ = true;
}

waiting_puts::count waiting_puts::counted(caf_time now) const {
  auto all = left_;
  for (auto& bundle : bundles_) {
    all.waiting += bundle.bundle.requests.size() - bundle.request;
    add_delay(bundle, now, all);
  }
  return all;
}

void waiting_puts::add_delay(const open_bundle& bundle, caf_time now, count& to) {
  auto waited = std::chrono::duration_cast<milliseconds>(now - bundle.arrived).count();
  if (bundle.delayed == 0 || waited == 0) // shorter than anybody counts
    return;
  to.delayed += bundle.delayed;
  to.delayed_ms += bundle.delayed * static_cast<std::uint64_t>(waited);
}

} // namespace troupe
