#include "net/gateway/admin_groups_desk.hpp"

#include "net/consumer.hpp"
#include "net/remoting/admin_headers.hpp"
#include "net/remoting/codes.hpp"
#include "net/remoting/headers.hpp"
#include "net/remoting/send_back.hpp"
#include "net/remoting/settings_lists.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

namespace troupe::net {

namespace {

namespace request_code = remoting::request_code;
namespace response_code = remoting::response_code;

} // namespace

request_lines admin_groups_desk::lines() {
  return {
      line_for(this, request_code::update_and_create_subscriptiongroup, request_kind::question,
               &admin_groups_desk::update_group),
      line_for(this, request_code::update_and_create_subscriptiongroup_list, request_kind::question,
               &admin_groups_desk::update_groups),
      line_for(this, request_code::delete_subscriptiongroup, request_kind::question,
               &admin_groups_desk::delete_group),
      line_for(this, request_code::get_all_subscriptiongroup_config, request_kind::question,
               &admin_groups_desk::list_group_settings),
      line_for(this, request_code::get_subscriptiongroup_config, request_kind::question,
               &admin_groups_desk::show_group_settings),
      line_for(this, request_code::get_all_consumer_offset, request_kind::question,
               &admin_groups_desk::list_group_offsets),
      line_for(this, request_code::query_topic_consume_by_who, request_kind::question,
               &admin_groups_desk::list_topic_groups),
      line_for(this, request_code::get_consumer_connection_list, request_kind::question,
               &admin_groups_desk::list_consumer_clients),
      line_for(this, request_code::get_producer_connection_list, request_kind::question,
               &admin_groups_desk::list_producer_clients),
      line_for(this, request_code::get_all_producer_info, request_kind::question,
               &admin_groups_desk::list_all_producers),
      line_for(this, request_code::query_topics_by_consumer, request_kind::question,
               &admin_groups_desk::list_group_topics),
      line_for(this, request_code::query_subscription_by_consumer, request_kind::question,
               &admin_groups_desk::show_subscription),
  };
}

// -- settings ------------------------------------------------------------------------------------

void admin_groups_desk::update_group(const session_actor& session, const ticket& who,
                                     const client_request& request) {
  auto group = remoting::read_group_name(request.body.bytes());
  if (!group)
    return counter_.fail(who, group.error());
  group_settings wanted{group.value(), std::string(troupe::client::text_of(request.body.bytes()))};
  when_allowed(session, who, wanted.group, [this, session, who, wanted] {
    counter_.ask<group_settings>(
        who, session,
        [this, who](const group_settings&) { counter_.reply(who, response_code::success, {}); },
        store_atom_v, wanted);
  });
}

/// One that is not here yet is made: as many as the client may. Fails the request otherwise.
void admin_groups_desk::when_allowed(const session_actor& session, const ticket& who,
                                     const std::string& group, std::function<void()> then) {
  if (group.empty() || names_.find(remoting::retry_topic(group)) != nullptr)
    return then(); // it has consumed, or is none
  counter_.ask<group_list>(
      who, session,
      [this, who, then = std::move(then)](const group_list& known) {
        if (known.settings.empty())
          if (auto counted = names_.charge(who, creation::group); !counted)
            return counter_.fail(who, counted.error());
        then();
      },
      list_atom_v, group);
}

void admin_groups_desk::update_groups(const session_actor& session, const ticket& who,
                                      const client_request& request) {
  auto wanted = remoting::read_group_list(request.body.bytes());
  if (!wanted)
    return counter_.fail(who, wanted.error());
  auto left = std::make_shared<std::vector<group_settings>>();
  for (auto& one : wanted.value())
    left->push_back({std::move(one.name), std::move(one.json)});
  std::ranges::reverse(*left);
  next_update(session, who, left);
}

/// One that the node refuses ends it: those before it are changed, and asking again is no harm.
void admin_groups_desk::next_update(const session_actor& session, const ticket& who,
                                    const std::shared_ptr<std::vector<group_settings>>& left) {
  if (left->empty())
    return counter_.reply(who, response_code::success, {});
  auto next = std::move(left->back());
  left->pop_back();
  when_allowed(session, who, next.group, [this, session, who, left, next] {
    counter_.ask<group_settings>(
        who, session,
        [this, session, who, left](const group_settings&) { next_update(session, who, left); },
        store_atom_v, next);
  });
}

void admin_groups_desk::delete_group(const session_actor& session, const ticket& who,
                                     const client_request& request) {
  auto h = counter_.fields_of<remoting::delete_group_header>(who, request);
  if (!h)
    return;
  counter_.ask<group_settings>(
      who, session,
      [this, who](const group_settings&) { counter_.reply(who, response_code::success, {}); },
      remove_atom_v, group_settings{h->group, {}}, h->clean_offset || h->remove_offset);
}

void admin_groups_desk::list_group_settings(const session_actor& session, const ticket& who,
                                            const client_request&) {
  listings_.ask_groups(who, session, {}, [this, who](const group_list& all, const listing&) {
    counter_.reply_text(who, remoting::write_group_settings(settings_of(all)));
  });
}

/// Of every group there is: those that were given some, RocketMQ's own, those that consume now, and
/// those that did. Nobody has to set up a group before it consumes.
remoting::named_texts admin_groups_desk::settings_of(const group_list& all) const {
  std::map<std::string, std::string> found;
  for (auto& g : all.settings)
    found.emplace(g.group, g.json);
  auto add = [&](const std::string& group) {
    if (auto [at, added] = found.try_emplace(group); added)
      at->second = remoting::default_group_settings(group);
  };
  for (auto& group : remoting::own_groups())
    add(group);
  for (auto& group : groups_.consumer_groups())
    add(group);
  for (auto& o : all.offsets)
    add(o.group);
  return {found.begin(), found.end()};
}

void admin_groups_desk::show_group_settings(const session_actor& session, const ticket& who,
                                            const client_request& request) {
  auto h = counter_.fields_of<remoting::settings_header>(who, request);
  if (!h)
    return;
  auto answer = [this, who, group = h->group](const group_list& all, const listing&) {
    for (auto& [name, json] : settings_of(all))
      if (name == group)
        return counter_.reply_text(who, json);
    counter_.reply(who, response_code::group_not_exist,
                   "No group in this broker: " + group +
                       "; it is there when it consumes, or mqadmin updateSubGroup made it");
  };
  listings_.ask_groups(who, session, h->group, answer);
}

// -- offsets -------------------------------------------------------------------------------------

void admin_groups_desk::list_group_offsets(const session_actor& session, const ticket& who,
                                           const client_request&) {
  listings_.ask_groups(who, session, {}, [this, who](const group_list& all, const listing&) {
    std::vector<remoting::stored_offset> offsets;
    for (auto& o : all.offsets)
      offsets.push_back({o.group, {o.topic, o.queue_id}, o.offset});
    counter_.reply_text(who, remoting::write_stored_offsets(offsets));
  });
}

/// Those that consume the topic now, and those that did.
void admin_groups_desk::list_topic_groups(const session_actor& session, const ticket& who,
                                          const client_request& request) {
  auto h = counter_.fields_of<remoting::topic_header>(who, request);
  if (!h)
    return;
  auto answer = [this, who, topic = h->topic](const group_list& all, const listing&) {
    auto online = groups_.subscribers(topic);
    std::set<std::string> groups(online.begin(), online.end());
    for (auto& o : all.offsets)
      if (o.topic == topic)
        groups.insert(o.group);
    counter_.reply_text(who, remoting::write_group_names({groups.begin(), groups.end()}));
  };
  listings_.ask_groups(who, session, {}, answer);
}

/// Those of which the group has consumed.
void admin_groups_desk::list_group_topics(const session_actor& session, const ticket& who,
                                          const client_request& request) {
  auto h = counter_.fields_of<remoting::consumed_header>(who, request);
  if (!h)
    return;
  auto answer = [this, who, group = h->group](const group_list& all, const listing&) {
    std::set<std::string> topics;
    for (auto& o : all.offsets)
      if (o.group == group)
        topics.insert(o.topic);
    counter_.reply_text(
        who, remoting::write_topic_names({topics.begin(), topics.end()}, setup_.address.address));
  };
  listings_.ask_groups(who, session, h->group, answer);
}

void admin_groups_desk::show_subscription(const ticket& who, const client_request& request) {
  auto h = counter_.fields_of<remoting::consumed_header>(who, request);
  if (h)
    counter_.reply_text(who, remoting::write_group_subscription(h->group, h->topic,
                                                                groups_.find(h->group, h->topic)));
}

// -- clients -------------------------------------------------------------------------------------

std::vector<remoting::client_connection>
admin_groups_desk::connections_of(const std::vector<remoting::group_client>& clients) const {
  std::vector<remoting::client_connection> connections;
  for (auto& member : clients)
    if (auto* peer = sessions_.peer_of(member.connection))
      connections.push_back({member.client_id, peer->text(), member.language, member.version});
  return connections;
}

void admin_groups_desk::list_consumer_clients(const session_actor&, const ticket& who,
                                              const client_request& request) {
  auto h = counter_.fields_of<remoting::group_header>(who, request);
  if (!h)
    return;
  auto group = groups_.consumer_group(h->group);
  if (!group)
    return counter_.reply(who, response_code::consumer_not_online,
                          "the consumer group[" + h->group + "] not online");
  counter_.reply_text(
      who, remoting::write_consumers(connections_of(groups_.consumers(h->group)), *group));
}

void admin_groups_desk::list_producer_clients(const session_actor&, const ticket& who,
                                              const client_request& request) {
  auto h = counter_.fields_of<remoting::producer_group_header>(who, request);
  if (!h)
    return;
  auto connections = connections_of(groups_.producers(h->group));
  if (connections.empty())
    return counter_.reply(who, response_code::system_error,
                          "the producer group[" + h->group + "] not exist");
  counter_.reply_text(who, remoting::write_producers(connections));
}

void admin_groups_desk::list_all_producers(const ticket& who, const client_request&) {
  auto held = listings_.begin(who);
  if (!held)
    return;
  remoting::producer_table groups;
  for (auto& group : groups_.producer_groups())
    groups.emplace_back(group, connections_of(groups_.producers(group)));
  counter_.reply_text(who, remoting::write_producer_table(groups));
}

} // namespace troupe::net
