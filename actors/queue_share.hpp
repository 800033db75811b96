#pragma once

#include "storage/format/crc.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

/// How several queue-managers share the queues of a store: each queue is kept by one of them, by
/// the hash of its name. The first keeps the key index of all.
namespace troupe {

/// A store has at most so many queue-managers; they count from 0.
inline constexpr std::uint32_t most_queue_shares = 32;

/// Neighbouring queues of a topic are kept by different ones. The same on every machine, since
/// files depend on it.
inline std::uint32_t share_of(std::uint32_t topic_hash, std::int32_t queue,
                              std::uint32_t shares) noexcept {
  return (topic_hash % shares + static_cast<std::uint32_t>(queue) % shares) % shares;
}

inline std::uint32_t topic_hash(std::string_view topic) noexcept {
  return storage::crc32(std::as_bytes(std::span(topic)));
}

/// "queue-manager", or of several "queue-manager 2": as people call it, and nodes among each other.
inline std::string share_name(std::string_view role, std::uint32_t share, std::uint32_t shares) {
  return shares == 1 ? std::string(role) : std::string(role) + " " + std::to_string(share + 1);
}

/// Where the files of one of several queue-managers are. Another number of them shares the queues
/// otherwise, so it begins with empty directories.
inline std::string share_directory(const std::string& directory, std::uint32_t share,
                                   std::uint32_t shares) {
  return shares == 1
             ? directory
             : directory + "/queues-" + std::to_string(share + 1) + "-of-" + std::to_string(shares);
}

} // namespace troupe
