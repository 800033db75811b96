#pragma once

#include "actors/error.hpp"
#include "actors/options.hpp"

#include <cstdint>
#include <string>

namespace troupe {

/// What one client has open at a door: bounded in number and in bytes, sent or to be answered.
class client_credit {
public:
  /// What a request takes until it is answered.
  struct charge {
    std::uint64_t messages = 1;
    std::uint64_t bytes = 0;
  };

  explicit client_credit(const session_options& limits) : limits_(limits) {}

  /// Refused as busy when the client has too much open. A request that is alone is always let in,
  /// however large: its size is bounded by the checks.
  storage::result<void> admit(const charge& wanted) const {
    auto fits = [](std::uint64_t open, std::uint64_t more, std::uint64_t limit) {
      return open <= limit && more <= limit - open;
    };
    if (messages_ == 0 || (fits(messages_, wanted.messages, limits_.credit_messages) &&
                           (wanted.bytes == 0 || fits(bytes_, wanted.bytes, limits_.credit_bytes))))
      return boost::outcome_v2::success();
    return storage::error{errc::busy, "this client has " + std::to_string(messages_) +
                                          " messages and " + std::to_string(bytes_) +
                                          " bytes open; wait for answers first"};
  }
  std::uint64_t bytes() const noexcept { return bytes_; }
  void take(const charge& taken) noexcept {
    messages_ += taken.messages;
    bytes_ += taken.bytes;
  }
  void give_back(const charge& taken) noexcept {
    messages_ -= taken.messages;
    bytes_ -= taken.bytes;
  }

private:
  session_options limits_;
  std::uint64_t messages_ = 0;
  std::uint64_t bytes_ = 0;
};

} // namespace troupe
