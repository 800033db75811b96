#include "sim/disk/disk.hpp"

#include "sim/disk/disk_core.hpp"
#include "sim/trace_hash.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <limits>
#include <span>
#include <utility>

namespace troupe::sim {

namespace {

using storage::blocks;
using storage::byte_view;
using storage::errc;
using storage::error;
using storage::open_mode;
using storage::result;
using storage::system_error;

constexpr auto max_offset = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());

result<void> done() {
  return boost::outcome_v2::success();
}

error out_of_range(const std::string& path) {
  return {errc::invalid_argument, path + ": an offset or size beyond what a file can hold"};
}

} // namespace

/// A mapping shares the memory of the cached image.
class simulated_mapping final : public storage::mapping {
public:
  simulated_mapping(std::shared_ptr<memory_block> block, node_ptr node, bool damaged,
                    std::function<void()> release)
      : block_(std::move(block)), node_(std::move(node)), release_(std::move(release)),
        damaged_(damaged) {
    bytes_ = {block_->data(), node_->image.size()};
  }
  ~simulated_mapping() override { release_(); }

  bool damaged() const noexcept override { return damaged_ || node_->image.size() < bytes_.size(); }
  /// Who asks learns that the bytes are not to be trusted; what they are is left as it is.
  void revoke() noexcept override { damaged_ = true; }

private:
  std::shared_ptr<memory_block> block_;
  node_ptr node_;
  std::function<void()> release_;
  bool damaged_;
};

class simulated_disk::open_file final : public storage::file {
public:
  open_file(std::shared_ptr<core> disk, node_ptr node, const std::string& path, bool writable)
      : disk_(std::move(disk)), node_(std::move(node)), life_(disk_->life()), writable_(writable) {
    path_ = path;
    size_ = node_->image.size();
    id_ = disk_->hold("file " + path, node_);
  }
  ~open_file() override {
    if (life_ == disk_->life())
      disk_->release(id_);
  }

  result<void> allocate(std::uint64_t size, blocks how) override;
  result<void> write_at(std::uint64_t offset, std::span<const byte_view> parts) override;
  result<std::size_t> read_at(std::uint64_t offset, std::span<std::byte> into) const override;
  result<std::size_t> read_resident(std::uint64_t offset, std::span<std::byte> into) const override;
  result<void> zero_range(std::uint64_t from, std::uint64_t to) override;
  result<void> sync() override;
  result<std::shared_ptr<storage::mapping>> map(storage::access pattern) const override;
  std::uint64_t next_data(std::uint64_t from) const override {
    return from < size_ ? std::min(node_->image.next_data(from), size_) : size_;
  }
  std::uint64_t next_hole(std::uint64_t from) const override {
    return from < size_ ? std::min(node_->image.next_hole(from), size_) : size_;
  }

private:
  result<core::permit> enter(call_kind kind, std::uint64_t offset, std::uint64_t size) const {
    return disk_->enter(life_, kind, path_, *node_, offset, size);
  }
  std::size_t copy(std::uint64_t offset, std::span<std::byte> into) const;
  result<void> check_writable() const {
    if (!writable_)
      return system_error(EBADF, "cannot change " + path_);
    return done();
  }
  error full() const { return system_error(ENOSPC, "cannot write " + path_); }

  std::shared_ptr<core> disk_;
  node_ptr node_;
  std::uint64_t life_;
  std::uint64_t id_ = 0;
  bool writable_;
};

result<void> simulated_disk::open_file::allocate(std::uint64_t size, blocks how) {
  if (size > max_offset)
    return out_of_range(path_);
  TROUPE_TRY(auto allowed, enter(call_kind::allocate, 0, size));
  TROUPE_TRY(check_writable());
  auto& image = node_->image;
  if (how == blocks::reserved && disk_->fitting(image, 0, size) < size)
    return full();
  image.resize(size, allowed.call);
  if (how == blocks::reserved)
    image.reserve(0, size);
  node_->modified_ms = disk_->now_ms();
  size_ = size;
  return done();
}

