#pragma once

#include "storage/format/queue_entry.hpp"
#include "storage/queues/queue_files.hpp"
#include "storage/queues/queue_reading.hpp"
#include "storage/queues/queue_view.hpp"

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace troupe::storage {

/// The order of one queue's messages: entry n says where message n lies in the log. New entries
/// gather in memory, are readable at once, and go to the queue's files with `write_out`.
///
/// Invariant: min() <= next(), written() <= next(); entries are without gaps, and their log offsets
/// rise. One owner calls it; the topic's name and `files` live longer than the queue.
class consume_queue {
public:
  /// A queue without files; `number` names it in `files`.
  consume_queue(queue_files& files, const std::string& topic_directory, std::int32_t queue_id,
                std::uint32_t number);

  /// What a start knows of the log.
  struct log_bounds {
    log_offset min = 0;
    log_offset end = 0;
    /// Entries of records that end at or below this are durable and right, the last checkpoint
    /// vouches for it; the others are walked and checked one by one.
    log_offset trusted_end = 0;
  };
  /// Loads the queue's files: finds the end of its entries, cuts what points beyond the log's end,
  /// and zeroes what lies behind. `corrupt`, with file and reason, when the queue must be rebuilt
  /// from the log (`remove_files`, then append from its first record on).
  result<void> load(const log_bounds& log, std::vector<std::string>& warnings);

  std::int32_t queue_id() const noexcept { return queue_id_; }
  /// Number of the first message that is still in the log.
  queue_offset min() const noexcept { return min_; }
  /// Number of the next message.
  queue_offset next() const noexcept { return next_; }
  /// Entries below are in the files.
  queue_offset written() const noexcept { return written_; }
  /// Where the record of the newest entry ends in the log; 0 when there is none.
  log_offset log_end() const noexcept { return log_end_; }

  enum class append_result : std::uint8_t {
    appended,
    duplicate, ///< known already; nothing changed
    gap,       ///< its number is above `next()`: earlier entries are missing, read the log again
    taken,     ///< another message has this number: nothing changed, and nobody may guess
    full,      ///< the tail has `tail_entries`: write out first
  };
  append_result append(queue_offset number, const queue_entry& entry, std::size_t tail_entries);

  /// Writes the tail to the files, one write for each file touched. On an error the tail keeps what
  /// was not written, so that it may be called again.
  result<void> write_out();

  // Under `queue_files::only_resident` these three fail with `not_resident` instead of waiting for
  // the disk.

  /// Appends the entries [from, from + count), fewer at the end, to `into`. After an error it holds
  /// those before the damaged one, or before what could not be read. If only the first ones are
  /// resident, and nobody may wait, they are all there is, and no error.
  result<void> read(queue_offset from, std::size_t count, std::vector<queue_entry>& into) const;
  result<queue_entry> entry(queue_offset number) const;
  /// The first entry from `min()` on whose record lies at or behind `offset`, or `next()`. Quick
  /// where it is one of the newest.
  result<queue_offset> find_first(log_offset offset) const;
  /// What the queue is now, for whoever reads it on another thread: `queue_view_reader`.
  queue_view view() const;
  /// True if the view is of another queue, or entries were cut off or replaced since: that its
  /// reader met damage then proves nothing.
  bool cut_since(const queue_view& seen) const noexcept {
    return seen.queue != number_ || seen.cuts != cuts_;
  }
  /// What `next()` would be if the queue were cut to `log_end`; 0 if nothing were left.
  result<queue_offset> next_until(log_offset log_end) const;

  /// Writes the entries from `first` on anew, durably, if what is right lies between the neighbours
  /// on both sides. False, and nothing changed, if it does not, or they are not all in the files.
  result<bool> correct(queue_offset first, std::span<const queue_entry> right);

  /// Forgets the entries of records that end behind `log_end`, in memory and in the files.
  result<void> truncate(log_offset log_end);
  /// Raises `min()` to the first entry whose record lies at or behind `offset`.
  result<void> hide_until(log_offset offset);
  /// The log now begins at `log_min`: the same, and removes files that lie below it, but never the
  /// last.
  result<void> drop_until(log_offset log_min);
  /// Removes all files and their directory. The queue then is as new.
  result<void> remove_files();

  bool has_unwritten() const noexcept { return !tail_.empty(); }
  std::string directory() const;

private:
  friend class queue_table;

  queue_file_key key(std::int64_t start) const noexcept { return {number_, start}; }
  std::string path(std::int64_t start) const;
  std::int64_t file_start(queue_offset number) const noexcept;
  queue_offset first_entry() const noexcept; ///< the first one that a file has place for
  bool has_files() const noexcept { return first_file_ >= 0; }
  bool has_entries() const noexcept { return log_end_ > 0; } ///< other than filler

  result<std::shared_ptr<file>> file_for_append(std::int64_t start);
  result<void> fill_up(std::int64_t start, queue_offset to);
  result<void> read_files(queue_offset from, std::size_t count,
                          std::vector<queue_entry>& into) const;
  /// True if the entries would follow what is before them, and be followed by what is behind.
  result<bool> fits(queue_offset first, std::span<const queue_entry> right) const;
  result<void> remove_file(std::int64_t start);
  result<void> cut_files(queue_offset end);

  // Loading: consume_queue_load.cpp.
  result<void> list_files(std::vector<std::string>& warnings);
  result<queue_offset> find_end(const log_bounds& log);
  result<queue_offset> walk(queue_offset from, queue_offset to, log_offset log_end) const;
  result<bool> zeros_behind(queue_offset end) const;
  error damaged(std::int64_t start, const std::string& what) const;

  class own_bytes;
  queue_extent extent() const noexcept;
  /// Calls with a `queue_reading` of this moment.
  template <class Call>
  auto reading(Call&& call) const;
  /// As `queue_reading::search`.
  template <class Behind>
  result<queue_offset> search(queue_offset from, queue_offset to, Behind&& behind) const;

  queue_files& files_;
  const std::string& topic_directory_;
  queue_offset min_ = 0;
  queue_offset next_ = 0;
  queue_offset written_ = 0;
  log_offset log_end_ = 0;
  std::int64_t first_file_ = -1; ///< start of the oldest file, -1 when there is none
  std::int64_t last_file_ = -1;
  std::vector<std::byte> tail_; ///< entries [written_, next_), as they go to the file
  std::uint32_t number_;
  std::int32_t queue_id_;
  std::uint32_t cuts_ = 0; ///< how often what may have been read was cut off or replaced
  bool listed_ = false;    ///< the table has noted that there is something to write
};
static_assert(sizeof(consume_queue) <= 120);

} // namespace troupe::storage
