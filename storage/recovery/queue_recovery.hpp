#pragma once

#include "storage/clock.hpp"
#include "storage/index/key_index.hpp"
#include "storage/queues/queue_table.hpp"
#include "storage/recovery/checkpoint.hpp"
#include "storage/tables/queue_numbers.hpp"

#include <map>
#include <memory>
#include <optional>
#include <string>

namespace troupe::storage {

/// What is known before the queues are looked at.
struct queue_recovery_plan {
  log_offset log_min = 0;
  log_offset log_end = 0;    ///< the recovered log ends here
  checkpoint known;          ///< as found at start
  bool trust_queues = false; ///< the last stop was an orderly one
  /// Deleted topics: their records before the offset are dead.
  std::map<std::string, log_offset> dead = {};
  bool log_is_here = true; ///< in the same directory; else nothing is compared with it here
};

/// Queues and index that agree with the log below `applied`; what follows is to be added.
struct recovered_queues {
  std::unique_ptr<queue_table> table;
  std::unique_ptr<key_index> index;
  log_offset applied = 0;
  bool vouched = false;                 ///< a checkpoint says that they are durable up to `applied`
  bool removed_dead = false;            ///< queues of deleted topics were still there
  std::optional<queue_numbers> numbers; ///< of queues that nothing else knows; always set
  std::uint64_t corrected = 0;          ///< damaged entries that were written anew
  std::string rebuild_reason; ///< not empty: they were emptied, to be built again from the log
  /// Without the log's files: what lies from `applied` up to here is in the queues, and is to be
  /// compared with the log as it is read again.
  log_offset compare_until = 0;
};

/// Loads queues and index and takes away what nothing vouches for: derived data is no evidence.
/// Queues of another store are compared with all of the log, our own with its newest part. Where
/// the log's files are elsewhere only what a checkpoint vouches for is kept.
/// With `own.read_only` nothing on the disk is changed, and what follows can be added in memory.
/// Doing it again, also after dying in the middle, gives the same.
result<recovered_queues> recover_queues(file_system& fs, const options& o,
                                        const queue_table_options& own, const wall_clock& clock,
                                        const queue_recovery_plan& plan);

/// Empties queues and index, to be built again from the log's beginning. No checkpoint vouches for
/// them until the next one is written. Numbers that only the queues knew are kept, and returned
/// with those kept before.
result<queue_numbers> discard_queues(file_system& fs, const options& o, queue_table& table,
                                     key_index& index, log_offset log_min);

} // namespace troupe::storage
