#include "storage/cores/sync_rhythm.hpp"

#include "storage/check.hpp"
#include "storage/passing.hpp"

#include <algorithm>
#include <utility>

namespace troupe::storage {

void sync_rhythm::opened(std::int64_t applied, bool stale) noexcept {
  applied_ = durable_ = applied;
  stale_ = stale;
}

sync_rhythm::actions sync_rhythm::applied(std::int64_t to) noexcept {
  TROUPE_CHECK(to >= applied_);
  applied_ = to;
  apply_tries_ = 0;
  actions then;
  then.unblock = unblocks();
  return then;
}

sync_rhythm::actions sync_rhythm::worked(bool full, time_point now) noexcept {
  if (applied_ <= durable_)
    return {};
  if (full)
    soon(now);
  return {.arm = true};
}

sync_rhythm::actions sync_rhythm::write_failed(errc why, time_point now) noexcept {
  TROUPE_CHECK(!syncing_);
  auto then = failed(write_tries_, why);
  next_ = now + (blocked_ ? obstacle_pause : short_pause);
  return then;
}

void sync_rhythm::begun() noexcept {
  TROUPE_CHECK(may_sync());
  syncing_ = true;
  stale_ = false;
}

sync_rhythm::actions sync_rhythm::synced(std::int64_t to, milliseconds disk_time,
                                         time_point now) noexcept {
  TROUPE_CHECK(syncing_);
  syncing_ = false;
  write_tries_ = 0;
  actions then{.unblock = unblocks()};
  durable_ = std::max(durable_, to);
  next_ = now + std::max(rules_.interval, std::min(rest_factor * disk_time, longest_rest));
  // A stop does not wait for the rest.
  then.sync = owes_stop_ && wants_sync();
  then.stopped = !then.sync && std::exchange(owes_stop_, false);
  then.arm = !then.sync && wants_sync();
  return then;
}

/// The other end being away or slow says nothing of the disk. Of the rest, what cannot pass by
/// itself leaves in doubt what was written.
sync_rhythm::actions sync_rhythm::sync_failed(errc why, bool log_elsewhere,
                                              time_point now) noexcept {
  TROUPE_CHECK(syncing_);
  syncing_ = false;
  stale_ = true;
  bool later =
      why == errc::connection_lost || why == errc::maybe_stored || why == errc::unavailable;
  if (later && !stopping_) {
    next_ = now + rules_.interval;
    return {.arm = true};
  }
  if (later && log_elsewhere) { // it stops too, and nothing may be vouched for that it may not have
    owes_stop_ = false;
    return {.log_unknown = true};
  }
  write_tries_ = rules_.tries;
  auto then = may_pass(why) ? failed(write_tries_, why) : gives_up();
  next_ = now + obstacle_pause;
  then.arm = !given_up_; // such as no room for the checkpoint
  return then;
}

sync_rhythm::actions sync_rhythm::stop_goes_on() noexcept {
  TROUPE_CHECK(stopping_);
  if (given_up_)
    return {};
  if (!wants_sync() && !syncing_)
    return {.stopped = true};
  owes_stop_ = true;
  return {.sync = may_sync()};
}

std::optional<sync_rhythm::milliseconds> sync_rhythm::wait(time_point now) const noexcept {
  if (!may_sync())
    return std::nullopt;
  return std::max(std::chrono::duration_cast<milliseconds>(next_ - now), milliseconds{1});
}

sync_rhythm::actions sync_rhythm::failed(int& tries, errc why) noexcept {
  bool out_of_tries = ++tries >= rules_.tries;
  int warn = blocked_ ? 0 : tries;
  // Entries stay in memory until they are written: when the disk takes them again, it goes on.
  bool for_good = why == errc::needs_repair || why == errc::write_stopped;
  actions then;
  if (for_good || (out_of_tries && stopping_)) {
    then = gives_up();
  } else {
    blocked_ |= out_of_tries;
    retrying_ = true;
    then.block = out_of_tries;
    then.retry = out_of_tries ? obstacle_pause : short_pause;
  }
  then.warn_of_try = warn;
  return then;
}

sync_rhythm::actions sync_rhythm::gives_up() noexcept {
  given_up_ = true;
  owes_stop_ = false;
  return {.give_up = true};
}

/// Each way to the disk has to get through.
bool sync_rhythm::unblocks() noexcept {
  return apply_tries_ == 0 && write_tries_ == 0 && std::exchange(blocked_, false);
}

} // namespace troupe::storage
