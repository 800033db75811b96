#include "net/gateway/gateway_state.hpp"
#include "net/remoting/codes.hpp"
#include "net/remoting/frame.hpp"
#include "net/remoting/heartbeat.hpp"
#include "storage/mutant.hpp"

#include <unistd.h>

namespace troupe::net {

namespace {

namespace response_code = remoting::response_code;

constexpr auto sweep_interval = std::chrono::seconds(10);
/// A member learns of changes in its group at most so often.
constexpr auto note_interval = std::chrono::milliseconds(100);
/// Topics that one connection's heartbeats may create as long as it lasts.
constexpr std::size_t most_retry_topics = 256;
/// A client says that it lives every 30 s.
constexpr std::int64_t longest_silence_ms = 120'000;
/// The share of memory in which RocketMQ takes a log to be cached.
constexpr std::int64_t cached_percent = 40;

std::int64_t cached_bytes() noexcept {
  auto pages = ::sysconf(_SC_PHYS_PAGES);
  auto page = ::sysconf(_SC_PAGESIZE);
  return pages > 0 && page > 0 ? pages * page / 100 * cached_percent : 0;
}

} // namespace

std::int64_t gateway_state::milliseconds_of(caf::actor_clock::time_point at) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(at.time_since_epoch()).count();
}

std::int64_t gateway_state::now_ms() const {
  return milliseconds_of(self_->clock().now());
}

void gateway_state::arm_pulse() {
  if (pulse_pending_ || (groups_.empty() && locks_.empty()))
    return;
  pulse_pending_ = true;
  self_->delayed_send(self_, sweep_interval, pulse_atom_v);
}

void gateway_state::pulse() {
  pulse_pending_ = false;
  locks_.expire(now_ms());
  notify_groups(groups_.expire(now_ms() - longest_silence_ms));
  arm_pulse();
}

void gateway_state::take_heartbeat(const ticket& who, const client_request& request) {
  auto h = remoting::read_heartbeat(request.body.bytes());
  if (!h)
    return fail(who, h.error());
  h.value().language = request.header.language;
  h.value().version = request.header.version;
  auto changed = groups_.heartbeat(who.from, h.value(), now_ms());
  if (!changed)
    return fail(who, changed.error());
  // First of all the topics for retries: clients look for them right after their first heartbeat.
  std::vector<std::string> missing;
  for (auto& consumer : h.value().consumers)
    if (auto retry = std::string(remoting::retry_prefix) + consumer.group;
        consumer.clustering && find_topic(retry) == nullptr)
      missing.push_back(std::move(retry));
  if (!missing.empty())
    refresh_topics([this, who, missing] { make_retry_topics(who, missing); });
  notify_groups(changed.value());
  arm_pulse();
  reply(who, response_code::success, {});
}

/// What cannot be made now is made at a later heartbeat.
void gateway_state::make_retry_topics(const ticket& who, const std::vector<std::string>& topics) {
  auto found = clients_.find(who.from);
  for (auto& topic : topics) {
    if (found == clients_.end() || found->second.retry_topics >= most_retry_topics)
      return;
    if (find_topic(topic) != nullptr || creating_.count(topic) > 0)
      continue;
    ++found->second.retry_topics;
    create_topic({topic, 1, 1, 6}, [](const storage::error&) {});
  }
}

void gateway_state::take_leave(const ticket& who, const client_request& request) {
  auto h = fields_of<remoting::unregister_header>(who, request);
  if (!h)
    return;
  notify_groups(groups_.leave(who.from, h->producer_group, h->consumer_group));
  reply(who, response_code::success, {});
}

void gateway_state::list_consumers(const ticket& who, const client_request& request) {
  auto h = fields_of<remoting::group_header>(who, request);
  if (!h)
    return;
  auto members = members_of(h->group);
  if (members.empty())
    return reply(who, response_code::system_error, "no consumer for this group, " + h->group);
  reply_text(who, remoting::write_consumer_list(members));
}

void gateway_state::take_lock(const ticket& who, const client_request& request) {
  auto wanted = remoting::read_lock_body(request.body.bytes());
  if (!wanted)
    return fail(who, wanted.error());
  if (who.code == remoting::request_code::unlock_batch_mq) {
    locks_.unlock(wanted.value());
    return reply(who, response_code::success, {});
  }
  auto held = locks_.lock(who.from, wanted.value(), now_ms());
  arm_pulse();
  reply_text(who, remoting::write_locked_queues(held, setup_.address.broker));
}

void gateway_state::notify_groups(const std::vector<std::string>& groups) {
  for (auto& group : groups)
    report_members(group);
  notify_soon(groups);
}

/// Soon, and once however often a group changes until then: a member may read slowly.
void gateway_state::notify_soon(const std::vector<std::string>& groups) {
  if (groups.empty())
    return;
  if (changed_groups_.empty())
    self_->delayed_send(self_, note_interval, commit_atom_v);
  changed_groups_.insert(groups.begin(), groups.end());
}

