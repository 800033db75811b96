#pragma once

#include "actors/status.hpp"
#include "net/admin/start_progress.hpp"

#include <string>
#include <vector>

namespace troupe::net {

/// One thing without which a node does not serve.
struct readiness_check {
  std::string part;
  std::string problem; ///< empty: it is well
};

/// Whether a node serves, part by part. `status` is null when there is no node yet, or when it does
/// not answer.
std::vector<readiness_check> check_readiness(const start_progress::view& start,
                                             const node_status* status);

bool is_ready(const std::vector<readiness_check>& all);

/// "ready", or the problems, a line each; with `verbose` all parts, a line each.
std::string readiness_text(const std::vector<readiness_check>& all, bool verbose);

} // namespace troupe::net
