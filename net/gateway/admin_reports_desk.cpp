#include "net/gateway/admin_reports_desk.hpp"

#include "net/consumer.hpp"
#include "net/remoting/admin_bodies.hpp"
#include "net/remoting/admin_headers.hpp"
#include "net/remoting/codes.hpp"
#include "storage/format/properties.hpp"

#include <algorithm>
#include <limits>
#include <map>
#include <set>
#include <utility>
#include <vector>

namespace troupe::net {

namespace {

namespace request_code = remoting::request_code;
namespace response_code = remoting::response_code;

/// An answer with more queues would be larger than Java clients read.
constexpr std::size_t most_queues = 50'000;
/// Entries of a queue in one answer, and of one question to the node.
constexpr std::int32_t most_entries = 4096;
constexpr std::uint32_t entries_at_once = 256;

using queue_offsets = std::map<std::int32_t, std::int64_t>;

std::int64_t offset_of(const queue_offsets& known, std::int32_t queue) {
  auto found = known.find(queue);
  return found == known.end() ? -1 : found->second;
}

/// Names of groups between commas.
std::set<std::string> names_in(std::string_view text) {
  std::set<std::string> names;
  while (!text.empty()) {
    auto end = std::min(text.find(','), text.size());
    names.emplace(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return names;
}

} // namespace

request_lines admin_reports_desk::lines() {
  return {
      line_for(this, request_code::query_consume_time_span, request_kind::question,
               &admin_reports_desk::show_spans),
      line_for(this, request_code::query_correction_offset, request_kind::question,
               &admin_reports_desk::correct_offsets),
      line_for(this, request_code::get_broker_consume_stats, request_kind::question,
               &admin_reports_desk::show_all_stats),
      line_for(this, request_code::query_consume_queue, request_kind::question,
               &admin_reports_desk::show_entries),
  };
}

void admin_reports_desk::ask_time(const session_actor& session, const std::string& topic,
                                  std::int32_t queue, queue_offset at,
                                  std::function<void(std::int64_t)> then) {
  pull_request wanted;
  wanted.topic = topic;
  wanted.queue_id = queue;
  wanted.from = at;
  wanted.max_messages = 1;
  wanted.max_bytes = 1;
  self_->request(session, caf::infinite, std::move(wanted))
      .then(
          [then](const pull_response& found) {
            if (found.records.empty())
              return then(-1);
            auto record = troupe::client::decode(found.records.front());
            then(record ? record.value().store_timestamp : -1);
          },
          [then](const caf::error&) { then(-1); });
}

// -- times ---------------------------------------------------------------------------------------

struct admin_reports_desk::span_walk {
  listing held;
  ticket who;
  session_actor session;
  std::string topic;
  queue_offsets offsets; ///< of the group
  std::vector<queue_bounds> bounds;
  std::vector<remoting::time_span> queues; ///< as many as are done
};

void admin_reports_desk::show_spans(const session_actor& session, const ticket& who,
                                    const client_request& request) {
  auto h = counter_.fields_of<remoting::time_span_header>(who, request);
  if (!h)
    return;
  auto walk = std::make_shared<span_walk>();
  walk->who = who;
  walk->session = session;
  walk->topic = h->topic;
  auto described = [this, walk](const topic_description& topic) {
    for (auto& q : topic.queues)
      if (q.queue_id < topic.info.write_queues)
        walk->bounds.push_back(q);
    next_span(walk);
  };
  auto unknown = [this, walk](const caf::error& why) {
    if (auto e = from_caf(why); e.code != errc::not_found)
      counter_.fail(walk->who, e);
    else
      counter_.reply(walk->who, response_code::topic_not_exist,
                     "topic[" + walk->topic + "] not exist");
  };
  auto begin = [this, walk, described, unknown](const group_list& known, const listing& held) {
    walk->held = held;
    for (auto& o : known.offsets)
      if (o.topic == walk->topic)
        walk->offsets[o.queue_id] = o.offset;
    self_->request(walk->session, caf::infinite, bounds_atom_v, walk->topic)
        .then(described, unknown);
  };
  listings_.ask_groups(who, session, h->group, begin);
}

/// One queue: its first message's time, then that of the last consumed one, then of the next one.
void admin_reports_desk::next_span(const std::shared_ptr<span_walk>& walk) {
  if (walk->queues.size() == walk->bounds.size())
    return counter_.reply_text(walk->who,
                               remoting::write_time_spans(setup_.address.broker, walk->queues));
  auto& q = walk->bounds[walk->queues.size()];
  auto id = q.queue_id;
  auto consumed = offset_of(walk->offsets, id);
  walk->queues.push_back({{walk->topic, id}, -1, q.last_store_ms, -1, 0});
  auto next = [this, walk](std::int64_t stored_ms) {
    if (stored_ms >= 0)
      walk->queues.back().delay_ms = std::max<std::int64_t>(0, counter_.now_ms() - stored_ms);
    next_span(walk);
  };
  auto last = [this, walk, id, next, at = std::max(consumed, q.min), max = q.max](std::int64_t ms) {
    walk->queues.back().consumed_ms = ms;
    if (at >= max)
      return next(-1);
    ask_time(walk->session, walk->topic, id, at, next);
  };
  auto first = [this, walk, id, consumed, last](std::int64_t ms) {
    walk->queues.back().min_ms = ms;
    if (consumed <= 0)
      return last(ms);
    ask_time(walk->session, walk->topic, id, consumed - 1, last);
  };
  if (q.min >= q.max)
    return next_span(walk);
  ask_time(walk->session, walk->topic, id, q.min, first);
}

// -- offsets to go back to -----------------------------------------------------------------------

/// The lowest offset of all groups by queue; where the compared group is behind all of them, there
/// is nothing to correct, which RocketMQ says by the largest number there is.
void admin_reports_desk::correct_offsets(const session_actor& session, const ticket& who,
                                         const client_request& request) {
  auto h = counter_.fields_of<remoting::correction_header>(who, request);
  if (!h)
    return;
  auto begin = [this, who, session, h = *h](const group_list& known, const listing& held) {
    auto described = [this, who, h, known, held](const topic_description& topic) {
      auto left_out = names_in(h.filter_groups);
      queue_offsets first, lowest, compared;
      for (auto& q : topic.queues)
        first[q.queue_id] = q.min;
      for (auto& o : known.offsets) {
        if (o.topic != h.topic)
          continue;
        if (o.group == h.compare_group)
          compared[o.queue_id] = o.offset;
        if (left_out.contains(o.group) || o.offset < offset_of(first, o.queue_id))
          continue;
        auto [at, added] = lowest.try_emplace(o.queue_id, o.offset);
        if (!added)
          at->second = std::min(at->second, o.offset);
      }
      for (auto& [queue, offset] : compared)
        if (auto at = lowest.find(queue); at != lowest.end() && at->second > offset)
          at->second = std::numeric_limits<std::int64_t>::max();
      counter_.reply_text(who, remoting::write_corrections(lowest));
    };
    counter_.ask<topic_description>(who, session, described, bounds_atom_v, h.topic);
  };
  listings_.ask_groups(who, session, {}, begin);
}

// -- all groups ----------------------------------------------------------------------------------

struct admin_reports_desk::stats_walk {
  listing held;
  ticket who;
  session_actor session;
  bool only_ordered = false;
  std::map<std::string, std::map<std::string, queue_offsets>> groups; ///< by topic, then by group
  std::map<std::string, std::vector<std::string>> done; ///< what each group's topics say
  std::size_t queues = 0;
  std::int64_t behind = 0;
  std::int64_t in_flight = 0;
};

void admin_reports_desk::show_all_stats(const session_actor& session, const ticket& who,
                                        const client_request& request) {
  auto h = counter_.fields_of<remoting::all_stats_header>(who, request);
  if (!h)
    return;
  auto begin = [this, who, session, h = *h](const group_list& known, const listing& held) {
    auto walk = std::make_shared<stats_walk>();
    walk->held = held;
    walk->who = who;
    walk->session = session;
    walk->only_ordered = h.only_ordered;
    for (auto& g : known.settings)
      walk->done[g.group];
    for (auto& group : groups_.consumer_groups())
      walk->done[group];
    for (auto& o : known.offsets) {
      walk->done[o.group];
      // What a group that is here does not consume any more is no concern of its.
      if (!groups_.has_consumers(o.group) || groups_.find(o.group, o.topic) != nullptr)
        walk->groups[o.topic][o.group][o.queue_id] = o.offset;
    }
    next_stats(walk);
  };
  listings_.ask_groups(who, session, {}, begin);
}

void admin_reports_desk::next_stats(const std::shared_ptr<stats_walk>& walk) {
  if (walk->queues > most_queues)
    return counter_.fail(walk->who, {errc::too_large, "all groups together consume more than " +
                                                          std::to_string(most_queues) +
                                                          " queues; ask for one group"});
  if (walk->groups.empty()) {
    std::vector<remoting::group_stats> all;
    for (auto& [group, topics] : walk->done)
      all.push_back({group, std::move(topics)});
    return counter_.reply_text(walk->who,
                               remoting::write_all_consume_stats(setup_.address.address, all,
                                                                 walk->behind, walk->in_flight));
  }
  self_->request(walk->session, caf::infinite, bounds_atom_v, walk->groups.begin()->first)
      .then(
          [this, walk](const topic_description& topic) {
            if (!walk->only_ordered || topic.info.order)
              add_stats(*walk, topic);
            walk->groups.erase(walk->groups.begin());
            next_stats(walk);
          },
          [this, walk](const caf::error& why) {
            if (auto e = from_caf(why); e.code != errc::not_found)
              return counter_.fail(walk->who, e);
            walk->groups.erase(walk->groups.begin()); // deleted meanwhile
            next_stats(walk);
          });
}

/// The time of a last message that is not the queue's newest is not looked up: that would be a
/// question for each queue of each group.
void admin_reports_desk::add_stats(stats_walk& walk, const topic_description& topic) const {
  auto& name = topic.info.name;
  for (auto& [group, offsets] : walk.groups.begin()->second) {
    std::vector<remoting::consume_stats> queues;
    for (auto& q : topic.queues) {
      if (q.queue_id >= topic.info.write_queues)
        continue;
      auto offset = std::max<std::int64_t>(offset_of(offsets, q.queue_id), 0);
      auto pulled = std::max(offset, tally_.pulled_to(name, group, q.queue_id));
      queues.push_back({{name, q.queue_id}, q.max, offset, pulled, 0});
      if (offset == q.max)
        queues.back().last_ms = std::max<std::int64_t>(q.last_store_ms, 0);
      walk.behind += q.max - offset;
      walk.in_flight += pulled - offset;
    }
    walk.queues += queues.size();
    auto rates = tally_.find(remoting::group_gets, name + '@' + group);
    walk.done[group].push_back(remoting::write_consume_stats(setup_.address.broker, queues,
                                                             rates ? rates->minute.per_second : 0));
  }
}

// -- entries -------------------------------------------------------------------------------------

struct admin_reports_desk::entry_walk {
  ticket who;
  session_actor session;
  remoting::queue_entries found;
  std::int32_t queue = 0;
  queue_offset next = 0;
  std::int64_t left = 0; ///< to be shown
};

void admin_reports_desk::show_entries(const session_actor& session, const ticket& who,
                                      const client_request& request) {
  auto h = counter_.fields_of<remoting::queue_entries_header>(who, request);
  if (!h)
    return;
  auto described = [this, who, session, h = *h](const topic_description& topic) {
    auto q = std::ranges::find(topic.queues, h.queue_id, &queue_bounds::queue_id);
    if (q == topic.queues.end())
      return counter_.reply(who, response_code::system_error,
                            std::to_string(h.queue_id) + '@' + h.topic + " is not exist!");
    auto walk = std::make_shared<entry_walk>();
    walk->who = who;
    walk->session = session;
    walk->found.min = q->min;
    walk->found.max = q->max;
    walk->found.group = h.group;
    walk->found.topic = h.topic;
    walk->queue = h.queue_id;
    walk->next = std::max(h.index, q->min);
    walk->left = std::min<std::int64_t>(std::clamp(h.count, 0, most_entries), q->max - walk->next);
    next_entries(walk);
  };
  counter_.ask<topic_description>(who, session, described, bounds_atom_v, h->topic);
}

/// An entry is what its record says; the tags code of a message that waits for its time is that
/// time only in the queue's file.
void admin_reports_desk::next_entries(const std::shared_ptr<entry_walk>& walk) {
  auto& found = walk->found;
  if (walk->left <= 0)
    return counter_.reply_text(
        walk->who, remoting::write_queue_entries(found, groups_.find(found.group, found.topic)));
  pull_request wanted;
  wanted.topic = found.topic;
  wanted.queue_id = walk->queue;
  wanted.from = walk->next;
  wanted.max_messages =
      static_cast<std::uint32_t>(std::min<std::int64_t>(walk->left, entries_at_once));
  counter_.ask<pull_response>(
      walk->who, walk->session,
      [this, walk](const pull_response& got) {
        for (auto& bytes : got.records) {
          auto record = troupe::client::decode(bytes);
          if (!record || walk->left <= 0)
            continue;
          auto& r = record.value();
          auto tags = storage::indexed_properties{r.properties}.tags;
          walk->found.lines.push_back(
              {r.offset, r.size, tags.empty() ? 0 : storage::java_hash(tags)});
          --walk->left;
        }
        if (got.records.empty() || got.next <= walk->next)
          walk->left = 0; // there is no more
        walk->next = got.next;
        next_entries(walk);
      },
      wanted);
}

} // namespace troupe::net
