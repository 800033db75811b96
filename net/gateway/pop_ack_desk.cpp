#include "net/gateway/pop_ack_desk.hpp"

#include "net/remoting/codes.hpp"
#include "storage/clock.hpp"

#include <algorithm>
#include <utility>

namespace troupe::net {

namespace {

namespace request_code = remoting::request_code;
namespace response_code = remoting::response_code;
using remoting::popped_queue;

constexpr std::int64_t longest_invisible_ms = std::int64_t{3} * 24 * 3600 * 1000;

std::string illegal_offset(const popped_queue& queue, queue_offset offset) {
  return "offset is illegal, key:" + queue.topic + "@" + std::to_string(queue.queue_id) +
         ", commit:" + std::to_string(offset);
}

} // namespace

request_lines pop_ack_desk::lines() {
  return {
      line_for(this, request_code::ack_message, request_kind::progress, &pop_ack_desk::take_ack),
      line_for(this, request_code::batch_ack_message, request_kind::progress,
               &pop_ack_desk::take_batch),
      line_for(this, request_code::change_message_invisibletime, request_kind::progress,
               &pop_ack_desk::take_change),
  };
}

void pop_ack_desk::take_ack(const ticket& who, const client_request& request) {
  with_queue<remoting::ack_header>(who, request, &pop_ack_desk::acknowledge, false);
}

void pop_ack_desk::take_change(const ticket& who, const client_request& request) {
  with_queue<remoting::change_header>(who, request, &pop_ack_desk::change, false);
}

template <class Header>
void pop_ack_desk::with_queue(const ticket& who, const client_request& request,
                              void (pop_ack_desk::*then)(const ticket&, const Header&,
                                                         const remoting::pop_handle&),
                              bool refreshed) {
  auto h = counter_.fields_of<Header>(who, request);
  if (!h)
    return;
  auto handle = remoting::read_handle(h->handle);
  if (!handle)
    return counter_.fail(who, handle.error());
  auto* topic = names_.find(h->topic);
  if (topic == nullptr && !refreshed)
    return names_.refresh(
        who, [this, who, request, then] { with_queue<Header>(who, request, then, true); });
  if (topic == nullptr)
    return names_.refuse(who, response_code::topic_not_exist,
                         "topic[" + h->topic + "] not exist, apply first please!");
  if (h->queue_id < 0 || h->queue_id >= topic->read_queues)
    return counter_.reply(who, response_code::message_illegal,
                          "queueId[" + std::to_string(h->queue_id) + "] is illegal, topic:[" +
                              h->topic + "] has " + std::to_string(topic->read_queues) +
                              " queues to read");
  (this->*then)(who, *h, handle.value());
}

void pop_ack_desk::acknowledge(const ticket& who, const remoting::ack_header& wanted,
                               const remoting::pop_handle& handle) {
  popped_queue queue{wanted.group, wanted.topic, wanted.queue_id};
  switch (apply(queue, wanted.offset, handle)) {
  case outcome::done:
    return counter_.reply(who, response_code::success, {});
  case outcome::wrong:
    return counter_.reply(who, response_code::message_illegal,
                          illegal_offset(queue, wanted.offset));
  case outcome::unknown:
    return check_offset(who, queue, wanted.offset, true,
                        [this, who] { counter_.reply(who, response_code::success, {}); });
  }
}

/// Those of it that do not count are passed over.
void pop_ack_desk::take_batch(const ticket& who, const client_request& request) {
  auto acks = remoting::read_batch_ack(request.body.bytes());
  if (!acks)
    return counter_.fail(who, acks.error());
  if (acks.value().empty())
    return counter_.reply(who, response_code::no_message, "the batch is empty");
  bool wrong = false;
  for (auto& ack : acks.value()) {
    popped_queue queue{ack.group, ack.topic, ack.queue_id};
    for (auto offset : ack.offsets)
      wrong = apply(queue, offset, ack.handle) == outcome::wrong || wrong;
  }
  if (wrong)
    return counter_.reply(who, response_code::message_illegal,
                          "the batch names messages that were not popped in order");
  counter_.reply(who, response_code::success, {});
}

pop_ack_desk::outcome pop_ack_desk::apply(const popped_queue& queue, queue_offset offset,
                                          const remoting::pop_handle& handle) {
  auto& book = pops_.ledger().book();
  bool was_full = book.room(queue) == 0;
  auto result = outcome::unknown;
  if (!handle.in_order()) {
    if (book.acknowledge(queue, offset, handle.pop_ms))
      result = outcome::done;
  } else {
    auto before = book.progress_of(queue);
    auto said = book.acknowledge_in_order(queue, offset, handle.pop_ms);
    if (said == remoting::pop_book::ack_outcome::done)
      result = outcome::done;
    else if (said == remoting::pop_book::ack_outcome::not_here && offset >= before)
      result = outcome::wrong;
  }
  if (result != outcome::done)
    return result;
  pops_.ledger().keep();
  if (was_full || book.in_flight(queue) == 0)
    pops_.freed(queue);
  pops_.arm();
  return result;
}

void pop_ack_desk::change(const ticket& who, const remoting::change_header& wanted,
                          const remoting::pop_handle& handle) {
  popped_queue queue{wanted.group, wanted.topic, wanted.queue_id};
  auto& book = pops_.ledger().book();
  auto invisible_ms = std::clamp<std::int64_t>(wanted.invisible_ms, 1, longest_invisible_ms);
  auto wall_ms = storage::system_wall_clock().now_ms();
  auto due_ms = counter_.now_ms() + invisible_ms;
  remoting::change_answer answer{wall_ms, invisible_ms, handle.revive_queue};
  bool known = false;
  if (handle.in_order()) { // the handle stays as it is, with another end
    known = book.change_in_order(queue, wanted.offset, handle.pop_ms, due_ms);
    answer.pop_ms = handle.pop_ms;
    answer.invisible_ms = wall_ms + invisible_ms - handle.pop_ms;
  } else {
    known = book.change(queue, wanted.offset, handle.pop_ms, {wall_ms, due_ms});
  }
  pops_.arm();
  if (known)
    return counter_.succeed(who, answer);
  check_offset(who, queue, wanted.offset, false,
               [this, who, answer] { counter_.succeed(who, answer); });
}

/// Of a handle that is not known: whether there is, or was, such a message. `at_end`: the queue's
/// end counts as one, as it does for a Java broker.
void pop_ack_desk::check_offset(const ticket& who, const popped_queue& queue, queue_offset offset,
                                bool at_end, std::function<void()> then) {
  if (!sessions_.own())
    return counter_.fail(who, {errc::unavailable, "the gateway's session ended"});
  counter_.ask<topic_description>(
      who, sessions_.own(),
      [this, who, queue, offset, at_end, then](const topic_description& topic) {
        queue_bounds bounds;
        for (auto& each : topic.queues)
          if (each.queue_id == queue.queue_id)
            bounds = each;
        if (offset < bounds.min || offset >= bounds.max + (at_end ? 1 : 0))
          return counter_.reply(who, response_code::no_message, illegal_offset(queue, offset));
        then();
      },
      bounds_atom_v, queue.topic, queue.queue_id);
}

} // namespace troupe::net
