#include "actors/open_bundle.hpp"

#include "storage/mutant.hpp"

namespace troupe {

open_bundle::open_bundle(put_bundle g, put_promise p, caf_time now)
    : bundle(std::move(g)), promise(std::move(p)), arrived(now) {
  response.responses.resize(bundle.requests.size());
  for (auto& r : bundle.requests)
    bytes += r.messages.size();
}

bool open_bundle::too_late(caf_time now) const {
  auto time_left = std::chrono::milliseconds{bundle.requests[request].time_left_ms};
  if (time_left.count() == 0)
    return false;
  auto began = bundle.sent_ms > 0 ? caf_time{std::chrono::milliseconds{bundle.sent_ms}} : arrived;
  return now - began >= time_left;
}

const storage::error* open_bundle::former_refusal() const noexcept {
  if (request == 0 || !bundle.requests[request].with_former)
    return nullptr;
  auto& former = response.responses[request - 1].failure;
  return former.code == errc::none ? nullptr : &former;
}

void open_bundle::refuse_current(errc code, const std::string& reason) {
  auto& results = answer().results;
  // The results of messages that were stored stay; the rest share one reason.
  message_result refused;
  refused.code = code;
  results.resize(std::max<std::size_t>(current().count, results.size()), refused);
  answer().failure = {code, reason};
  next_request();
}

void open_bundle::refuse_rest(errc code, const std::string& reason) {
  while (!done())
    refuse_current(code, reason);
}

void open_bundle::next_request() {
  messages.reset();
  reserved = false;
  ++request;
}

void open_bundle::delay() {
  delayed = std::max(delayed, bundle.requests.size() - request);
  for (auto i = messages ? request + 1 : request; i < bundle.requests.size(); ++i)
    bundle.requests[i].messages = bundle.requests[i].messages.packed();
}

bool open_bundle::stored() const {
  for (auto& each : response.responses)
    for (auto& message : each.results)
      if (message.code == errc::none)
        return true;
  return false;
}

void doubt(put_bundle_response& response, const std::string& reason) {
  for (auto& each : response.responses)
    for (auto& message : each.results)
      if (message.code == errc::none) {
        message.code = TROUPE_MUTANT("doubt-told-as-refused") ? errc::busy : errc::maybe_stored;
        each.failure = {errc::maybe_stored, reason};
      }
}

storage::record_fields fields_of(const put_request& request, const storage::new_message& message,
                                 const storage::options& options) {
  return {
      .topic = request.topic,
      .queue_id = message.queue_id,
      .flag = message.flag,
      .sysflag = message.sysflag,
      .born_timestamp = message.born_timestamp,
      .born_host = request.born_host,
      .store_host = storage::host::ipv4(options.store_host_ipv4, options.store_port),
      .reconsume_times = message.reconsume_times,
      .prepared_transaction_offset = message.prepared_transaction_offset,
      .body = message.body,
      .properties = message.properties,
  };
}

} // namespace troupe
