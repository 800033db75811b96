#pragma once

#include "storage/consume_queue.hpp"

namespace troupe::storage {

template <class Behind>
result<queue_offset> consume_queue::search(queue_offset from, queue_offset to,
                                           Behind&& behind) const {
  while (from < to) {
    const auto middle = from + (to - from) / 2;
    TROUPE_TRY(auto found, entry(middle));
    if (behind(found))
      to = middle;
    else
      from = middle + 1;
  }
  return from;
}

} // namespace troupe::storage