void gateway_state::send_notes() {
  for (auto& group : std::exchange(changed_groups_, {}))
    for (auto to : groups_.connections(group)) {
      remoting::command news;
      news.code = remoting::request_code::notify_consumer_ids_changed;
      news.flag = remoting::oneway_flag;
      news.opaque = next_opaque_++;
      remoting::write_fields(news, remoting::group_header{group});
      outgoing message;
      message.to = to;
      remoting::append_frame_head(message.head, news, 0);
      setup_.send(std::move(message));
    }
}

// -- members that came through other doors -------------------------------------------------------

/// Nobody who answers: there are no other doors.
void gateway_state::watch_members() {
  self_->request(setup_.node, caf::infinite, fetch_atom_v)
      .then(
          [this](const caf::strong_actor_ptr& who) {
            if (!who)
              return;
            membership_ = caf::actor_cast<membership_actor>(who);
            self_->monitor(membership_);
            auto before = std::exchange(others_, {});
            auto me = caf::actor_cast<caf::strong_actor_ptr>(self_);
            self_->send(membership_, watch_atom_v, me);
            for (auto& group : groups_.consumer_groups())
              report_members(group);
            for (auto& [group, members] : before) // those that are still there are told again
              notify_soon({group});
          },
          [](const caf::error&) {});
}

void gateway_state::report_members(const std::string& group) {
  if (membership_)
    self_->send(membership_, group_members{group, groups_.client_ids(group), 0});
}

void gateway_state::take_members(const group_members& others) {
  auto known = others_.find(others.group);
  if (others.client_ids.empty()) {
    if (known == others_.end())
      return;
    others_.erase(known);
  } else {
    if (known != others_.end() && known->second == others.client_ids)
      return;
    others_[others.group] = others.client_ids;
  }
  notify_soon({others.group});
}

std::vector<std::string> gateway_state::members_of(const std::string& group) const {
  auto own = groups_.client_ids(group);
  std::set<std::string> all(own.begin(), own.end());
  if (auto others = others_.find(group); others != others_.end())
    all.insert(others->second.begin(), others->second.end());
  return {all.begin(), all.end()};
}

// -- offsets -------------------------------------------------------------------------------------

void gateway_state::fetch_offset(client& c, const ticket& who, const client_request& request) {
  auto h = fields_of<remoting::group_queue_header>(who, request);
  if (!h)
    return;
  ask<group_offset>(
      who, c.session,
      [this, who, h = *h](const group_offset& stored) {
        if (stored.offset >= 0)
          succeed(who, remoting::offset_header{stored.offset});
        else
          first_offset(who, h);
      },
      fetch_atom_v, group_offset{h->group, h->topic, h->queue_id, -1});
}

/// A group without progress starts at the beginning of a young queue: one that still has its first
/// message, in a log that fits into memory. For any other the client decides where to start.
void gateway_state::first_offset(const ticket& who, const remoting::group_queue_header& wanted) {
  auto* c = client_of(who);
  if (c == nullptr)
    return;
  auto none = [this, who] {
    reply(who, response_code::query_not_found, "Not found, maybe this group consumer boot first");
  };
  auto described = [this, who, session = c->session, none,
                    queue = wanted.queue_id](const topic_description& topic) {
    std::int64_t begin = 0;
    for (auto& q : topic.queues)
      if (q.queue_id == queue) {
        if (q.min > q.first)
          return none();
        begin = q.min; // above 0 when the topic was deleted and made again
      }
    ask<node_status>(
        who, session,
        [this, who, none, begin](const node_status& node) {
          if (!answers(node, "writer"))
            fail(who, {errc::unavailable, "the log's size is not known just now; try again"});
          else if (node.writer.end - node.writer.min <= cached_bytes())
            succeed(who, remoting::offset_header{begin});
          else
            none();
        },
        status_atom_v);
  };
  self_->request(c->session, caf::infinite, bounds_atom_v, wanted.topic)
      .then(described, [this, who, none](const caf::error& why) {
        if (auto e = from_caf(why); e.code != errc::not_found)
          fail(who, e);
        else
          none();
      });
}

void gateway_state::store_offset(client& c, const ticket& who, const client_request& request) {
  auto h = fields_of<remoting::commit_header>(who, request);
  if (!h)
    return;
  group_offset progress{h->group, h->topic, h->queue_id, h->offset};
  if (TROUPE_MUTANT("progress-not-waited-for")) {
    self_->request(c.session, caf::infinite, store_atom_v, std::move(progress))
        .then([](const group_offset&) {}, [](const caf::error&) {});
    return reply(who, response_code::success, {});
  }
  ask<group_offset>(
      who, c.session, [this, who](const group_offset&) { reply(who, response_code::success, {}); },
      store_atom_v, std::move(progress));
}

} // namespace troupe::net
