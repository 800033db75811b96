#include "net/gateway/gateway_report.hpp"

#include "net/gateway/reception.hpp"

#include <map>

namespace troupe::net {

namespace {

/// Those of the groups that a connection is in, each once.
void add_member(std::map<connection_id, client_view>& all, const remoting::group_client& member,
                std::vector<std::string> client_view::*kind, const std::string& group) {
  auto found = all.find(member.connection);
  if (found == all.end())
    return; // it is gone, and will be forgotten
  auto& view = found->second;
  view.client_id = member.client_id;
  view.language = member.language;
  view.version = member.version;
  (view.*kind).push_back(group);
}

} // namespace

gateway_report reception::report() const {
  std::map<connection_id, client_view> all;
  for (auto& [id, peer] : sessions_.peers()) {
    auto& view = all[id];
    view.connection = id;
    view.peer = peer.text();
  }
  gateway_report made;
  auto& groups = groups_.groups();
  for (auto& name : groups.consumer_groups()) {
    if (auto said = groups.consumer_group(name); said && !said->passive)
      made.pulling_groups.insert(name);
    for (auto& member : groups.consumers(name))
      add_member(all, member, &client_view::consumer_groups, name);
  }
  for (auto& name : groups.producer_groups())
    for (auto& member : groups.producers(name))
      add_member(all, member, &client_view::producer_groups, name);
  for (auto& [id, view] : all)
    made.clients.push_back(std::move(view));
  tally_.report(made);
  return made;
}

} // namespace troupe::net
