#pragma once

#include "net/config.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace troupe::cli {

/// What a machine is to a node, as the system says it. What cannot be known is left out.
struct machine_facts {
  /// By name: "vm.max_map_count". Numbers and words as the kernel writes them.
  std::map<std::string, std::string, std::less<>> kernel;
  std::optional<std::uint64_t> descriptors;     ///< that the process may have: the hard limit
  std::optional<std::uint64_t> file_size_bytes; ///< that a file may have; none: as it likes
  bool clock_synchronised = true;

  std::string directory;       ///< of the store
  bool directory_there = true; ///< else the rest is said of the nearest one above it
  bool directory_writable = true;
  std::string file_system;   ///< its type: "ext4"
  std::string mount_options; ///< with commas between
  std::uint64_t disk_bytes = 0;
  std::uint64_t available_bytes = 0;
  int used_percent = 0;                     ///< rounded up, as the node counts
  std::optional<std::uint64_t> inodes_left; ///< none: the file system has no such number
  std::uint64_t log_files = 0;
  std::uint64_t queue_files = 0;
  std::optional<std::int64_t> sync_us; ///< a small write and fdatasync: the median
  std::optional<std::int64_t> slowest_sync_us;
};

/// What a look at one thing found.
struct diagnosis {
  enum class level { fine, advice, wrong };
  std::string what; ///< dotted: "disk.space"
  level how = level::fine;
  std::string found;
  std::string remedy; ///< what to do; empty when it is fine
};

/// What the machine does to a node with these settings, in the order of reading. Decides nothing
/// by the clock, so that the same facts give the same findings.
std::vector<diagnosis> diagnose(const machine_facts& machine, const net::cluster_config& cluster);

/// Settings that contradict each other, or make one another useless, though each is allowed.
std::vector<diagnosis> diagnose_settings(const net::cluster_config& cluster);

} // namespace troupe::cli
