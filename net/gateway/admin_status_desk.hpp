#pragma once

#include "net/gateway/desk.hpp"
#include "net/gateway/message_tally.hpp"
#include "net/remoting/admin_bodies.hpp"

#include <cstdint>

namespace troupe::net {

/// What operators ask about the node, under the names that RocketMQ's tools read. Owns nothing.
class admin_status_desk : public desk {
public:
  admin_status_desk(const desk_services& with, const message_tally& tally)
      : desk(with), tally_(tally) {}

  request_lines lines();

private:
  void show_runtime(const session_actor& session, const ticket& who, const client_request& request);
  void show_config(const session_actor& session, const ticket& who, const client_request& request);
  void change_config(const ticket& who, const client_request& request);
  void show_rates(const session_actor& session, const ticket& who, const client_request& request);
  remoting::named_texts runtime_table(const node_status& node, std::int64_t first_ms) const;
  void add_store(remoting::named_texts& to, const node_status& node, std::int64_t first_ms) const;
  void add_traffic(remoting::named_texts& to) const;
  void add_queues(remoting::named_texts& to, const node_status& node) const;

  const message_tally& tally_;
};

} // namespace troupe::net
