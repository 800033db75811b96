#pragma once

#include "storage/log/log_file.hpp"
#include "storage/options.hpp"
#include "storage/os/file_system.hpp"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace troupe::storage {

/// Something in a store that should be otherwise: where, and what.
struct finding {
  std::string file;
  std::int64_t at = 0; ///< byte in the file
  std::string what;
  bool harmless = false; ///< only worth knowing: a node passes over it
};
using finding_sink = std::function<void(finding)>;

/// What lies in a store's directory, known by names and lengths alone: no configuration is asked.
struct store_files {
  struct queue_file {
    std::int64_t start = 0; ///< byte in the queue
    std::string path;
  };
  struct queue {
    std::string topic;
    std::int32_t id = 0;
    std::vector<queue_file> files; ///< each of the full size, sorted
  };

  /// Directory, sizes of files and geometry of the index, as found.
  options settings;
  std::vector<log_file_entry> log;  ///< each of the full size, sorted; there may be holes
  std::vector<queue> queues;        ///< sorted by topic and number
  std::vector<std::string> indexes; ///< paths, oldest first
  bool abort_marker = false;        ///< a node runs here, or did not stop in order
  bool queues_elsewhere = false;    ///< queues and index are in other directories, as is written
  bool queues_looked_at = true;     ///< false: those directories were not named

  /// Runs of log files without a hole between them.
  std::vector<std::vector<log_file_entry>> contiguous_log() const;
};

/// Slots and entries of an index file, which its length alone does not tell; what is not given is
/// taken from the length, or as RocketMQ's defaults have it: four entries a slot.
struct index_shape {
  std::optional<std::uint32_t> slots;
  std::optional<std::uint32_t> entries;
};

/// `not_found` if this is no store's directory. Files of a wrong name or length are reported and
/// left out. Queues and index that are kept in directories of their own are found in `queues`.
result<store_files> find_store_files(file_system& fs, const std::string& directory,
                                     const index_shape& geometry, const finding_sink& report,
                                     const std::vector<std::string>& queues = {});

} // namespace troupe::storage
