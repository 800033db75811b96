#pragma once

#include "net/gateway/names_desk.hpp"

namespace troupe::net {

/// Producers recall timer messages that they have sent, by the handles they were given: the delayer
/// of this process is told.
class recall_desk : public desk {
public:
  recall_desk(const desk_services& with, const names_desk& names) : desk(with), names_(names) {}

  request_lines lines();
  void set_roles(const role_table& roles) { delayer_ = roles.delayer; }

private:
  void take(const ticket& who, const client_request& request);
  void recall(const ticket& who, message_recall what);

  const names_desk& names_;
  delayer_actor delayer_;
};

} // namespace troupe::net
