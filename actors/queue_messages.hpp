#pragma once

#include "actors/status.hpp"

#include <map>
#include <string>
#include <vector>

/// Where the queues stand, and what of them is to become durable.
namespace troupe {

using storage::queue_offset;

/// Where the queues stand: after start and after a restart of the queue-manager.
struct queue_state {
  log_offset applied = 0; ///< everything in the log below is in the queues
  log_offset log_min = 0; ///< of what was below only the queues knew, if they were there then
  std::map<std::string, std::vector<queue_offset>> next_offsets;
};
template <class Inspector>
auto inspect(Inspector& f, queue_state& x) {
  return fields(f, "queue_state", x.applied, x.log_min, x.next_offsets);
}

/// What the queue-manager has written and wants durable, together with the state it stands for.
struct queue_sync {
  std::vector<std::string> files;
  std::vector<std::string> directories; ///< to be synced after the files
  log_run run = 0;
  log_offset applied = 0;
  std::int64_t last_store_ms = 0;
  std::uint64_t queue_count = 0;
  std::uint64_t entry_total = 0;
  std::uint32_t index_files = 0;
};
template <class Inspector>
auto inspect(Inspector& f, queue_sync& x) {
  return fields(f, "queue_sync", x.files, x.directories, x.run, x.applied, x.last_store_ms,
                x.queue_count, x.entry_total, x.index_files);
}

struct queue_synced {
  log_offset durable = 0;
  std::uint32_t disk_ms = 0; ///< what the files took, without any wait for the log
};
template <class Inspector>
auto inspect(Inspector& f, queue_synced& x) {
  return fields(f, "queue_synced", x.durable, x.disk_ms);
}

} // namespace troupe
