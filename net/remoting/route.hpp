#pragma once

#include "net/remoting/command.hpp"
#include "storage/tables/topic_info.hpp"

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace troupe::remoting {

/// What the name service says of a broker.
struct broker_address {
  std::string cluster;
  std::string broker;  ///< its name
  std::string address; ///< host:port of its remoting port
};

/// A broker with all its addresses: of its master, and of those that copy from it.
struct broker_data {
  std::string cluster;
  std::string broker;
  std::map<std::int64_t, std::string> addresses; ///< by broker id
  bool acting_master = false;
};
broker_data alone(const broker_address& at);

/// The queues of a topic at one broker.
struct queue_data {
  std::string broker;
  std::int32_t read_queues = 0;
  std::int32_t write_queues = 0;
  std::int32_t perm = 0;
  std::int32_t sysflag = 0;
};

/// Where a topic is.
struct route {
  std::vector<broker_data> brokers;
  std::vector<queue_data> queues;
  std::string order; ///< its entry of ORDER_TOPIC_CONFIG; empty: none
};

/// JSON with quoted keys, or with the bare integer keys of clients before 4.9.4.
enum class route_dialect { standard, bare_keys };

/// Which one the sender of a route request can read.
route_dialect dialect_for(const command& request, bool accepts_standard_only) noexcept;

/// The route of a topic that is at this broker.
route route_to(const broker_address& at, const storage::topic_info& topic);

/// Body of the answer to GET_ROUTEINFO_BY_TOPIC (105).
std::string write_route(const route& to, route_dialect dialect);
std::string write_route(const broker_address& at, const storage::topic_info& topic,
                        route_dialect dialect);

/// Body of the answer to GET_BROKER_CLUSTER_INFO (106).
std::string write_cluster_info(const std::vector<broker_data>& brokers);
std::string write_cluster_info(const broker_address& at);

} // namespace troupe::remoting
