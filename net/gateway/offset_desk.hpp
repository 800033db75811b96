#pragma once

#include "net/gateway/desk.hpp"
#include "net/remoting/headers.hpp"

namespace troupe::net {

/// How far groups are: asking and storing it, and where a group starts that has no progress yet.
/// Owns nothing: offsets are the registrar's.
class offset_desk : public desk {
public:
  explicit offset_desk(const desk_services& with) : desk(with) {}

  request_lines lines();

private:
  void fetch(const session_actor& session, const ticket& who, const client_request& request);
  void find_first(const ticket& who, const remoting::group_queue_header& wanted);
  void store(const session_actor& session, const ticket& who, const client_request& request);
};

} // namespace troupe::net
