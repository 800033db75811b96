#pragma once

#include "storage/queues/queue_reading.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace troupe::storage {

/// What a queue is at one moment: a value that any thread may use as long as it wants. Entries that
/// were there then stay readable, but for those that the owner removes meanwhile.
///
/// Costs a copy of the unwritten entries, which are few except in a table that must not write.
struct queue_view {
  std::uint32_t queue = 0; ///< the queue's number in its table
  std::uint32_t cuts = 0;  ///< as in `consume_queue::cut_since`
  std::string directory;
  queue_extent at{}; ///< its `tail` is empty: the next one counts
  std::vector<std::byte> tail;

  queue_extent extent() const noexcept {
    auto all = at;
    all.tail = tail;
    return all;
  }
};

/// Reads queues of one table by their views, and may wait for the disk. Has some files open to read
/// alone, the least recently used are closed. One thread at a time.
///
/// Answers and errors are those of `consume_queue` at the view's moment, but what is gone meanwhile
/// (retention, a deleted topic) is `offset_too_small` from `read` and `not_found` from the others:
/// the owner, asked for a new view, knows more. After a cut meanwhile entries may be those from
/// before it or from after it, and `corrupt` proves nothing: `consume_queue::cut_since` says
/// whether there was one.
class queue_view_reader {
public:
  static constexpr std::size_t usual_files = 64;
  explicit queue_view_reader(file_system& fs, std::size_t open_files = usual_files);
  queue_view_reader(const queue_view_reader&) = delete;
  queue_view_reader& operator=(const queue_view_reader&) = delete;

  /// Appends the entries [from, from + count), fewer at the end, to `into`; after an error those
  /// before it.
  result<void> read(const queue_view& view, queue_offset from, std::size_t count,
                    std::vector<queue_entry>& into);
  result<queue_entry> entry(const queue_view& view, queue_offset number);
  result<queue_offset> find_first(const queue_view& view, log_offset offset);

  /// Closes all files. The blocks of removed ones are given back only then, or when other files or
  /// newer views of their queues have taken their place.
  void close() noexcept { open_.clear(); }
  std::size_t open_count() const noexcept { return open_.size(); }

private:
  class view_bytes;
  struct opened {
    std::uint32_t queue = 0;
    std::uint32_t cuts = 0; ///< files of a queue that was cut may have been made anew
    std::int64_t start = 0;
    std::shared_ptr<file> handle;
  };
  result<std::shared_ptr<file>> open(const queue_view& view, std::int64_t start);
  result<std::shared_ptr<file>> open_anew(const std::string& path);

  file_system& fs_;
  std::size_t capacity_;
  std::vector<opened> open_; ///< most recently used last
  std::vector<std::byte> scratch_;
};

} // namespace troupe::storage
