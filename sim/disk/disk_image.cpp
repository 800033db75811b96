#include "sim/disk/disk_image.hpp"

#include "storage/check.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>

namespace troupe::sim {

namespace {

constexpr std::uint8_t has_block = 1;
constexpr std::uint8_t has_data = 2;
constexpr std::uint64_t sectors_per_page = page_bytes / sector_bytes;

std::uint64_t pages_for(std::uint64_t bytes) noexcept {
  return (bytes + page_bytes - 1) / page_bytes;
}

} // namespace

memory_block::memory_block(std::uint64_t size)
    : data_(static_cast<std::byte*>(std::calloc(size, 1))), size_(size) {
  TROUPE_CHECK(data_ != nullptr);
}

memory_block::~memory_block() {
  std::free(data_);
}

std::uint64_t file_image::blocks_missing(std::uint64_t from, std::uint64_t to) const noexcept {
  std::uint64_t missing = 0;
  for (auto page = from / page_bytes; page < pages_for(to); ++page)
    if (page >= use_.size() || (use_[page] & has_block) == 0)
      ++missing;
  return missing;
}

void file_image::reserve(std::uint64_t from, std::uint64_t to) {
  if (use_.size() < pages_for(to))
    use_.resize(pages_for(to));
  for (auto page = from / page_bytes; page < pages_for(to); ++page) {
    if ((use_[page] & has_block) == 0) {
      use_[page] |= has_block;
      ++block_count_;
    }
  }
}

std::uint64_t file_image::next_data(std::uint64_t from) const noexcept {
  for (auto page = from / page_bytes; page < use_.size() && page * page_bytes < size_; ++page)
    if ((use_[page] & has_data) != 0)
      return std::min(std::max(from, page * page_bytes), size_);
  return size_;
}

std::uint64_t file_image::next_hole(std::uint64_t from) const noexcept {
  auto page = from / page_bytes;
  while (page < use_.size() && (use_[page] & has_data) != 0)
    ++page;
  return std::min(std::max(from, page * page_bytes), size_);
}

/// The images have whole pages, so that a sector can always be copied.
void file_image::make_room(std::uint64_t size) {
  auto wanted = pages_for(size) * page_bytes;
  if (wanted == 0 || (block_ && block_->size() >= wanted))
    return;
  auto larger = std::make_shared<memory_block>(wanted);
  auto larger_durable = std::make_unique<memory_block>(wanted);
  if (block_) {
    std::memcpy(larger->data(), block_->data(), block_->size());
    std::memcpy(larger_durable->data(), durable_->data(), durable_->size());
    if (block_.use_count() > 1)
      mirrors_.push_back({block_, none});
  }
  block_ = std::move(larger);
  durable_ = std::move(larger_durable);
}

void file_image::mark(std::uint64_t from, std::uint64_t to, std::uint64_t now) {
  reserve(from, to);
  for (auto number = from / page_bytes; number < pages_for(to); ++number) {
    auto start = number * page_bytes;
    auto first = (std::max(from, start) - start) / sector_bytes;
    auto last = (std::min(to, start + page_bytes) - start - 1) / sector_bytes;
    auto sectors = static_cast<std::uint8_t>((0xffU << first) & (0xffU >> (7 - last)));
    auto& page = pages_[number];
    page.dirty |= sectors;
    page.lost = static_cast<std::uint8_t>(page.lost & ~sectors);
    page.written = now;
    use_[number] |= has_data;
  }
}

/// Sets cached bytes, to zeros without `bytes`.
void file_image::fill_cache(std::uint64_t from, std::uint64_t to, const std::byte* bytes) {
  if (bytes != nullptr)
    std::memcpy(block_->data() + from, bytes, to - from);
  else
    std::memset(block_->data() + from, 0, to - from);
  refresh_mirrors(from, to);
}

void file_image::refresh_mirrors(std::uint64_t from, std::uint64_t to) {
  if (mirrors_.empty())
    return;
  std::erase_if(mirrors_, [](const mirror& m) { return m.block.expired(); });
  for (auto& each : mirrors_) {
    auto into = each.block.lock();
    auto stop = std::min(to, into->size());
    if (from < stop)
      std::memcpy(into->data() + from, block_->data() + from, stop - from);
    if (each.broken < into->size())
      std::memset(into->data() + each.broken, 0, page_bytes);
  }
}

void file_image::resize(std::uint64_t size, std::uint64_t now) {
  if (size < size_) {
    // What was cut off reads as zeros when the file grows again, but a power cut may bring it back.
    mark(size, size_, now);
    fill_cache(size, size_, nullptr);
    for (auto page = pages_for(size); page < use_.size(); ++page) {
      if ((use_[page] & has_block) != 0) {
        use_[page] = static_cast<std::uint8_t>(use_[page] & ~has_block);
        --block_count_;
      }
    }
  }
  make_room(size);
  size_ = size;
}

void file_image::write(std::uint64_t offset, storage::byte_view bytes, std::uint64_t now) {
  if (bytes.empty())
    return;
  auto to = offset + bytes.size();
  make_room(to);
  size_ = std::max(size_, to);
  fill_cache(offset, to, bytes.data());
  mark(offset, to, now);
}

void file_image::zero(std::uint64_t from, std::uint64_t to, std::uint64_t now) {
  to = std::min(to, size_);
  if (from >= to)
    return;
  fill_cache(from, to, nullptr);
  mark(from, to, now);
}

void file_image::copy_sector(std::uint64_t sector, bool to_durable) {
  auto at = sector * sector_bytes;
  auto* cached = block_->data() + at;
  auto* durable = durable_->data() + at;
  std::memcpy(to_durable ? durable : cached, to_durable ? cached : durable, sector_bytes);
}

void file_image::write_back(std::uint64_t number, std::uint8_t sectors) {
  auto found = pages_.find(number);
  if (found == pages_.end())
    return;
  auto& page = found->second;
  auto written = static_cast<std::uint8_t>(page.dirty & sectors);
  for (std::uint64_t i = 0; i < sectors_per_page; ++i)
    if ((written >> i & 1) != 0)
      copy_sector(number * sectors_per_page + i, true);
  page.dirty = static_cast<std::uint8_t>(page.dirty & ~written);
  if (page.dirty == 0 && page.lost == 0)
    pages_.erase(found);
}

void file_image::sync() {
  for (auto at = pages_.begin(); at != pages_.end();) {
    auto number = at->first;
    ++at; // the page may go
    write_back(number, 0xff);
  }
  durable_size_ = size_;
}

void file_image::lose() {
  for (auto& [number, page] : pages_) {
    page.lost |= page.dirty;
    page.dirty = 0;
  }
}

void file_image::revert() {
  make_room(durable_size_);
  for (auto& [number, page] : pages_) {
    auto changed = page.dirty | page.lost;
    for (std::uint64_t i = 0; i < sectors_per_page; ++i)
      if ((changed >> i & 1) != 0)
        copy_sector(number * sectors_per_page + i, false);
    refresh_mirrors(number * page_bytes, (number + 1) * page_bytes);
  }
  pages_.clear();
  size_ = durable_size_;
  if (!block_)
    return;
  // Bytes behind the end that were written back have nobody who knows them.
  auto end = pages_for(size_) * page_bytes;
  std::memset(block_->data() + size_, 0, end - size_);
  std::memset(durable_->data() + size_, 0, end - size_);
  for (std::uint64_t page = 0; page < pages_for(size_); ++page)
    if (page < use_.size() && (use_[page] & has_data) != 0)
      reserve(page * page_bytes, page * page_bytes + 1);
  for (auto page = pages_for(size_); page < use_.size(); ++page) {
    if ((use_[page] & has_data) != 0) {
      std::memset(block_->data() + page * page_bytes, 0, page_bytes);
      std::memset(durable_->data() + page * page_bytes, 0, page_bytes);
    }
    if ((use_[page] & has_block) != 0)
      --block_count_;
    use_[page] = 0;
  }
}

void file_image::flip_bit(std::uint64_t offset, unsigned bit) {
  auto turned = std::byte{1} << bit;
  block_->data()[offset] ^= turned;
  durable_->data()[offset] ^= turned;
  reserve(offset, offset + 1);
  use_[offset / page_bytes] |= has_data;
  refresh_mirrors(offset, offset + 1);
}

std::shared_ptr<memory_block> file_image::share(std::uint64_t broken) {
  TROUPE_CHECK(block_ != nullptr);
  if (broken == none)
    return block_;
  auto copy = std::make_shared<memory_block>(block_->size());
  mirrors_.push_back({copy, broken / page_bytes * page_bytes});
  refresh_mirrors(0, block_->size());
  return copy;
}

} // namespace troupe::sim
