#pragma once

#include "storage/format/record.hpp"
#include "storage/log/log_file.hpp"

#include <deque>
#include <memory>
#include <span>
#include <vector>

namespace troupe::storage {

/// The writing side of the commit log. Exactly one object per directory may exist, and only its
/// owner calls it; everybody else reads the files. Records are staged in memory and written
/// together: `commit` makes all staged records readable with one write per file touched.
///
/// Invariant: bytes below `end()` never change; bytes behind it are zeros or an unacknowledged
/// rest.
class commit_log {
public:
  /// `end` is where recovery found the log's end; `current` is the open file that holds it.
  /// A log without files starts with `current` null and waits for `add_file(end)`; one that is
  /// damaged and may not be written has null too, and nothing is ever added to it.
  commit_log(const options& o, log_offset end, std::shared_ptr<file> current);

  /// End of what is written; the next record's place unless it needs a new file.
  log_offset end() const noexcept { return end_; }
  /// True once a write failed: what it left behind `end()` is not known.
  bool failed() const noexcept { return failed_; }
  /// End of what is staged.
  log_offset staged_end() const noexcept { return staged_end_; }
  std::size_t staged_bytes() const noexcept { return staged_; }

  /// Gives the file that follows the newest one known; its start must be `next_file_start()`.
  void add_file(log_offset start, std::shared_ptr<file> next);
  /// Start of the file to create next.
  log_offset next_file_start() const noexcept;
  /// True while no file is there behind the one being written.
  bool wants_file() const noexcept { return spare_.empty(); }
  /// How much room the current file has left behind what is staged.
  std::uint64_t bytes_left_in_file() const noexcept;

  enum class stage_result {
    staged,
    needs_file, ///< does not fit here and the next file is not there yet: nothing was staged
    too_large,  ///< fits into no file
  };
  /// Encodes one record of fields that passed `check_fields` behind the staged ones, rolling to the
  /// next file (with a blank record) when it does not fit. Fills in `place.offset`.
  stage_result stage(const record_fields& fields, record_place& place);

  /// Writes all that is staged. After an error nothing may be appended any more: what reached the
  /// file is unknown, and recovery decides at the next start. What was staged is forgotten, and
  /// later calls answer `write_stopped`.
  result<void> commit();

  /// Everything below the offset is durable: files that lie before it are let go.
  void flushed(log_offset end);
  /// Makes durable what was written and is not known to be. For the one who writes: an error of the
  /// disk that was told to another process, which may be gone, is told here as well.
  result<void> sync();

private:
  struct open_file {
    log_offset start = 0;
    std::shared_ptr<file> handle;
  };
  struct piece { ///< staged bytes [from, to) go to one file
    std::shared_ptr<file> target;
    std::uint64_t at = 0;
    std::size_t from = 0;
    std::size_t to = 0;
  };
  bool roll();
  std::span<std::byte> extend(std::uint32_t count);
  void unstage() noexcept;
  void forget_staged() noexcept;

  const options& options_;
  log_offset end_;
  log_offset staged_end_;
  open_file current_; ///< holds staged_end_
  std::deque<open_file> spare_;
  std::vector<open_file> left_;     ///< what was current since the last commit
  std::deque<open_file> unflushed_; ///< full, and not known to be durable
  std::unique_ptr<std::byte[]> buffer_;
  std::size_t capacity_ = 0;
  std::size_t staged_ = 0; ///< bytes of buffer_ in use
  std::vector<piece> pieces_;
  bool failed_ = false;
};

} // namespace troupe::storage
