#pragma once

#include "net/gateway/counter.hpp"
#include "net/gateway/gateway_report.hpp"
#include "net/remoting/message_counts.hpp"
#include "storage/histogram.hpp"

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>

namespace troupe::net {

/// What was stored of some requests.
struct put_sum {
  struct queue_sum {
    std::uint64_t requests = 0;
    std::uint64_t took_ms = 0; ///< from the socket to the answer
  };
  std::uint64_t messages = 0;
  std::uint64_t bytes = 0;
  std::uint64_t requests = 0;
  std::map<std::int32_t, queue_sum> queues = {};
};

/// Who pulled from where.
struct pull_source {
  const std::string& topic;
  const std::string& group;
  std::int32_t queue_id = 0;
  std::int64_t asked_ms = 0; ///< in the actor clock
};

/// How many messages came in and went out, by RocketMQ's names of statistics, and how long that
/// took. Senders and pullers write it, operators read it.
class message_tally {
public:
  message_tally(const counter& clock, std::string cluster)
      : clock_(clock), cluster_(std::move(cluster)) {}

  void put(const std::string& topic, const put_sum& sum);
  /// One of those requests; nothing that costs more.
  void put_took(std::int64_t ms, std::int64_t now_ms) {
    put_times_.add(ms, now_ms);
    put_ms_.add(static_cast<std::uint64_t>(std::max<std::int64_t>(ms, 0)));
  }
  /// A pull was answered with what was found, or with nothing.
  void got(const pull_source& by, const pull_response& found);
  void got_nothing() { misses_.add(1, clock_.now_ms()); }
  /// A message that the group could not consume was stored to come again.
  void sent_back(const std::string& topic, const std::string& group);

  /// A client asked what nobody here answers. True the first time that this code is counted; codes
  /// beyond `most_unknown` are counted together.
  bool unknown_request(std::int32_t code);
  /// All that was counted since the start, by topic and group.
  void report(gateway_report& to) const;
  /// "code:times code:times".
  std::string unknown_requests() const;

  /// Nothing when nothing was ever counted under that name and key.
  std::optional<remoting::message_rates> find(std::string_view name, std::string_view key) const;
  /// Where the group's last pull of the queue ended; -1 when it is not known.
  std::int64_t pulled_to(const std::string& topic, const std::string& group,
                         std::int32_t queue_id) const;

  const remoting::daily_total& puts() const noexcept { return puts_; }
  const remoting::daily_total& gets() const noexcept { return gets_; }
  std::uint64_t put_bytes() const noexcept { return put_bytes_; }
  const remoting::time_spread& put_times() const noexcept { return put_times_; }
  const remoting::recent_total& recent_puts() const noexcept { return recent_puts_; }
  const remoting::recent_total& recent_gets() const noexcept { return recent_gets_; }
  /// Of pulls, not of messages.
  const remoting::recent_total& hits() const noexcept { return hits_; }
  const remoting::recent_total& misses() const noexcept { return misses_; }

private:
  void note_pulled(const pull_source& by, std::int64_t next);
  void note_time(const pull_source& by, const pull_response& found);

  const counter& clock_;
  std::string cluster_;
  remoting::message_counts counts_;
  remoting::message_counts times_; ///< by queue, so that they leave the others their room
  remoting::daily_total puts_, gets_;
  remoting::recent_total recent_puts_, recent_gets_, hits_, misses_;
  remoting::time_spread put_times_;
  storage::histogram put_ms_{storage::request_ms_bounds};
  storage::histogram pull_ms_{storage::request_ms_bounds};
  std::uint64_t put_bytes_ = 0;
  static constexpr std::size_t most_unknown = 64;
  std::map<std::int32_t, std::uint64_t> unknown_;
  std::uint64_t unknown_others_ = 0;
  std::map<std::tuple<std::string, std::string, std::int32_t>, std::int64_t> pulled_;
};

} // namespace troupe::net
