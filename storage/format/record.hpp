#pragma once

#include "storage/error.hpp"
#include "storage/options.hpp"
#include "storage/os/file_system.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace troupe::storage {

/// Byte position in the commit log; the first byte of a record names the record.
using log_offset = std::int64_t;
/// Number of a message in its queue.
using queue_offset = std::int64_t;

/// The layout of one message in the commit log (docs/files.md, "Commit log"). Big-endian.
namespace record_layout {
inline constexpr std::uint32_t magic_v1 = 0xdaa320a7;
inline constexpr std::uint32_t magic_v2 = 0xdaa320ab;
inline constexpr std::uint32_t magic_blank = 0xcbd43194;
/// Bytes of a V1 record with IPv4 hosts beside body, topic and properties.
inline constexpr std::uint32_t fixed_bytes_v1 = 91;
/// Where every record holds its own log offset.
inline constexpr std::size_t own_offset_at = 28;
/// The end of a record with a CRC of its own: `__CRC32#` 0x01, ten digits, 0x02.
inline constexpr std::size_t crc_property_bytes = 20;
} // namespace record_layout

/// Bits of SYSFLAG.
namespace sysflag {
inline constexpr std::int32_t compressed = 0x1;
inline constexpr std::int32_t transaction_mask = 0xc;
inline constexpr std::int32_t transaction_prepared = 0x4;
inline constexpr std::int32_t transaction_commit = 0x8;
inline constexpr std::int32_t transaction_rollback = 0xc;
inline constexpr std::int32_t born_host_v6 = 0x10;
inline constexpr std::int32_t store_host_v6 = 0x20;
} // namespace sysflag

/// An address and port as a record holds them.
struct host {
  std::array<std::uint8_t, 16> address{};
  bool v6 = false;
  std::int32_t port = 0;

  static host ipv4(std::uint32_t address, std::int32_t port) noexcept;
  /// "10.1.2.3:54321", or "[::1]:5" for IPv6.
  std::string text() const;
  friend bool operator==(const host&, const host&) = default;
};

/// A decoded record. The views point into the bytes it was read from.
struct record_view {
  std::uint32_t size = 0;
  bool v2 = false;
  std::uint32_t body_crc = 0;
  std::int32_t queue_id = 0;
  std::int32_t flag = 0;
  queue_offset queue_position = 0;
  log_offset offset = 0;
  std::int32_t sysflag = 0;
  std::int64_t born_timestamp = 0;
  host born_host;
  std::int64_t store_timestamp = 0;
  host store_host;
  std::int32_t reconsume_times = 0;
  std::int64_t prepared_transaction_offset = 0;
  byte_view body;
  std::string_view topic;
  std::string_view properties; ///< raw: see properties.hpp
  byte_view bytes;             ///< the whole record

  /// Prepared and rolled-back halves have a record but no queue entry.
  bool has_queue_entry() const noexcept {
    auto type = sysflag & sysflag::transaction_mask;
    return type == 0 || type == sysflag::transaction_commit;
  }
};

/// What lies at a position of the log.
enum class record_kind {
  message, ///< a whole, valid record
  blank,   ///< the rest of this file is unused
  end,     ///< nothing readable: zeros, a torn or a damaged record
};

enum class verify { structure, structure_and_crc };

struct decoded {
  record_kind kind = record_kind::end;
  record_view view;         ///< of a message
  std::uint32_t size = 0;   ///< bytes to the next position, for message and blank
  const char* problem = ""; ///< for `end`: which check failed; empty for a clean end (zeros)
};

/// Decodes what starts at the front of `bytes`, which must reach to the end of its log file, and
/// which lies at `offset`. All checks of a recovery: sizes, magic, own offset, lengths, and the CRC
/// of the body (and of the whole record, if it carries one) when asked. Never reads beyond `bytes`.
decoded decode_record(byte_view bytes, log_offset offset, verify what) noexcept;

/// What a producer gives; the rest of a record is filled in when it is placed.
struct record_fields {
  std::string_view topic;
  std::int32_t queue_id = 0;
  std::int32_t flag = 0;
  std::int32_t sysflag = 0;
  std::int64_t born_timestamp = 0;
  host born_host;
  host store_host;
  std::int32_t reconsume_times = 0;
  std::int64_t prepared_transaction_offset = 0;
  byte_view body;
  std::string_view properties;
};

/// What placing a record decides.
struct record_place {
  queue_offset queue_position = 0;
  log_offset offset = 0;
  std::int64_t store_timestamp = 0;
};

/// Bytes that the record will take, with the CRC property if wanted. Fields must have passed
/// `check_fields`.
std::uint32_t encoded_size(const record_fields& fields, bool record_crc) noexcept;

/// Refuses what cannot be stored, and names the field: topic characters and length, negative or
/// too large queue id, body and properties over their limits, NUL in topic or properties,
/// properties without structure.
result<void> check_fields(const record_fields& fields, const options& limits);

/// Refuses an empty, too long or wrongly spelt topic name. Those of a group, `%RETRY%` and `%DLQ%`,
/// may be longer.
result<void> check_topic_name(std::string_view topic);

/// Writes the record to `out`, which has `encoded_size` bytes: the one copy of the body on its way
/// in. Computes the CRCs.
void encode_record(const record_fields& fields, const record_place& place, bool record_crc,
                   std::span<std::byte> out) noexcept;

/// Writes the 8 bytes that end a file: `size` bytes are left from here to its end.
void encode_blank(std::uint32_t size, std::span<std::byte, blank_header_bytes> out) noexcept;

/// The offset id of a message: upper-case hex of store host and log offset.
std::string message_id(const host& store_host, log_offset offset);
struct parsed_message_id {
  host store_host;
  log_offset offset = 0;
};
result<parsed_message_id> parse_message_id(std::string_view text);

} // namespace troupe::storage
