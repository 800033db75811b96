#include "storage/index/index_chain.hpp"

#include <algorithm>

namespace troupe::storage {

index_chain::index_chain(const index_geometry& geometry, const index_header& header,
                         std::uint32_t hash) noexcept
    : header_(header), slots_(geometry.slots), slot_(hash % geometry.slots),
      bound_(std::min(header.next_entry, geometry.entries)) {}

void index_chain::newest_is(const index_entry& newest) noexcept {
  knows_newest_ = true;
  // Where the clock was set back, older entries may have later times.
  in_order_ = header_.time_of(newest.seconds) + index_header::rounding_ms >= header_.end_time;
}

void index_chain::begin_at(std::uint32_t number) noexcept {
  knows_slot_ = true;
  number_ = number;
  before_ = bound_;
  damaged_ = damaged_ || number >= bound_;
}

void index_chain::begin_behind(std::uint32_t number) noexcept {
  knows_slot_ = true;
  number_ = number;
  before_ = number + 1;
}

bool index_chain::holds(const index_entry& entry) const noexcept {
  return !entry.empty() && entry.hash % slots_ == slot_;
}

bool index_chain::goes_on(const index_search& search) const noexcept {
  return number_ > 0 && number_ < before_ && search.steps_left > 0 &&
         search.found.size() < search.wanted;
}

void index_chain::look(const index_entry& current, index_search& search) {
  --search.steps_left;
  damaged_ = damaged_ || current.hash % slots_ != slot_ || current.seconds < 0 ||
             current.offset < 0 || current.previous >= number_;
  const auto number = number_;
  number_ = 0;
  if (current.seconds < 0)
    return;
  const auto time = header_.time_of(current.seconds);
  const bool too_old = time + index_header::rounding_ms < search.begin_ms;
  if (too_old && in_order_ && number < bound_)
    return;
  const bool known = std::ranges::find(search.found, current.offset) != search.found.end();
  if (!too_old && current.hash == search.hash && time <= search.end_ms && current.offset >= 0 &&
      !known)
    search.found.push_back(current.offset);
  before_ = number; // chains only lead to older entries, so that no damage makes a circle
  number_ = current.previous;
}

} // namespace troupe::storage
