#pragma once

#include "actors/open_bundle.hpp"
#include "actors/options.hpp"

#include <deque>

namespace troupe {

/// Groups on their way into the log, in arrival order. When the one in front cannot go on, it and
/// all behind it are parked; what is parked is bounded in bytes and in time, whatever it waits for.
class waiting_puts {
public:
  waiting_puts() = default;
  explicit waiting_puts(const writer_options& limits) : limits_(limits) {}

  bool empty() const noexcept { return bundles_.empty(); }
  open_bundle& front() { return bundles_.front(); }
  std::size_t bytes() const noexcept { return bytes_; }

  /// False when so much is parked that the bundle must be refused.
  bool has_room_for(const open_bundle& bundle) const noexcept {
    return !parked_ || bytes_ + bundle.bytes <= limits_.parked_bytes;
  }
  void push(open_bundle bundle);
  /// The front one leaves, stored or refused.
  open_bundle pop(caf_time now);

  bool parked() const noexcept { return parked_; }
  /// The front one cannot go on now.
  void park();
  /// The front one has been here for longer than anybody may wait.
  bool late(caf_time now) const noexcept {
    return !bundles_.empty() && now - bundles_.front().arrived >= limits_.parked_deadline;
  }

  /// Requests that are here, and those that were ever parked with the sum of their waiting times:
  /// those that are parked now included.
  struct count {
    std::uint64_t waiting = 0;
    std::uint64_t delayed = 0;
    std::uint64_t delayed_ms = 0;
  };
  count counted(caf_time now) const;

private:
  static void add_delay(const open_bundle& bundle, caf_time now, count& to);

  writer_options limits_;
  std::deque<open_bundle> bundles_;
  std::size_t bytes_ = 0;
  bool parked_ = false; ///< until everybody has left: who comes behind parked ones is parked too
  count left_;          ///< of those who were delayed and are gone
};

} // namespace troupe
