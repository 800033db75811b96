#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace troupe::remoting {

/// How many messages there were in a span of time up to now.
struct message_rate {
  std::uint64_t sum = 0;
  double per_second = 0;
};
struct message_rates {
  message_rate minute, hour, day;
};

/// Names of statistics: messages by topic, by "topic@group", and of the whole broker by its name.
inline constexpr std::string_view topic_puts = "TOPIC_PUT_NUMS";
inline constexpr std::string_view topic_gets = "TOPIC_GET_NUMS";
inline constexpr std::string_view group_gets = "GROUP_GET_NUMS";
inline constexpr std::string_view broker_puts = "BROKER_PUT_NUMS";
inline constexpr std::string_view broker_gets = "BROKER_GET_NUMS";

/// Counts of messages by RocketMQ's names of statistics and keys, over the last minute, hour and
/// day. Bounded: at `most_keys` those without a message in a day are forgotten, looked for once an
/// hour; without any, new keys are not counted.
class message_counts {
public:
  static constexpr std::size_t most_keys = 20'000;

  /// Time must not go back.
  void add(std::string_view name, std::string_view key, std::uint64_t messages,
           std::int64_t now_ms);
  /// Nothing when nothing was ever counted.
  std::optional<message_rates> find(std::string_view name, std::string_view key,
                                    std::int64_t now_ms) const;

private:
  /// Counts in slots of equal time, which are used round and round.
  template <std::size_t Slots, std::int64_t SlotMs>
  struct ring {
    std::array<std::uint64_t, Slots> counts{};
    std::array<std::int64_t, Slots> used{}; ///< by which slot of all time, counted from 1

    void add(std::uint64_t messages, std::int64_t now_ms) {
      auto slot = now_ms / SlotMs;
      auto at = static_cast<std::size_t>(slot) % Slots;
      if (used[at] != slot + 1)
        counts[at] = 0;
      used[at] = slot + 1;
      counts[at] += messages;
    }
    message_rate rate(std::int64_t now_ms) const {
      auto slot = now_ms / SlotMs;
      message_rate found;
      for (std::size_t at = 0; at < Slots; ++at)
        if (used[at] > slot + 1 - static_cast<std::int64_t>(Slots))
          found.sum += counts[at];
      found.per_second = static_cast<double>(found.sum) * 1000 /
                         static_cast<double>(static_cast<std::int64_t>(Slots) * SlotMs);
      return found;
    }
  };
  struct series {
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
