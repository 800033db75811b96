#include "net/gateway/gateway_state.hpp"
#include "net/remoting/codes.hpp"
#include "net/remoting/frame.hpp"
#include "net/remoting/heartbeat.hpp"

#include <unistd.h>

namespace troupe::net {

namespace {

namespace response_code = remoting::response_code;

constexpr auto sweep_interval = std::chrono::seconds(10);
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

std::int64_t gateway_state::now_ms() const {
  auto since = self_->clock().now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(since).count();
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
  // First of all the topics for retries: clients look for them right after their first heartbeat.
  for (auto& consumer : h.value().consumers) {
    auto retry = std::string(remoting::retry_prefix) + consumer.group;
    if (consumer.clustering && find_topic(retry) == nullptr)
      create_topic({retry, 1, 1, 6}, [] {});
  }
  h.value().language = request.header.language;
  h.value().version = request.header.version;
  notify_groups(groups_.heartbeat(who.from, h.value(), now_ms()));
  arm_pulse();
  reply(who, response_code::success, {});
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
  if (!groups_.has_consumers(h->group))
    return reply(who, response_code::system_error, "no consumer for this group, " + h->group);
  reply_text(who, remoting::write_consumer_list(groups_.client_ids(h->group)));
}

void gateway_state::take_lock(const ticket& who, const client_request& request) {
  auto wanted = remoting::read_lock_body(request.body.bytes());
  if (!wanted)
    return fail(who, wanted.error());
  if (who.code == remoting::request_code::unlock_batch_mq) {
    locks_.unlock(wanted.value());
    return reply(who, response_code::success, {});
  }
  auto held = locks_.lock(wanted.value(), now_ms());
  arm_pulse();
  reply_text(who, remoting::write_locked_queues(held, setup_.address.broker));
}

void gateway_state::notify_groups(const std::vector<std::string>& groups) {
  for (auto& group : groups)
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
  if (find_topic(wanted.topic) == nullptr)
    return none();
  auto session = c->session;
  ask<topic_description>(
      who, session,
      [this, who, session, none, queue = wanted.queue_id](const topic_description& topic) {
        for (auto& q : topic.queues)
          if (q.queue_id == queue && q.min > 0)
            return none();
        ask<node_status>(
            who, session,
            [this, who, none](const node_status& node) {
              if (node.writer.end - node.writer.min <= cached_bytes())
                succeed(who, remoting::offset_header{0});
              else
                none();
            },
            status_atom_v);
      },
      bounds_atom_v, wanted.topic);
}

void gateway_state::store_offset(client& c, const ticket& who, const client_request& request) {
  auto h = fields_of<remoting::commit_header>(who, request);
  if (!h)
    return;
  ask<group_offset>(
      who, c.session, [this, who](const group_offset&) { reply(who, response_code::success, {}); },
      store_atom_v, group_offset{h->group, h->topic, h->queue_id, h->offset});
}

} // namespace troupe::net
