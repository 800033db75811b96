#pragma once

#include "actors/interfaces.hpp"
#include "actors/queue_find.hpp"
#include "storage/index/index_query.hpp"

#include <memory>
#include <vector>

namespace troupe {

/// A look-up that cannot be answered from memory, with all that it takes: the queue as it was when
/// the queue-manager tried.
struct waiting_find {
  pull_request request;
  queue_sight sight;
  storage::queue_view queue;
};

/// The bounds of some queues, and those that are known already.
struct waiting_bounds_find {
  struct part {
    std::int32_t queue_id = 0;
    queue_offset first = 0; ///< as of `add_bounds`
    queue_sight sight;
    storage::queue_view queue;
  };
  bounds_read known;
  std::vector<part> parts;
};

/// The first message that was stored at or after a time.
struct time_search {
  std::int64_t time_ms = 0;
  queue_sight sight;
  storage::queue_view queue;
  reader_actor log; ///< knows the store time of a record
};
struct time_found {
  queue_offset number = 0;
  bool at_end = false; ///< no message that is shown is as late
};

} // namespace troupe

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::waiting_find)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::waiting_bounds_find)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::time_search)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::time_found)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::storage::index_query)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::storage::index_query::answer)

namespace troupe {

/// Waits for the disk so that its queue-manager need not: looks up what is not in memory, on a
/// thread of its own. It works on values and on the files alone, of which some may be gone
/// meanwhile; then it answers with an error, and the queue-manager knows more. Ends with the
/// queue-manager, which alone talks to it.
using queue_reader_actor =
    caf::typed_actor<handles<read_request(waiting_find)>, handles<bounds_read(waiting_bounds_find)>,
                     handles<time_found(time_search)>,
                     handles<storage::index_query::answer(storage::index_query)>,
                     /// Files have been removed: lets go of their blocks.
                     handles<void(drop_atom)>>;

struct queue_reader_state {
  static inline const char* name = "queue-reader";
  std::unique_ptr<storage::queue_view_reader> files;
};

queue_reader_actor::behavior_type
queue_reader(queue_reader_actor::stateful_pointer<queue_reader_state> self,
             storage::file_system* files);

} // namespace troupe
