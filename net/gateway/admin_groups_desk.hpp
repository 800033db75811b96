#pragma once

#include "net/gateway/desk.hpp"
#include "net/gateway/listings.hpp"
#include "net/gateway/names_desk.hpp"
#include "net/remoting/admin_bodies.hpp"
#include "net/remoting/client_groups.hpp"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace troupe::net {

/// What operators ask and change about groups, and who their clients are. Owns nothing.
class admin_groups_desk : public desk {
public:
  admin_groups_desk(const desk_services& with, names_desk& names,
                    const remoting::client_groups& groups, listings& room)
      : desk(with), names_(names), groups_(groups), listings_(room) {}

  request_lines lines();

private:
  void update_group(const session_actor& session, const ticket& who, const client_request& request);
  void update_groups(const session_actor& session, const ticket& who,
                     const client_request& request);
  void next_update(const session_actor& session, const ticket& who,
                   const std::shared_ptr<std::vector<group_settings>>& left);
  void delete_group(const session_actor& session, const ticket& who, const client_request& request);
  void list_group_settings(const session_actor& session, const ticket& who,
                           const client_request& request);
  void show_group_settings(const session_actor& session, const ticket& who,
                           const client_request& request);
  remoting::named_texts settings_of(const group_list& all) const;
  void list_group_offsets(const session_actor& session, const ticket& who,
                          const client_request& request);
  void list_topic_groups(const session_actor& session, const ticket& who,
                         const client_request& request);
  void list_consumer_clients(const session_actor& session, const ticket& who,
                             const client_request& request);
  void list_producer_clients(const session_actor& session, const ticket& who,
                             const client_request& request);
  void list_all_producers(const ticket& who, const client_request& request);
  void list_group_topics(const session_actor& session, const ticket& who,
                         const client_request& request);
  void show_subscription(const ticket& who, const client_request& request);
  std::vector<remoting::client_connection>
  connections_of(const std::vector<remoting::group_client>& clients) const;

  void when_allowed(const session_actor& session, const ticket& who, const std::string& group,
                    std::function<void()> then);

  names_desk& names_;
  const remoting::client_groups& groups_;
  listings& listings_;
};

} // namespace troupe::net
