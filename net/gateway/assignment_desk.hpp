#pragma once

#include "net/gateway/desk.hpp"
#include "net/gateway/group_desk.hpp"
#include "net/gateway/names_desk.hpp"
#include "net/remoting/assignment.hpp"

namespace troupe::net {

/// Which queues a member of a group consumes, and whether it pulls or pops, for clients that ask
/// (RocketMQ 5's, with `clientRebalance` off).
///
/// Owns the modes that operators have set.
class assignment_desk : public desk {
public:
  assignment_desk(const desk_services& with, names_desk& names, const group_desk& groups)
      : desk(with), names_(names), groups_(groups), modes_(setup_.modes) {}

  request_lines lines();

private:
  void assign(const ticket& who, const client_request& request);
  void assign_known(const ticket& who, const remoting::assignment_query& query);
  void set_mode(const ticket& who, const client_request& request);
  void set_known(const ticket& who, const remoting::request_mode& mode);
  std::vector<remoting::broker_queue> queues_of(const std::string& topic) const;

  names_desk& names_;
  const group_desk& groups_;
  remoting::request_modes modes_;
};

} // namespace troupe::net