result<void> simulated_disk::open_file::write_at(std::uint64_t offset,
                                                 std::span<const byte_view> parts) {
  std::uint64_t total = 0;
  for (auto& part : parts)
    total += part.size();
  if (offset > max_offset || total > max_offset - offset)
    return out_of_range(path_);
  TROUPE_TRY(auto allowed, enter(call_kind::write, offset, total));
  TROUPE_TRY(check_writable());
  auto room = disk_->fitting(node_->image, offset, total);
  auto left = std::min(allowed.short_bytes.value_or(total), room);
  for (auto& part : parts) {
    auto count = std::min<std::uint64_t>(part.size(), left);
    node_->image.write(offset, part.first(count), allowed.call);
    offset += count;
    left -= count;
  }
  node_->modified_ms = disk_->now_ms();
  size_ = std::max(size_, node_->image.size());
  if (allowed.short_bytes)
    return system_error(EIO, "cannot write " + path_ + " at " + std::to_string(offset));
  return room < total ? result<void>(full()) : done();
}

result<std::size_t> simulated_disk::open_file::read_at(std::uint64_t offset,
                                                       std::span<std::byte> into) const {
  if (offset > max_offset || into.size() > max_offset - offset)
    return out_of_range(path_);
  TROUPE_TRY(enter(call_kind::read, offset, into.size()));
  core::note_read(*node_, offset, into.size());
  return copy(offset, into);
}

result<std::size_t> simulated_disk::open_file::read_resident(std::uint64_t offset,
                                                             std::span<std::byte> into) const {
  if (offset > max_offset || into.size() > max_offset - offset)
    return out_of_range(path_);
  TROUPE_TRY(auto resident, disk_->resident(life_, path_, *node_, offset, into.size()));
  if (!resident)
    return error{errc::not_resident, path_ + " is not in memory at " + std::to_string(offset)};
  TROUPE_TRY(enter(call_kind::read, offset, into.size()));
  return copy(offset, into);
}

std::size_t simulated_disk::open_file::copy(std::uint64_t offset, std::span<std::byte> into) const {
  auto bytes = node_->image.bytes();
  if (offset >= bytes.size())
    return 0;
  auto found = bytes.subspan(offset, std::min<std::uint64_t>(into.size(), bytes.size() - offset));
  std::ranges::copy(found, into.begin());
  return found.size();
}

result<void> simulated_disk::open_file::zero_range(std::uint64_t from, std::uint64_t to) {
  to = std::min(to, node_->image.size());
  if (from >= to)
    return done();
  TROUPE_TRY(auto allowed, enter(call_kind::zero, from, to - from));
  TROUPE_TRY(check_writable());
  if (disk_->fitting(node_->image, from, to - from) < to - from)
    return full();
  node_->image.zero(from, to, allowed.call);
  node_->modified_ms = disk_->now_ms();
  return done();
}

result<void> simulated_disk::open_file::sync() {
  TROUPE_TRY(auto allowed, enter(call_kind::sync, 0, 0));
  if (allowed.lose) {
    node_->image.lose();
    return system_error(EIO, "cannot sync " + path_ + "; what was written since is in doubt");
  }
  if (!allowed.lie)
    node_->image.sync();
  return done();
}

result<std::shared_ptr<storage::mapping>> simulated_disk::open_file::map(storage::access) const {
  TROUPE_TRY(auto allowed, enter(call_kind::map, 0, 0));
  auto& image = node_->image;
  if (image.size() == 0)
    return error{errc::corrupt, "cannot map " + path_ + ": it is empty"};
  auto broken = allowed.broken_at ? *allowed.broken_at % image.size() : file_image::none;
  auto id = disk_->hold("mapping " + path_, node_);
  auto release = [disk = disk_, life = life_, id] {
    if (life == disk->life())
      disk->release(id);
  };
  return std::shared_ptr<storage::mapping>(std::make_shared<simulated_mapping>(
      image.share(broken), node_, allowed.broken_at.has_value(), std::move(release)));
}

class simulated_disk::held_lock final : public storage::file_lock {
public:
  held_lock(std::shared_ptr<core> disk, const std::string& path, node_ptr node)
      : disk_(std::move(disk)), life_(disk_->life()),
        id_(disk_->hold("lock " + path, std::move(node))) {}
  ~held_lock() override {
    if (life_ == disk_->life())
      disk_->release(id_);
  }

private:
  std::shared_ptr<core> disk_;
  std::uint64_t life_;
  std::uint64_t id_;
};

