#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace troupe::remoting {

/// How much there was in a span of time up to now: messages, their bytes, or milliseconds.
struct message_rate {
  std::uint64_t sum = 0;
  double per_second = 0;
  double average = 0; ///< of a request
};
struct message_rates {
  message_rate minute, hour, day;
};

/// Names of statistics: of a topic, of "topic@group", and of the whole broker, whose key is the
/// name of its cluster.
inline constexpr std::string_view topic_puts = "TOPIC_PUT_NUMS";
inline constexpr std::string_view topic_put_bytes = "TOPIC_PUT_SIZE";
inline constexpr std::string_view topic_gets = "TOPIC_GET_NUMS";
inline constexpr std::string_view topic_get_bytes = "TOPIC_GET_SIZE";
inline constexpr std::string_view group_gets = "GROUP_GET_NUMS";
inline constexpr std::string_view group_get_bytes = "GROUP_GET_SIZE";
inline constexpr std::string_view group_send_backs = "SNDBCK_PUT_NUMS";
inline constexpr std::string_view broker_puts = "BROKER_PUT_NUMS";
inline constexpr std::string_view broker_gets = "BROKER_GET_NUMS";
inline constexpr std::string_view own_broker_puts = "BROKER_PUT_NUMS_WITHOUT_SYSTEM_TOPIC";
inline constexpr std::string_view own_broker_gets = "BROKER_GET_NUMS_WITHOUT_SYSTEM_TOPIC";
/// Milliseconds, of "queue@topic" and "queue@topic@group".
inline constexpr std::string_view topic_put_time = "TOPIC_PUT_LATENCY";
inline constexpr std::string_view group_get_time = "GROUP_GET_LATENCY";

/// Sums by RocketMQ's names of statistics and keys, over the last minute, hour and day. Bounded: at
/// `most_keys` those without a message in a day are forgotten, looked for once an hour; without
/// any, new keys are not counted.
class message_counts {
public:
  static constexpr std::size_t most_keys = 20'000;

  /// So much in so many requests. Time must not go back.
  void add(std::string_view name, std::string_view key, std::uint64_t amount, std::int64_t now_ms,
           std::uint64_t requests = 1);
  /// Nothing when nothing was ever counted.
  std::optional<message_rates> find(std::string_view name, std::string_view key,
                                    std::int64_t now_ms) const;
  /// Calls `each(key, amount, requests)` with the sums since the name and key were counted first.
  template <class Each>
  void each_total(std::string_view name, Each each) const {
    for (auto at = series_.lower_bound(before::view(name, {}));
         at != series_.end() && at->first.first == name; ++at)
      each(at->first.second, at->second.amount, at->second.requests);
  }

private:
  /// Counts in slots of equal time, which are used round and round.
  template <std::size_t Slots, std::int64_t SlotMs>
  struct ring {
    struct slot_counts {
      std::uint64_t amount = 0, requests = 0;
      std::int64_t used = 0; ///< by which slot of all time, counted from 1
    };
    std::array<slot_counts, Slots> slots{};

    void add(std::uint64_t amount, std::uint64_t requests, std::int64_t now_ms) {
      auto number = now_ms / SlotMs;
      auto& slot = slots[static_cast<std::size_t>(number) % Slots];
      if (slot.used != number + 1)
        slot = {0, 0, number + 1};
      slot.amount += amount;
      slot.requests += requests;
    }
    message_rate rate(std::int64_t now_ms) const {
      auto number = now_ms / SlotMs;
      message_rate found;
      std::uint64_t requests = 0;
      for (auto& slot : slots)
        if (slot.used > number + 1 - static_cast<std::int64_t>(Slots)) {
          found.sum += slot.amount;
          requests += slot.requests;
        }
      if (requests > 0)
        found.average = static_cast<double>(found.sum) / static_cast<double>(requests);
      found.per_second = static_cast<double>(found.sum) * 1000 /
                         static_cast<double>(static_cast<std::int64_t>(Slots) * SlotMs);
      return found;
    }
  };
  struct series {
    std::uint64_t amount = 0, requests = 0; ///< of all time
    ring<6, 10'000> minute;
    ring<6, 600'000> hour;
    ring<24, 3'600'000> day;
  };
  bool make_room(std::int64_t now_ms);

  /// Compares views of names and keys, so that nothing is allocated for a look.
  struct before {
    using is_transparent = void;
    using view = std::pair<std::string_view, std::string_view>;
    bool operator()(const view& a, const view& b) const noexcept { return a < b; }
  };
  std::map<std::pair<std::string, std::string>, series, before> series_; ///< by name and key
  std::int64_t next_look_ms_ = 0;
};

/// What came in the last seconds, ten minutes at most.
class recent_total {
public:
  /// Time must not go back.
  void add(std::uint64_t amount, std::int64_t now_ms);
  /// Per second, over so many whole seconds before this one.
  double per_second(std::int64_t seconds, std::int64_t now_ms) const;

private:
  static constexpr std::size_t slots = 601;
  std::array<std::uint64_t, slots> amounts_{};
  std::array<std::int64_t, slots> used_{}; ///< by which second of all time, counted from 1
};

/// How long requests took, of which tools are told the last whole minute.
class time_spread {
public:
  /// Time must not go back.
  void add(std::int64_t took_ms, std::int64_t now_ms);
  /// As RocketMQ's tools read it: "[<=0ms]:3 [0~10ms]:1 ... [10s~]:0 ".
  std::string text(std::int64_t now_ms) const;
  /// The milliseconds in which this part of them, such as 0.99, was done; 0 without any.
  double within(double part, std::int64_t now_ms) const;
  /// Of all that ever were.
  std::int64_t longest_ms() const noexcept { return longest_ms_; }

private:
  static constexpr std::size_t most_steps = 64;
  using counts = std::array<std::uint64_t, most_steps>;
  const counts* whole_minute(std::int64_t now_ms) const;

  std::int64_t minute_ = 0; ///< of `current_`
  counts current_{}, last_{};
  std::int64_t longest_ms_ = 0;
};

/// Messages since the start and at the last two midnights (UTC), as RocketMQ's tools ask for them.
class daily_total {
public:
  /// Wall-clock time.
  void add(std::uint64_t messages, std::int64_t now_ms);
  std::uint64_t now() const noexcept { return now_; }
  std::uint64_t this_morning(std::int64_t now_ms) const noexcept;
  std::uint64_t yesterday_morning(std::int64_t now_ms) const noexcept;

private:
  std::int64_t day_ = 0; ///< of the last message
  std::uint64_t now_ = 0, morning_ = 0, previous_ = 0;
};

} // namespace troupe::remoting
