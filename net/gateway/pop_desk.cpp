#include "net/gateway/pop_desk.hpp"

#include "net/remoting/codes.hpp"
#include "net/remoting/headers.hpp"
#include "net/remoting/json_members.hpp"
#include "storage/clock.hpp"

#include <algorithm>

namespace troupe::net {

namespace {

namespace request_code = remoting::request_code;
namespace response_code = remoting::response_code;
using remoting::popped_queue;
using storage::error;

constexpr std::int32_t most_messages = 32;
constexpr std::int64_t longest_poll_ms = 60'000;
constexpr std::int64_t longest_invisible_ms = std::int64_t{3} * 24 * 3600 * 1000;
constexpr std::int32_t readable = 4;

std::int64_t bounded(std::int64_t value, std::int64_t least, std::int64_t most) {
  return std::clamp(value, least, most);
}

/// The topic whose messages lie in this one, which may be that for retries.
std::string popped_topic(const popped_queue& queue) {
  auto prefix = remoting::pop_retry_topic("", queue.group);
  return queue.topic.starts_with(prefix) ? queue.topic.substr(prefix.size()) : queue.topic;
}

} // namespace

request_lines pop_desk::lines() {
  return {
      line_for(this, request_code::pop_message, request_kind::bounded, &pop_desk::take_pop),
      line_for(this, request_code::peek_message, request_kind::bounded, &pop_desk::take_peek),
      line_for(this, request_code::notification, request_kind::bounded,
               &pop_desk::take_notification),
      line_for(this, request_code::polling_info, request_kind::question, &pop_desk::show_polling),
  };
}

// -- what is asked -------------------------------------------------------------------------------

void pop_desk::take_pop(const ticket& who, const client_request& request) {
  auto h = counter_.fields_of<remoting::pop_header>(who, request);
  if (!h)
    return;
  if (h->max_messages > most_messages)
    return counter_.reply(who, response_code::illegal_for(request.header.version),
                          "at most " + std::to_string(most_messages) +
                              " messages can be popped at once");
  auto it = std::make_shared<pop_work>();
  if (!make_filter(who, *h, *it))
    return;
  it->who = who;
  it->version = request.header.version;
  it->group = std::move(h->group);
  it->topic = std::move(h->topic);
  it->queue_id = std::max(h->queue_id, -1);
  it->most = static_cast<std::size_t>(std::max(h->max_messages, 1));
  it->invisible_ms = bounded(h->invisible_ms, 1, longest_invisible_ms);
  it->until_ms = counter_.now_ms() + bounded(h->poll_ms, 0, longest_poll_ms);
  it->at_end = h->init_mode == remoting::init_at_end;
  it->in_order = h->order;
  it->attempt = h->attempt.substr(0, remoting::longest_name);
  enter(it);
}

/// Refuses a filter that cannot be made. A Java broker takes one whose type it does not know for
/// one by tags.
bool pop_desk::make_filter(const ticket& who, const remoting::pop_header& h, pop_work& it) {
  if (h.expression.empty())
    return true;
  if (remoting::filters_by_sql(h.expression_type) && !setup_.options.property_filter) {
    counter_.reply(who, response_code::system_error,
                   "The broker does not support consumer to filter message by SQL92");
    return false;
  }
  auto made = expressions_.filter_of(h.expression_type, h.expression);
  if (made)
    it.filter = std::move(made.value());
  else
    counter_.reply(who, response_code::subscription_parse_failed, made.error().message);
  return made.has_value();
}

void pop_desk::take_peek(const ticket& who, const client_request& request) {
  auto h = counter_.fields_of<remoting::peek_header>(who, request);
  if (!h)
    return;
  auto it = std::make_shared<pop_work>();
  it->who = who;
  it->version = request.header.version;
  it->purpose = pop_purpose::peek;
  it->group = std::move(h->group);
  it->topic = std::move(h->topic);
  it->queue_id = std::max(h->queue_id, -1);
  it->most = static_cast<std::size_t>(std::clamp(h->max_messages, 1, most_messages));
  enter(it);
}

void pop_desk::take_notification(const ticket& who, const client_request& request) {
  auto h = counter_.fields_of<remoting::notification_header>(who, request);
  if (!h)
    return;
  auto it = std::make_shared<pop_work>();
  it->who = who;
  it->version = request.header.version;
  it->purpose = pop_purpose::notify;
  it->group = std::move(h->group);
  it->topic = std::move(h->topic);
  it->queue_id = std::max(h->queue_id, -1);
  it->until_ms = counter_.now_ms() + bounded(h->poll_ms, 0, longest_poll_ms);
  it->in_order = h->order;
  it->attempt = h->attempt.substr(0, remoting::longest_name);
  enter(it);
}

/// From here on it is counted, until `end` or `refuse`.
void pop_desk::enter(const shared_pop& it) {
  auto retry = remoting::pop_retry_topic(it->topic, it->group);
  if (it->group.empty() || it->group.size() > remoting::longest_name || it->topic.empty() ||
      !storage::check_topic_name(retry))
    return counter_.reply(it->who, response_code::illegal_for(it->version),
                          "what comes back could not lie in a topic of the name '" +
                              retry.substr(0, 300) + "'");
  if (!lines_.enter(it->who.from))
    return it->purpose == pop_purpose::notify ? answer_notification(it, false)
                                              : answer(it, response_code::polling_full);
  book_.learn(it->group, [this, it] { check(it, false); });
}

void pop_desk::check(const shared_pop& it, bool refreshed) {
  if (counter_.too_late(it->who))
    return lines_.leave(it->who.from);
  if (!book_.rules(it->group).consume)
    return refuse(it, response_code::no_permission,
                  "subscription group no permission, " + it->group);
  auto* topic = names_.find(it->topic);
  if (topic == nullptr && !refreshed)
    return names_.refresh([this, it] { check(it, true); });
  if (topic == nullptr) {
    lines_.leave(it->who.from);
    return names_.refuse(it->who, response_code::topic_not_exist,
                         "topic[" + it->topic + "] not exist, apply first please!");
  }
  if ((topic->perm & readable) == 0)
    return refuse(it, response_code::no_permission,
                  "the topic[" + it->topic + "] peeking message is forbidden");
  if (it->queue_id >= topic->read_queues)
    return refuse(it, response_code::illegal_for(it->version),
                  "queueId[" + std::to_string(it->queue_id) + "] is illegal, topic:[" + it->topic +
                      "] has " + std::to_string(topic->read_queues) + " queues to read");
  lines_.join(it);
}

void pop_desk::refuse(const shared_pop& it, std::int32_t code, std::string remark) {
  lines_.leave(it->who.from);
  counter_.reply(it->who, code, std::move(remark));
}

void pop_desk::show_polling(const ticket& who, const client_request& request) {
  if (auto h = counter_.fields_of<remoting::polling_header>(who, request))
    show_polling_of(who, *h, false);
}

void pop_desk::show_polling_of(const ticket& who, const remoting::polling_header& wanted,
                               bool refreshed) {
  if (names_.find(wanted.topic) == nullptr && !refreshed)
    return names_.refresh(who, [this, who, wanted] { show_polling_of(who, wanted, true); });
  if (names_.find(wanted.topic) == nullptr)
    return names_.refuse(who, response_code::topic_not_exist,
                         "topic[" + wanted.topic + "] not exist, apply first please!");
  auto waiting = lines_.waiting(wanted.group, wanted.topic, std::max(wanted.queue_id, -1));
  counter_.succeed(who, remoting::polling_answer{static_cast<std::int32_t>(waiting)});
}

// -- answers -------------------------------------------------------------------------------------

/// Clients read the fields whatever the code is.
void pop_desk::answer(const shared_pop& it, std::int32_t code) {
  bool found = code == response_code::success;
  auto header = counter::header_for(it->who, code, found ? "FOUND" : "NO_MESSAGE_IN_QUEUE");
  remoting::pop_answer fields;
  fields.rest = it->rest;
  if (it->purpose == pop_purpose::pop) {
    fields.pop_ms = it->pop_ms > 0 ? it->pop_ms : storage::system_wall_clock().now_ms();
    fields.invisible_ms = it->invisible_ms;
    fields.revive_queue = it->in_order ? remoting::ordered_revive_queue : 0;
    fields.starts = it->places.starts();
    fields.offsets = it->places.offsets();
    fields.counts = it->places.counts();
  }
  remoting::write_fields(header, std::move(fields));
  if (!found)
    return counter_.reply(it->who, header);
  auto& tray = trays_[it->who.from];
  if (tray == nullptr)
    tray = std::make_shared<char>();
  counter_.reply(it->who, header, std::move(it->records), tray);
}

void pop_desk::answer_notification(const shared_pop& it, bool has_message) {
  bool full = it->stops.empty() && !has_message && it->until_ms > counter_.now_ms();
  counter_.succeed(it->who, remoting::notification_answer{has_message, full});
}

// -- time ----------------------------------------------------------------------------------------

void pop_desk::work() {
  walk_.work();
  timer_.came(self_->clock().now());
  returns_.sweep();
  for (auto& queue : std::exchange(woken_, {}))
    freed(queue);
  for (auto& it : std::exchange(again_, {}))
    step(it);
  answer_late();
  ledger_.keep();
  arm();
}

void pop_desk::answer_late() {
  auto now = counter_.now_ms();
  for (auto& it : lines_.expire(now)) {
    if (it->purpose == pop_purpose::notify)
      answer_notification(it, false);
    else
      answer(it, response_code::polling_timeout);
  }
  while (!later_.empty() && later_.begin()->first <= now)
    freed(later_.extract(later_.begin()).value().second);
}

void pop_desk::arm() {
  std::optional<std::int64_t> first;
  auto sooner = [&first](const std::optional<std::int64_t>& due) {
    if (due)
      first = std::min(first.value_or(*due), *due);
  };
  if (!returns_.full())
    sooner(ledger_.book().next_due());
  sooner(lines_.next_end());
  sooner(ledger_.again_ms());
  if (!later_.empty())
    sooner(later_.begin()->first);
  if (first)
    timer_.arm(self_, caf::actor_clock::time_point{std::chrono::milliseconds{*first}}, work_atom_v);
}

void pop_desk::freed(const popped_queue& queue) {
  auto topic = popped_topic(queue);
  bool itself = topic == queue.topic;
  lines_.wake(queue.group, topic, itself ? queue.queue_id : -1);
  if (!itself) // somebody may pop it by its name
    lines_.wake(queue.group, queue.topic, queue.queue_id);
}

void pop_desk::progress_set(const remoting::command& request) {
  auto said = remoting::read_fields<remoting::commit_header>(request);
  if (!said)
    return;
  popped_queue queue{said.value().group, said.value().topic, said.value().queue_id};
  ledger_.book().reset(queue, said.value().offset, counter_.now_ms());
  ledger_.keep();
  freed(queue);
}

void pop_desk::forget(connection_id from) {
  lines_.forget(from);
  trays_.erase(from);
}

} // namespace troupe::net
