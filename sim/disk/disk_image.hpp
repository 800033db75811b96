#pragma once

#include "sim/random.hpp"
#include "storage/os/file_system.hpp"

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <vector>

namespace troupe::sim {

inline constexpr std::uint64_t sector_bytes = 512;
inline constexpr std::uint64_t page_bytes = 4096;

/// Zeroed memory that never moves; a large one costs nothing where it is not touched.
class memory_block {
public:
  explicit memory_block(std::uint64_t size);
  ~memory_block();
  memory_block(const memory_block&) = delete;
  memory_block& operator=(const memory_block&) = delete;

  std::byte* data() noexcept { return data_; }
  std::uint64_t size() const noexcept { return size_; }

private:
  std::byte* data_;
  std::uint64_t size_;
};

/// The bytes of one file, twice: as calls see them (cached) and as they are after a power cut
/// (durable), with the sectors in which the two may differ.
///
/// Invariant: a sector that is in neither `dirty` nor `lost` is equal in both images; cached bytes
/// behind `size()` are zeros.
class file_image {
public:
  struct page_state {
    std::uint8_t dirty = 0;    ///< a bit for each sector that no sync has written
    std::uint8_t lost = 0;     ///< sectors that a failed sync dropped: no later one writes them
    std::uint64_t written = 0; ///< when it was written last, in calls of the disk
  };

  std::uint64_t size() const noexcept { return size_; }
  std::uint64_t durable_size() const noexcept { return durable_size_; }
  const std::map<std::uint64_t, page_state>& pages() const noexcept { return pages_; }
  storage::byte_view bytes() const noexcept { return {block_ ? block_->data() : nullptr, size_}; }

  /// Pages of [from, to) that have no block on the disk yet.
  std::uint64_t blocks_missing(std::uint64_t from, std::uint64_t to) const noexcept;
  std::uint64_t blocks() const noexcept { return block_count_; }
  /// Takes a block for every page of [from, to).
  void reserve(std::uint64_t from, std::uint64_t to);
  /// The first offset from `from` on in a page that was ever written.
  std::uint64_t next_data(std::uint64_t from) const noexcept;
  /// The first page's start behind `from` that was never written, or the file's size.
  std::uint64_t next_hole(std::uint64_t from) const noexcept;

  void resize(std::uint64_t size, std::uint64_t now);
  /// Writes into the cache; a file that is too short grows.
  void write(std::uint64_t offset, storage::byte_view bytes, std::uint64_t now);
  void zero(std::uint64_t from, std::uint64_t to, std::uint64_t now);

  /// Everything cached becomes durable, what was lost excepted.
  void sync();
  /// The system gives up on what is dirty: it counts as written and is not.
  void lose();
  /// The dirty sectors in `sectors` of the page become durable, the size not.
  void write_back(std::uint64_t number, std::uint8_t sectors);
  /// The size becomes durable without any byte.
  void write_back_size() noexcept { durable_size_ = size_; }
  /// What is not durable is gone.
  void revert();
  void flip_bit(std::uint64_t offset, unsigned bit);

  /// Memory that shows the bytes as long as somebody holds it, also those written later. The page
  /// at `broken`, if any, shows zeros instead.
  static constexpr std::uint64_t none = ~std::uint64_t{0};
  std::shared_ptr<memory_block> share(std::uint64_t broken);

private:
  /// Memory that was handed out and is not the image itself: written alike.
  struct mirror {
    std::weak_ptr<memory_block> block;
    std::uint64_t broken = none;
  };

  void make_room(std::uint64_t size);
  void mark(std::uint64_t from, std::uint64_t to, std::uint64_t now);
  void fill_cache(std::uint64_t from, std::uint64_t to, const std::byte* bytes);
  void copy_sector(std::uint64_t sector, bool to_durable);
  void refresh_mirrors(std::uint64_t from, std::uint64_t to);

  std::shared_ptr<memory_block> block_;
  std::unique_ptr<memory_block> durable_;
  std::uint64_t size_ = 0;
  std::uint64_t durable_size_ = 0;
  std::map<std::uint64_t, page_state> pages_; ///< only those that differ
  std::vector<std::uint8_t> use_;             ///< for each page: has_block, has_data
  std::uint64_t block_count_ = 0;
  std::vector<mirror> mirrors_;
};

} // namespace troupe::sim
