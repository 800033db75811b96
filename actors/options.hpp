#pragma once

#include "storage/options.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace troupe {

using std::chrono::milliseconds;

/// Settings of the actors, by section of cluster.ini. Times are in the actor clock.
struct writer_options {
  std::size_t parked_bytes = 64 * storage::mib; ///< requests that wait for room or a file
  milliseconds parked_deadline{5000};           ///< after that they are refused as busy
};

struct dispatcher_options {
  std::size_t mailbox_capacity = 400'000; ///< positions appended and not yet applied
  milliseconds backpressure{1};           ///< how long a front request is delayed at a time
};

struct flusher_options {
  std::uint64_t dirty_budget_bytes = 256 * storage::mib; ///< unflushed bytes before writers wait
  milliseconds interval{10};         ///< between two flushes of the log that nobody waits for
  milliseconds queue_interval{1000}; ///< between two syncs of the queues
};

struct queue_manager_options {
  std::size_t tail_entries = 128; ///< entries of one queue kept in memory before they are written
  std::size_t open_files = 0;     ///< queue files kept open; 0: from the process's limit
  std::size_t parked_pulls = 50'000; ///< each takes less than 1 KiB
};

struct cleaner_options {
  milliseconds interval{10'000};
};

struct pull_options {
  std::uint32_t max_messages = 1024;
  std::uint64_t max_bytes = storage::mib;
  std::size_t readers = 2; ///< threads that read records
};

struct session_options {
  std::size_t credit_messages = 65'536; ///< of one client, unanswered; other requests count as one
  std::size_t credit_bytes = 32 * storage::mib;
  milliseconds deadline{10'000}; ///< after that a request is answered "maybe stored"
  /// Of clients from outside. Those of this process, the gateway's, are bounded where they begin.
  std::size_t sessions = 1000;
  std::size_t program_sessions = 16; ///< of one client program
};

struct transaction_options {
  milliseconds timeout{6000};          ///< a producer is not asked before
  milliseconds check_interval{30'000}; ///< between two questions about one message
  std::int32_t check_max = 15;         ///< questions about one; then it is given up
};

/// Of consumer groups at one node.
struct membership_options {
  std::size_t groups = 4096;
  std::size_t members = 256; ///< of one group, that joined by messages of client actors
  std::size_t bytes = 16 * storage::mib;
};

struct node_options {
  storage::options store;
  writer_options writer;
  dispatcher_options dispatcher;
  flusher_options flusher;
  queue_manager_options queue_manager;
  cleaner_options cleaner;
  pull_options pull;
  session_options session;
  membership_options membership;
  transaction_options transaction;
  milliseconds stop_deadline{30'000};

  /// Bytes of the log that nobody waits for and that may wait for the next flush's time.
  std::int64_t resting_bytes() const noexcept {
    if (store.flush == storage::flush_policy::sync || flusher.interval == milliseconds{0})
      return 0;
    return static_cast<std::int64_t>(std::min(8 * storage::mib, flusher.dirty_budget_bytes / 4));
  }
};

} // namespace troupe
