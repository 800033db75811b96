#pragma once

#include "storage/clock.hpp"
#include "storage/progress.hpp"
#include "storage/recovery/lost_messages.hpp"
#include "storage/recovery/recovery.hpp"
#include "storage/repair/store_files.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace troupe::storage {

/// What a repair would do to a store, and what it cannot.
struct repair_plan {
  struct gap {
    log_offset from = 0;
    log_offset to = 0;
    std::string reason;
    std::vector<gap_piece> pieces;
    std::int64_t store_timestamp = 0; ///< of the nearest record that is whole
  };
  struct wrong_length {
    std::string name;
    std::uint64_t length = 0;
  };

  std::vector<wrong_length> wrong_lengths; ///< log files that get the length of the others
  std::vector<std::string> misnamed;       ///< log files that fit nowhere and are set aside
  std::string unreadable;                  ///< a log file with pages that cannot be read
  std::vector<std::uint64_t> lost_pages;   ///< where in it they begin; no attempt could read them
  std::vector<gap> gaps;                   ///< damaged, unwritten or missing ranges
  lost_messages::placed lost;              ///< by pieces of all gaps, one behind the other
  bool log_is_gone = false;                ///< no log, but queues or a checkpoint know of one
  bool unfinished = false;                 ///< a repair that was begun has to be ended

  log_offset min = 0;         ///< the log's first file
  log_offset end = 0;         ///< behind its last valid record
  std::uint64_t messages = 0; ///< that are whole

  /// True if the next start can do alone what is left to do.
  bool nothing_to_do() const noexcept;
  std::uint64_t lost_count() const noexcept;
};

/// What can be read or not as a whole.
inline constexpr std::size_t repair_page_bytes = 4096;

/// Waits before what could not be read is tried again; tests replace it.
using repair_pause = std::function<void(std::chrono::milliseconds)>;
void sleep_for(std::chrono::milliseconds span);

/// Does to a stopped store what recovery must not decide by itself: bridges gaps in the log, so
/// that what follows them is kept. Each byte that is overwritten or taken away is copied to
/// `quarantine/` before. Killed at any point it can be done again.
class store_repair {
public:
  /// Takes the store's lock (`locked` while a node runs) and looks at all of the log; changes
  /// nothing but the lock's file. A page counts as unreadable only when a second of attempts could
  /// not read it: a disk that stutters must not cost what it still has.
  static result<store_repair> open(file_system& fs, const std::string& directory,
                                   const index_shape& geometry, const wall_clock& clock,
                                   const progress_sink& progress, repair_pause pause = sleep_for);

  const repair_plan& plan() const noexcept { return plan_; }

  /// Carries the plan out. Afterwards the log is whole from its first file to its end, queues and
  /// index are set aside, and the next start builds them from the log. Answers what was put into
  /// quarantine.
  result<std::vector<std::string>> run();

private:
  store_repair(file_system& fs, const wall_clock& clock) : fs_(&fs), clock_(&clock) {}

  result<void> look();
  result<void> look_at_log(const store_files& files);
  result<void> search_log(const store_files& files, lost_messages& lost);
  result<void> find_lost_pages();
  result<void> find_misfits(const store_files& files);
  result<void> begin();
  result<void> fit_files();
  result<void> clear_unreadable();
  result<void> bridge();
  result<void> bridge(const gap_piece& piece, const std::vector<lost_run>& lost,
                      std::int64_t store_timestamp);
  result<void> finish();
  result<void> set_aside(const std::string& name);

  file_system* fs_;
  const wall_clock* clock_;
  std::string directory_;
  index_shape geometry_;
  progress_sink progress_;
  repair_pause pause_;
  std::unique_ptr<file_lock> lock_;
  options settings_;
  durable_end vouched_; ///< by the checkpoint and the queues, which a repair sets aside
  repair_plan plan_;
  std::vector<std::string> kept_; ///< in quarantine
};

} // namespace troupe::storage
