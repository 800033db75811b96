#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>

namespace troupe::net {

/// What is kept of each look at a node. Some count from the start on, and a rate is the difference
/// of two looks; the others are as they were at that moment.
enum class history_column : std::size_t {
  entries,          ///< counts: messages that are in the queues
  log_bytes,        ///< counts: where the log ends
  consumed,         ///< counts: the sum of the offsets that groups stored
  flushes,          ///< counts
  delayed_requests, ///< counts: those that waited for room
  delayed_ms,       ///< counts: how long they did, together
  answer_us,        ///< how long the node's parts took to say how they are
  in_flight,        ///< positions between writer and queue-manager
  parked,           ///< requests that wait in the writer
  not_flushed,      ///< bytes of the log
  not_passed_on,    ///< bytes that the dispatcher passed on and no queue has
  not_applied,      ///< bytes of the log that the queues lack
  not_durable,      ///< bytes that the queues have and that are not on the disk there
  disk_percent,     ///< of the file system
  memory,           ///< bytes of the process, without mapped files
};
inline constexpr std::size_t history_columns = 15;

/// Of a column whose part did not answer.
inline constexpr std::int64_t not_known = INT64_MIN;

struct history_sample {
  std::int64_t at_ms = 0; ///< since 1970, on a clock that only goes forward
  std::array<std::int64_t, history_columns> values = [] {
    std::array<std::int64_t, history_columns> all{};
    all.fill(not_known);
    return all;
  }();

  std::int64_t& operator[](history_column c) { return values[static_cast<std::size_t>(c)]; }
  std::int64_t operator[](history_column c) const { return values[static_cast<std::size_t>(c)]; }
};

/// The last hour of a node: every look of the last ten minutes, and one for each ten seconds of the
/// hour, with the highest of what does not count. A node looks at itself each second while somebody
/// asked for its history within the last minute, and else each ten seconds, which costs less than
/// 0.01 % of a core: then the ten minutes have as few. Takes at most 200 KiB. Not for several
/// threads.
class history {
public:
  static constexpr std::int64_t fine_ms = 600'000;
  static constexpr std::int64_t coarse_ms = 3'600'000;
  static constexpr std::int64_t coarse_step_ms = 10'000;
  static constexpr std::size_t most_fine = 640; ///< a look may come a little early
  static constexpr std::size_t most_coarse = 361;

  /// Looks that are not later than the one before say nothing new.
  void add(const history_sample& now);

  const std::deque<history_sample>& fine() const noexcept { return fine_; }
  const std::deque<history_sample>& coarse() const noexcept { return coarse_; }

private:
  std::deque<history_sample> fine_;
  std::deque<history_sample> coarse_; ///< the last one grows until its ten seconds are over
};

static_assert((history::most_fine + history::most_coarse) * sizeof(history_sample) < 200 * 1024);

/// When a node looks at itself.
class history_pace {
public:
  using time_point = std::chrono::steady_clock::time_point;
  static constexpr std::chrono::seconds watched_for{60};

  void asked(time_point now) noexcept {
    last_ = now;
    ever_ = true;
  }
  bool watched(time_point now) const noexcept { return ever_ && now - last_ < watched_for; }
  /// From one look to the next.
  std::chrono::milliseconds step(time_point now) const noexcept {
    return std::chrono::milliseconds(watched(now) ? 1000 : 10'000);
  }

private:
  time_point last_{};
  bool ever_ = false;
};

/// What stands around the looks.
struct history_setting {
  std::array<int, 3> disk_percent{}; ///< expired files go, all go, writes are refused
};

/// {"diskPercent":[75,85,90],"fine":{"at":[...],"entries":[...],...},"coarse":{...}}: those that
/// are later than `since_ms`, a column each; null: not known.
std::string history_json(const history& h, const history_setting& with, std::int64_t since_ms);

} // namespace troupe::net
