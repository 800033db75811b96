#include "cli/status_source.hpp"

#include "cli/remote.hpp"
#include "cli/system_config.hpp"

#include <algorithm>
#include <utility>

namespace troupe::cli {

using storage::result;

result<std::vector<status_source::candidate>> status_source::candidates_of(const context& ctx) {
  std::vector<candidate> all;
  if (!ctx.connect.empty() || !ctx.node_name.empty()) {
    TROUPE_TRY(auto options, address_of(ctx));
    all.push_back({ctx.node_name.empty() ? ctx.connect : "node " + ctx.node_name, options, {}});
    return all;
  }
  TROUPE_TRY(auto chosen, ctx.load());
  auto nodes = chosen.cluster.nodes;
  std::ranges::stable_partition(nodes, &net::node_config::has_door);
  for (auto& node : nodes)
    if (auto options = address_of(chosen.cluster, node))
      all.push_back({"node " + node.name, options.value(), {}});
  if (all.empty()) {
    TROUPE_TRY(auto options, address_of(chosen.cluster, chosen.node)); // says why
    all.push_back({chosen.node.name, options, {}});
  }
  return all;
}

result<std::unique_ptr<status_source>> status_source::open(const context& ctx,
                                                           std::chrono::milliseconds deadline) {
  TROUPE_TRY(auto candidates, candidates_of(ctx));
  for (auto& one : candidates)
    one.options.deadline = deadline;
  TROUPE_TRY(auto config, make_system_config({}));
  return std::unique_ptr<status_source>(
      new status_source(std::move(config), std::move(candidates)));
}

status_source::status_source(std::unique_ptr<caf::actor_system_config> config,
                             std::vector<candidate> candidates)
    : config_(std::move(config)), system_(*config_), self_(system_),
      candidates_(std::move(candidates)) {}

status_source::~status_source() {
  for (auto& one : candidates_)
    if (one.connection)
      caf::anon_send(one.connection, stop_atom_v);
}

result<node_status> status_source::ask(candidate& one) {
  if (!one.connection)
    one.connection = client::connect(system_, one.options);
  TROUPE_TRY(client::ask<welcome>(self_, one.connection, hello_atom_v));
  return client::ask<node_status>(self_, one.connection, status_atom_v);
}

result<status_source::answer> status_source::ask() {
  std::string silent;
  for (auto& one : candidates_) {
    auto status = ask(one);
    if (status)
      return answer{std::move(status).value(), std::move(silent)};
    if (candidates_.size() == 1)
      return status.error();
    silent += (silent.empty() ? "" : "; ") + one.name + " does not answer (" +
              status.error().message + ")";
  }
  return storage::error{storage::errc::unavailable, silent};
}

} // namespace troupe::cli
