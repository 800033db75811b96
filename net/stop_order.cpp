#include "net/stop_order.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace troupe::net {

namespace {

/// The later, the longer others need it.
int rank_of(role_set roles) {
  constexpr auto writer_rank = 1;
  constexpr std::array<std::pair<store_role, int>, 5> ranks{{
      {store_role::dispatcher, 2},
      {store_role::queue_manager, 3},
      {store_role::flusher, 4},
      {store_role::readers, 4},
      // Groups commit their offsets through the door until that is shut.
      {store_role::registrar, 4},
  }};
  if (roles.has(store_role::writer))
    return writer_rank;
  // Nobody but clients needs these: together they go first, or the open requests of a door would
  // wait for a writer that has gone.
  constexpr role_set of_clients = {store_role::door, store_role::registrar, store_role::cleaner};
  if (roles.has(store_role::door) && (roles & of_clients) == roles)
    return 0;
  int rank = roles == role_set{store_role::cleaner} ? 4 : 0;
  for (auto [role, at] : ranks)
    if (roles.has(role))
      rank = std::max(rank, at);
  return rank;
}

} // namespace

std::vector<std::string> stop_order(const placement& placed) {
  auto nodes = placed.nodes;
  if (placed.together)
    std::ranges::stable_sort(nodes, {}, [](const placement::node& n) { return rank_of(n.roles); });
  std::vector<std::string> names;
  for (auto& n : nodes)
    names.push_back(n.name);
  return names;
}

} // namespace troupe::net
