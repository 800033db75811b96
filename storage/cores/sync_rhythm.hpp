#pragma once

#include "storage/error.hpp"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>

namespace troupe::storage {

/// When the queues of one queue-manager are made durable, and what follows when the disk refuses.
///
/// State: how far they are applied and durable, whether a sync runs, when the next one may begin,
/// how often each way to the disk failed in a row, whether that holds up writing (`blocked`) or is
/// final (`given_up`), and whether there is an order to stop.
///
/// Events come in by the functions below with the time they happened at; what has to be done then
/// is their answer. A sync that is due the owner begins: it writes the queues out, says
/// `write_failed` or `begun`, and later `synced` or `sync_failed`.
///
/// Invariants: one sync at a time; none in read-only queues or after `given_up`; what is durable
/// only grows.
///
/// Not thread safe: it belongs to a queue-manager, or to the storage simulation's process.
class sync_rhythm {
public:
  using time_point = std::chrono::steady_clock::time_point;
  using milliseconds = std::chrono::milliseconds;

  /// Syncing thousands of files takes seconds: afterwards the disk rests this many times as long,
  /// but not for ever, since what came meanwhile has to be done again after a crash.
  static constexpr int rest_factor = 8;
  static constexpr milliseconds longest_rest{30'000};
  static constexpr milliseconds short_pause{100}; ///< before a failed write is tried again
  /// How long to wait while room or descriptors are missing.
  static constexpr milliseconds obstacle_pause{1000};

  struct rules {
    milliseconds interval{1000};
    int tries = 3; ///< failures in a row that hold up writing
    bool read_only = false;
  };

  /// To be done in this order.
  struct actions {
    int warn_of_try = 0; ///< 0: nothing to warn of
    bool give_up = false;
    bool block = false; ///< writing is held up until `unblock`; said again with every failure
    bool unblock = false;
    std::optional<milliseconds> retry = std::nullopt; ///< apply again then: `retrying_now`
    bool stopped = false;                             ///< the order to stop is carried out
    bool log_unknown = false; ///< the same, but nobody said that the log is durable
    bool sync = false;        ///< at once
    bool arm = false;         ///< a timer for `wait`
    friend bool operator==(const actions&, const actions&) = default;
  };

  sync_rhythm() = default;
  explicit sync_rhythm(const rules& r) : rules_(r) {}

  /// The queues were opened: durable up to there. `stale`: the checkpoint does not say so.
  void opened(std::int64_t applied, bool stale) noexcept;
  /// A batch is in the queues, or was already.
  actions applied(std::int64_t to) noexcept;
  /// Where applying goes on was set otherwise: the queues were emptied, or are compared no further.
  void moved(std::int64_t to) noexcept { applied_ = to; }
  /// All that could be applied is; `full`: the memory for what is not written is used up.
  actions worked(bool full, time_point now) noexcept;
  actions apply_failed(errc why) noexcept { return failed(apply_tries_, why); }
  void retrying_now() noexcept { retrying_ = false; }
  /// The checkpoint speaks of queues or files that are no longer so.
  void stale() noexcept { stale_ = true; }
  /// Somebody waits for a sync.
  void soon(time_point now) noexcept { next_ = std::min(next_, now); }

  actions write_failed(errc why, time_point now) noexcept;
  /// What the checkpoint has to say cannot be counted now.
  void not_counted(time_point now) noexcept { next_ = now + rules_.interval; }
  void begun() noexcept;
  /// `to`: what was applied when it began; `disk_time`: how long the disk was busy.
  actions synced(std::int64_t to, milliseconds disk_time, time_point now) noexcept;
  /// `log_elsewhere`: the log's flusher is in another process.
  actions sync_failed(errc why, bool log_elsewhere, time_point now) noexcept;

  /// From now on what fails too often is final. Then `stop_goes_on`, when what was held up has been
  /// tried once more.
  void stop() noexcept { stopping_ = true; }
  actions stop_goes_on() noexcept;

  bool wants_sync() const noexcept { return (applied_ > durable_ || stale_) && !rules_.read_only; }
  /// True if a sync that is wanted may begin when its time comes.
  bool may_sync() const noexcept { return wants_sync() && !syncing_ && !given_up_; }
  bool due(time_point now) const noexcept { return may_sync() && now >= next_; }
  /// How long until one is due; none if none may begin.
  std::optional<milliseconds> wait(time_point now) const noexcept;

  std::int64_t durable() const noexcept { return durable_; }
  bool syncing() const noexcept { return syncing_; }
  bool retrying() const noexcept { return retrying_; }
  bool blocked() const noexcept { return blocked_; }
  bool given_up() const noexcept { return given_up_; }
  bool stopping() const noexcept { return stopping_; }

private:
  actions failed(int& tries, errc why) noexcept;
  actions gives_up() noexcept;
  bool unblocks() noexcept;

  rules rules_;
  std::int64_t applied_ = 0;
  std::int64_t durable_ = 0;
  time_point next_; ///< before that no sync begins
  int apply_tries_ = 0;
  int write_tries_ = 0;
  bool stale_ = false;
  bool syncing_ = false;
  bool retrying_ = false; ///< a timer runs
  bool blocked_ = false;
  bool given_up_ = false;
  bool stopping_ = false;
  bool owes_stop_ = false; ///< somebody waits for the stop
};

} // namespace troupe::storage
