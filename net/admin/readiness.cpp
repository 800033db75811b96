#include "net/admin/readiness.hpp"

#include "net/admin/status_view.hpp"
#include "net/quantity.hpp"

#include <algorithm>

namespace troupe::net {

namespace {

using phase = start_progress::phase;

/// "recovering 63 %, about 8 s".
std::string recovery_text(const start_progress::view& v) {
  if (v.total == 0)
    return "opening";
  auto part = std::min(1.0, static_cast<double>(v.done) / static_cast<double>(v.total));
  auto text = "recovering " + std::to_string(static_cast<int>(part * 100)) + " %";
  if (part <= 0 || v.took.count() == 0)
    return text;
  auto left = static_cast<double>(v.took.count()) * (1 - part) / part;
  return text + ", about " + std::to_string(static_cast<long long>(left / 1000 + 0.5)) + " s";
}

std::string start_problem(const start_progress::view& v) {
  switch (v.now) {
  case phase::opening:
    return recovery_text(v);
  case phase::waiting:
    return "starting";
  case phase::stopping:
    return "stopping";
  case phase::serving:
    break;
  }
  return {};
}

/// While the queues take what the log has and they have not.
std::string queues_text(const node_status& s) {
  auto behind = s.writer.end - s.queues.applied;
  return "recovering, " + size_text(std::max<std::int64_t>(behind, 0)) + " of the log to go";
}

} // namespace

std::vector<readiness_check> check_readiness(const start_progress::view& start,
                                             const node_status* status) {
  std::vector<readiness_check> all{{"node", start_problem(start)}};
  if (status == nullptr) {
    if (all.front().problem.empty())
      all.front().problem = "does not answer";
    return all;
  }
  if (!status->waits_for.empty())
    all.push_back({"others", "waits for " + status->waits_for});
  for (auto& role : status->roles)
    all.push_back({role.role, role.state == role_running ? std::string() : role.state});
  auto recovering = known(*status, {"writer"}) && !status->writer.open;
  all.push_back({"queues", recovering ? queues_text(*status) : status->queues.failure});
  auto writes = reason_of(*status);
  all.push_back({"writes", recovering ? "wait for the queues" : writes});
  return all;
}

bool is_ready(const std::vector<readiness_check>& all) {
  return std::ranges::all_of(all, [](auto& one) { return one.problem.empty(); });
}

std::string readiness_text(const std::vector<readiness_check>& all, bool verbose) {
  std::string out;
  for (auto& one : all)
    if (verbose || !one.problem.empty())
      out += (one.problem.empty() ? "[+] " + one.part + ": ok" : "[-] " + one.part + ": ") +
             one.problem + "\n";
  if (verbose || out.empty())
    out += is_ready(all) ? "ready\n" : "not ready\n";
  return out;
}

} // namespace troupe::net
