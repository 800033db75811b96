#include "net/hello_check.hpp"

#include <algorithm>

namespace troupe::net {

namespace {

constexpr std::size_t most_shown = 300;

std::string quoted(const std::string& line) {
  return '"' + line.substr(0, most_shown) + '"';
}

} // namespace

bool are_of(const caf::node_id& process, const std::vector<offered_role>& roles,
            const caf::strong_actor_ptr& switchboard) {
  return switchboard && switchboard->node() == process && roles.size() <= most_offered_roles &&
         std::ranges::all_of(
             roles, [&](const offered_role& r) { return r.port && r.port->node() == process; });
}

std::string difference(const std::vector<std::string>& theirs,
                       const std::vector<std::string>& ours) {
  auto [their, our] = std::ranges::mismatch(theirs, ours);
  if (their == theirs.end() && our == ours.end())
    return {};
  return " has " + (their == theirs.end() ? "nothing" : quoted(*their)) +
         " in its cluster.ini where this node has " +
         (our == ours.end() ? "nothing" : quoted(*our)) +
         ": use the same file for all nodes of a store";
}

} // namespace troupe::net
