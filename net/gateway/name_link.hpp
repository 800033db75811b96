#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

namespace troupe::net {

/// When a node connects to one name server, and when it registers there: events in, deeds out; no
/// socket, and a clock that is handed in. As Java's brokers: every 30 s, and when topics change;
/// that not more often than once a second.
class name_link {
public:
  using clock = std::chrono::steady_clock;
  using time = clock::time_point;

  static constexpr auto period = std::chrono::seconds(30);
  static constexpr auto least_period = std::chrono::seconds(1);
  static constexpr auto connect_patience = std::chrono::seconds(3);
  static constexpr auto answer_patience = std::chrono::seconds(10);
  static constexpr auto farewell_patience = std::chrono::seconds(2);
  static constexpr auto first_pause = std::chrono::milliseconds(200);
  static constexpr auto longest_pause = std::chrono::seconds(10);

  enum class deed : std::uint8_t {
    none,
    connect,      ///< `connected` or `lost` follows
    say_all,      ///< register; `answered` or `lost` follows
    say_farewell, ///< unregister; the same
    close,        ///< what is open or being opened
  };

  /// What is to be done now, and counts as begun. Ask until there is none.
  deed next(time now);
  /// When there may be something to do, without any event; nothing: only after one.
  std::optional<time> wakes() const;

  void connected(time now);
  /// It could not be reached, or the connection ended.
  void lost(time now);
  /// To the last thing said.
  void answered(bool good);
  /// There is something to say, now that the topics are known, or others.
  void topics_changed() { news_ = known_ = true; }
  /// Unregister, and no more. Once.
  void leave() { leaving_ = true; }

  /// Nothing will happen any more.
  bool is_done() const noexcept { return state_ == state::done; }

private:
  enum class state : std::uint8_t { away, connecting, idle, asking, parting, done };

  std::optional<time> due() const;

  state state_ = state::away;
  bool known_ = false; ///< the topics were told
  bool news_ = false;
  bool leaving_ = false;
  bool said_ = false; ///< something, in this connection
  time until_{};      ///< of the pause, or for the answer
  std::optional<time> last_;
  std::chrono::milliseconds pause_ = first_pause;
};

} // namespace troupe::net
