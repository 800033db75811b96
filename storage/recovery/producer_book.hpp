#pragma once

#include "storage/options.hpp"
#include "storage/tables/producer_windows.hpp"

#include <string>
#include <vector>

namespace troupe::storage {

struct recovered_log;

/// Of a log file, and at most this far apart, the windows are saved: so much a start reads again.
inline constexpr log_offset producers_saved_every = static_cast<log_offset>(256 * mib);
/// How much of the log's end a start reads when the saved windows cannot be used.
inline constexpr log_offset producers_searched = static_cast<log_offset>(gib);

std::string producers_path(const options& o); ///< <directory>/config/troupe-producers

/// The windows with the file that shortens the way back to them. The log is the truth: the file
/// says how they were at a place of the log, and the rest is read from there.
///
/// Invariant: what the file says lies in the durable part of the log, so a power cut that takes the
/// log's end takes nothing that the file knows. No file: the log holds no sequence.
class producer_book {
public:
  producer_book() = default;
  producer_book(file_system& fs, const options& o);

  producer_windows::judgement judge(const producer_sequence& sequence) {
    return windows_.judge(sequence);
  }
  void note(const producer_sequence& sequence, const sequence_place& place) {
    windows_.note(sequence, place);
  }

  /// Before the first sequence of all gets into the log, which is durable up to there.
  result<void> open(log_offset durable);
  bool is_open() const noexcept { return saved_ >= 0; }

  /// The log was written, and holds all that was noted, or was made durable: saves the windows when
  /// it is time. A failure costs the next start time, and is said in the log of the node.
  void advance(log_offset end, log_offset durable);
  /// The last step of an orderly stop.
  void close(log_offset end, log_offset durable);

  /// As a start finds them; the log is recovered, and may be written.
  static result<producer_book> recover(file_system& fs, const options& o, const recovered_log& log);

  std::size_t producers() const noexcept { return windows_.size(); }

private:
  struct found_file;
  static result<found_file> load(file_system& fs, const options& o, const recovered_log& log);
  result<void> read_log(file_system& fs, const options& o, log_offset from,
                        const recovered_log& log);
  result<log_offset> replay(file_system& fs, const options& o, log_offset from, log_offset to);
  result<void> save(byte_view content, log_offset true_to);
  void try_to_save(byte_view content, log_offset true_to);

  file_system* files_ = nullptr;
  std::string path_;
  log_offset every_ = producers_saved_every;
  producer_windows windows_;
  log_offset saved_ = -1;          ///< what the file is true to; -1: there is none
  log_offset tried_ = -1;          ///< where it was saved last, or that failed
  std::vector<std::byte> picture_; ///< of the windows, until the log is durable up to its place
  log_offset picture_at_ = -1;
};

} // namespace troupe::storage
