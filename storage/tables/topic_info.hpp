#pragma once

#include "storage/format/record.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace troupe::storage {

/// What topics.json says of a topic, as far as this store uses it.
struct topic_info {
  std::string name;
  std::int32_t read_queues = 8;
  std::int32_t write_queues = 8;
  std::int32_t perm = 6; ///< bits: 4 read, 2 write, 1 inherit
  bool order = false;    ///< for its clients, who keep a key's messages in one queue
};

/// A topic that was deleted: its records in the log count no more, and if it is made again its
/// queues go on numbering where they ended, so that no old message takes a new one's place.
struct tombstone {
  std::string topic;
  log_offset deleted_at = 0;              ///< records below are dead
  std::vector<queue_offset> next_offsets; ///< by queue id
};

} // namespace troupe::storage
