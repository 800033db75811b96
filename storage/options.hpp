#pragma once

#include "storage/delay_levels.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace troupe::storage {

inline constexpr std::uint64_t kib = 1024;
inline constexpr std::uint64_t mib = 1024 * kib;
inline constexpr std::uint64_t gib = 1024 * mib;

enum class flush_policy { async, sync };

/// Settings of one store; names and defaults are RocketMQ's where it has them.
struct options {
  std::string directory = "./data";
  flush_policy flush = flush_policy::async;

  std::uint64_t log_file_size_bytes = gib;               ///< mapped-file-size-commit-log
  std::uint64_t queue_file_size_bytes = 300'000ULL * 20; ///< mapped-file-size-consume-queue
  std::uint32_t index_slots = 5'000'000;                 ///< max-hash-slot-num
  std::uint32_t index_entries = 20'000'000;              ///< max-index-num
  std::uint32_t max_message_size_bytes = 4 * mib;        ///< limit of one body
  bool record_crc = false; ///< append RocketMQ 5's record CRC property

  std::int64_t file_reserved_time_ms = 72LL * 3600 * 1000;
  std::vector<int> delete_when_hours = {4};
  int disk_max_used_percent = 75;       ///< above: expired files go at any hour
  int disk_clean_forcibly_percent = 85; ///< above: oldest files go even if not expired
  bool clean_file_forcibly = true;      ///< off: files that are not expired never go
  int disk_warning_percent = 90;        ///< above: writes are refused
  std::int64_t destroy_mapped_file_interval_ms = 120'000;
  int queue_write_retries = 3;
  /// Threads that check the log at a start; 0 is one a core. The outcome does not depend on it.
  unsigned scan_threads = 0;
  /// So much of the log's end is compared with the queues at every start: a tenth of a second.
  std::uint64_t compared_bytes = 64 * mib;

  /// Topics that may be; more are not made, but those that are found in the log are kept.
  std::uint32_t max_topics = 20'000;
  delay_levels delays; ///< message-delay-level
  /// How far ahead a message may ask for its time, when it is sent.
  std::int64_t timer_max_delay_ms = 72LL * 3600 * 1000;

  std::uint32_t store_host_ipv4 = 0x7f000001; ///< advertised address in STOREHOST and message ids
  std::uint16_t store_port = 10911;           ///< advertised remoting port
};

/// Limits of the format that are no settings.
inline constexpr std::size_t max_topic_bytes = 127;
inline constexpr std::size_t max_retry_topic_bytes = 255;
inline constexpr std::size_t max_properties_bytes = 32767;
inline constexpr std::uint32_t max_queues_per_topic = 1024;
/// Bytes that a blank record needs at the end of every log file.
inline constexpr std::uint32_t blank_header_bytes = 8;

} // namespace troupe::storage
