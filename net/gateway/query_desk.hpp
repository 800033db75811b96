#pragma once

#include "net/gateway/desk.hpp"

namespace troupe::net {

/// Where queues begin and end, messages of a time, of a place in the log and of a key: questions
/// that a session answers by itself. Owns nothing.
class query_desk : public desk {
public:
  explicit query_desk(const desk_services& with) : desk(with) {}

  request_lines lines();

private:
  void answer_bounds(const session_actor& session, const ticket& who,
                     const client_request& request);
  void search_time(const session_actor& session, const ticket& who, const client_request& request);
  void offset_failed(const ticket& who, const caf::error& why);
  void view_message(const session_actor& session, const ticket& who, const client_request& request);
  void find_earliest(const session_actor& session, const ticket& who,
                     const client_request& request);
  void query_key(const session_actor& session, const ticket& who, const client_request& request);
};

} // namespace troupe::net
