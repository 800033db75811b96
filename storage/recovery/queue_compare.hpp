#pragma once

#include "storage/clock.hpp"
#include "storage/queues/queue_table.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>

namespace troupe::storage {

/// Which records are compared with the queues.
struct compare_scope {
  log_offset log_min = 0;
  log_offset from = 0; ///< any byte of the log: the first record behind it is the first compared
  log_offset to = 0;   ///< where a record ends; the queues know all that lies before
  std::map<std::string, log_offset> dead = {}; ///< records of a topic before it are dead
  /// The topics there are: records of others without any queue are of topics that were deleted.
  /// Without a list every record has to have a queue.
  std::optional<std::set<std::string>> topics = {};
};

struct queue_comparison {
  std::uint64_t records = 0;   ///< compared
  std::uint64_t corrected = 0; ///< entries that were damaged and now say what the log says
  std::string reason;          ///< not empty: the queues must be built again from the log
};

/// Compares the queues with the log: every record has its entry, and if all of the log is compared,
/// every entry its record. A single entry that is wrong between two that are right is written anew,
/// durably; anything else is a reason to build the queues again. Damage in the log is passed over:
/// it is no evidence against the queues. Tells the node's log how far it is.
result<queue_comparison> compare_queues(file_system& fs, const options& o, queue_table& table,
                                        const wall_clock& clock, const compare_scope& scope);

/// The same for records that somebody else has read from the log; those that end behind `until` are
/// passed over. All of them are of topics that live.
result<queue_comparison> compare_records(queue_table& table, const position_batch& records,
                                         log_offset until);

} // namespace troupe::storage
