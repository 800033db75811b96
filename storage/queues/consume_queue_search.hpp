#pragma once

#include "storage/queues/consume_queue.hpp"

#include <string>

namespace troupe::storage {

template <class Behind>
result<queue_offset> consume_queue::search(queue_offset from, queue_offset to,
                                           Behind&& behind) const {
  const auto begin = from;
  const auto end = to;
  while (from < to) {
    const auto middle = from + (to - from) / 2;
    TROUPE_TRY(auto found, entry(middle));
    const bool is_behind = behind(found);
    const auto neighbour = is_behind ? middle + 1 : middle - 1;
    if (neighbour >= begin && neighbour < end) {
      TROUPE_TRY(auto other, entry(neighbour));
      if (behind(other) != is_behind)
        return damaged(file_start(middle), "has a damaged entry, number " + std::to_string(middle) +
                                               " or " + std::to_string(neighbour));
    }
    if (is_behind)
      to = middle;
    else
      from = middle + 1;
  }
  return from;
}

} // namespace troupe::storage
