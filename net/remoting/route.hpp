#pragma once

#include "net/remoting/command.hpp"
#include "storage/tables/topic_info.hpp"

#include <cstdint>
#include <string>

namespace troupe::remoting {

/// What the name service says of a broker.
struct broker_address {
  std::string cluster;
  std::string broker;  ///< its name
  std::string address; ///< host:port of its remoting port
};

/// JSON with quoted keys, or with the bare integer keys of clients before 4.9.4.
enum class route_dialect { standard, bare_keys };

/// Which one the sender of a route request can read.
route_dialect dialect_for(const command& request, bool accepts_standard_only) noexcept;

/// Body of the answer to GET_ROUTEINFO_BY_TOPIC (105).
std::string write_route(const broker_address& at, const storage::topic_info& topic,
                        route_dialect dialect);

/// Body of the answer to GET_BROKER_CLUSTER_INFO (106).
std::string write_cluster_info(const broker_address& at);

} // namespace troupe::remoting
