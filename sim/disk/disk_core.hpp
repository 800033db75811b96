#pragma once

#include "sim/disk/disk.hpp"
#include "sim/disk/disk_tree.hpp"

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace troupe::sim {

/// What a simulated disk and its handles share: the images, the plan of faults, who holds what.
class simulated_disk::core {
public:
  explicit core(const disk_options& o, simulated_disk& disk)
      : capacity_(o.capacity_bytes), owner_(&disk) {}

  /// A call that is not to fail, and what is special about it.
  struct permit {
    std::uint64_t call = 0;
    std::optional<std::uint64_t> short_bytes; ///< only so many are to be written
    bool lose = false;                        ///< the sync is to fail
    bool lie = false;                         ///< the sync is to do nothing
    std::optional<std::uint64_t> broken_at;   ///< a byte of the page that cannot be read
  };
  /// Every call begins here. `node` is the file it is about, if it is open.
  storage::result<permit> enter(const operation& what, disk_node* node);
  /// The same for a handle, which must be of this life.
  storage::result<permit> enter(std::uint64_t life, call_kind kind, const std::string& path,
                                disk_node& node, std::uint64_t offset, std::uint64_t size);
  storage::result<permit> enter(call_kind kind, const std::string& path);

  /// Whether a read that must not wait finds these bytes in memory; counts as asked.
  storage::result<bool> resident(std::uint64_t life, const std::string& path, disk_node& node,
                                 std::uint64_t offset, std::uint64_t size);
  /// They were read, and are in memory now.
  static void note_read(disk_node& node, std::uint64_t offset, std::uint64_t size);
  void set_cold_pages(std::uint64_t seed, std::uint64_t one_in) noexcept {
    cold_seed_ = seed;
    cold_one_in_ = one_in;
  }

  void set_faults(fault_plan plan);
  void begin_life();
  void crash() noexcept { crashed_ = true; }
  void set_watching(bool watching) noexcept { watching_ = watching; }
  /// The disk is gone; its handles may still be there.
  void close() noexcept { owner_ = nullptr; }

  struct holder {
    std::string what; ///< "file PATH"
    node_ptr node;
  };
  std::uint64_t hold(std::string what, node_ptr node);
  void release(std::uint64_t id) { holders_.erase(id); }
  const std::map<std::uint64_t, holder>& holders() const noexcept { return holders_; }

  void flip_bit(disk_node& node, const std::string& path, std::uint64_t offset, unsigned bit) {
    node.image.flip_bit(offset, bit);
    flipped_.push_back({path, offset});
  }
  const std::vector<flipped_bit>& flipped_bits() const noexcept { return flipped_; }

  /// How many bytes of [offset, offset + size) find blocks on the disk.
  std::uint64_t fitting(const file_image& image, std::uint64_t offset, std::uint64_t size) const;
  std::uint64_t used_bytes() const;
  void write_back(random_source& random);
  void power_cut(survival how, random_source& random);

  disk_tree& tree() noexcept { return tree_; }
  std::uint64_t life() const noexcept { return life_; }
  std::uint64_t calls() const noexcept { return calls_; }
  std::uint64_t faults_hit() const noexcept { return faults_hit_; }
  bool crashed() const noexcept { return crashed_; }
  std::uint64_t capacity() const noexcept { return capacity_; }
  void set_capacity(std::uint64_t bytes) noexcept { capacity_ = bytes; }
  void set_other_bytes(std::uint64_t bytes) noexcept { other_bytes_ = bytes; }
  std::int64_t now_ms() const noexcept { return now_ms_; }
  void set_time_ms(std::int64_t now) noexcept { now_ms_ = now; }

private:
  struct planned {
    fault what;
    std::uint64_t seen = 0;
    std::uint64_t hit = 0;
  };
  bool happens(planned& each, const operation& what, const disk_node* node);
  std::optional<storage::error> act(const fault& f, const operation& what, disk_node* node,
                                    permit& allowed);

  disk_tree tree_;
  std::vector<planned> plan_;
  std::vector<flipped_bit> flipped_;
  std::map<std::uint64_t, holder> holders_;
  std::uint64_t next_holder_ = 1;
  std::uint64_t life_ = 1;
  std::uint64_t calls_ = 0;
  std::uint64_t clock_ = 0; ///< calls of all lives: orders the writes
  std::uint64_t faults_hit_ = 0;
  std::uint64_t capacity_;
  std::uint64_t other_bytes_ = 0;
  std::int64_t now_ms_ = 0;
  std::uint64_t cold_seed_ = 0;
  std::uint64_t cold_one_in_ = 8;
  bool crashed_ = false;
  bool watching_ = true;
  simulated_disk* owner_;
};

} // namespace troupe::sim
