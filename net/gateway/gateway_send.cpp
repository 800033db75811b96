#include "net/gateway/gateway_state.hpp"
#include "net/remoting/batch_body.hpp"
#include "net/remoting/codes.hpp"
#include "storage/properties.hpp"

#include <algorithm>

namespace troupe::net {

namespace {

namespace response_code = remoting::response_code;
namespace property = storage::property;
using storage::error;

constexpr std::int32_t most_new_queues = 8;
/// A put is sent on when it holds so much: one bad message must not cost too many others.
constexpr std::uint32_t put_messages = 256;
constexpr std::size_t put_bytes = std::size_t{1} << 20;

/// On the codes of this list clients do not try another broker: it would not help.
std::int32_t refusal_code(errc code) noexcept {
  switch (code) {
  case errc::invalid_argument:
  case errc::too_large:
    return response_code::message_illegal;
  case errc::not_found:
    return response_code::topic_not_exist;
  default:
    return response_code::success; // none of its own
  }
}

/// What this node cannot do with a message, and must not do wrongly.
const char* unsupported(std::int32_t sysflag, std::string_view properties) {
  if ((sysflag & storage::sysflag::transaction_mask) != 0)
    return "transactions are not supported by this node";
  auto delay = storage::find_property(properties, property::delay);
  if (!delay.empty() && delay != "0")
    return "delayed delivery (property DELAY) is not supported by this node";
  return nullptr;
}

} // namespace

void gateway_state::take_send(const ticket& who, const client_request& request, bool may_ask) {
  auto header = remoting::read_send_header(request.header);
  if (!header)
    return fail(who, header.error());
  auto& h = header.value();
  if (h.topic == storage::delay_topic)
    return reply(who, response_code::no_permission,
                 "the sending message to topic[" + h.topic + "] is forbidden.");
  auto* topic = find_topic(h.topic);
  if (topic == nullptr && may_ask)
    return refresh_topics([this, who, request, h] { make_topic(who, request, h); });
  if (topic == nullptr)
    return reply(who, response_code::topic_not_exist,
                 "there is no topic " + h.topic + ", and it cannot be created");
  if (auto added = add_messages(who, request, h, *topic); !added)
    reply(who, refusal_code(added.error().code), added.error().message);
}

/// The topic was unknown a moment ago: creates it if the rules allow, and goes on.
void gateway_state::make_topic(const ticket& who, const client_request& request,
                               const remoting::send_header& header) {
  bool for_retries = header.topic.starts_with(remoting::retry_prefix);
  bool by_template =
      header.template_topic == remoting::default_topic && setup_.options.auto_create_topics;
  if (find_topic(header.topic) != nullptr || !(for_retries || by_template))
    return take_send(who, request, false);
  if (auto good = storage::check_topic_name(header.topic); !good)
    return reply(who, response_code::message_illegal, good.error().message);
  auto queues = for_retries ? 1 : std::clamp(header.template_queues, 1, most_new_queues);
  create_topic({header.topic, queues, queues, 6},
               [this, who, request] { take_send(who, request, false); });
}

/// Adds the request's messages to the put of its topic; an error refuses them all.
storage::result<void> gateway_state::add_messages(const ticket& who, const client_request& request,
                                                  const remoting::send_header& header,
                                                  const topic_info& topic) {
  if (topic.write_queues == 0) // topics.json may say so
    return error{errc::invalid_argument, "topic " + topic.name + " has no queues to write to"};
  send_part part{who, header.queue_id, 0};
  if (part.queue_id == -1)
    part.queue_id =
        static_cast<std::int32_t>(next_queue_++ % static_cast<std::uint32_t>(topic.write_queues));
  if (part.queue_id < 0 || part.queue_id >= topic.write_queues)
    return error{errc::invalid_argument, "topic " + topic.name + " has no queue " +
                                             std::to_string(part.queue_id) + " to write to"};
  std::vector<storage::new_message> messages;
  storage::new_message m;
  m.queue_id = part.queue_id;
  m.flag = header.flag;
  m.sysflag = header.sysflag;
  m.born_timestamp = header.born_timestamp;
  m.reconsume_times = header.reconsume_times;
  m.body = request.body.bytes();
  m.properties = header.properties;
  if (header.batch) {
    remoting::batch_body_reader body(request.body.bytes());
    for (;;) {
      TROUPE_TRY(auto next, body.next());
      if (!next)
        break;
      m.flag = next->flag;
      m.body = next->body;
      m.properties = next->properties;
      messages.push_back(m);
    }
    if (messages.empty())
      return error{errc::invalid_argument, "a batch without messages"};
  } else {
    messages.push_back(m);
  }
  storage::record_fields fields;
  fields.topic = topic.name;
  fields.queue_id = part.queue_id;
  bool waits = false;
  for (auto& each : messages) {
    if (auto* what = unsupported(each.sysflag, each.properties); what != nullptr)
      return error{errc::invalid_argument, what};
    fields.body = each.body;
    fields.properties = each.properties;
    TROUPE_TRY(storage::check_fields(fields, setup_.node_settings.store));
    waits |= storage::find_property(each.properties, property::wait) != "false";
  }
  put_key key{who.from, topic.name, waits};
  auto& put = puts_[key];
  auto limit =
      std::min<std::size_t>(put_messages, setup_.node_settings.dispatcher.mailbox_capacity);
  if (put.builder.count() > 0 && (put.builder.count() + messages.size() > limit ||
                                  put.builder.bytes() + request.body.size() > put_bytes))
    send_put(key, put);
  for (auto& each : messages)
    put.builder.add(each);
  part.count = static_cast<std::uint32_t>(messages.size());
  put.parts.push_back(part);
  return boost::outcome_v2::success();
}

void gateway_state::send_puts() {
  for (auto& [key, put] : puts_)
    send_put(key, put);
  puts_.clear();
}

void gateway_state::send_put(const put_key& key, open_put& put) {
  auto found = clients_.find(std::get<0>(key));
  auto sent =
      std::make_shared<const sent_put>(sent_put{std::get<1>(key), std::exchange(put.parts, {})});
  put_request request;
  request.topic = sent->topic;
  request.wait = std::get<2>(key);
  request.count = put.builder.count();
  request.messages = put.builder.take();
  if (found == clients_.end() || !found->second.session) {
    put_response lost;
    lost.failure = {errc::unavailable, "not stored: the client's session ended"};
    return answer_put(*sent, lost);
  }
  request.born_host = found->second.peer;
  self_->request(found->second.session, caf::infinite, std::move(request))
      .then([this, sent](const put_response& response) { answer_put(*sent, response); },
            [this, sent](const caf::error& why) {
              put_response failed;
              failed.failure = from_caf(why);
              answer_put(*sent, failed);
            });
}

void gateway_state::answer_put(const sent_put& put, const put_response& response) {
  count_put(put.topic, static_cast<std::uint64_t>(
                           std::count_if(response.results.begin(), response.results.end(),
                                         [](const message_result& r) { return r.offset >= 0; })));
  std::size_t first = 0;
  for (auto& part : put.parts) {
    bool complete = first + part.count <= response.results.size();
    answer_part(part, complete ? &response.results[first] : nullptr, response.failure);
    first += part.count;
  }
}

void gateway_state::answer_part(const send_part& part, const message_result* results,
                                const error& failure) {
  error why = failure;
  bool doubtful = false;
  remoting::send_answer answer;
  auto& store = setup_.node_settings.store;
  auto host = storage::host::ipv4(store.store_host_ipv4, store.store_port);
  for (std::uint32_t i = 0; results != nullptr && i < part.count; ++i) {
    auto& r = results[i];
    doubtful |= r.code == errc::maybe_stored && r.offset >= 0;
    if (r.code != errc::none && !doubtful) {
      why.code = r.code;
      results = nullptr;
      break;
    }
    answer.message_id += (i > 0 ? "," : "") + storage::message_id(host, r.offset);
  }
  if (results == nullptr) {
    if (why.code == errc::not_found)
      refresh_topics([] {}); // deleted by another way
    auto own = refusal_code(why.code);
    return own != response_code::success ? reply(part.who, own, why.message) : fail(part.who, why);
  }
  answer.queue_id = part.queue_id;
  answer.queue_offset = results[0].queue_position;
  auto header =
      header_for(part.who, doubtful ? response_code::flush_disk_timeout : response_code::success);
  if (doubtful)
    header.remark = why.message;
  remoting::write_fields(header, answer);
  reply(part.who, header);
}

} // namespace troupe::net
