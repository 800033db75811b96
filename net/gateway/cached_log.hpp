#pragma once

#include "actors/status.hpp"

#include <unistd.h>

#include <cstdint>

namespace troupe::net {

/// Whether the whole log fits into the share of memory in which RocketMQ takes a log to be cached:
/// then a group without progress starts at the begin of a queue that has its first message.
inline bool is_cached(const node_status& node) noexcept {
  constexpr std::int64_t cached_percent = 40;
  auto pages = ::sysconf(_SC_PHYS_PAGES);
  auto page = ::sysconf(_SC_PAGESIZE);
  auto bytes = pages > 0 && page > 0 ? pages * page / 100 * cached_percent : 0;
  return node.writer.end - node.writer.min <= bytes;
}

} // namespace troupe::net
