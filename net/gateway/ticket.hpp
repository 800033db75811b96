#pragma once

#include "net/gateway/traffic.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>

namespace troupe::net {

/// How the requests of a code are treated, whatever they ask.
enum class request_kind : std::uint8_t {
  send,     ///< carried out although its client is gone; a producer waits for a short time
  progress, ///< carried out although its client is gone, and however late
  news,     ///< only tells us something: done at once, and of use however late
  bounded,  ///< its desk bounds how many are open
  question, ///< looked up and answered one by one: a few of each client at a time
};

/// Carried out although its client is gone: that one's session lasts until it is answered.
constexpr bool is_write(request_kind kind) noexcept {
  return kind == request_kind::send || kind == request_kind::progress;
}

constexpr bool is_of_use_late(request_kind kind) noexcept {
  return kind == request_kind::progress || kind == request_kind::news;
}

/// What it takes to answer a request.
struct ticket {
  connection_id from = 0;
  std::int32_t code = 0;
  std::int32_t opaque = 0;
  bool oneway = false;
  remoting::header_type type = remoting::header_type::json;
  request_kind kind = request_kind::question;
  std::size_t bytes = 0;
  std::int64_t since_ms = 0; ///< when it came, in the actor clock
  /// One of those that its client may have open at a time; free when the last copy is gone and
  /// the client has the answer. Null for a kind that is bounded otherwise.
  std::shared_ptr<void> place = {};
  /// Its client takes any answer for success: it has none but that, and tries again without.
  bool success_only = false;
  std::function<void()> after = {}; ///< called when it is answered with success
};

} // namespace troupe::net
