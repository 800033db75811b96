#pragma once

#include "storage/big_endian.hpp"
#include "storage/format/record.hpp"
#include "storage/format/store_time.hpp"
#include "storage/index/index_chain.hpp"
#include "storage/index/index_format.hpp"
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
  /// True once, after a lookup met a slot or an entry that cannot be right,
  /// or after `note_damage`.
  bool met_damage() noexcept { return met_damage_ && !std::exchange(told_damage_, true); }

  /// Somebody else met it.
  void note_damage() noexcept { met_damage_ = true; }

  /// Adds an entry; the file must not be full. After an error nothing was added.
  result<void> add(std::uint32_t hash, log_offset offset, std::int64_t store_timestamp);

  /// Writes entries, then slots, then the header. May be called again after an error.
  result<void> write_out();

  /// Follows the chain of the hash and adds to `search.found`, newest first.
  result<void> find(index_search& search);
  /// The same as far as memory goes: follows the chain through the entries that are not written.
  index_chain find_in_memory(index_search& search) const;

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
  std::uint32_t first_buffered() const noexcept {
    return header_.next_entry - static_cast<std::uint32_t>(buffered_entries());
  }
  index_entry buffered(std::uint32_t number) const noexcept {
    return load_index_entry(buffer_.data() +
                            (number - first_buffered()) * index_geometry::entry_bytes);
  }
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
