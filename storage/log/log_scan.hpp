#pragma once

#include "storage/log/log_file.hpp"
#include "storage/progress.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace troupe::storage {

/// Looks through log files whose content is in doubt: the eyes of recovery and repair. Every record
/// is taken only if all its checks pass, CRC and own offset included. Changes nothing.
class log_scan {
public:
  /// `files` are contiguous and not empty, as `list_log` gives them.
  log_scan(file_system& fs, const options& o, std::vector<log_file_entry> files);

  log_offset begin() const noexcept { return files_.front().start; }
  /// Where the last file ends.
  log_offset limit() const noexcept;
  log_offset file_start(log_offset offset) const noexcept;
  const std::vector<log_file_entry>& files() const noexcept { return files_; }

  struct record {
    log_offset offset = 0;
    std::uint32_t size = 0;
    std::int64_t store_timestamp = 0;
  };
  using visitor = std::function<void(const record_view&)>;
  /// Valid records one behind the other.
  struct run {
    /// Behind the last of them; in the next file if a blank leads there. A blank at the end of the
    /// last file leads nowhere and is not part of the run.
    log_offset end = 0;
    std::optional<record> last;
    const char* problem = ""; ///< what is wrong at `end`; empty when it is just not written
  };
  /// Visits the run's messages in their order, if wanted; what is visited is valid during the call.
  /// The CRCs are computed by `options::scan_threads` threads, the outcome is the same for any
  /// number of them.
  result<run> walk(log_offset from, const visitor& visit = {});
  /// Told about the bytes that `walk` has behind it, of all from where the first walk began.
  void report_to(progress_sink sink) { progress_ = std::move(sink); }

  /// The record that starts exactly there.
  result<std::optional<record>> record_at(log_offset offset);
  /// True if a record or a blank starts there.
  result<bool> continues_at(log_offset offset);
  /// The record that ends exactly there, found by looking backwards.
  result<std::optional<record>> record_ending_at(log_offset offset);
  /// The first record that starts at `from` or anywhere behind it.
  result<std::optional<record>> find(log_offset from);
  /// True if `found`, a record behind the place where the log stops after `last`, was cut off at an
  /// earlier start: RocketMQ leaves such bytes behind the end of the file it goes on with. They are
  /// older than what was written since; records of one log are not, unless the clock was set back.
  bool is_leftover(const record& found, const std::optional<record>& last) const noexcept;
  /// True if nothing but zeros lies in [from, to).
  result<bool> all_zero(log_offset from, log_offset to);

  /// Path of the first file with a page that could not be read, if any: what was reported about it
  /// is not to be relied on.
  const std::string& unreadable() const noexcept { return unreadable_; }

private:
  /// A part of the loaded file: where it begins, and from where on no further record begins in it.
  struct piece {
    log_offset from = 0;
    log_offset stop = 0;
    log_offset end = 0; ///< behind the last valid record; below `stop` if something else is there
    std::optional<record> last;
    record_kind next = record_kind::message; ///< what is at `end`
    const char* problem = "";
  };

  /// Bytes of the loaded file that may be something else than zeros.
  struct filled_range {
    std::size_t begin = 0;
    std::size_t end = 0;
  };

  result<void> load(log_offset start);
  filled_range filled_from(std::size_t at) const noexcept;
  decoded decode(log_offset offset, verify what = verify::structure_and_crc) const;
  std::vector<piece> split(log_offset from) const;
  void check(piece& part) const;
  void visit_records(const piece& part, const visitor& visit) const;
  std::optional<record> find_in_file(std::size_t from, std::size_t to) const;
  void note_damage();

  file_system& fs_;
  const options& options_;
  std::vector<log_file_entry> files_;
  log_offset start_ = -1; ///< of the file that is loaded
  std::shared_ptr<file> file_;
  std::shared_ptr<mapping> map_;
  std::vector<filled_range> filled_; ///< of the loaded file, before anything of it was read
  std::string unreadable_;
  progress_sink progress_;
  log_offset first_ = -1; ///< where the first walk began
};

} // namespace troupe::storage
