#include "storage/recovery/checkpoint.hpp"

#include "storage/big_endian.hpp"
#include "storage/format/crc.hpp"

#include <algorithm>
#include <array>

namespace troupe::storage {

namespace {

constexpr std::size_t file_bytes = 4096;
constexpr std::size_t java_bytes = 40;
/// magic 8, version 4, the three times 24, safe offset 8, queues 4, entries 8, index files 4,
/// CRC of all that 4.
constexpr std::size_t extension_at = 2048;
constexpr std::size_t extension_bytes = 64;
constexpr std::size_t checked_bytes = extension_bytes - 4;
/// Behind it: log and queue file bytes 16, slots 4, entries 4, CRC of these 4. A checkpoint without
/// them is whole.
constexpr std::size_t sizes_at = extension_at + extension_bytes;
constexpr std::size_t checked_sizes_bytes = 24;
constexpr std::size_t sizes_bytes = checked_sizes_bytes + 4;
constexpr std::uint64_t magic = 0x54524f5550454350; // "TROUPECP"
constexpr std::uint32_t version = 1;

/// What `bytes` hold at most; a longer file is not read to its end.
constexpr std::size_t read_limit = 1 << 20;

void parse_extension(byte_view bytes, checkpoint& into) noexcept {
  auto part = bytes.subspan(extension_at, extension_bytes);
  auto* at = part.data();
  into.extension_valid =
      big_endian::load<std::uint64_t>(at) == magic &&
      big_endian::load<std::uint32_t>(at + 8) == version &&
      big_endian::load<std::uint32_t>(at + checked_bytes) == crc32(part.first(checked_bytes)) &&
      big_endian::load<std::int64_t>(at + 12) == into.log_time &&
      big_endian::load<std::int64_t>(at + 20) == into.queue_time &&
      big_endian::load<std::int64_t>(at + 28) == into.index_time;
  if (!into.extension_valid)
    return;
  into.safe_offset = big_endian::load<log_offset>(at + 36);
  into.queue_count = big_endian::load<std::uint32_t>(at + 44);
  into.entry_total = big_endian::load<std::uint64_t>(at + 48);
  into.index_files = big_endian::load<std::uint32_t>(at + 56);
}

void parse_sizes(byte_view bytes, checkpoint& into) noexcept {
  auto part = bytes.subspan(sizes_at, sizes_bytes);
  auto* at = part.data();
  if (!into.extension_valid || big_endian::load<std::uint32_t>(at + checked_sizes_bytes) !=
                                   crc32(part.first(checked_sizes_bytes)))
    return;
  into.sizes = {big_endian::load<std::uint64_t>(at), big_endian::load<std::uint64_t>(at + 8),
                big_endian::load<std::uint32_t>(at + 16), big_endian::load<std::uint32_t>(at + 20)};
}

} // namespace

std::int64_t checkpoint::minimum_time() const noexcept {
  constexpr std::int64_t margin_ms = 3000;
  return std::max(std::min(log_time, queue_time), margin_ms) - margin_ms;
}

checkpoint checkpoint::clamped(log_offset log_end, std::int64_t now_ms) const noexcept {
  auto result = *this;
  for (auto* time : {&result.log_time, &result.queue_time, &result.index_time})
    if (*time < 0 || *time > now_ms)
      *time = 0;
  if (safe_offset < 0 || safe_offset > log_end)
    result.extension_valid = false;
  return result;
}

std::string checkpoint_path(const options& o) {
  return o.directory + "/checkpoint";
}

result<checkpoint> load_checkpoint(file_system& fs, const std::string& path) {
  checkpoint found;
  auto content = read_file(fs, path, read_limit);
  if (content.has_error()) {
    auto code = content.error().code;
    if (code == errc::not_found || code == errc::too_large)
      return found;
    return std::move(content).error();
  }
  auto& bytes = content.value();
  if (bytes.size() < java_bytes)
    return found;
  found.log_time = big_endian::load<std::int64_t>(bytes.data());
  found.queue_time = big_endian::load<std::int64_t>(bytes.data() + 8);
  found.index_time = big_endian::load<std::int64_t>(bytes.data() + 16);
  found.master_flushed_offset = big_endian::load<log_offset>(bytes.data() + 24);
  found.confirm_offset = big_endian::load<log_offset>(bytes.data() + 32);
  if (bytes.size() >= extension_at + extension_bytes)
    parse_extension(bytes, found);
  if (bytes.size() >= sizes_at + sizes_bytes)
    parse_sizes(bytes, found);
  return found;
}

result<void> save_checkpoint(file_system& fs, const std::string& path, const checkpoint& content) {
  std::array<std::byte, file_bytes> bytes{};
  auto* to = bytes.data();
  for (auto number : {content.log_time, content.queue_time, content.index_time,
                      content.master_flushed_offset, content.confirm_offset})
    to = big_endian::store(to, number);
  auto* extension = bytes.data() + extension_at;
  to = big_endian::store(extension, magic);
  to = big_endian::store(to, version);
  for (auto number : {content.log_time, content.queue_time, content.index_time})
    to = big_endian::store(to, number);
  to = big_endian::store(to, content.safe_offset);
  to = big_endian::store(to, content.queue_count);
  to = big_endian::store(to, content.entry_total);
  to = big_endian::store(to, content.index_files);
  big_endian::store(to, crc32({extension, static_cast<std::size_t>(to - extension)}));
  if (content.sizes.known()) {
    auto* sizes = bytes.data() + sizes_at;
    to = big_endian::store(sizes, content.sizes.log_bytes);
    to = big_endian::store(to, content.sizes.queue_bytes);
    to = big_endian::store(to, content.sizes.index_slots);
    to = big_endian::store(to, content.sizes.index_entries);
    big_endian::store(to, crc32({sizes, checked_sizes_bytes}));
  }
  return replace_file(fs, path, bytes);
}

} // namespace troupe::storage
