#pragma once

#include "storage/os/file_system.hpp"
#include "storage/tables/topic_info.hpp"

#include <cstdint>
#include <string>
#include <vector>

/// Settings of many topics or groups in one request, as RocketMQ 5's tools send them.
namespace troupe::remoting {

/// UPDATE_AND_CREATE_SUBSCRIPTIONGROUP_LIST (225): the settings as they are kept.
struct listed_group {
  std::string name;
  std::string json;
};
storage::result<std::vector<listed_group>> read_group_list(storage::byte_view body);

/// UPDATE_AND_CREATE_TOPIC_LIST (18). Names are not checked here.
struct listed_topic {
  storage::topic_info info;
  std::int64_t sysflag = 0;
  std::string attributes; ///< "+name=value,...", as in the request for one topic
};
storage::result<std::vector<listed_topic>> read_topic_list(storage::byte_view body);

} // namespace troupe::remoting
