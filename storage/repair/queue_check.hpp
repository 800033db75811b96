#pragma once

#include "storage/format/queue_entry.hpp"
#include "storage/queues/queue_files.hpp"
#include "storage/repair/message_walk.hpp"
#include "storage/tables/topic_table.hpp"

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace troupe::storage {

/// Compares the consume queues with the log, both ways: every record has its entry, and every entry
/// has its record. Give it each record with `add`, in the log's order, then call `finish`.
class queue_check {
public:
  /// Records of deleted topics need no entry; `deleted` may be null.
  queue_check(file_system& fs, const store_files& files, const tombstone_table* deleted,
              finding_sink report);

  result<void> add(const record_view& message);

  struct outcome {
    std::uint64_t entries = 0;   ///< whose records are still in the log
    log_offset highest_end = -1; ///< where the last record known to a queue ends
    /// Records behind that one, which a node that still runs or was killed has not yet put into
    /// their queues: no damage, for a start goes on there.
    std::uint64_t not_dispatched = 0;
  };
  /// After the last record.
  result<outcome> finish(const walked_log& log);

private:
  /// Consecutive numbers of one queue whose entries are not there.
  struct missing_run {
    queue_offset from = 0;
    queue_offset to = 0;
    log_offset first_record = 0;
    std::string place; ///< file of the first
  };
  struct queue_state {
    std::uint32_t number = 0;
    const store_files::queue* files = nullptr; ///< null if only the log knows it
    std::vector<bool> seen; ///< numbers that records claimed, from the first file on
    std::vector<missing_run> missing;
  };
  using queue_name = std::pair<std::string, std::int32_t>;
  using named_queue = std::map<queue_name, queue_state, std::less<>>::value_type;

  queue_state& state_of(const record_view& message);
  result<queue_entry> entry_at(const queue_state& state, queue_offset number);
  void note_missing(named_queue& queue, const record_view& message);
  result<void> check_entries(named_queue& queue, const walked_log& log, outcome& out);
  result<void> check_file(named_queue& queue, const store_files::queue_file& file,
                          const walked_log& log, outcome& out, bool& ended);
  void check_entry(const named_queue& queue, const finding& place, queue_offset number,
                   const queue_entry& entry, const walked_log& log, outcome& out);
  void report_missing(const named_queue& queue, outcome& out);
  std::string path_of(const queue_name& name, queue_offset number) const;

  const store_files& files_;
  const tombstone_table* deleted_;
  finding_sink report_;
  queue_files open_;
  std::map<queue_name, queue_state, std::less<>> queues_;
  named_queue* last_ = nullptr; ///< of the record before
};

} // namespace troupe::storage
