#pragma once

#include "sim/store/storage_ledger.hpp"
#include "sim/store/store_process.hpp"

#include <optional>
#include <string>

namespace troupe::sim {

/// What is wrong, beginning with the promise that was broken; nothing when all is well.
using finding = std::optional<std::string>;

/// Whether the recovered log [min, end) holds all that it must, and goes no further back than it
/// may.
finding check_bounds(const storage_ledger& ledger, storage::log_offset min,
                     storage::log_offset end);
/// Whether every record of the log was put there as it is.
finding check_bytes(store_process& process, const storage_ledger& ledger);
/// What is wrong, or what only cannot be read, which is right after a fault.
struct check_result {
  finding wrong;
  finding unreadable;
  bool good() const noexcept { return !wrong && !unreadable; }
};
/// Whether log, queues and index hold the ledger's records and nothing else. All that is in the log
/// must have been applied.
check_result check_store(store_process& process, const storage_ledger& ledger);
/// The parts of it that are derived from the log.
check_result check_queues(store_process& process, const storage_ledger& ledger);
check_result check_index(store_process& process, const storage_ledger& ledger);
/// Whether one record is found by its number and by its offset.
check_result check_read(store_process& process, const put_record& put);

} // namespace troupe::sim
