#pragma once

#include "storage/big_endian.hpp"
#include "storage/format/record.hpp"
#include "storage/format/store_time.hpp"
#include "storage/os/file_system.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace troupe::storage {

/// How many slots and entries the index files of a store have; the files themselves do not say.
struct index_geometry {
  static constexpr std::uint64_t header_bytes = 40;
  static constexpr std::uint64_t slot_bytes = 4;
  static constexpr std::uint64_t entry_bytes = 20;

  std::uint32_t slots = 0;
  std::uint32_t entries = 0; ///< entry 0 is never used, so one less fits

  std::uint64_t slots_end() const noexcept { return header_bytes + slot_bytes * slots; }
  std::uint64_t file_bytes() const noexcept { return entry_at(entries); }
  std::uint64_t slot_at(std::uint32_t slot) const noexcept {
    return header_bytes + slot_bytes * slot;
  }
  std::uint64_t entry_at(std::uint32_t number) const noexcept {
    return slots_end() + entry_bytes * number;
  }
};

struct index_header {
  std::int64_t begin_time = 0; ///< store time of the first entry
  std::int64_t end_time = 0;
  log_offset begin_offset = 0;
  log_offset end_offset = 0; ///< of the last record in the index
  std::uint32_t used_slots = 0;
  std::uint32_t next_entry = 1; ///< number of the next entry; the first is 1

  /// Entries know their store time to the second only: it is rounded down by at most this.
  static constexpr std::int64_t rounding_ms = 999;
  /// Store time of an entry `seconds` behind the begin; such that `rounding_ms` can be added.
  std::int64_t time_of(std::int32_t seconds) const noexcept {
    const auto behind = seconds * std::int64_t{1000};
    constexpr auto least = std::numeric_limits<std::int64_t>::min();
    constexpr auto most = std::numeric_limits<std::int64_t>::max() - rounding_ms;
    return (behind < 0 ? std::max(begin_time, least - behind)
                       : std::min(begin_time, most - behind)) +
           behind;
  }
};

struct index_entry {
  std::uint32_t hash = 0;
  log_offset offset = 0;
  std::int32_t seconds = 0;   ///< behind the file's begin time
  std::uint32_t previous = 0; ///< older entry with the same slot, 0 when there is none

  /// Names no record; a link alone says nothing, as it can be made anew from the entries.
  bool empty() const noexcept { return hash == 0 && offset == 0 && seconds == 0; }
};

/// Whole seconds from a file's begin time to that of an entry; nothing negative.
std::int32_t index_seconds(std::int64_t begin, std::int64_t time) noexcept;

index_header load_index_header(const std::byte* from) noexcept;
void store_index_header(std::byte* to, const index_header& header) noexcept;
index_entry load_index_entry(const std::byte* from) noexcept;
void store_index_entry(std::byte* to, const index_entry& entry) noexcept;

/// What a query looks for in each file, and what it has found so far.
struct index_search {
  std::uint32_t hash = 0;
  std::int64_t begin_ms = 0;
  std::int64_t end_ms = 0;
  std::size_t wanted = 0;
  std::size_t steps_left = 0; ///< entries that may still be looked at
  std::vector<log_offset> found;
};

/// One file of the key index: a hash table of chains from newer to older entries. New entries and
/// the slots that they change stay in memory until `write_out`; lookups see them at once. What a
/// file says is never believed: all numbers are bounded before they are used.
class index_file {
public:
  /// A file that is there; its header is read, and `corrupt` if it cannot be one of this geometry.
  static result<std::unique_ptr<index_file>> open(file_system& fs, std::string path,
                                                  const index_geometry& geometry);
  /// A new file, sparse, that follows one which ended as `before` says.
  static result<std::unique_ptr<index_file>> create(file_system& fs, std::string path,
                                                    const index_geometry& geometry,
                                                    const index_header& before);

  const std::string& path() const noexcept { return path_; }
  const index_header& header() const noexcept { return header_; }
  /// False when the header cannot be right. A header of zeros is a file's that was just made.
  bool plausible() const noexcept;
  /// Lets the file count as empty; `rebuild` may still find its entries.
  void disbelieve_header() noexcept;
  bool full() const noexcept { return header_.next_entry >= geometry_.entries; }
  /// Entries count their seconds from the first one's time: much earlier ones have no place here.
  bool takes(std::int64_t store_timestamp) const noexcept {
    return !full() && (!has_entries() || !store_time(header_.begin_time).set_back(store_timestamp));
  }
  bool has_entries() const noexcept { return header_.next_entry > 1; }
  std::size_t buffered_entries() const noexcept { return buffer_.size() / 20; }
  std::size_t loaded_pages() const noexcept { return page_count_; }
  bool has_unwritten() const noexcept { return header_changed_; }
  /// True once, after a lookup met a slot or an entry that cannot be right.
  bool met_damage() noexcept { return met_damage_ && !std::exchange(told_damage_, true); }

  /// Adds an entry; the file must not be full. After an error nothing was added.
  result<void> add(std::uint32_t hash, log_offset offset, std::int64_t store_timestamp);

  /// Writes entries, then slots, then the header. May be called again after an error.
  result<void> write_out();

  /// Follows the chain of the hash and adds to `search.found`, newest first.
  result<void> find(index_search& search);

  /// Keeps the entries of records below `safe_offset`, which are durable, and builds slots, chains
  /// and header from them alone. False when no entry is left.
  result<bool> rebuild(log_offset safe_offset);

  /// The first entry as the file has it; empty when there is none.
  result<index_entry> first_entry();

  /// Gives the descriptor back; only when all that was written is durable.
  void close() noexcept { handle_.reset(); }

private:
  static constexpr std::uint64_t page_bytes = 4096;
  using page = std::array<std::byte, page_bytes>;

  index_file(file_system& fs, std::string path, const index_geometry& geometry);
  result<file*> handle();
  std::uint64_t page_from(std::size_t number) const noexcept;
  std::uint64_t page_to(std::size_t number) const noexcept;
  /// The place of a slot in its page, which is loaded if it is not.
  result<std::byte*> slot(std::uint32_t number);
  result<std::uint32_t> slot_value(std::uint32_t number);
  result<index_entry> entry(std::uint32_t number);
  result<void> write_slots();
  result<void> write_header();
  void release_pages() noexcept;

  result<void> collect_entries(log_offset safe_offset, std::vector<std::uint32_t>& slots);
  result<void> write_all_slots(const std::vector<std::uint32_t>& slots);

  file_system& fs_;
  std::string path_;
  index_geometry geometry_;
  index_header header_;
  std::shared_ptr<file> handle_;
  std::vector<std::byte> buffer_;            ///< entries [next_entry - n, next_entry)
  std::vector<std::unique_ptr<page>> pages_; ///< of the file, those that hold changed slots
  std::size_t page_count_ = 0;
  bool header_changed_ = false;
  bool met_damage_ = false;
  bool told_damage_ = false;
};

} // namespace troupe::storage
