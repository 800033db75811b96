#pragma once

#include "net/gateway/line_budget.hpp"
#include "net/gateway/names_desk.hpp"

namespace troupe::net {

/// What other brokers tell this node's name service, and what operators keep with it. Owns nothing
/// of that: it is part of the routes, and so of the names desk.
class registry_desk : public desk {
public:
  registry_desk(const desk_services& with, names_desk& names) : desk(with), names_(names) {}

  request_lines lines();

private:
  void register_broker(const ticket& who, const client_request& request);
  void unregister_broker(const ticket& who, const client_request& request);
  void take_heartbeat(const ticket& who, const client_request& request);
  void compare_version(const ticket& who, const client_request& request);

  void put_kv(const ticket& who, const client_request& request);
  void get_kv(const ticket& who, const client_request& request);
  void delete_kv(const ticket& who, const client_request& request);
  void list_kv(const ticket& who, const client_request& request);
  void show_settings(const ticket& who, const client_request& request);
  void save_kv();

  names_desk& names_;
  line_budget refused_{10};
};

} // namespace troupe::net
