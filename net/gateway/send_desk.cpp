#include "net/gateway/send_desk.hpp"

#include "net/remoting/batch_body.hpp"
#include "net/remoting/codes.hpp"
#include "net/remoting/request_reply.hpp"
#include "net/remoting/send_back.hpp"
#include "storage/format/delayed_message.hpp"
#include "storage/format/half_message.hpp"
#include "storage/format/producer_sequence.hpp"
#include "storage/format/properties.hpp"
#include "storage/format/system_topics.hpp"
#include "storage/mutant.hpp"

#include <algorithm>

namespace troupe::net {

namespace {

namespace request_code = remoting::request_code;
namespace response_code = remoting::response_code;
using storage::error;

constexpr std::int32_t most_new_queues = 8;

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

/// The bytes of a request, as long as its messages are views of them.
struct held_request {
  storage::slice body;
  std::string properties;
};

storage::result<std::vector<storage::new_message>>
messages_of(const remoting::send_header& header, std::int32_t queue_id, const held_request& held) {
  storage::new_message m;
  m.queue_id = queue_id;
  m.flag = header.flag;
  m.sysflag = header.sysflag & ~storage::sysflag::sequenced; // may be copied from a message
  m.born_timestamp = header.born_timestamp;
  m.reconsume_times = header.reconsume_times;
  m.body = held.body.bytes();
  m.properties = held.properties;
  if (!header.batch)
    return std::vector{m};
  std::vector<storage::new_message> messages;
  remoting::batch_body_reader body(held.body.bytes());
  for (;;) {
    TROUPE_TRY(auto next, body.next());
    if (!next)
      break;
    // As RocketMQ: it could not answer where each of them waits.
    if (storage::asked_level(next->properties) > 0 || storage::asked_level(held.properties) > 0)
      return error{errc::invalid_argument, "a message with a delay level must not be in a batch"};
    if (storage::asks_for_transaction(next->properties) ||
        storage::asks_for_transaction(held.properties))
      return error{errc::invalid_argument, "a message of a transaction must not be in a batch"};
    m.flag = next->flag;
    m.body = next->body;
    m.properties = next->properties;
    messages.push_back(m);
  }
  if (messages.empty())
    return error{errc::invalid_argument, "a batch without messages"};
  return messages;
}

} // namespace

request_lines send_desk::lines() {
  return {
      line_for(this, request_code::send_message, request_kind::send, &send_desk::take),
      line_for(this, request_code::send_message_v2, request_kind::send, &send_desk::take),
      line_for(this, request_code::send_batch_message, request_kind::send, &send_desk::take),
  };
}

caf::result<bool> send_desk::stop() {
  stopping_ = true;
  stop_promise_ = kept_promise<bool>{self_};
  auto answer = stop_promise_;
  end_stop();
  return answer;
}

void send_desk::work() {
  work_pending_ = false;
  puts_.work();
  for (auto& [topic, sum] : stored_)
    tally_.put(topic, sum);
  stored_.clear();
  end_stop();
}

void send_desk::end_stop() {
  if (stop_promise_.pending() && puts_.empty())
    stop_promise_.deliver(true);
}

void send_desk::take(const ticket& who, const client_request& request) {
  auto read = remoting::read_send_header(request.header);
  if (!read)
    return counter_.fail(who, read.error());
  auto& h = read.value();
  remoting::drop_empty_properties(h.properties);
  if (!storage::takes_messages(h.topic))
    return counter_.reply(who, response_code::no_permission,
                          "the sending message to topic[" + h.topic + "] is forbidden.");
  std::string group(remoting::group_of_retry_topic(h.topic));
  if (group.empty())
    return begin(who, request, std::move(h), false);
  if (h.batch)
    return counter_.reply(who, response_code::message_illegal,
                          "batch request does not support retry group " + h.topic);
  book_.learn(group, [this, who, request, h]() mutable {
    if (counter_.too_late(who))
      return;
    bool dead = bury(h, request.header.version);
    begin(who, request, std::move(h), dead);
  });
}

/// A consumer sends by itself what it could not send back. What was tried often enough goes to the
/// group's dead letters.
bool send_desk::bury(remoting::send_header& header, std::int32_t client_version) {
  std::string group(remoting::group_of_retry_topic(header.topic));
  auto most = remoting::most_reconsume_times(client_version, header.max_reconsume_times,
                                             book_.rules(group));
  if (header.reconsume_times < most)
    return false;
  header.topic = remoting::dead_letter_topic(group);
  header.queue_id = 0;
  header.properties = remoting::without_property(header.properties, storage::property::delay);
  return true;
}

void send_desk::begin(const ticket& who, const client_request& request,
                      remoting::send_header header, bool dead) {
  if (stopping_)
    return counter_.fail(who, {errc::unavailable, "not stored: the node is stopping"});
  auto held = held_.find(header.topic);
  if (auto* topic = names_.find(header.topic); topic != nullptr && held == held_.end())
    return store(who, request, std::move(header), *topic);
  if (auto good = storage::check_topic_name(header.topic); !good)
    return counter_.reply(who, response_code::illegal_for(request.header.version),
                          good.error().message);
  if (held_count_ >= most_held_sends)
    return counter_.fail(
        who, {errc::busy, "not stored: too many messages wait for topics that are created"});
  ++held_count_;
  if (held != held_.end()) { // behind those that came before
    held->second.push_back({who, request, std::move(header), dead});
    return;
  }
  auto topic = header.topic;
  held_[topic].push_back({who, request, std::move(header), dead});
  names_.refresh([this, topic] { release(topic); });
}

/// The topic was unknown a moment ago: creates it if the rules allow, and goes on.
void send_desk::release(const std::string& topic) {
  auto may_create = [&](const held_send& send) {
    return send.dead || topic.starts_with(remoting::retry_prefix) ||
           (send.header.template_topic == remoting::default_topic &&
            setup_.options.auto_create_topics);
  };
  auto& held = held_[topic];
  auto creator = std::find_if(held.begin(), held.end(), may_create);
  if (names_.find(topic) != nullptr || creator == held.end())
    return finish(topic, {});
  if (auto good = storage::check_topic_name(topic); !good)
    return finish(topic, good.error());
  auto queues = queues_of_new(*creator);
  names_.create_for(creator->who, {topic, queues, queues, 6},
                    [this, topic](const error& failure) { finish(topic, failure); });
}

std::int32_t send_desk::queues_of_new(const held_send& creator) {
  if (creator.dead)
    return 1;
  if (std::string group(remoting::group_of_retry_topic(creator.header.topic)); !group.empty())
    return std::max(1, book_.rules(group).retry_queues);
  return std::clamp(creator.header.template_queues, 1, most_new_queues);
}

void send_desk::finish(const std::string& topic, const error& failure) {
  auto sends = held_.extract(topic);
  held_count_ -= sends.mapped().size();
  for (auto& [who, request, header, dead] : sends.mapped()) {
    if (counter_.too_late(who))
      continue;
    if (auto* known = names_.find(topic))
      store(who, request, std::move(header), *known);
    else if (auto own = refusal_code(failure.code); own != response_code::success)
      counter_.reply(who, own, failure.message);
    else if (failure.code != errc::none)
      counter_.fail(who, {failure.code,
                          "not stored: topic " + topic + " cannot be created: " + failure.message});
    else
      names_.refuse(who, response_code::topic_not_exist,
                    "there is no topic " + topic + ", and it cannot be created");
  }
}

/// The topic's next one if the producer leaves the choice to us.
std::int32_t send_desk::queue_for(std::int32_t wanted, const topic_info& topic) {
  if (wanted != -1 || topic.write_queues <= 0)
    return wanted;
  return static_cast<std::int32_t>(next_queue_++ % static_cast<std::uint32_t>(topic.write_queues));
}

/// Who replies looks for it, and some clients make no topic by themselves.
void send_desk::make_reply_topic() {
  auto topic = remoting::reply_topic(setup_.address.cluster);
  if (names_.find(topic) == nullptr && !names_.is_being_made(topic))
    names_.create({topic, 1, 1, 6}, [](const error&) {});
}

/// The messages stay where the socket has put them until the writer encodes them.
void send_desk::store(const ticket& who, const client_request& request,
                      remoting::send_header header, const topic_info& topic) {
  if ((topic.perm & 2) == 0)
    return counter_.reply(who, response_code::no_permission,
                          "the sending message to topic[" + topic.name +
                              "] is forbidden: it has no permission to write; mqadmin updateTopic "
                              "-p 6 gives it");
  if (header.queue_id < -1 || (topic.write_queues > 0 && header.queue_id >= topic.write_queues))
    return counter_.reply(who, response_code::illegal_for(request.header.version),
                          "request queueId[" + std::to_string(header.queue_id) +
                              "] is illegal: topic " + topic.name + " has " +
                              std::to_string(topic.write_queues) + " queues to write to");
  if (topic.write_queues == 0) // topics.json may say so
    return counter_.reply(who, response_code::message_illegal,
                          "topic " + topic.name + " has no queues to write to");
  auto* peer = sessions_.peer_of(who.from);
  if (peer == nullptr)
    return counter_.fail(who, {errc::unavailable, "not stored: the client is gone"});
  if (!header.batch) {
    remoting::add_broker_properties(header.properties, request.header.version,
                                    setup_.address.cluster);
    if (remoting::wants_reply(header.properties))
      make_reply_topic();
  }
  auto queue_id = queue_for(header.queue_id, topic);
  auto held =
      std::make_shared<held_request>(held_request{request.body, std::move(header.properties)});
  auto messages = messages_of(header, queue_id, *held);
  if (!messages)
    return counter_.reply(who, refusal_code(messages.error().code), messages.error().message);
  put_request put;
  put.topic = topic.name;
  put.count = static_cast<std::uint32_t>(messages.value().size());
  put.messages = {std::move(messages.value()), std::move(held)};
  put.born_host = *peer;
  put.time_left_ms =
      static_cast<std::uint32_t>(std::max<std::int64_t>(counter_.time_left_ms(who), 1));
  sent_put sent{this, who, topic.name, queue_id, put.count, put.messages.size()};
  puts_.store(sessions_.credit_of(who.from), std::move(put), &topic, std::move(sent));
}

void send_desk::store_for(const ticket& who, put_request put, const topic_info& topic,
                          stored then) {
  auto credit = sessions_.credit_of(who.from);
  if (stopping_ || credit == nullptr)
    return then(refused(put, {errc::unavailable, stopping_ ? "not stored: the node is stopping"
                                                           : "not stored: the client is gone"}));
  sent_put sent{this, who, topic.name, 0, put.count, put.messages.size(), std::move(then)};
  puts_.store(credit, std::move(put), &topic, std::move(sent));
}

/// A producer sends again what it was told is not stored, so it is told that only of what is not
/// stored for certain: of all the messages of its request.
void send_desk::answer(const sent_put& put, const put_response& response) {
  if (!std::exchange(work_pending_, true)) { // behind the other answers of its bundle
    self_->send(self_, work_atom_v);
    answered_ms_ = counter_.now_ms();
  }
  auto& results = response.results;
  auto count = static_cast<std::uint64_t>(
      std::ranges::count_if(results, [](const message_result& r) { return r.offset >= 0; }));
  if (count > 0) {
    auto took = std::max<std::int64_t>(answered_ms_ - put.who.since_ms, 0);
    auto& sum = stored_[put.topic];
    sum.messages += count;
    sum.bytes += put.bytes;
    ++sum.requests;
    auto& queue = sum.queues[put.queue_id];
    ++queue.requests;
    queue.took_ms += static_cast<std::uint64_t>(took);
    tally_.put_took(took, answered_ms_);
  }
  if (put.then)
    return put.then(response);
  auto& failure = response.failure;
  if (results.size() < put.count)
    return failure.code == errc::none || is_doubtful(failure.code)
               ? answer_doubt(put, nullptr, failure.message)
               : refuse(put, failure);
  auto refused = std::ranges::find_if(results, [](auto& r) { return r.code != errc::none; });
  if (refused == results.end())
    return answer_stored(put, results.data(), counter_.header_for(put.who, response_code::success));
  bool maybe =
      std::ranges::any_of(results, [](auto& r) { return r.offset >= 0 || is_doubtful(r.code); });
  if (!maybe || TROUPE_MUTANT("doubt-answered-as-refusal"))
    return refuse(put, {refused->code, failure.message});
  answer_doubt(put, results.data(), failure.message);
}

void send_desk::refuse(const sent_put& put, const error& why) {
  if (why.code == errc::not_found)
    names_.refresh([] {}); // deleted by another way
  auto own = refusal_code(why.code);
  return own != response_code::success ? counter_.reply(put.who, own, why.message)
                                       : counter_.fail(put.who, why);
}

void send_desk::answer_doubt(const sent_put& put, const message_result* results,
                             const std::string& reason) {
  const std::vector<message_result> nowhere(put.count);
  answer_stored(put, results != nullptr ? results : nowhere.data(),
                counter_.header_for(put.who, response_code::flush_disk_timeout, reason));
}

/// Clients read ids and numbers in any answer to a send that is no refusal; where none is known
/// they are those of no message (-1).
void send_desk::answer_stored(const sent_put& put, const message_result* results,
                              remoting::command header) {
  auto& store = setup_.node_settings.store;
  auto host = storage::host::ipv4(store.store_host_ipv4, store.store_port);
  remoting::send_answer answer;
  for (std::uint32_t i = 0; i < put.count; ++i)
    answer.message_id += (i > 0 ? "," : "") + storage::message_id(host, results[i].offset);
  answer.queue_id = put.queue_id;
  answer.queue_offset = results[0].queue_position;
  remoting::write_fields(header, answer);
  counter_.reply(put.who, header);
}

} // namespace troupe::net