simulated_disk::simulated_disk(const disk_options& o) : core_(std::make_shared<core>(o, *this)) {}

simulated_disk::~simulated_disk() {
  core_->close();
}

result<std::shared_ptr<storage::file>> simulated_disk::open(const std::string& path,
                                                            open_mode mode) {
  TROUPE_TRY(core_->enter(call_kind::open, path));
  auto node = core_->tree().find(path);
  if (!node) {
    auto place = core_->tree().place_of(path);
    if (mode != open_mode::create || !place.directory)
      return system_error(ENOENT, "cannot open " + path);
    node = std::make_shared<disk_node>(false);
    node->modified_ms = core_->now_ms();
    core_->tree().link(place, node);
  }
  if (node->directory)
    return error{errc::io_error, "cannot open " + path + ": it is not a plain file"};
  return std::shared_ptr<storage::file>(
      std::make_shared<open_file>(core_, std::move(node), path, mode != open_mode::read));
}

result<void> simulated_disk::make_directory(const std::string& path) {
  TROUPE_TRY(core_->enter(call_kind::make_directory, path));
  if (auto there = core_->tree().find(path))
    return there->directory ? done()
                            : result<void>(system_error(EEXIST, "cannot create directory " + path));
  auto place = core_->tree().place_of(path);
  if (!place.directory)
    return system_error(ENOENT, "cannot create directory " + path);
  core_->tree().link(place, std::make_shared<disk_node>(true));
  return done();
}

result<void> simulated_disk::remove(const std::string& path) {
  TROUPE_TRY(core_->enter(call_kind::remove, path));
  auto node = core_->tree().find(path);
  if (!node)
    return done();
  if (node == core_->tree().root() || !node->entries.empty())
    return system_error(ENOTEMPTY, "cannot remove " + path);
  core_->tree().unlink(core_->tree().place_of(path));
  return done();
}

result<void> simulated_disk::rename(const std::string& from, const std::string& to) {
  TROUPE_TRY(core_->enter(call_kind::rename, from));
  auto what = "cannot rename " + from + " to " + to;
  auto& tree = core_->tree();
  auto node = tree.find(from);
  auto place = tree.place_of(to);
  if (!node || node == tree.root() || !place.directory)
    return system_error(ENOENT, what);
  if (auto there = tree.find(to)) {
    if (there == node)
      return done();
    if (there->directory != node->directory)
      return system_error(there->directory ? EISDIR : ENOTDIR, what);
    if (!there->entries.empty())
      return system_error(ENOTEMPTY, what);
  }
  if (node->directory && (to + "/").starts_with(from + "/"))
    return system_error(EINVAL, what);
  tree.rename(tree.place_of(from), place);
  return done();
}

result<void> simulated_disk::sync_directory(const std::string& path) {
  TROUPE_TRY(auto allowed, core_->enter(call_kind::sync_directory, path));
  auto node = core_->tree().find(path);
  if (!node || !node->directory)
    return system_error(node ? ENOTDIR : ENOENT, "cannot open directory " + path);
  if (allowed.lose)
    return system_error(EIO, "cannot sync directory " + path);
  if (!allowed.lie)
    core_->tree().sync(node);
  return done();
}

result<std::vector<storage::directory_entry>> simulated_disk::list(const std::string& path) {
  TROUPE_TRY(core_->enter(call_kind::list, path));
  auto node = core_->tree().find(path);
  if (!node || !node->directory)
    return system_error(node ? ENOTDIR : ENOENT, "cannot list " + path);
  std::vector<storage::directory_entry> found;
  for (auto& [name, child] : node->entries)
    found.push_back({name, child->directory, child->image.size(), child->modified_ms});
  return found;
}

result<storage::disk_usage> simulated_disk::usage(const std::string& path) {
  TROUPE_TRY(core_->enter(call_kind::usage, path));
  if (!core_->tree().find(path))
    return system_error(ENOENT, "cannot ask for the disk space of " + path);
  auto used = std::min(core_->used_bytes(), core_->capacity());
  return storage::disk_usage{core_->capacity(), core_->capacity() - used};
}

