#include "net/gateway/group_desk.hpp"

#include "net/remoting/codes.hpp"
#include "net/remoting/heartbeat.hpp"
#include "net/remoting/send_back.hpp"

#include <utility>

namespace troupe::net {

namespace {

namespace request_code = remoting::request_code;
namespace response_code = remoting::response_code;

constexpr auto sweep_interval = std::chrono::seconds(10);
/// A member learns of changes in its group at most so often.
constexpr auto note_interval = std::chrono::milliseconds(100);
/// Topics that one connection's heartbeats may create as long as it lasts.
constexpr std::size_t most_retry_topics = 256;
/// A client says that it lives every 30 s.
constexpr std::int64_t longest_silence_ms = 120'000;
/// For the node to replace one who died.
constexpr std::chrono::milliseconds members_pause{100};

} // namespace

request_lines group_desk::lines() {
  return {
      line_for(this, request_code::heart_beat, request_kind::news, &group_desk::take_heartbeat),
      line_for(this, request_code::unregister_client, request_kind::news, &group_desk::take_leave),
      line_for(this, request_code::get_consumer_list_by_group, request_kind::question,
               &group_desk::list_consumers),
      line_for(this, request_code::check_client_config, request_kind::question,
               &group_desk::check_client),
      line_for(this, request_code::lock_batch_mq, request_kind::question, &group_desk::take_lock),
      line_for(this, request_code::unlock_batch_mq, request_kind::news, &group_desk::take_lock),
  };
}

void group_desk::departed(connection_id from) {
  locks_.departed(from);
  notify(groups_.forget(from));
}

void group_desk::arm_sweep() {
  if (sweep_pending_ || (groups_.empty() && locks_.empty()))
    return;
  sweep_pending_ = true;
  self_->delayed_send(self_, sweep_interval, pulse_atom_v);
}

void group_desk::sweep() {
  sweep_pending_ = false;
  locks_.expire(counter_.now_ms());
  notify(groups_.expire(counter_.now_ms() - longest_silence_ms));
  arm_sweep();
}

void group_desk::take_heartbeat(const ticket& who, const client_request& request) {
  auto h = remoting::read_heartbeat(request.body.bytes());
  if (!h)
    return counter_.fail(who, h.error());
  h.value().language = request.header.language;
  h.value().version = request.header.version;
  auto changed = groups_.heartbeat(who.from, h.value(), counter_.now_ms());
  if (!changed)
    return counter_.fail(who, changed.error());
  // First of all the topics for retries: clients look for them right after their first heartbeat,
  // and those that broadcast as well, who never use theirs.
  std::vector<std::string> missing;
  for (auto& consumer : h.value().consumers) {
    book_.learn(consumer.group, [] {}); // asked for before the topics, so known when those are
    if (auto retry = remoting::retry_topic(consumer.group); names_.find(retry) == nullptr)
      missing.push_back(std::move(retry));
  }
  if (!missing.empty())
    names_.refresh([this, who, missing] { make_retry_topics(who, missing); });
  notify(changed.value());
  arm_sweep();
  counter_.reply(who, response_code::success, {});
}

/// What cannot be made now is made at a later heartbeat.
void group_desk::make_retry_topics(const ticket& who, const std::vector<std::string>& topics) {
  for (auto& topic : topics) {
    if (!sessions_.knows(who.from) || retry_topics_[who.from] >= most_retry_topics)
      return;
    auto queues = book_.rules(std::string(remoting::group_of_retry_topic(topic))).retry_queues;
    if (queues == 0 || names_.find(topic) != nullptr || names_.is_being_made(topic))
      continue;
    ++retry_topics_[who.from];
    names_.create_for(who, {topic, queues, queues, 6}, [this, who](const storage::error& failure) {
      auto caused = retry_topics_.find(who.from);
      if (failure.code != errc::none && caused != retry_topics_.end() && caused->second > 0)
        --caused->second; // it tries again with each heartbeat
    });
  }
}

void group_desk::take_leave(const ticket& who, const client_request& request) {
  auto h = counter_.fields_of<remoting::unregister_header>(who, request);
  if (!h)
    return;
  notify(groups_.leave(who.from, h->producer_group, h->consumer_group));
  counter_.reply(who, response_code::success, {});
}

/// Before it starts, a Java consumer asks whether its expression will be understood.
void group_desk::check_client(const ticket& who, const client_request& request) {
  auto checked = remoting::read_client_check(request.body.bytes());
  if (!checked)
    return counter_.fail(who, checked.error());
  auto& wanted = checked.value();
  if (!wanted)
    return counter_.reply(who, response_code::success, {});
  if (remoting::filters_by_tags(wanted->expression_type)) {
    auto tags = remoting::tag_hashes(wanted->expression);
    return tags ? counter_.reply(who, response_code::success, {})
                : counter_.reply(who, response_code::subscription_parse_failed,
                                 tags.error().message);
  }
  if (remoting::filters_by_sql(wanted->expression_type) && !setup_.options.property_filter)
    return counter_.reply(who, response_code::system_error,
                          "The broker does not support consumer to filter message by SQL92");
  auto filter = remoting::filter_of(wanted->expression_type, wanted->expression);
  if (!filter)
    return counter_.reply(who, response_code::subscription_parse_failed, filter.error().message);
  counter_.reply(who, response_code::success, {});
}

void group_desk::list_consumers(const ticket& who, const client_request& request) {
  auto h = counter_.fields_of<remoting::group_header>(who, request);
  if (!h)
    return;
  auto members = members_of(h->group);
  if (members.empty())
    return counter_.reply(who, response_code::system_error,
                          "no consumer for this group, " + h->group);
  counter_.reply_text(who, remoting::write_consumer_list(members));
}

void group_desk::take_lock(const ticket& who, const client_request& request) {
  auto wanted = remoting::read_lock_body(request.body.bytes());
  if (!wanted)
    return counter_.fail(who, wanted.error());
  if (who.code == request_code::unlock_batch_mq) {
    locks_.unlock(wanted.value());
    return counter_.reply(who, response_code::success, {});
  }
  auto held = locks_.lock(who.from, wanted.value(), counter_.now_ms());
  arm_sweep();
  counter_.reply_text(who, remoting::write_locked_queues(held, setup_.address.broker));
}

void group_desk::notify(const std::vector<std::string>& groups) {
  for (auto& group : groups)
    report_members(group);
  notify_soon(groups);
}

/// Soon, and once however often a group changes until then: a member may read slowly.
void group_desk::notify_soon(const std::vector<std::string>& groups) {
  if (groups.empty())
    return;
  if (changed_groups_.empty())
    self_->delayed_send(self_, note_interval, work_atom_v);
  changed_groups_.insert(groups.begin(), groups.end());
}

void group_desk::send_notes() {
  for (auto& group : std::exchange(changed_groups_, {})) {
    if (!book_.rules(group).notify)
      continue;
    for (auto to : groups_.connections(group)) {
      remoting::command news;
      news.code = request_code::notify_consumer_ids_changed;
      remoting::write_fields(news, remoting::group_header{group});
      counter_.tell(to, std::move(news));
    }
  }
}

// -- members that came through other doors -------------------------------------------------------

/// Nobody who answers: there are no other doors.
void group_desk::watch_members() {
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

void group_desk::actor_ended(const caf::actor_addr& who) {
  if (!membership_ || membership_.address() != who)
    return;
  membership_ = nullptr;
  self_->delayed_send(self_, members_pause, watch_atom_v);
}

void group_desk::report_members(const std::string& group) {
  if (membership_)
    self_->send(membership_, group_members{group, groups_.client_ids(group), 0});
}

void group_desk::take_members(const group_members& others) {
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

std::vector<std::string> group_desk::members_of(const std::string& group) const {
  auto own = groups_.client_ids(group);
  std::set<std::string> all(own.begin(), own.end());
  if (auto others = others_.find(group); others != others_.end())
    all.insert(others->second.begin(), others->second.end());
  return {all.begin(), all.end()};
}

} // namespace troupe::net
