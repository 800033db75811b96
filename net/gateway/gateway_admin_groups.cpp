#include "net/consumer.hpp"
#include "net/gateway/gateway_state.hpp"
#include "net/remoting/admin_headers.hpp"
#include "net/remoting/codes.hpp"

#include <algorithm>
#include <set>

/// What operators ask about groups and their clients.
namespace troupe::net {

namespace {

namespace response_code = remoting::response_code;

constexpr std::size_t most_listings = 8;

} // namespace

/// Nothing else bounds what these answers take.
gateway_state::listing gateway_state::begin_listing(const ticket& who) {
  if (*listings_ >= most_listings) {
    fail(who, {errc::busy, std::to_string(most_listings) +
                               " listings of operators are being made; try again later"});
    return nullptr;
  }
  ++*listings_;
  return {listings_.get(), [count = listings_](void*) { --*count; }};
}

void gateway_state::list_groups(const ticket& who, const session_actor& session,
                                const std::string& group,
                                std::function<void(const group_list&, const listing&)> then) {
  if (auto begun = begin_listing(who))
    ask<group_list>(
        who, session,
        [then = std::move(then), begun](const group_list& known) { then(known, begun); },
        list_atom_v, group);
}

// -- settings ------------------------------------------------------------------------------------

void gateway_state::update_group(client& c, const ticket& who, const client_request& request) {
  auto group = remoting::read_group_name(request.body.bytes());
  if (!group)
    return fail(who, group.error());
  ask<group_settings>(
      who, c.session,
      [this, who](const group_settings&) { reply(who, response_code::success, {}); }, store_atom_v,
      group_settings{group.value(), std::string(troupe::client::text_of(request.body.bytes()))});
}

void gateway_state::delete_group(client& c, const ticket& who, const client_request& request) {
  auto h = fields_of<remoting::delete_group_header>(who, request);
  if (!h)
    return;
  ask<group_settings>(
      who, c.session,
      [this, who](const group_settings&) { reply(who, response_code::success, {}); }, remove_atom_v,
      group_settings{h->group, {}}, h->clean_offset || h->remove_offset);
}

void gateway_state::list_group_settings(client& c, const ticket& who, const client_request&) {
  list_groups(who, c.session, {}, [this, who](const group_list& all, const listing&) {
    remoting::named_texts groups;
    for (auto& g : all.settings)
      groups.emplace_back(g.group, g.json);
    reply_text(who, remoting::write_group_settings(groups));
  });
}

// -- offsets -------------------------------------------------------------------------------------

void gateway_state::list_group_offsets(client& c, const ticket& who, const client_request&) {
  list_groups(who, c.session, {}, [this, who](const group_list& all, const listing&) {
    std::vector<remoting::stored_offset> offsets;
    for (auto& o : all.offsets)
      offsets.push_back({o.group, {o.topic, o.queue_id}, o.offset});
    reply_text(who, remoting::write_stored_offsets(offsets));
  });
}

/// Those that consume the topic now, and those that did.
void gateway_state::list_topic_groups(client& c, const ticket& who, const client_request& request) {
  auto h = fields_of<remoting::topic_header>(who, request);
  if (!h)
    return;
  auto answer = [this, who, topic = h->topic](const group_list& all, const listing&) {
    auto online = groups_.subscribers(topic);
    std::set<std::string> groups(online.begin(), online.end());
    for (auto& o : all.offsets)
      if (o.topic == topic)
        groups.insert(o.group);
    reply_text(who, remoting::write_group_names({groups.begin(), groups.end()}));
  };
  list_groups(who, c.session, {}, answer);
}

// -- clients -------------------------------------------------------------------------------------

std::vector<remoting::client_connection>
gateway_state::connections_of(const std::vector<remoting::group_client>& clients) const {
  std::vector<remoting::client_connection> connections;
  for (auto& member : clients)
    if (auto found = clients_.find(member.connection); found != clients_.end())
      connections.push_back(
          {member.client_id, found->second.peer.text(), member.language, member.version});
  return connections;
}

void gateway_state::list_consumer_clients(client&, const ticket& who,
                                          const client_request& request) {
  auto h = fields_of<remoting::group_header>(who, request);
  if (!h)
    return;
  auto group = groups_.consumer_group(h->group);
  if (!group)
    return reply(who, response_code::consumer_not_online,
                 "the consumer group[" + h->group + "] not online");
  reply_text(who, remoting::write_consumers(connections_of(groups_.consumers(h->group)), *group));
}

void gateway_state::list_producer_clients(client&, const ticket& who,
                                          const client_request& request) {
  auto h = fields_of<remoting::producer_group_header>(who, request);
  if (!h)
    return;
  auto connections = connections_of(groups_.producers(h->group));
  if (connections.empty())
    return reply(who, response_code::system_error,
                 "the producer group[" + h->group + "] not exist");
  reply_text(who, remoting::write_producers(connections));
}

} // namespace troupe::net
