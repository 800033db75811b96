#pragma once

#include "sim/disk/disk.hpp"
#include "sim/node/node_ledger.hpp"
#include "storage/options.hpp"

#include <map>
#include <set>
#include <string>
#include <tuple>
#include <vector>

namespace troupe::sim {

/// Bits that turned over in stored files, and what may be missing because of them.
class node_rot {
public:
  /// Turns one bit over: of a record of the log, of an entry of a queue, of the index or of the
  /// checkpoint. Says what it was; empty when there is nothing yet.
  std::string strike(simulated_disk& disk, const storage::options& options, random_source& random);

  bool anywhere() const noexcept { return in_log_ || in_derived_; }
  bool in_log() const noexcept { return in_log_; }
  /// In what is built from the log: queues, index and checkpoint.
  bool in_derived() const noexcept { return in_derived_; }
  /// The entry at this place of a queue, or its record, is damaged: it need not be served.
  bool hit(const std::string& topic, std::int32_t queue, queue_offset position) const {
    return places_.count({topic, queue, position}) > 0;
  }
  /// The record as it was written, of bytes that were read at `offset`: the same bytes, unless bits
  /// of exactly these have turned over.
  storage::byte_view as_written(log_offset offset, storage::byte_view bytes) const;

private:
  using record_bytes = std::vector<std::byte>;
  std::string strike_log(simulated_disk& disk, const storage::options& options,
                         random_source& random);
  std::string strike_queue(simulated_disk& disk, const storage::options& options,
                           random_source& random);
  std::string strike_file(simulated_disk& disk, const std::string& below, random_source& random);

  void note_struck(log_offset offset, const record_bytes& before, const record_bytes& after);

  using queue_place = std::tuple<std::string, std::int32_t, queue_offset>;
  std::set<queue_place> places_;
  /// Each struck record of the log as it was written, and then with each bit that turned over.
  std::map<log_offset, std::vector<record_bytes>> struck_;
  bool in_log_ = false;
  bool in_derived_ = false;
};

} // namespace troupe::sim
