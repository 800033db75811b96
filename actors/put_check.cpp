#include "actors/put_check.hpp"

#include "storage/format/delayed_message.hpp"
#include "storage/format/half_message.hpp"
#include "storage/format/message_batch.hpp"
#include "storage/format/properties.hpp"
#include "storage/format/system_topics.hpp"
#include "storage/format/timer_message.hpp"

#include <algorithm>

namespace troupe {

namespace {

/// Of a message in a batch: what stands before its body (storage/format/message_batch.hpp).
constexpr std::size_t least_message_bytes = 44;

/// Not in a batch, as with RocketMQ: it could not be answered when each of them comes. Nor in a
/// transaction: whether a commit that is sent again was carried out is seen in the message's topic.
storage::result<void> check_time(const put_request& request, const storage::new_message& message) {
  if (storage::asked_level(message.properties) > 0)
    return boost::outcome_v2::success();
  TROUPE_TRY(auto time, storage::asked_time(message.properties, 0));
  if (time && request.count > 1)
    return storage::error{errc::invalid_argument, "a timer message must not be in a batch"};
  if (time && storage::asks_for_transaction(message.properties))
    return storage::error{errc::invalid_argument,
                          "a timer message must not be part of a transaction"};
  return boost::outcome_v2::success();
}

/// What would be done wrongly with a message.
storage::result<void> check_wishes(const put_request& request,
                                   const storage::new_message& message) {
  TROUPE_TRY(storage::check_transaction(message.sysflag, message.properties, request.topic,
                                        message.queue_id));
  if (request.count > 1 && storage::asks_for_transaction(message.properties))
    return storage::error{errc::invalid_argument,
                          "a message of a transaction must not be in a batch"};
  if (storage::may_ask_for_time(message.properties)) {
    TROUPE_TRY(check_time(request, message));
  }
  return storage::check_delay(message.properties, request.topic, message.queue_id);
}

storage::result<void> check_writable(const std::string& name, const topic_info* topic) {
  if (!storage::takes_messages(name))
    return brokers_own(name);
  if (topic == nullptr) {
    TROUPE_TRY(storage::check_topic_name(name));
    return storage::error{errc::not_found, "there is no topic " + name +
                                               "; create it with: troupe topic create " + name};
  }
  if ((topic->perm & 2) == 0)
    return storage::error{errc::invalid_argument, "topic " + name + " is not writable"};
  return boost::outcome_v2::success();
}

} // namespace

storage::error brokers_own(const std::string& topic) {
  return {errc::invalid_argument, "topic " + topic + " is one of RocketMQ's own"};
}

put_response refused(const put_request& request, const storage::error& why) {
  put_response response;
  message_result result;
  result.code = why.code;
  // The count comes from the client: it is answered only as far as the batch could be that long.
  auto most = request.messages.size() / least_message_bytes;
  auto count = std::min<std::size_t>(request.count, most);
  response.results.assign(std::max<std::size_t>(count, 1), result);
  response.failure = why;
  return response;
}

storage::result<void> check_put(put_request& request, const topic_info* topic,
                                const node_options& options) {
  TROUPE_TRY(check_writable(request.topic, topic));
  if (request.count > options.session.credit_messages)
    return storage::error{errc::too_large,
                          "more messages in one batch than a client may have open (" +
                              std::to_string(options.session.credit_messages) + ")"};
  storage::record_fields fields;
  fields.topic = request.topic;
  auto messages = request.messages.read();
  std::uint32_t count = 0;
  bool none_waits = options.store.flush == storage::flush_policy::sync && request.wait;
  for (;; ++count) {
    TROUPE_TRY(auto message, messages.next());
    if (!message)
      break;
    if (message->queue_id < 0 || message->queue_id >= topic->write_queues)
      return storage::error{errc::invalid_argument, "topic " + topic->name + " has no queue " +
                                                        std::to_string(message->queue_id) +
                                                        ", only 0 to " +
                                                        std::to_string(topic->write_queues - 1)};
    TROUPE_TRY(check_wishes(request, *message));
    fields.queue_id = message->queue_id;
    fields.body = message->body;
    fields.properties = message->properties;
    if (auto good = storage::check_fields(fields, options.store); !good)
      return request.count == 1
                 ? good.error()
                 : storage::error{good.error().code, "message " + std::to_string(count) +
                                                         " of the batch: " + good.error().message};
    none_waits = none_waits &&
                 storage::find_property(message->properties, storage::property::wait) == "false";
  }
  if (count != request.count || count == 0)
    return storage::error{errc::invalid_argument, "a batch of " + std::to_string(count) +
                                                      " messages was announced as " +
                                                      std::to_string(request.count)};
  if (none_waits)
    request.wait = false;
  return boost::outcome_v2::success();
}

} // namespace troupe