result<std::unique_ptr<storage::file_lock>> simulated_disk::lock(const std::string& path) {
  TROUPE_TRY(auto allowed, core_->enter(call_kind::lock, path));
  auto node = core_->tree().find(path);
  if (!node) {
    auto place = core_->tree().place_of(path);
    if (!place.directory)
      return system_error(ENOENT, "cannot open " + path);
    node = std::make_shared<disk_node>(false);
    core_->tree().link(place, node);
  }
  if (node->directory)
    return system_error(EISDIR, "cannot open " + path);
  for (auto& [id, each] : core_->holders())
    if (each.node == node && each.what.starts_with("lock "))
      return error{errc::locked, path + " is locked: the directory is in use by another process; "
                                        "stop that one, or use another directory"};
  static constexpr std::array content{std::byte{'l'}, std::byte{'o'}, std::byte{'c'},
                                      std::byte{'k'}};
  if (node->image.size() == 0)
    node->image.write(0, content, allowed.call);
  return std::unique_ptr<storage::file_lock>(
      std::make_unique<held_lock>(core_, path, std::move(node)));
}

// -- control -------------------------------------------------------------------------------------

void simulated_disk::set_cold_pages(std::uint64_t seed, std::uint64_t one_in) noexcept {
  core_->set_cold_pages(seed, one_in);
}

void simulated_disk::set_faults(fault_plan plan) {
  core_->set_faults(std::move(plan));
}

std::uint64_t simulated_disk::faults_hit() const noexcept {
  return core_->faults_hit();
}

std::uint64_t simulated_disk::calls() const noexcept {
  return core_->calls();
}

bool simulated_disk::crashed() const noexcept {
  return core_->crashed();
}

void simulated_disk::crash() noexcept {
  core_->crash();
}

void simulated_disk::set_watching(bool watching) noexcept {
  core_->set_watching(watching);
}

void simulated_disk::restart() {
  core_->begin_life();
}

void simulated_disk::power_cut(survival how, random_source& random) {
  core_->power_cut(how, random);
}

survival simulated_disk::power_cut(random_source& random) {
  auto how = static_cast<survival>(random.below(survival_count));
  core_->power_cut(how, random);
  return how;
}

void simulated_disk::write_back(random_source& random) {
  core_->write_back(random);
}

bool simulated_disk::flip_bit(const std::string& path, std::uint64_t offset, unsigned bit) {
  auto node = core_->tree().find(path);
  if (!node || offset >= node->image.size() || bit > 7)
    return false;
  core_->flip_bit(*node, path, offset, bit);
  return true;
}

const std::vector<simulated_disk::flipped_bit>& simulated_disk::flipped_bits() const noexcept {
  return core_->flipped_bits();
}

void simulated_disk::set_time_ms(std::int64_t now) noexcept {
  core_->set_time_ms(now);
}

void simulated_disk::set_capacity(std::uint64_t bytes) noexcept {
  core_->set_capacity(bytes);
}

void simulated_disk::set_other_bytes(std::uint64_t bytes) noexcept {
  core_->set_other_bytes(bytes);
}

std::uint64_t simulated_disk::used_bytes() const noexcept {
  return core_->used_bytes();
}

std::vector<std::string> simulated_disk::open_handles() const {
  std::vector<std::string> found;
  for (auto& [id, each] : core_->holders())
    found.push_back(each.what);
  std::ranges::sort(found);
  return found;
}

void simulated_disk::for_each_file(
    const std::function<void(const std::string& path, byte_view bytes)>& visit) const {
  core_->tree().walk([&](const std::string& path, const node_ptr& node) {
    if (!node->directory)
      visit(path, node->image.bytes());
  });
}

std::uint64_t simulated_disk::fingerprint(const std::string& path) const {
  trace_hash hash;
  core_->tree().walk([&](const std::string& at, const node_ptr& node) {
    if (path != "/" && !(at + "/").starts_with(path + "/"))
      return;
    hash.add(at);
    hash.add(std::uint64_t{node->directory});
    hash.add(node->image.bytes());
  });
  return hash.value();
}

} // namespace troupe::sim
