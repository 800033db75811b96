#pragma once

#include "actors/interfaces.hpp"
#include "actors/promise.hpp"
#include "storage/format/message_list.hpp"
#include "storage/options.hpp"

#include <algorithm>
#include <cstddef>
#include <optional>

namespace troupe {

using put_promise = kept_promise<put_bundle_response>;
using caf_time = caf::actor_clock::time_point;

/// A bundle of requests on its way into the log. Requests are worked through in order, message by
/// message, so that a bundle may wait for room or for a file in the middle.
struct open_bundle {
  open_bundle() = default;
  open_bundle(put_bundle g, put_promise p, caf_time now);

  put_bundle bundle;
  put_bundle_response response;
  put_promise promise;
  caf_time arrived;
  std::size_t bytes = 0;
  std::size_t request = 0;                               ///< the one being worked on
  std::optional<storage::message_list::reader> messages; ///< the rest of that one
  bool reserved = false;                                 ///< room for that one's positions is taken
  std::size_t delayed = 0;                               ///< requests of it that were parked

  bool done() const noexcept { return request == bundle.requests.size(); }
  put_request& current() { return bundle.requests[request]; }
  put_response& answer() { return response.responses[request]; }
  bool wait() const noexcept { return !bundle.requests.empty() && bundle.requests.front().wait; }

  /// The producer of the current request does not wait any more, though some of its messages may be
  /// stored: those are answered in time, and the rest is not stored behind his back.
  bool too_late(caf_time now) const;
  /// Why the request before, without which the current one is not stored, was not; else null.
  const storage::error* former_refusal() const noexcept;
  /// Refuses what is left of the current request and goes on to the next.
  void refuse_current(errc code, const std::string& reason);
  /// Refuses all that is left.
  void refuse_rest(errc code, const std::string& reason);
  void next_request();
  /// What is left of it is parked. For longer than a moment it holds nothing but its own bytes: no
  /// block of a socket in which many others may have come.
  void delay();

  /// Some message is in the log, now or since before.
  bool stored() const;
};

/// Nobody knows what became of the messages that were appended.
void doubt(put_bundle_response& response, const std::string& reason);

/// The record that a message of the request becomes. Its views live as long as both.
storage::record_fields fields_of(const put_request& request, const storage::new_message& message,
                                 const storage::options& options);

} // namespace troupe
