#pragma once

#include "sim/disk/disk.hpp"
#include "storage/options.hpp"

#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::sim {

/// What a process does with its store in one step. What exactly, the step's own seed decides, so
/// that other steps may be left out of a run and this one stays as it is.
enum class step_kind : std::uint8_t {
  append,      ///< a batch of messages goes to the log
  flush,       ///< the log is synced up to its end
  dispatch,    ///< some of what was written is put into queues and index
  begin_sync,  ///< queues and index are written out, and noted for a sync
  finish_sync, ///< what was noted is synced, then the checkpoint is written
  clean,       ///< old log files go
  read,        ///< a consumer looks at a few messages in all three ways
};
std::string_view name_of(step_kind what) noexcept;

struct step {
  step_kind what = step_kind::append;
  std::uint64_t seed = 0;
};

/// How a process ends, if it does not die at a fault of its plan before.
enum class ending : std::uint8_t {
  kill,      ///< what was written stays
  power_cut, ///< what was not synced may be lost
  stop,      ///< an orderly stop
};

struct life {
  std::vector<step> steps;
  fault_plan faults;
  ending end = ending::kill;
  survival survives = survival::none; ///< of a power cut
  std::uint64_t seed = 0;             ///< of a power cut
};

/// Sizes and habits of one run, drawn so small that everything rolls, fills up and expires.
struct run_knobs {
  std::uint64_t log_file_size_bytes = 16 * storage::kib;
  std::uint64_t queue_file_size_bytes = 400;
  std::uint32_t index_slots = 16;
  std::uint32_t index_entries = 64;
  std::uint32_t tail_entries = 8;
  std::uint32_t open_files = 8;
  std::uint32_t topics = 2;
  std::uint32_t queues = 3;
  std::uint32_t body_bytes = 600; ///< of most messages at most
  bool record_crc = false;
  bool backward_clock = false;
  bool equal_sizes = false; ///< all records alike: one may end where an older one began
};

/// A whole run as data: nothing more is drawn when it is carried out.
struct storage_scenario {
  std::uint64_t seed = 0;
  run_knobs knobs;
  std::vector<life> lives;
  bool believe_disk = false; ///< what a disk's lie does counts as a failure: tests the checks

  /// True if the disk keeps its word: no sync lies, and no bit turns over at rest.
  bool honest_disk() const noexcept { return believe_disk || !(lies() || rots()); }
  bool lies() const noexcept { return has(fault_kind::lying_sync); }
  bool rots() const noexcept { return has(fault_kind::flip_bit); }
  bool has(fault_kind what) const noexcept;
  std::size_t step_count() const noexcept;
};

/// Classes of faults of a store alone; see `fault_classes` for "lies".
const std::vector<std::string>& storage_fault_classes();

/// What the seed says; only with faults of these classes.
storage_scenario draw_scenario(std::uint64_t seed, const std::set<std::string>& classes);
/// As it was drawn before there were classes, for seeds that are kept.
storage_scenario draw_scenario(std::uint64_t seed);

/// Seed and knobs, on one line.
std::string to_string(const run_knobs& knobs);
/// All of it, a line for each life.
std::string to_string(const storage_scenario& scenario);

} // namespace troupe::sim
