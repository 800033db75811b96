#pragma once

#include "actors/messages.hpp"
#include "net/gateway/gateway_report.hpp"

#include <string>

namespace troupe::net {

/// One topic, as `topic list --output json` prints it.
std::string topic_json(const topic_info& t);
/// One queue, as `topic describe --output json` prints it.
std::string queue_json(const std::string& topic, const queue_bounds& q);

/// {"topics":[...]}
std::string topics_json(const topic_map& all);
/// {"groups":[{"group":...,"offsets":[...]}],"leftOut":0}: how far each group is in each queue, and
/// how far behind its end. `ends` may be null, when nobody knows where the queues end. What would
/// be too much for one answer is left out and counted.
std::string groups_json(const group_list& all, const queue_state* ends);
/// {"clients":[...]}
std::string clients_json(const gateway_report& report);

/// Where a queue ends; -1 when it is not known.
std::int64_t end_of(const queue_state& ends, const std::string& topic, std::int32_t queue_id);

} // namespace troupe::net
