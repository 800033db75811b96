#pragma once

#include "storage/error.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace troupe::storage {

using byte_view = std::span<const std::byte>;

/// A read-only view of a whole file, shared with the page cache: what `write_at` wrote is seen
/// here at once. It stays mapped as long as somebody holds the pointer.
class mapping {
public:
  virtual ~mapping() = default;

  byte_view bytes() const noexcept { return bytes_; }

  /// True once a page could not be read (I/O error, file cut short): the bytes handed out so far
  /// may hold zeros in its place. Ask after using them.
  virtual bool damaged() const noexcept = 0;

  /// Cuts the view off from the file: the address range stays readable and holds zeros, `damaged`
  /// turns true, and the file's blocks are given back. Used when a deleted file is held too long.
  virtual void revoke() noexcept = 0;

protected:
  byte_view bytes_;
};

/// How a mapping will be read; decides how far the kernel reads ahead.
enum class access { sequential, random };

/// Whether a file's blocks are taken from the disk when its size is set.
enum class blocks { reserved, sparse };

/// One open file. Not thread-safe, but several objects may be open on one path.
class file {
public:
  virtual ~file() = default;

  /// Makes the file `size` bytes long; new bytes read as zeros. `reserved` fails with `no_space`
  /// now rather than later.
  virtual result<void> allocate(std::uint64_t size, blocks how) = 0;

  /// Writes all parts one behind the other from `offset`. On error any prefix may be written.
  /// Readable by everyone when it returns; durable only after `sync`.
  virtual result<void> write_at(std::uint64_t offset, std::span<const byte_view> parts) = 0;

  /// Fills `into` from `offset`; fewer bytes only at the end of the file.
  virtual result<std::size_t> read_at(std::uint64_t offset, std::span<std::byte> into) const = 0;

  /// The same, but fails with `not_resident` rather than wait for the disk: when any of the bytes
  /// is not in memory, or nobody can tell. That says nothing of the file; `read_at` gives them.
  virtual result<std::size_t> read_resident(std::uint64_t offset,
                                            std::span<std::byte> into) const = 0;

  /// Makes [from, to) read as zeros.
  virtual result<void> zero_range(std::uint64_t from, std::uint64_t to) = 0;

  /// Makes everything written so far durable. A failure is final: the kernel drops what it could
  /// not write, so a later success would prove nothing. Never call it again after an error.
  virtual result<void> sync() = 0;

  virtual result<std::shared_ptr<mapping>> map(access pattern) const = 0;

  /// The first offset from `from` on that may hold anything but zeros, `size()` if there is none.
  /// Only a hint that saves reading: without knowledge of holes the answer is `from`.
  virtual std::uint64_t next_data(std::uint64_t from) const { return from; }
  /// The first offset behind `from` from which on nothing but zeros is known to lie up to the next
  /// data; `size()` without that knowledge. What is read ahead may come to count as data, so ask
  /// before reading.
  virtual std::uint64_t next_hole(std::uint64_t) const { return size_; }

  std::uint64_t size() const noexcept { return size_; }
  const std::string& path() const noexcept { return path_; }

protected:
  std::string path_;
  std::uint64_t size_ = 0;
};

struct directory_entry {
  std::string name;
  bool directory = false;
  std::uint64_t size = 0;
  std::int64_t modified_ms = 0;
};

struct disk_usage {
  std::uint64_t total_bytes = 0;
  std::uint64_t available_bytes = 0;
  /// Used part in percent, rounded up.
  int used_percent() const noexcept;
};

/// Held until destroyed.
class file_lock {
public:
  virtual ~file_lock() = default;
};

enum class open_mode {
  read,       ///< must exist
  read_write, ///< must exist
  create,     ///< created empty if it is not there
};

/// The only door to the operating system: nothing else in the store calls the kernel for files.
/// Thread-safe. Production uses `posix_file_system`, simulations their own.
class file_system {
public:
  virtual ~file_system() = default;

  virtual result<std::shared_ptr<file>> open(const std::string& path, open_mode mode) = 0;
  /// One level; done when it exists already.
  virtual result<void> make_directory(const std::string& path) = 0;
  /// A file or an empty directory; done when it is gone already.
  virtual result<void> remove(const std::string& path) = 0;
  virtual result<void> rename(const std::string& from, const std::string& to) = 0;
  /// Makes creations, removals and renames in this directory durable.
  virtual result<void> sync_directory(const std::string& path) = 0;
  /// Sorted by name; `not_found` when there is no such directory.
  virtual result<std::vector<directory_entry>> list(const std::string& path) = 0;
  virtual result<disk_usage> usage(const std::string& path) = 0;
  /// Locks byte 0 of the file (created if missing) for this process alone; `locked` if taken. Two
  /// locks on one path exclude each other in one process too, and a Java store's lock conflicts.
  virtual result<std::unique_ptr<file_lock>> lock(const std::string& path) = 0;
};

/// Creates every missing level of `path` and makes each durable in its parent.
result<void> make_directories(file_system& fs, const std::string& path);

/// Reads a whole small file; `too_large` beyond `limit`.
result<std::vector<std::byte>> read_file(file_system& fs, const std::string& path,
                                         std::size_t limit);

/// Replaces a file atomically and durably: temporary file, sync, rename, sync of the directory.
result<void> replace_file(file_system& fs, const std::string& path, byte_view content);

} // namespace troupe::storage
