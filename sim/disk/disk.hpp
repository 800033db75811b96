#pragma once

#include "sim/disk/fault_plan.hpp"
#include "sim/random.hpp"
#include "storage/os/file_system.hpp"

#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <vector>

namespace troupe::sim {

/// One call at the seam, before it is carried out.
struct operation {
  std::uint64_t number = 0; ///< of this life, from 1
  call_kind kind = call_kind::open;
  const std::string& path;  ///< of a rename: the old name
  std::uint64_t offset = 0; ///< of write, read, zero
  std::uint64_t size = 0;   ///< bytes to write, read or zero; the size to allocate
};

/// Which of the bytes that nobody synced a power cut leaves on the disk.
enum class survival {
  none,   ///< nothing that was not synced
  all,    ///< everything, as if all had been synced
  random, ///< each page, each size and each change of a directory by a coin of its own
  newest, ///< the pages written last, without those written before
  oldest, ///< the pages written first, and directory changes in order up to a point
  torn,   ///< like random, but each sector of a page by itself
};
inline constexpr int survival_count = 6;
std::string_view name_of(survival how) noexcept;

struct disk_options {
  std::uint64_t capacity_bytes = std::numeric_limits<std::uint64_t>::max() / 2;
};

/// A disk in memory that can fail in all the ways a real one can, and loses what was not synced.
///
/// There are two images of everything: the cached one, which calls see, and the durable one. A
/// write goes to the cache and marks its sectors of 512 bytes, in pages of 4 KiB, as dirty.
/// `file::sync` makes size and dirty sectors of that file durable, but not its name: creations,
/// removals and renames become durable only with `sync_directory`, in their order.
///
/// For one thread. Files, mappings and locks may outlive the disk, but not its use: a handle of an
/// earlier life only returns errors. The memory of a mapping stays readable as long as somebody
/// holds it. Nothing depends on addresses, clocks or chance, so that equal calls give equal disks.
class simulated_disk final : public storage::file_system {
public:
  explicit simulated_disk(const disk_options& o = {});
  ~simulated_disk() override;
  simulated_disk(const simulated_disk&) = delete;
  simulated_disk& operator=(const simulated_disk&) = delete;

  storage::result<std::shared_ptr<storage::file>> open(const std::string& path,
                                                       storage::open_mode mode) override;
  storage::result<void> make_directory(const std::string& path) override;
  storage::result<void> remove(const std::string& path) override;
  storage::result<void> rename(const std::string& from, const std::string& to) override;
  storage::result<void> sync_directory(const std::string& path) override;
  storage::result<std::vector<storage::directory_entry>> list(const std::string& path) override;
  storage::result<storage::disk_usage> usage(const std::string& path) override;
  storage::result<std::unique_ptr<storage::file_lock>> lock(const std::string& path) override;

  /// Called before each call of a living process, those that fail included.
  std::function<void(const operation&)> on_operation;

  /// What goes wrong in this life; replaces the plan before and counts its calls anew.
  void set_faults(fault_plan plan);
  /// How many faults of the plan have happened, each repetition counted.
  std::uint64_t faults_hit() const noexcept;
  /// Calls in this life.
  std::uint64_t calls() const noexcept;
  /// True after a `crash` fault: every call fails and changes nothing until `restart` or
  /// `power_cut`.
  bool crashed() const noexcept;
  /// Of the reads that must not wait, one in `one_in` finds a page that is not in memory (0: none).
  /// Which ones hangs on the seed, the path, the page and how often the file was asked; who then
  /// reads in the ordinary way finds it there for a while. Such a refusal is no call.
  void set_cold_pages(std::uint64_t seed, std::uint64_t one_in) noexcept;

  /// From now on every call fails and changes nothing, as a `crash` fault makes it.
  void crash() noexcept;

  /// While false, calls are neither counted nor shown to `on_operation`, and no planned fault
  /// happens: for a checker that only looks.
  void set_watching(bool watching) noexcept;

  /// The process is gone and the next one may begin: the cache stays, handles and locks die, the
  /// plan is empty and calls count from 1.
  void restart();
  /// The machine lost power and is up again: like `restart`, but of what was not synced only some
  /// is left, as `how` and `random` say.
  void power_cut(survival how, random_source& random);
  /// The same with a way drawn from `random`, which is returned.
  survival power_cut(random_source& random);

  /// Some dirty pages become durable, as the kernel may do at any time.
  void write_back(random_source& random);
  /// Turns one bit of a file over, both in the cache and on the disk. False without such a byte.
  bool flip_bit(const std::string& path, std::uint64_t offset, unsigned bit);
  /// All bits that were turned over so far, by whatever.
  struct flipped_bit {
    std::string path;
    std::uint64_t offset = 0; ///< of its byte
  };
  const std::vector<flipped_bit>& flipped_bits() const noexcept;
  /// What `modified_ms` of files changed from now on shows.
  void set_time_ms(std::int64_t now) noexcept;
  void set_capacity(std::uint64_t bytes) noexcept;
  /// What others have on the same disk.
  void set_other_bytes(std::uint64_t bytes) noexcept;
  /// Bytes of all blocks that files take, those of removed but open ones and others' included.
  std::uint64_t used_bytes() const noexcept;

  /// Paths of the files, mappings and locks that this life still holds, sorted: "file PATH".
  std::vector<std::string> open_handles() const;
  /// Visits every file that has a name, in the order of the paths, with its cached bytes.
  void for_each_file(
      const std::function<void(const std::string& path, storage::byte_view bytes)>& visit) const;
  /// A hash over names, sizes and cached bytes of everything below `path`.
  std::uint64_t fingerprint(const std::string& path = "/") const;

private:
  class core;
  class open_file;
  class held_lock;
  std::shared_ptr<core> core_;
};

/// The disk is not watched while it lives.
class unwatched_disk {
public:
  explicit unwatched_disk(simulated_disk& disk) noexcept : disk_(disk) {
    disk_.set_watching(false);
  }
  ~unwatched_disk() { disk_.set_watching(true); }
  unwatched_disk(const unwatched_disk&) = delete;
  unwatched_disk& operator=(const unwatched_disk&) = delete;

private:
  simulated_disk& disk_;
};

} // namespace troupe::sim
