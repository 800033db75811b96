#include "net/gateway/query_desk.hpp"

#include "net/consumer.hpp"
#include "net/remoting/codes.hpp"
#include "net/remoting/headers.hpp"

#include <algorithm>

namespace troupe::net {

namespace {

namespace request_code = remoting::request_code;
namespace response_code = remoting::response_code;

constexpr std::int32_t most_results = 64; // as RocketMQ's broker

} // namespace

request_lines query_desk::lines() {
  return {
      line_for(this, request_code::get_max_offset, request_kind::question,
               &query_desk::answer_bounds),
      line_for(this, request_code::get_min_offset, request_kind::question,
               &query_desk::answer_bounds),
      line_for(this, request_code::search_offset_by_timestamp, request_kind::question,
               &query_desk::search_time),
      line_for(this, request_code::view_message_by_id, request_kind::question,
               &query_desk::view_message),
      line_for(this, request_code::query_message, request_kind::question, &query_desk::query_key),
      line_for(this, request_code::get_earliest_msg_storetime, request_kind::question,
               &query_desk::find_earliest),
  };
}

void query_desk::answer_bounds(const session_actor& session, const ticket& who,
                               const client_request& request) {
  auto h = counter_.fields_of<remoting::queue_header>(who, request);
  if (!h)
    return;
  bool maximum = who.code == request_code::get_max_offset;
  self_->request(session, caf::infinite, bounds_atom_v, h->topic, h->queue_id)
      .then(
          [this, who, maximum, queue = h->queue_id](const topic_description& topic) {
            std::int64_t offset = 0;
            for (auto& q : topic.queues)
              if (q.queue_id == queue)
                offset = maximum ? q.max : q.min;
            counter_.succeed(who, remoting::offset_header{offset});
          },
          [this, who](const caf::error& why) { offset_failed(who, why); });
}

void query_desk::search_time(const session_actor& session, const ticket& who,
                             const client_request& request) {
  auto h = counter_.fields_of<remoting::search_header>(who, request);
  if (!h)
    return;
  self_->request(session, caf::infinite, search_atom_v, h->topic, h->queue_id, h->time_ms)
      .then([this,
             who](queue_offset offset) { counter_.succeed(who, remoting::offset_header{offset}); },
            [this, who](const caf::error& why) { offset_failed(who, why); });
}

/// A queue that is not there begins and ends at 0.
void query_desk::offset_failed(const ticket& who, const caf::error& why) {
  if (auto e = from_caf(why); e.code != errc::not_found)
    counter_.fail(who, e);
  else
    counter_.succeed(who, remoting::offset_header{0});
}

/// The store time of the queue's first message; -1 when there is none.
void query_desk::find_earliest(const session_actor& session, const ticket& who,
                               const client_request& request) {
  auto h = counter_.fields_of<remoting::queue_header>(who, request);
  if (!h)
    return;
  auto none = [this, who](const caf::error& why) {
    if (auto e = from_caf(why); e.code != errc::not_found)
      counter_.fail(who, e);
    else
      counter_.succeed(who, remoting::time_header{});
  };
  auto first = [this, who](const pull_response& found) {
    if (found.records.empty())
      return counter_.succeed(who, remoting::time_header{});
    auto record = troupe::client::decode(found.records.front());
    counter_.succeed(who, remoting::time_header{record ? record.value().store_timestamp : -1});
  };
  auto described = [this, who, session, first, none, h = *h](const topic_description& topic) {
    pull_request wanted;
    for (auto& q : topic.queues)
      if (q.queue_id == h.queue_id && q.min < q.max) {
        wanted.topic = h.topic;
        wanted.from = q.min;
      }
    if (wanted.topic.empty())
      return counter_.succeed(who, remoting::time_header{});
    wanted.queue_id = h.queue_id;
    wanted.max_messages = 1;
    wanted.max_bytes = 1;
    self_->request(session, caf::infinite, wanted).then(first, none);
  };
  self_->request(session, caf::infinite, bounds_atom_v, h->topic, h->queue_id)
      .then(described, none);
}

void query_desk::view_message(const session_actor& session, const ticket& who,
                              const client_request& request) {
  auto h = counter_.fields_of<remoting::offset_header>(who, request);
  if (!h)
    return;
  counter_.ask<record_batch>(
      who, session,
      [this, who, offset = h->offset](record_batch& found) {
        if (found.records.empty())
          return counter_.reply(who, response_code::system_error,
                                "can not find message by offset " + std::to_string(offset));
        counter_.reply(who, counter_.header_for(who, response_code::success),
                       std::move(found.records));
      },
      fetch_atom_v, static_cast<log_offset>(h->offset));
}

void query_desk::query_key(const session_actor& session, const ticket& who,
                           const client_request& request) {
  auto h = counter_.fields_of<remoting::key_header>(who, request);
  if (!h)
    return;
  key_query query;
  query.topic = h->topic;
  query.key = h->key;
  query.max = static_cast<std::uint32_t>(std::clamp(h->max, 1, most_results));
  query.begin_ms = h->begin_ms;
  query.end_ms = h->end_ms;
  counter_.ask<record_batch>(
      who, session,
      [this, who](record_batch& found) {
        if (found.records.empty())
          return counter_.reply(who, response_code::query_not_found,
                                "can not find message, maybe time range not correct");
        counter_.succeed(who, remoting::key_answer{}, std::move(found.records));
      },
      query);
}

} // namespace troupe::net
