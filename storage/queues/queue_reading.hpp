#pragma once

#include "storage/format/queue_entry.hpp"
#include "storage/os/file_system.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace troupe::storage {

/// What reading has to know of a queue. `tail` lives as long as its owner lets it.
struct queue_extent {
  queue_offset first = 0;      ///< the first entry that a file has place for
  queue_offset min = 0;        ///< of the first message that is still in the log
  queue_offset written = 0;    ///< entries below are in the files
  queue_offset next = 0;       ///< of the next message
  log_offset log_end = 0;      ///< where the newest entry's record ends
  std::int64_t file_bytes = 0; ///< size of each file
  byte_view tail;              ///< entries [written, next), as they go to the file
};

/// Where the bytes of a queue's files come from.
class queue_bytes {
public:
  virtual ~queue_bytes() = default;
  virtual std::string directory() const = 0;
  /// Fills `into` from byte `at` of the file that begins at byte `start` of the queue; fewer bytes
  /// only at its end. `not_resident` if they are not there without waiting, all or nothing.
  virtual result<std::size_t> read(std::int64_t start, std::uint64_t at,
                                   std::span<std::byte> into) = 0;
  /// Bytes that may be used until the next call.
  virtual std::vector<std::byte>& scratch() = 0;
};

/// How entries are read and looked for, whoever has the files: `consume_queue` and
/// `queue_view_reader`. Both arguments live longer.
class queue_reading {
public:
  queue_reading(const queue_extent& extent, queue_bytes& bytes) noexcept
      : extent_(extent), bytes_(bytes) {}

  /// As `consume_queue::read`.
  result<void> read(queue_offset from, std::size_t count, std::vector<queue_entry>& into) const;
  /// The entries [from, from + count) from the files alone, whatever they hold.
  result<void> read_files(queue_offset from, std::size_t count,
                          std::vector<queue_entry>& into) const;
  /// As `consume_queue::entry`.
  result<queue_entry> entry(queue_offset number) const;
  /// As `consume_queue::find_first`.
  result<queue_offset> find_first(log_offset offset) const;

  /// First of [from, to) for which `behind` is true, which must hold for all after it. `corrupt` if
  /// an entry that was looked at and its neighbour contradict each other: a damaged one must not
  /// lead the search astray.
  template <class Behind>
  result<queue_offset> search(queue_offset from, queue_offset to, Behind&& behind) const;

  std::int64_t file_start(queue_offset number) const noexcept {
    const auto at = number * static_cast<std::int64_t>(queue_entry_bytes);
    return at - at % extent_.file_bytes;
  }
  /// `corrupt`, and which file it is.
  error damaged(std::int64_t start, const std::string& what) const;

private:
  const queue_extent& extent_;
  queue_bytes& bytes_;
};

template <class Behind>
result<queue_offset> queue_reading::search(queue_offset from, queue_offset to,
                                           Behind&& behind) const {
  const auto begin = from;
  const auto end = to;
  while (from < to) {
    const auto middle = from + (to - from) / 2;
    TROUPE_TRY(auto found, entry(middle));
    const bool is_behind = behind(found);
    const auto neighbour = is_behind ? middle + 1 : middle - 1;
    if (neighbour >= begin && neighbour < end) {
      TROUPE_TRY(auto other, entry(neighbour));
      if (behind(other) != is_behind)
        return damaged(file_start(middle), "has a damaged entry, number " + std::to_string(middle) +
                                               " or " + std::to_string(neighbour));
    }
    if (is_behind)
      to = middle;
    else
      from = middle + 1;
  }
  return from;
}

} // namespace troupe::storage
