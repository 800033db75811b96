#pragma once

#include "actors/error.hpp"
#include "actors/slice_inspect.hpp"
#include "storage/format/message_list.hpp"
#include "storage/format/record.hpp"

#include <cstdint>
#include <string>
#include <vector>

/// What producers send, and what becomes of it.
namespace troupe {

using storage::log_offset;
using storage::queue_offset;

/// Messages of one producer for one topic.
struct put_request {
  std::string topic;
  storage::message_list messages;
  std::uint32_t count = 0;
  bool wait = true; ///< on a node with synchronous flush: answer after the flush
  storage::host born_host;
  /// How long the producer still waits for an answer; 0: for as long as it takes. What is not
  /// stored by then is refused as busy: the producer has sent it again.
  std::uint32_t time_left_ms = 0;
  /// In a bundle: nothing of it is stored unless all of the request before it is.
  bool with_former = false;
};
template <class Inspector>
auto inspect(Inspector& f, put_request& x) {
  auto block = x.messages.packed();
  slice_field messages{block};
  auto all = [&] {
    return fields(f, "put_request", x.topic, messages, x.count, x.wait, x.born_host.address,
                  x.born_host.v6, x.born_host.port, x.time_left_ms, x.with_former);
  };
  if constexpr (is_loading<Inspector>) {
    auto err = all();
    x.messages = std::move(block);
    return err;
  } else {
    return all();
  }
}

/// What became of one message.
struct message_result {
  errc code = errc::none;
  log_offset offset = -1;
  queue_offset queue_position = -1;
};
template <class Inspector>
auto inspect(Inspector& f, message_result& x) {
  return fields(f, "message_result", x.code, x.offset, x.queue_position);
}

/// Answer to a `put_request`: one result per message, in order.
struct put_response {
  std::vector<message_result> results;
  storage::error failure; ///< the reason when a result is not `none`
};
template <class Inspector>
auto inspect(Inspector& f, put_response& x) {
  return fields(f, "put_response", x.results, x.failure.code, x.failure.message);
}

/// What a door has for the writer at one time; all with the same `wait`.
struct put_bundle {
  std::vector<put_request> requests;
  std::int64_t sent_ms = 0; ///< in the actor clock; 0: their time counts from their arrival
};
template <class Inspector>
auto inspect(Inspector& f, put_bundle& x) {
  return fields(f, "put_bundle", x.requests, x.sent_ms);
}
struct put_bundle_response {
  std::vector<put_response> responses;
};
template <class Inspector>
auto inspect(Inspector& f, put_bundle_response& x) {
  return fields(f, "put_bundle_response", x.responses);
}

} // namespace troupe
