#pragma once

#include "storage/clock.hpp"
#include "storage/options.hpp"
#include "storage/recovery/checkpoint.hpp"
#include "storage/recovery/producer_book.hpp"
#include "storage/recovery/recovery.hpp"
#include "storage/tables/topic_table.hpp"

#include <memory>
#include <set>
#include <string>
#include <vector>

namespace troupe::storage {

/// A store that is locked, marked as running, and whose log is recovered.
struct opened_store {
  std::unique_ptr<file_lock> lock; ///< held as long as the store is used
  bool after_orderly_stop = false; ///< there was no abort marker
  checkpoint known;                ///< as the last run left it
  recovered_log log;
  std::set<std::string> topics;      ///< in topics.json
  std::vector<tombstone> tombstones; ///< of topics that were deleted
  producer_book producers;           ///< of a log that may be written
};

/// Opens the directory of `o`, made if it is missing: lock, abort marker, recovery of the log.
/// After a refusal nothing but the marker has changed.
result<opened_store> open_store(file_system& fs, const options& o, const wall_clock& clock,
                                progress_sink progress = {});

/// Opens a directory for queues and index whose log is elsewhere, made if it is missing. That of a
/// whole store is refused.
result<std::unique_ptr<file_lock>> open_queue_directory(file_system& fs, const options& o);

/// The last step of an orderly stop, after everything was flushed.
result<void> close_store(file_system& fs, const options& o);

} // namespace troupe::storage
