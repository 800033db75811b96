#include "storage/cores/apply_core.hpp"

#include "storage/check.hpp"

#include <utility>

namespace troupe::storage {

apply_core::place apply_core::place_of(std::int64_t from, std::int64_t to,
                                       std::int64_t next) noexcept {
  if (from > next)
    return place::gap;
  if (to <= next)
    return place::known;
  return from == next ? place::continues : place::overlaps;
}

void apply_core::opened(std::int64_t applied, std::int64_t compare_until, bool rebuilt,
                        bool read_only) noexcept {
  applied_ = applied;
  compare_until_ = compare_until;
  rebuilt_ = rebuilt;
  read_only_ = read_only;
}

/// What overlaps is applied too: the queues skip the entries they have.
apply_core::step apply_core::judge(std::int64_t from, std::int64_t to) const noexcept {
  switch (place_of(from, to, applied_)) {
  case place::known:
    return step::skip;
  case place::gap:
    return step::read_again;
  case place::continues:
  case place::overlaps:
    break;
  }
  return step::apply;
}

void apply_core::compared(std::int64_t to) noexcept {
  if (to >= compare_until_)
    compare_until_ = 0;
}

std::size_t apply_core::begin(std::int64_t from, std::int64_t to) noexcept {
  TROUPE_CHECK(judge(from, to) == step::apply);
  if (std::exchange(front_, from) != from)
    done_ = 0;
  begun_ = true;
  return done_;
}

void apply_core::got_to(std::size_t count) noexcept {
  TROUPE_CHECK(begun_ && count >= done_);
  done_ = count;
}

apply_core::gap apply_core::found_gap() noexcept {
  done_ = 0;
  if (rebuilt_ || read_only_)
    return gap::damaged;
  begun_ = false;
  return gap::build_again;
}

void apply_core::finished(std::int64_t to) noexcept {
  TROUPE_CHECK(begun_ && to > applied_);
  applied_ = to;
  done_ = 0;
  begun_ = false;
}

void apply_core::emptied(std::int64_t min) noexcept {
  rebuilt_ = true;
  begun_ = false;
  done_ = 0;
  applied_ = min;
  compare_until_ = 0;
}

void apply_core::stop_comparing() noexcept {
  TROUPE_CHECK(comparing());
  applied_ = std::exchange(compare_until_, 0);
}

} // namespace troupe::storage
