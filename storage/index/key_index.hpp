#pragma once

#include "storage/clock.hpp"
#include "storage/format/position.hpp"
#include "storage/index/index_file.hpp"
#include "storage/index/index_query.hpp"
#include "storage/options.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::storage {

/// Index files that were written and are not yet known to be durable. Syncing all, files before
/// directories, makes them so; a path that is gone meanwhile counts as synced.
struct unsynced_index_files {
  std::uint64_t mark = 0;
  std::vector<std::string> files;
  std::vector<std::string> directories;
};

/// Finds messages by key: RocketMQ's index files, a hash table each, one behind the other in time.
/// It knows hashes only, so what it finds may be another key's. Everything in it can be built again
/// from the log. One owner calls it.
class key_index {
public:
  /// A query answers no more than this many offsets.
  static constexpr std::size_t max_found = 64;

  /// Loads the headers of all files. A file of another size or with an impossible header is left
  /// alone and named in `warnings`.
  static result<std::unique_ptr<key_index>> open(file_system& fs, const options& o,
                                                 const wall_clock& clock);
  key_index(const key_index&) = delete;
  key_index& operator=(const key_index&) = delete;

  const std::vector<std::string>& warnings() const noexcept { return warnings_; }

  /// Adds the keys of one record. Records come in the order of the log; one that is in the index
  /// already is skipped. Fails only when something has to be written first; nothing is lost then,
  /// and the same call may be repeated.
  result<void> add(log_offset offset, std::int64_t store_timestamp,
                   std::span<const std::uint32_t> key_hashes);
  /// The same for all records of a batch.
  result<void> add(const position_batch& batch);

  /// Writes what is in memory; may be called again after an error.
  result<void> write_out();

  /// Takes nothing on the disk for durable: a process that died may have left it in the page cache.
  void distrust();
  unsynced_index_files unsynced() const;
  /// All that `done` names was synced successfully.
  void synced(const unsynced_index_files& done);

  /// Offsets of at most `count` records that may have the key and were stored in [begin, end],
  /// newest first. Whoever reads them must compare the key itself and the time, which is known to
  /// the second only. Looks at a bounded number of entries.
  result<std::vector<log_offset>> query(std::string_view topic, std::string_view key,
                                        std::size_t count, std::int64_t begin_ms,
                                        std::int64_t end_ms);

  /// The same question without reading, for `index_query::run` on any thread.
  index_query lookup(std::string_view topic, std::string_view key, std::size_t count,
                     std::int64_t begin_ms, std::int64_t end_ms) const;
  /// Logs damage that such an answer met; of each file once.
  void report_damaged(std::span<const std::string> paths);

  /// For a start after a crash: forgets all records from `safe_offset` on and builds what lies
  /// before it from the durable entries alone, so that torn writes leave no trace.
  result<void> cut(log_offset safe_offset);
  /// Removes files whose records are all below `log_min`, but never the last.
  result<void> drop_until(log_offset log_min);

  std::size_t file_count() const noexcept { return files_.size(); }
  std::vector<std::string> paths() const; ///< of all files, oldest first
  /// Removes the files from that place on and all from the last record before them on. Records are
  /// to be added again from the offset that is returned: not before `log_min`.
  result<log_offset> forget_from(std::size_t place, log_offset log_min);

private:
  key_index(file_system& fs, const options& o, const wall_clock& clock);
  result<void> load();
  result<void> make_room(std::int64_t store_timestamp);
  result<void> add_file();
  std::string next_name() const;
  static index_search search_for(std::string_view topic, std::string_view key, std::size_t count,
                                 std::int64_t begin_ms, std::int64_t end_ms);
  result<void> remove_file(std::size_t place);
  void changed(const std::string& path) { unsynced_[path] = ++writes_; }

  file_system& fs_;
  index_geometry geometry_;
  const wall_clock& clock_;
  std::string directory_;
  std::vector<std::unique_ptr<index_file>> files_; ///< oldest first; only the last is written
  std::string newest_name_;                        ///< of any file, also of ignored ones
  log_offset last_record_ = -1;                    ///< newest record of which keys were added
  std::size_t last_keys_ = 0; ///< how many of its keys; all of them unless a call failed
  bool last_complete_ = true;
  std::map<std::string, std::uint64_t> unsynced_; ///< path -> number of its last write
  std::uint64_t directory_changed_ = 0;
  std::uint64_t writes_ = 0;
  std::vector<std::string> warnings_;
};

} // namespace troupe::storage
