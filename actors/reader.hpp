#pragma once

#include "actors/interfaces.hpp"
#include "actors/options.hpp"
#include "storage/log_view.hpp"

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

  /// Completes a pull: damaged records are left out and reported. It fails when descriptors or
  /// memory are missing: that may pass, and whoever reads must not skip messages for it.
  caf::result<pull_response> read(read_request& request);
  record_batch read_keys(const key_read& request);
  std::vector<queue_bounds> read_bounds(bounds_read& request);
  caf::result<record_batch> fetch(log_offset offset);
  caf::result<std::int64_t> store_time(log_offset offset);
  caf::result<position_list> replay(log_offset from, log_offset to, std::uint32_t count);
  void drop(log_offset min);
  void check_held();

private:
  struct held_file {
    storage::log_view::held_file file;
    caf::actor_clock::time_point since;
  };

  reader_actor::stateful_pointer<reader_state> self_;
  node_options options_;
  std::unique_ptr<storage::log_view> log_;
  std::vector<held_file> held_; ///< deleted files that somebody still reads
};

reader_actor::behavior_type reader(reader_actor::stateful_pointer<reader_state> self,
                                   reader_setup setup);

} // namespace troupe
