#include "net/gateway/admin_progress_desk.hpp"

#include "net/consumer.hpp"
#include "net/remoting/admin_bodies.hpp"
#include "net/remoting/admin_headers.hpp"
#include "net/remoting/codes.hpp"

#include <algorithm>
#include <set>

namespace troupe::net {

namespace {

namespace request_code = remoting::request_code;
namespace response_code = remoting::response_code;

/// An answer with more queues would be larger than Java clients read.
constexpr std::size_t most_queues = 50'000;

/// Store time of the first record; 0 without one.
std::int64_t first_time(const pull_response& found) {
  if (found.records.empty())
    return 0;
  auto record = troupe::client::decode(found.records.front());
  return record ? record.value().store_timestamp : 0;
}

} // namespace

request_lines admin_progress_desk::lines() {
  return {
      line_for(this, request_code::get_consume_stats, request_kind::question,
               &admin_progress_desk::show_progress),
      line_for(this, request_code::invoke_broker_to_reset_offset, request_kind::question,
               &admin_progress_desk::reset_offsets),
      line_for(this, request_code::clone_group_offset, request_kind::question,
               &admin_progress_desk::clone_offsets),
  };
}

// -- progress ------------------------------------------------------------------------------------

struct admin_progress_desk::progress_walk {
  listing held;
  ticket who;
  std::string group;
  session_actor session;
  std::vector<std::string> topics; ///< not yet asked, the next one last
  std::map<std::pair<std::string, std::int32_t>, std::int64_t> offsets;
  std::vector<remoting::consume_stats> queues;
  std::vector<std::size_t> behind; ///< of `queues`: the time of their last message is to be asked
  double per_second = 0;
};

void admin_progress_desk::show_progress(const session_actor& session, const ticket& who,
                                        const client_request& request) {
  auto h = counter_.fields_of<remoting::consume_stats_header>(who, request);
  if (!h)
    return;
  if (h->group.empty())
    return counter_.reply(who, response_code::system_error, "field 'consumerGroup' is empty");
  auto walk = std::make_shared<progress_walk>();
  walk->who = who;
  walk->group = h->group;
  walk->session = session;
  auto begin = [this, walk, only = h->topic](const group_list& known, const listing& held) {
    walk->held = held;
    std::set<std::string, std::greater<>> topics;
    if (!only.empty())
      topics.insert(only);
    for (auto& o : known.offsets) {
      walk->offsets[{o.topic, o.queue_id}] = o.offset;
      // What a group that is here does not consume any more is no concern of its.
      if (only.empty() &&
          (!groups_.has_consumers(walk->group) || groups_.find(walk->group, o.topic) != nullptr))
        topics.insert(o.topic);
    }
    walk->topics.assign(topics.begin(), topics.end());
    next_topic(walk);
  };
  listings_.ask_groups(who, session, h->group, begin);
}

void admin_progress_desk::next_topic(const std::shared_ptr<progress_walk>& walk) {
  if (walk->topics.empty())
    return next_time(walk);
  if (walk->queues.size() > most_queues)
    return counter_.fail(walk->who,
                         {errc::too_large, "group " + walk->group + " consumes more than " +
                                               std::to_string(most_queues) +
                                               " queues; ask for one topic (-t)"});
  auto topic = walk->topics.back();
  walk->topics.pop_back();
  self_->request(walk->session, caf::infinite, bounds_atom_v, topic)
      .then(
          [this, walk](const topic_description& found) {
            auto& topic_name = found.info.name;
            for (auto& q : found.queues) {
              if (q.queue_id >= found.info.read_queues)
                continue;
              auto known = walk->offsets.find({topic_name, q.queue_id});
              auto offset = known == walk->offsets.end() ? 0 : known->second;
              auto pulled = tally_.pulled_to(topic_name, walk->group, q.queue_id);
              walk->queues.push_back(
                  {{topic_name, q.queue_id}, q.max, offset, std::max(offset, pulled), 0});
              if (offset == q.max)
                walk->queues.back().last_ms = std::max<std::int64_t>(q.last_store_ms, 0);
              else if (offset > q.min && offset < q.max)
                walk->behind.push_back(walk->queues.size() - 1);
            }
            if (auto rates = tally_.find(remoting::group_gets, topic_name + '@' + walk->group))
              walk->per_second += rates->minute.per_second;
            next_topic(walk);
          },
          [this, walk](const caf::error& why) {
            if (auto e = from_caf(why); e.code != errc::not_found)
              return counter_.fail(walk->who, e);
            next_topic(walk); // deleted meanwhile
          });
}

void admin_progress_desk::next_time(const std::shared_ptr<progress_walk>& walk) {
  if (walk->behind.empty())
    return counter_.reply_text(
        walk->who,
        remoting::write_consume_stats(setup_.address.broker, walk->queues, walk->per_second));
  auto at = walk->behind.back();
  walk->behind.pop_back();
  auto& q = walk->queues[at];
  pull_request last;
  last.topic = q.queue.topic;
  last.queue_id = q.queue.queue_id;
  last.from = q.consumer_offset - 1;
  last.max_messages = 1;
  last.max_bytes = 1;
  self_->request(walk->session, caf::infinite, last)
      .then(
          [this, walk, at](const pull_response& found) {
            walk->queues[at].last_ms = first_time(found);
            next_time(walk);
          },
          [this, walk](const caf::error&) { next_time(walk); }); // the time stays unknown
}

// -- setting back --------------------------------------------------------------------------------

struct admin_progress_desk::reset_walk {
  listing held;
  ticket who;
  remoting::reset_header wanted;
  session_actor session;
  std::vector<std::int32_t> queues; ///< not yet asked, the next one last
  std::map<std::int32_t, std::int64_t> offsets, ends;
  std::vector<remoting::reset_queue> result;
};

/// The members of the group are told and store what they were told. Without members the tool is
/// answered 206, and sets the group's offsets itself.
void admin_progress_desk::reset_offsets(const session_actor& session, const ticket& who,
                                        const client_request& request) {
  auto h = counter_.fields_of<remoting::reset_header>(who, request);
  if (!h)
    return;
  auto one = counter_.fields_of<remoting::reset_one_header>(who, request);
  if (!one)
    return;
  if (h->time_ms < -1 || one->queue_id < -1 || one->offset < -1)
    return counter_.reply(who, response_code::system_error,
                          "a negative timestamp, queueId or offset");
  if (!groups_.has_consumers(h->group))
    return nobody_to_reset(who, *h);
  auto walk = std::make_shared<reset_walk>();
  walk->who = who;
  walk->wanted = *h;
  walk->session = session;
  auto described = [this, walk, one = *one](const topic_description& topic) {
    for (auto& q : topic.queues)
      walk->ends[q.queue_id] = q.max;
    if (one.queue_id >= 0 && walk->ends.count(one.queue_id) == 0)
      return counter_.reply(walk->who, response_code::system_error,
                            "topic " + topic.info.name + " has no queue " +
                                std::to_string(one.queue_id));
    for (auto q = topic.info.read_queues - 1; q >= 0 && one.queue_id < 0; --q)
      walk->queues.push_back(q);
    if (one.queue_id >= 0 && one.offset >= 0) {
      auto offset = std::min(one.offset, walk->ends[one.queue_id]);
      walk->result.push_back({{topic.info.name, one.queue_id}, offset});
    } else if (one.queue_id >= 0) {
      walk->queues.push_back(one.queue_id);
    }
    next_reset(walk);
  };
  auto begin = [this, walk, described](const group_list& known, const listing& held) {
    walk->held = held;
    for (auto& o : known.offsets)
      if (o.topic == walk->wanted.topic)
        walk->offsets[o.queue_id] = o.offset;
    counter_.ask<topic_description>(walk->who, walk->session, described, bounds_atom_v,
                                    walk->wanted.topic);
  };
  listings_.ask_groups(who, session, h->group, begin);
}

void admin_progress_desk::nobody_to_reset(const ticket& who, const remoting::reset_header& wanted) {
  counter_.reply(who, response_code::consumer_not_online,
                 "Consumer not online, so can not reset offset, Group: " + wanted.group +
                     " Topic: " + wanted.topic + " Timestamp: " + std::to_string(wanted.time_ms));
}

void admin_progress_desk::next_reset(const std::shared_ptr<reset_walk>& walk) {
  if (walk->queues.empty())
    return finish_reset(*walk);
  auto queue = walk->queues.back();
  walk->queues.pop_back();
  auto take = [this, walk, queue](std::int64_t offset) {
    auto known = walk->offsets.find(queue);
    if (!walk->wanted.force && known != walk->offsets.end())
      offset = std::min(offset, known->second); // only backwards
    walk->result.push_back({{walk->wanted.topic, queue}, offset});
    next_reset(walk);
  };
  if (walk->wanted.time_ms < 0)
    return take(walk->ends[queue]);
  self_
      ->request(walk->session, caf::infinite, search_atom_v, walk->wanted.topic, queue,
                walk->wanted.time_ms)
      .then([take](queue_offset offset) { take(offset); },
            [this, walk, take](const caf::error& why) {
              if (auto e = from_caf(why); e.code != errc::not_found)
                return counter_.fail(walk->who, e);
              take(0); // it has never had a message
            });
}

void admin_progress_desk::finish_reset(const reset_walk& walk) {
  auto members = groups_.connections(walk.wanted.group);
  if (members.empty()) // they left meanwhile
    return nobody_to_reset(walk.who, walk.wanted);
  auto body = storage::slice::copy_of_text(
      remoting::write_reset_offsets(setup_.address.broker, walk.result));
  for (auto to : members) {
    remoting::command order;
    order.code = request_code::reset_consumer_client_offset;
    remoting::write_fields(order, walk.wanted);
    counter_.tell(to, std::move(order), {body});
  }
  counter_.reply(walk.who, counter_.header_for(walk.who, response_code::success), {body});
}

// -- giving a group's progress to another ---------------------------------------------------------

struct admin_progress_desk::clone_walk {
  listing held;
  ticket who;
  session_actor session;
  std::vector<group_offset> offsets; ///< not yet stored
};

void admin_progress_desk::clone_offsets(const session_actor& session, const ticket& who,
                                        const client_request& request) {
  auto h = counter_.fields_of<remoting::clone_header>(who, request);
  if (!h)
    return;
  auto begin = [this, who, session, h = *h](const group_list& known, const listing& held) {
    auto walk = std::make_shared<clone_walk>(clone_walk{held, who, session, {}});
    for (auto& o : known.offsets)
      if (o.group == h.from_group && (h.topic.empty() || o.topic == h.topic))
        walk->offsets.push_back({h.to_group, o.topic, o.queue_id, o.offset});
    next_clone(walk);
  };
  listings_.ask_groups(who, session, h->from_group, begin);
}

void admin_progress_desk::next_clone(const std::shared_ptr<clone_walk>& walk) {
  if (walk->offsets.empty())
    return counter_.reply(walk->who, response_code::success, {});
  auto next = std::move(walk->offsets.back());
  walk->offsets.pop_back();
  counter_.ask<group_offset>(
      walk->who, walk->session, [this, walk](const group_offset&) { next_clone(walk); },
      store_atom_v, std::move(next));
}

} // namespace troupe::net
