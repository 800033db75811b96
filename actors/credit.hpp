#pragma once

#include "storage/check.hpp"
#include "storage/format/record.hpp"
#include "storage/mutant.hpp"

#include <cstddef>
#include <cstdint>
#include <deque>

namespace troupe {

/// Counts the positions that were appended and are not yet in the queues: the bound of the
/// dispatcher. Room is taken before the append and given back by cumulative confirmations, so the
/// count never passes the capacity, wherever the positions are on their way.
class position_credit {
public:
  explicit position_credit(std::uint64_t capacity = 0) : capacity_(capacity) {}

  std::uint64_t capacity() const noexcept { return capacity_; }
  std::uint64_t used() const noexcept { return used_; }
  std::uint64_t highest() const noexcept { return highest_; }

  /// Takes room for `count` positions, or none at all.
  bool reserve(std::uint64_t count) noexcept {
    if (count > capacity_ - used_ && !TROUPE_MUTANT("bound-ignored"))
      return false;
    used_ += count;
    if (used_ > highest_)
      highest_ = used_;
    TROUPE_CHECK(used_ <= capacity_ || TROUPE_MUTANT("bound-ignored"));
    return true;
  }

  /// Gives back room that was reserved and not used after all.
  void give_back(std::uint64_t count) noexcept {
    TROUPE_CHECK(count <= used_);
    used_ -= count;
  }

  /// `count` of the reserved positions are on their way; they end at `end` in the log.
  void sent(storage::log_offset end, std::uint64_t count) {
    if (count > 0)
      open_.push_back({end, count});
  }

  /// Everything that ends at or before `end` has arrived. Late and repeated calls do no harm.
  void confirm(storage::log_offset end) noexcept {
    while (!open_.empty() && open_.front().end <= end) {
      give_back(open_.front().count);
      open_.pop_front();
    }
  }

private:
  struct range {
    storage::log_offset end = 0;
    std::uint64_t count = 0;
  };
  std::uint64_t capacity_ = 0;
  std::uint64_t used_ = 0;
  std::uint64_t highest_ = 0;
  std::deque<range> open_;
};

} // namespace troupe
