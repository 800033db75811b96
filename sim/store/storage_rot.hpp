#pragma once

#include "sim/disk/disk.hpp"
#include "sim/store/storage_check.hpp"

namespace troupe::sim {

/// What holds although bits of stored files have turned over: nothing altered is served, all that
/// is not itself damaged is there or was put aside.
class storage_rot {
public:
  storage_rot(simulated_disk& disk, const storage::options& o, const storage_ledger& ledger)
      : disk_(disk), options_(o), ledger_(ledger) {}

  bool in_log() const { return in("/commitlog/"); }

  /// A start was refused, or the log was recovered up to `end`: behind it is nothing but a damaged
  /// record and what was copied to the quarantine.
  finding check_kept() const;
  finding check_cut(storage::log_offset end) const;
  /// Every record by itself; queues and index, unless they are damaged or cannot follow the log. A
  /// start compares the queues with the log: with `only_before` nothing turned over since.
  check_result check_served(store_process& process, bool only_before) const;

private:
  bool in(const char* place) const;
  bool hit(storage::log_offset from, storage::log_offset to) const;
  bool put_aside(const put_record& put) const;
  finding check_record(storage::log_view& view, const put_record& put) const;

  simulated_disk& disk_;
  const storage::options& options_;
  const storage_ledger& ledger_;
};

} // namespace troupe::sim
