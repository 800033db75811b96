#pragma once

#include "storage/os/file_system.hpp"

#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

namespace troupe::storage {

/// Names one file of one queue without its path: the queue's number in this process, and the byte
/// offset of the file's first entry.
struct queue_file_key {
  std::uint32_t queue = 0;
  std::int64_t start = 0;
  friend bool operator==(const queue_file_key&, const queue_file_key&) = default;
};

/// What was written and is not yet known to be durable. Syncing all of it, files before
/// directories, makes it so; a path that is gone meanwhile counts as synced.
struct unsynced_queue_files {
  std::uint64_t mark = 0; ///< number of the last write that is covered
  std::vector<queue_file_key> keys;
  std::vector<std::string> files; ///< paths: in the order of `keys`, and others behind
  std::vector<std::string> directories;
};

/// `corrupt` if it is of another size than each file of a queue is.
result<void> check_queue_file_size(const file& found, std::uint64_t file_size_bytes);

/// The open files of all queues. Keeps some `capacity` of them open and closes the least recently
/// used. One with unsynced bytes is closed only after a sync, since its write error would otherwise
/// be reported to nobody: `crowded` asks for that in time, and only when nothing else can be closed
/// a writer does it by itself. What somebody is syncing stays open, though that may be more: a sync
/// of ours that fails would take the error from theirs. When the process runs out of descriptors
/// the capacity shrinks. Not thread-safe.
class queue_files {
public:
  enum class mode { writable, read_only };
  queue_files(file_system& fs, std::uint64_t file_size_bytes, std::size_t capacity, mode how);

  file_system& fs() const noexcept { return fs_; }
  std::uint64_t file_size_bytes() const noexcept { return file_size_bytes_; }
  bool read_only() const noexcept { return mode_ == mode::read_only; }

  /// The file to be written, opened if it is not. `path` must belong to `key`.
  result<std::shared_ptr<file>> open(queue_file_key key, const std::string& path);
  /// The file to be read. Never syncs another one, nor fails since such a sync failed.
  /// `not_resident` if it is not open and nobody may wait: to open it would be to wait.
  result<std::shared_ptr<file>> open_to_read(queue_file_key key, const std::string& path);
  /// Reads from such a file: `not_resident` instead of waiting if nobody may wait.
  result<std::size_t> read(const file& from, std::uint64_t offset, std::span<std::byte> into) const;

  /// As long as one lives, nothing that is read waits for the disk. For lookups alone: who changes
  /// a queue has to read it, and must not be refused.
  class only_resident {
  public:
    explicit only_resident(queue_files& files) noexcept : files_(files) { ++files_.no_waiting_; }
    ~only_resident() { --files_.no_waiting_; }
    only_resident(const only_resident&) = delete;
    only_resident& operator=(const only_resident&) = delete;

  private:
    queue_files& files_;
  };
  /// The same, created at its full size (sparse) if it is not there.
  result<std::shared_ptr<file>> create(queue_file_key key, const std::string& path);

  /// Says that the open file has new bytes that are not durable.
  void wrote(queue_file_key key);
  /// Says that names in this directory were added or removed.
  void changed_directory(const std::string& path);
  /// Says that another process may have left bytes in this file that are not durable.
  void inherited(const std::string& path);
  /// Closes the file because it is deleted: its unsynced bytes no longer matter.
  void forget(queue_file_key key);

  /// All that is to be synced; somebody does that from now on, until `synced`.
  unsynced_queue_files unsynced();
  /// Everything in `done` was synced successfully; what was written since stays unsynced.
  void synced(const unsynced_queue_files& done);

  /// True when half of the room is taken by files that must be synced before they can be closed.
  bool crowded() const noexcept { return 2 * unsynced_.size() > capacity_; }
  /// `write_stopped` after a sync of ours that failed: what was written is in doubt.
  result<void> check_synced() const;

  std::size_t open_count() const noexcept { return by_key_.size(); }
  /// Bytes that one reader at a time may use.
  std::vector<std::byte>& scratch() noexcept { return scratch_; }

private:
  struct opened {
    queue_file_key key;
    std::shared_ptr<file> handle;
    bool writable = false;
    std::uint64_t written = 0; ///< number of the last write, 0 when all is durable
    bool in_sync = false;      ///< somebody is making it durable
  };
  struct key_hash {
    std::size_t operator()(const queue_file_key& key) const noexcept {
      return std::hash<std::uint64_t>{}(static_cast<std::uint64_t>(key.start) * 0x9e3779b97f4a7c15 +
                                        key.queue);
    }
  };
  using lru = std::list<opened>; ///< most recently used first

  lru& list_of(const opened& one) noexcept {
    if (one.in_sync)
      return in_sync_;
    return one.written != 0 ? unsynced_ : clean_;
  }
  void close_clean();
  result<void> make_room();
  result<std::shared_ptr<file>> open_file(const std::string& path, open_mode how);
  std::shared_ptr<file> remember(queue_file_key key, std::shared_ptr<file> handle, bool writable);
  /// The open file, moved to the front; null if it is not open, or not in a way to be written.
  std::shared_ptr<file> use(queue_file_key key, bool to_write);

  file_system& fs_;
  std::uint64_t file_size_bytes_;
  std::size_t capacity_;
  mode mode_;
  lru clean_;
  lru unsynced_;
  lru in_sync_;
  std::unordered_map<queue_file_key, lru::iterator, key_hash> by_key_;
  std::unordered_map<std::string, std::uint64_t> directories_;
  std::unordered_map<std::string, std::uint64_t> inherited_;
  std::uint64_t writes_ = 0;
  int no_waiting_ = 0;               ///< how many guards forbid it
  std::optional<error> failed_sync_; ///< final: a later sync would prove nothing
  std::vector<std::byte> scratch_;
};

} // namespace troupe::storage
