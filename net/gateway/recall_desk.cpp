#include "net/gateway/recall_desk.hpp"

#include "net/remoting/codes.hpp"
#include "net/remoting/headers.hpp"
#include "net/remoting/recall_handle.hpp"
#include "storage/clock.hpp"

namespace troupe::net {

namespace {

namespace request_code = remoting::request_code;
namespace response_code = remoting::response_code;

} // namespace

request_lines recall_desk::lines() {
  return {
      line_for(this, request_code::recall_message, request_kind::progress, &recall_desk::take),
  };
}

/// Checked in RocketMQ's order, and refused with its codes and words.
void recall_desk::take(const ticket& who, const client_request& request) {
  auto wanted = counter_.fields_of<remoting::recall_header>(who, request);
  if (!wanted)
    return;
  if (names_.find(wanted->topic) == nullptr)
    return counter_.reply(who, response_code::topic_not_exist,
                          "recall failed, the topic[" + wanted->topic + "] not exist");
  auto refuse = [&](std::string why) {
    counter_.reply(who, response_code::illegal_operation, std::move(why));
  };
  auto handle = remoting::read_recall_handle(wanted->handle);
  if (!handle)
    return refuse(handle.error().message);
  auto& h = handle.value();
  if (h.topic != wanted->topic)
    return refuse("recall failed, topic not match");
  if (h.broker != setup_.address.broker)
    return refuse("recall failed, broker service not available");
  auto now = storage::system_wall_clock().now_ms();
  if (h.deliver_ms <= now || h.deliver_ms - now > setup_.node_settings.store.timer_max_delay_ms)
    return refuse("recall failed, timestamp invalid");
  recall(who, {std::move(h.topic), std::move(h.unique_key), h.deliver_ms});
}

void recall_desk::recall(const ticket& who, message_recall what) {
  if (!delayer_)
    return counter_.fail(who, {errc::unavailable,
                               "who delivers messages is not in this process: recall at the node "
                               "with the role registrar"});
  auto key = what.unique_key;
  counter_.ask<bool>(
      who, delayer_,
      [this, who, key](bool) {
        auto header = counter_.header_for(who, response_code::success);
        header.ext.add("msgId", key);
        header.ext.add("MSG_REGION", "DefaultRegion");
        counter_.reply(who, header);
      },
      std::move(what));
}

} // namespace troupe::net
