#pragma once

#include "actors/interfaces.hpp"
#include "actors/options.hpp"
#include "storage/log/log_view.hpp"

#include <memory>
#include <vector>

namespace troupe {

struct reader_setup {
  node_options options;
  storage::file_system* files = nullptr;
  log_offset min = 0;
  bool replacement = false; ///< files may have been deleted since `min` was found
};

/// Reads records of the log and hands out slices of the page cache. Checking a record touches all
/// of its bytes, so whoever gets the slice does not wait for the disk.
struct reader_state {
  reader_state() = default;
  static inline const char* name = "reader";

  void start(reader_actor::stateful_pointer<reader_state> actor, reader_setup setup);

  /// Completes a pull. An entry that leads to no message of its own ends the answer before it; if
  /// it is the first one, the answer is `in_doubt`. A message that is damaged is left
  /// out, and the queue-manager told. What cannot be read just now ends the answer before it, or
  /// fails the pull: whoever reads must not skip it. What retention took meanwhile is
  /// `offset_too_small`.
  caf::result<pull_response> read(read_request& request);
  caf::result<record_batch> read_keys(const key_read& request);
  caf::result<std::vector<queue_bounds>> read_bounds(bounds_read& request);
  caf::result<storage::right_entries> search(const entry_search& what);
  caf::result<record_batch> fetch(log_offset offset);
  caf::result<std::int64_t> store_time(log_offset offset);
  caf::result<position_list> replay(log_offset from, log_offset to, std::uint32_t count);
  void drop(log_offset min);
  void check_held();
  void set_roles(const role_table& table);

private:
  struct found_record {
    storage::result<storage::slice> record;
    bool doubtful = false; ///< it is the queue entry that may be wrong
  };
  found_record record_of(const read_request& request, const record_location& where);
  void leave_out(read_request& request, const record_location& where, const storage::error& why);
  void warn_unreadable(const storage::error& why);

  struct held_file {
    storage::log_view::held_file file;
    caf::actor_clock::time_point since;
  };

  reader_actor::stateful_pointer<reader_state> self_;
  node_options options_;
  storage::file_system* files_ = nullptr;
  queue_manager_actor queue_manager_; ///< counts what is damaged, and corrects its entries
  writer_actor writer_;               ///< the last one that was known
  caf::actor_clock::time_point next_warning_;
  std::unique_ptr<storage::log_view> log_;
  std::vector<held_file> held_; ///< deleted files that somebody still reads
};

reader_actor::behavior_type reader(reader_actor::stateful_pointer<reader_state> self,
                                   reader_setup setup);

} // namespace troupe
