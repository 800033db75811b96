#include "actors/admission.hpp"

namespace troupe {

void write_bars::note(const write_bar& bar) {
  if (bar.reason.empty())
    bars_.erase({bar.code, bar.source, bar.share});
  else
    bars_[{bar.code, bar.source, bar.share}] = bar;
}

const write_bar* write_bars::find(bar_source source, errc code) const {
  auto found = bars_.find({code, source, 0});
  return found == bars_.end() ? nullptr : &found->second;
}

const write_bar* write_bars::gravest() const {
  for (auto& [key, bar] : bars_)
    if (bar.code == errc::write_stopped)
      return &bar;
  return bars_.empty() ? nullptr : &bars_.begin()->second;
}

admission admit(const admission_case& request, const write_bars& bars, const std::string& topic,
                storage::error& why) {
  auto refuse = [&](errc code, const std::string& reason) {
    why = {code, "not stored: " + reason};
    return admission::refuse;
  };
  if (auto* bar = bars.gravest())
    return refuse(bar->code, bar->reason);
  if (request.deleted)
    return refuse(errc::not_found, "topic " + topic + " was deleted");
  if (!request.ready)
    return refuse(errc::unavailable, "the queues are not recovered yet");
  if (request.count > request.capacity)
    return refuse(errc::invalid_argument, "a batch of " + std::to_string(request.count) +
                                              " messages, but mailbox-capacity is " +
                                              std::to_string(request.capacity));
  if (request.too_late)
    return refuse(errc::busy, "it waited longer than the producer does; send it again");
  if (request.has_room)
    return admission::take;
  bool fits = request.used <= request.capacity && request.count <= request.capacity - request.used;
  return fits && request.dirty <= request.dirty_budget ? admission::take : admission::wait;
}

} // namespace troupe
