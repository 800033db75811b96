#pragma once

#include "storage/clock.hpp"
#include "storage/repair/index_check.hpp"
#include "storage/repair/message_walk.hpp"
#include "storage/repair/queue_check.hpp"

#include <cstdint>
#include <map>
#include <set>
#include <string>

namespace troupe::storage {

/// What a store holds, for people.
struct store_summary {
  struct topic_summary {
    std::set<std::int32_t> queues;
    std::uint64_t messages = 0;
    std::uint64_t bytes = 0; ///< of whole records
    /// Messages that lie in the log still, but went with the topic when it was deleted.
    std::uint64_t dead_messages = 0;
    bool deleted = false; ///< and not made again
  };
  walked_log log;
  std::uint64_t record_bytes = 0;
  std::uint64_t body_bytes = 0;
  std::int64_t first_store_time = 0; ///< 0 without messages
  std::int64_t last_store_time = 0;
  std::map<std::string, topic_summary, std::less<>> topics;
  std::uint64_t index_entries = 0;

  std::size_t queue_count() const noexcept;
};

/// Reads the whole log once. Damage is reported and skipped.
result<store_summary> summarize(file_system& fs, const store_files& files,
                                const finding_sink& report);

/// What a start on the directory would do now: found out by starting on a file system that forgets
/// what is written.
struct start_forecast {
  std::optional<error> refused;
  log_offset from = 0;           ///< where it would begin to check the log
  log_offset to = 0;             ///< where the log would end
  bool cut = false;              ///< bytes behind that would be taken away
  bool read_only = false;        ///< damage in the middle: it would refuse writes
  std::string rebuild_reason;    ///< not empty: queues and index would be built anew
  log_offset replay = 0;         ///< bytes of the log that would be put into queues and index
  std::int64_t milliseconds = 0; ///< how long the start took that was tried
};

struct verified_store {
  bool queues_checked = true; ///< false: they are in other directories, which were not named
  walked_log log;
  queue_check::outcome queues;
  index_check::outcome index;
  start_forecast start;
};

/// Checks log, queues and index by themselves and against each other. A torn tail is no finding
/// where a node runs or was killed: that is how a log then ends.
result<verified_store> verify_store(file_system& fs, const store_files& files,
                                    const wall_clock& clock, const finding_sink& report);

} // namespace troupe::storage
