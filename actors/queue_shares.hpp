#pragma once

#include "actors/interfaces.hpp"

#include <string>
#include <vector>

namespace troupe {

/// One that is reached as if it were the only one.
struct queue_share {
  queue_manager_actor manager; ///< null: it is away
  std::string name;            ///< "queue-manager 2 (node b)", for people
};

struct queue_shares_state {
  static inline const char* name = "queue-managers";
};

struct queue_shares_setup {
  std::vector<queue_share> shares; ///< all of them, by number
};

/// Several queue-managers as one: whoever is told of one handle in its `role_table` need not know
/// that the queues are shared (actors/queue_share.hpp). Each process has one of these; it is made
/// anew when one of the queue-managers comes or goes, so that all meet it again.
///
/// What is about one queue goes to its keeper, what is about keys to the first, the rest to all,
/// and their answers become one: how far they are is how far the slowest is. What needs all of them
/// fails while one is away; the status then says how many are missing.
queue_manager_actor::behavior_type
queue_shares(queue_manager_actor::stateful_pointer<queue_shares_state> self,
             queue_shares_setup setup);

} // namespace troupe
