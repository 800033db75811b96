#pragma once

#include "storage/format/record.hpp"

namespace troupe::test {

/// What encodes again to the record that was read.
inline storage::record_fields fields_of(const storage::record_view& view) {
  return {.topic = view.topic,
          .queue_id = view.queue_id,
          .flag = view.flag,
          .sysflag = view.sysflag,
          .born_timestamp = view.born_timestamp,
          .born_host = view.born_host,
          .store_host = view.store_host,
          .reconsume_times = view.reconsume_times,
          .prepared_transaction_offset = view.prepared_transaction_offset,
          .body = view.body,
          .properties = view.properties};
}

inline storage::record_place place_of(const storage::record_view& view) {
  return {view.queue_position, view.offset, view.store_timestamp};
}

} // namespace troupe::test
