#pragma once

#include "net/gateway/counter.hpp"
#include "net/remoting/message_counts.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace troupe::net {

/// How many messages came in and went out, by RocketMQ's names of statistics. Senders and pullers
/// write it, operators read it.
class message_tally {
public:
  message_tally(const counter& clock, std::string broker)
      : clock_(clock), broker_(std::move(broker)) {}

  void put(const std::string& topic, std::uint64_t messages);
  void got(const std::string& topic, const std::string& group, std::uint64_t messages);

  /// Nothing when nothing was ever counted under that name and key.
  std::optional<remoting::message_rates> find(std::string_view name, std::string_view key) const {
    return counts_.find(name, key, clock_.now_ms());
  }
  const remoting::daily_total& puts() const noexcept { return puts_; }
  const remoting::daily_total& gets() const noexcept { return gets_; }

private:
  const counter& clock_;
  std::string broker_;
  remoting::message_counts counts_;
  remoting::daily_total puts_, gets_;
};

} // namespace troupe::net
