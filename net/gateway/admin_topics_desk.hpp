#pragma once

#include "net/gateway/message_tally.hpp"
#include "net/gateway/names_desk.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace troupe::net {

/// What operators ask and change about topics. Owns nothing: topics are the registrar's.
class admin_topics_desk : public desk {
public:
  admin_topics_desk(const desk_services& with, names_desk& names, const message_tally& tally)
      : desk(with), names_(names), tally_(tally) {}

  request_lines lines();

private:
  void update_topic(const session_actor& session, const ticket& who, const client_request& request);
  void update_topics(const session_actor& session, const ticket& who,
                     const client_request& request);
  void next_update(const session_actor& session, const ticket& who,
                   const std::shared_ptr<std::vector<topic_info>>& left);
  bool may_make(const ticket& who, const std::string& topic);
  bool may_have(const ticket& who, const client_request& request, std::int64_t sysflag,
                const std::string& attributes);
  void list_unit_topics(const ticket& who, const client_request& request);
  void delete_topic(const session_actor& session, const ticket& who, const client_request& request);
  void delete_topic_name(const session_actor& session, const ticket& who,
                         const client_request& request);
  void list_topics(const session_actor& session, const ticket& who, const client_request& request);
  void list_cluster_topics(const session_actor& session, const ticket& who,
                           const client_request& request);
  void list_topic_settings(const session_actor& session, const ticket& who,
                           const client_request& request);
  void show_topic_settings(const session_actor& session, const ticket& who,
                           const client_request& request);
  void show_topic_stats(const session_actor& session, const ticket& who,
                        const client_request& request);
  void list_system_names(const ticket& who, const client_request& request);
  void list_system_topics(const ticket& who, const client_request& request);
  void clean(const ticket& who, const client_request& request);
  bool may_change(const ticket& who, const client_request& request, const std::string& topic);

  names_desk& names_;
  const message_tally& tally_;
};

} // namespace troupe::net
