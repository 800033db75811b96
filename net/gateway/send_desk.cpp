#include "net/gateway/send_desk.hpp"

#include "net/remoting/batch_body.hpp"
#include "net/remoting/codes.hpp"
#include "storage/format/producer_sequence.hpp"
#include "storage/format/properties.hpp"
#include "storage/format/system_topics.hpp"
#include "storage/mutant.hpp"

#include <algorithm>

namespace troupe::net {

namespace {

namespace request_code = remoting::request_code;
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

/// Nobody knows whether a message with this result is stored.
bool is_doubtful(errc code) noexcept {
  return code == errc::maybe_stored || code == errc::connection_lost;
}

/// Sends that wait until their topics are known.
constexpr std::size_t most_held_sends = 20'000;

/// What this node cannot do with a message, and must not do wrongly.
const char* unsupported(std::int32_t sysflag, std::string_view properties) {
  if ((sysflag & storage::sysflag::transaction_mask) != 0)
    return "transactions are not supported by this node";
  return storage::unsupported_request(properties);
}

} // namespace

request_lines send_desk::lines() {
  return {
      line_for(this, request_code::send_message, request_kind::send, &send_desk::take),
      line_for(this, request_code::send_message_v2, request_kind::send, &send_desk::take),
      line_for(this, request_code::send_batch_message, request_kind::send, &send_desk::take),
  };
}

void send_desk::take(const session_actor&, const ticket& who, const client_request& request) {
  auto header = remoting::read_send_header(request.header);
  if (!header)
    return counter_.fail(who, header.error());
  auto& h = header.value();
  if (!storage::takes_messages(h.topic))
    return counter_.reply(who, response_code::no_permission,
                          "the sending message to topic[" + h.topic + "] is forbidden.");
  auto held = held_.find(h.topic);
  if (auto* topic = names_.find(h.topic); topic != nullptr && held == held_.end())
    return add(who, request, h, *topic);
  if (held_count_ >= most_held_sends)
    return counter_.fail(
        who, {errc::busy, "not stored: too many messages wait for topics that are created"});
  ++held_count_;
  if (held != held_.end()) { // behind those that came before
    held->second.push_back({who, request, std::move(h)});
    return;
  }
  auto topic = h.topic;
  held_[topic].push_back({who, request, std::move(h)});
  names_.refresh([this, topic] { release(topic); });
}

/// The topic was unknown a moment ago: creates it if the rules allow, and goes on.
void send_desk::release(const std::string& topic) {
  auto may_create = [&](const held_send& send) {
    return topic.starts_with(remoting::retry_prefix) ||
           (send.header.template_topic == remoting::default_topic &&
            setup_.options.auto_create_topics);
  };
  auto& held = held_[topic];
  auto creator = std::find_if(held.begin(), held.end(), may_create);
  if (names_.find(topic) != nullptr || creator == held.end())
    return finish(topic, {});
  if (auto good = storage::check_topic_name(topic); !good)
    return finish(topic, good.error());
  auto queues = topic.starts_with(remoting::retry_prefix)
                    ? 1
                    : std::clamp(creator->header.template_queues, 1, most_new_queues);
  names_.create({topic, queues, queues, 6},
                [this, topic](const error& failure) { finish(topic, failure); });
}

void send_desk::finish(const std::string& topic, const error& failure) {
  auto sends = held_.extract(topic);
  held_count_ -= sends.mapped().size();
  for (auto& [who, request, header] : sends.mapped()) {
    if (counter_.too_late(who))
      continue;
    if (auto* known = names_.find(topic))
      add(who, request, header, *known);
    else if (auto own = refusal_code(failure.code); own != response_code::success)
      counter_.reply(who, own, failure.message);
    else if (failure.code != errc::none)
      counter_.fail(who, {failure.code,
                          "not stored: topic " + topic + " cannot be created: " + failure.message});
    else
      names_.refuse(who, response_code::topic_not_exist,
                    "there is no topic " + topic + ", and it cannot be created");
  }
  flush();
}

void send_desk::add(const ticket& who, const client_request& request,
                    const remoting::send_header& header, const topic_info& topic) {
  if (auto added = add_messages(who, request, header, topic); !added)
    counter_.reply(who, refusal_code(added.error().code), added.error().message);
}

/// Adds the request's messages to the put of its topic; an error refuses them all.
storage::result<void> send_desk::add_messages(const ticket& who, const client_request& request,
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
  m.sysflag = header.sysflag & ~storage::sysflag::sequenced; // may be copied from a message
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
  put_key key{who.from, topic.name};
  auto& put = puts_[key];
  auto limit =
      std::min<std::size_t>(put_messages, setup_.node_settings.dispatcher.mailbox_capacity);
  // Those that wait for the flush and those that do not go apart, in the order in which they came.
  if (put.builder.count() > 0 &&
      (put.wait != waits || put.builder.count() + messages.size() > limit ||
       put.builder.bytes() + request.body.size() > put_bytes))
    send_put(key, put);
  put.wait = waits;
  for (auto& each : messages)
    put.builder.add(each);
  part.count = static_cast<std::uint32_t>(messages.size());
  put.parts.push_back(part);
  return boost::outcome_v2::success();
}

void send_desk::flush() {
  for (auto& [key, put] : puts_)
    send_put(key, put);
  puts_.clear();
}

void send_desk::send_put(const put_key& key, open_put& put) {
  auto* session = sessions_.find(key.first);
  auto sent = std::make_shared<const sent_put>(sent_put{key.second, std::exchange(put.parts, {})});
  auto time_left = counter_.time_left_ms(sent->parts.front().who);
  for (auto& part : sent->parts)
    time_left = std::min(time_left, counter_.time_left_ms(part.who));
  put_request request;
  request.topic = sent->topic;
  request.wait = put.wait;
  request.time_left_ms = static_cast<std::uint32_t>(std::max<std::int64_t>(time_left, 1));
  request.count = put.builder.count();
  request.messages = put.builder.take();
  if (session == nullptr) {
    put_response lost;
    lost.failure = {errc::unavailable, "not stored: the client's session ended"};
    return answer_put(*sent, lost);
  }
  request.born_host = *sessions_.peer_of(key.first);
  self_->request(*session, caf::infinite, std::move(request))
      .then([this, sent](const put_response& response) { answer_put(*sent, response); },
            [this, sent](const caf::error& why) {
              put_response failed;
              failed.failure = from_caf(why);
              if (why.category() != error_category()) // the session did not say it: it ended
                failed.failure.code = errc::maybe_stored;
              answer_put(*sent, failed);
            });
}

void send_desk::answer_put(const sent_put& put, const put_response& response) {
  tally_.put(put.topic, static_cast<std::uint64_t>(
                            std::count_if(response.results.begin(), response.results.end(),
                                          [](const message_result& r) { return r.offset >= 0; })));
  std::size_t first = 0;
  for (auto& part : put.parts) {
    bool complete = first + part.count <= response.results.size();
    answer_part(part, complete ? &response.results[first] : nullptr, response.failure);
    first += part.count;
  }
}

/// A producer sends again what it was told is not stored, so it is told that only of what is not
/// stored for certain: of all the messages of its request.
void send_desk::answer_part(const send_part& part, const message_result* results,
                            const error& failure) {
  if (results == nullptr)
    return failure.code == errc::none || is_doubtful(failure.code)
               ? answer_doubt(part, nullptr, failure.message)
               : refuse_part(part, failure);
  auto end = results + part.count;
  auto refused = std::find_if(results, end, [](auto& r) { return r.code != errc::none; });
  if (refused == end)
    return answer_stored(part, results, counter_.header_for(part.who, response_code::success));
  bool maybe =
      std::any_of(results, end, [](auto& r) { return r.offset >= 0 || is_doubtful(r.code); });
  if (!maybe || TROUPE_MUTANT("doubt-answered-as-refusal"))
    return refuse_part(part, {refused->code, failure.message});
  answer_doubt(part, results, failure.message);
}

void send_desk::refuse_part(const send_part& part, const error& why) {
  if (why.code == errc::not_found)
    names_.refresh([] {}); // deleted by another way
  auto own = refusal_code(why.code);
  return own != response_code::success ? counter_.reply(part.who, own, why.message)
                                       : counter_.fail(part.who, why);
}

void send_desk::answer_doubt(const send_part& part, const message_result* results,
                             const std::string& reason) {
  const std::vector<message_result> nowhere(part.count);
  answer_stored(part, results != nullptr ? results : nowhere.data(),
                counter_.header_for(part.who, response_code::flush_disk_timeout, reason));
}

/// Clients read ids and numbers in any answer to a send that is no refusal; where none is known
/// they are those of no message (-1).
void send_desk::answer_stored(const send_part& part, const message_result* results,
                              remoting::command header) {
  auto& store = setup_.node_settings.store;
  auto host = storage::host::ipv4(store.store_host_ipv4, store.store_port);
  remoting::send_answer answer;
  for (std::uint32_t i = 0; i < part.count; ++i)
    answer.message_id += (i > 0 ? "," : "") + storage::message_id(host, results[i].offset);
  answer.queue_id = part.queue_id;
  answer.queue_offset = results[0].queue_position;
  remoting::write_fields(header, answer);
  counter_.reply(part.who, header);
}

} // namespace troupe::net
