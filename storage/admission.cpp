#include "storage/admission.hpp"

#include <string>

namespace troupe::storage {

admission_answer admit(const admission_input& now) {
  auto refuse = [](errc code, std::string message) {
    return admission_answer{admission::refuse, {code, "not stored: " + std::move(message)}};
  };
  if (!now.stopped.empty())
    return refuse(errc::write_stopped, std::string(now.stopped));
  if (now.disk_full)
    return refuse(errc::disk_full, "the disk is too full; writes go on when there is room again");
  if (now.batch_messages == 0 || now.batch_messages > now.positions_capacity)
    return refuse(errc::invalid_argument,
                  "a batch of " + std::to_string(now.batch_messages)
                    + " messages, but mailbox-capacity is "
                    + std::to_string(now.positions_capacity) + ": send 1 to that many");
  const bool no_positions = now.positions_used > now.positions_capacity - now.batch_messages;
  const bool too_dirty = now.dirty_bytes > 0
                         && (now.dirty_bytes >= now.dirty_budget
                             || now.batch_bytes > now.dirty_budget - now.dirty_bytes);
  if (no_positions || too_dirty)
    return {admission::delay, {}};
  return {};
}

} // namespace troupe::storage
