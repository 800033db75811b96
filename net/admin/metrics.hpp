#pragma once

#include "actors/messages.hpp"
#include "net/admin/start_progress.hpp"
#include "net/gateway/gateway_report.hpp"
#include "net/gateway/traffic.hpp"

#include <cstddef>
#include <optional>
#include <string>

namespace troupe::net {

/// What is known for one answer; what is null did not answer or is not here, and its numbers are
/// left out.
struct metrics_input {
  std::string cluster;
  std::string node;
  start_progress::view start;
  std::size_t most_series = 5000;
  const node_status* status = nullptr;
  const gateway_report* gateway = nullptr;
  std::optional<socket_bytes> bytes = {};
  const topic_map* topics = nullptr;
  const group_list* groups = nullptr;
  const queue_state* ends = nullptr;
};

/// In Prometheus' text format: RocketMQ 5's names with its labels where it has them
/// (BrokerMetricsConstant, DefaultStoreMetricsConstant), and ours, which begin with "troupe_".
std::string metrics_text(const metrics_input& from);

} // namespace troupe::net
