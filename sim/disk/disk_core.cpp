#include "sim/disk/disk_core.hpp"

#include "sim/trace_hash.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <limits>
#include <set>
#include <utility>

namespace troupe::sim {

namespace {

using storage::errc;
using storage::error;
using storage::result;

error dead(const std::string& path) {
  return {errc::io_error, path + ": the process that opened the simulated disk has died"};
}

bool fits(fault_kind fault, call_kind call, const disk_node* node) {
  switch (fault) {
  case fault_kind::short_write:
    return call == call_kind::write;
  case fault_kind::lost_sync:
  case fault_kind::lying_sync:
    return call == call_kind::sync || call == call_kind::sync_directory;
  case fault_kind::flip_bit:
    return node != nullptr && node->image.size() > 0;
  case fault_kind::broken_page:
    return call == call_kind::map;
  default:
    return true;
  }
}

error injected(int number, const operation& what) {
  return storage::system_error(number,
                               "cannot " + std::string(name_of(what.kind)) + " " + what.path);
}

/// What was read counts as resident for so many further reads of its file.
constexpr std::uint64_t warm_reads = 16;
constexpr std::uint64_t most_warm_pages = 256;

std::uint64_t pages_end(std::uint64_t offset, std::uint64_t size) noexcept {
  return (offset + size + page_bytes - 1) / page_bytes;
}

/// A dirty page of some file.
struct dirty_page {
  file_image* image;
  std::uint64_t number;
  std::uint64_t written;
};

} // namespace

std::string_view name_of(survival how) noexcept {
  static constexpr std::array<std::string_view, survival_count> names{"none",   "all",    "random",
                                                                      "newest", "oldest", "torn"};
  return names[static_cast<std::size_t>(how)];
}

result<simulated_disk::core::permit> simulated_disk::core::enter(call_kind kind,
                                                                 const std::string& path) {
  auto node = owner_ != nullptr && !plan_.empty() ? tree_.find(path) : nullptr;
  auto* file = node && !node->directory ? node.get() : nullptr;
  return enter(operation{calls_ + 1, kind, path, 0, 0}, file);
}

result<simulated_disk::core::permit>
simulated_disk::core::enter(std::uint64_t life, call_kind kind, const std::string& path,
                            disk_node& node, std::uint64_t offset, std::uint64_t size) {
  if (life != life_)
    return dead(path);
  return enter(operation{calls_ + 1, kind, path, offset, size}, &node);
}

result<simulated_disk::core::permit> simulated_disk::core::enter(const operation& what,
                                                                 disk_node* node) {
  if (owner_ == nullptr || crashed_)
    return dead(what.path);
  permit allowed;
  allowed.call = ++clock_;
  if (!watching_)
    return allowed;
  ++calls_;
  if (owner_->on_operation)
    owner_->on_operation(what);
  std::optional<error> failure;
  for (auto& each : plan_) {
    if (!happens(each, what, node))
      continue;
    if (auto failed = act(each.what, what, node, allowed); failed && !failure)
      failure = std::move(failed);
  }
  if (crashed_)
    return dead(what.path);
  if (failure)
    return *std::move(failure);
  return allowed;
}

result<bool> simulated_disk::core::resident(std::uint64_t life, const std::string& path,
                                            disk_node& node, std::uint64_t offset,
                                            std::uint64_t size) {
  if (life != life_ || owner_ == nullptr || crashed_)
    return dead(path);
  if (!watching_ || cold_one_in_ == 0)
    return true;
  auto& memory = node.memory;
  const auto asked = ++memory.asked;
  std::erase_if(memory.warm, [asked](auto& page) { return page.second < asked; });
  const auto end = pages_end(offset, size);
  for (auto page = offset / page_bytes; page < end; ++page) {
    if (memory.warm.contains(page))
      continue;
    // One page stands for all that are not known: a long read would else never succeed.
    trace_hash drawn;
    drawn.add(cold_seed_);
    drawn.add(path);
    drawn.add(page);
    drawn.add(asked);
    return random_source(drawn.value()).below(cold_one_in_) != 0;
  }
  return true;
}

void simulated_disk::core::note_read(disk_node& node, std::uint64_t offset, std::uint64_t size) {
  auto& memory = node.memory;
  if (memory.asked == 0)
    return; // nobody ever asks
  const auto end = std::min(pages_end(offset, size), offset / page_bytes + most_warm_pages);
  for (auto page = offset / page_bytes; page < end && memory.warm.size() < most_warm_pages; ++page)
    memory.warm[page] = memory.asked + warm_reads;
}

bool simulated_disk::core::happens(planned& each, const operation& what, const disk_node* node) {
  auto& f = each.what;
  if ((f.call != 0 && f.call != what.number) || (f.kind && *f.kind != what.kind) ||
      what.path.find(f.path) == std::string::npos || !fits(f.what, what.kind, node))
    return false;
  if (each.seen++ < f.skip || each.hit >= f.count)
    return false;
  ++each.hit;
  ++faults_hit_;
  return true;
}

std::optional<error> simulated_disk::core::act(const fault& f, const operation& what,
                                               disk_node* node, permit& allowed) {
  switch (f.what) {
  case fault_kind::io_error:
    return injected(EIO, what);
  case fault_kind::no_space:
    return injected(ENOSPC, what);
  case fault_kind::too_many_files:
    return injected(EMFILE, what);
  case fault_kind::short_write:
    allowed.short_bytes = f.argument;
    break;
  case fault_kind::lost_sync:
    allowed.lose = true;
    break;
  case fault_kind::lying_sync:
    allowed.lie = true;
    break;
  case fault_kind::broken_page:
    allowed.broken_at = f.argument;
    break;
  case fault_kind::flip_bit: {
    auto bit = f.argument % (node->image.size() * 8);
    flip_bit(*node, what.path, bit / 8, static_cast<unsigned>(bit % 8));
    break;
  }
  case fault_kind::write_back: {
    random_source random(f.argument);
    write_back(random);
    break;
  }
  case fault_kind::crash:
    crashed_ = true;
    break;
  }
  return std::nullopt;
}

void simulated_disk::core::set_faults(fault_plan plan) {
  plan_.clear();
  for (auto& f : plan)
    plan_.push_back({std::move(f), 0, 0});
  calls_ = 0;
  faults_hit_ = 0;
}

void simulated_disk::core::begin_life() {
  ++life_;
  crashed_ = false;
  holders_.clear();
  set_faults({});
}

std::uint64_t simulated_disk::core::hold(std::string what, node_ptr node) {
  holders_.emplace(next_holder_, holder{std::move(what), std::move(node)});
  return next_holder_++;
}

std::uint64_t simulated_disk::core::used_bytes() const {
  std::set<const disk_node*> counted; // only asked whether it holds one
  std::uint64_t blocks = 0;
  auto count = [&](const node_ptr& node) {
    if (node && counted.insert(node.get()).second)
      blocks += node->image.blocks();
  };
  tree_.walk([&](const std::string&, const node_ptr& node) { count(node); });
  for (auto& [id, each] : holders_)
    count(each.node);
  return other_bytes_ + blocks * page_bytes;
}

std::uint64_t simulated_disk::core::fitting(const file_image& image, std::uint64_t offset,
                                            std::uint64_t size) const {
  auto missing = image.blocks_missing(offset, offset + size);
  if (missing == 0 || capacity_ >= std::numeric_limits<std::uint64_t>::max() / 2)
    return size;
  auto used = used_bytes();
  auto free = used < capacity_ ? (capacity_ - used) / page_bytes : 0;
  while (size > 0 && image.blocks_missing(offset, offset + size) > free)
    size = (offset + size - 1) / page_bytes * page_bytes > offset
               ? (offset + size - 1) / page_bytes * page_bytes - offset
               : 0;
  return size;
}

void simulated_disk::core::write_back(random_source& random) {
  tree_.walk([&](const std::string&, const node_ptr& node) {
    auto& image = node->image;
    if (image.size() != image.durable_size() && random.one_in(2))
      image.write_back_size();
    std::vector<std::uint64_t> chosen;
    for (auto& [number, page] : image.pages())
      if (random.one_in(2))
        chosen.push_back(number);
    for (auto number : chosen)
      image.write_back(number, 0xff);
  });
  tree_.write_back(random.below(tree_.pending() + 1));
}

void simulated_disk::core::power_cut(survival how, random_source& random) {
  // Names first: a journal keeps the changes in order, and without one each goes its own way.
  auto in_order = how == survival::oldest || (how != survival::newest && random.one_in(2));
  auto last = random.below(tree_.pending() + 1);
  std::uint64_t number = 0;
  auto mostly = random.between(1, 99);
  tree_.revert([&] {
    if (how == survival::none || how == survival::all)
      return how == survival::all;
    return in_order ? number++ < last : random.percent(mostly);
  });
  std::vector<dirty_page> dirty;
  std::vector<file_image*> files;
  tree_.walk([&](const std::string&, const node_ptr& node) {
    if (node->directory)
      return;
    files.push_back(&node->image);
    for (auto& [page, state] : node->image.pages())
      dirty.push_back({&node->image, page, state.written});
  });
  std::ranges::stable_sort(dirty, {}, &dirty_page::written);
  auto border = random.below(dirty.size() + 1);
  for (std::size_t i = 0; i < dirty.size(); ++i) {
    bool keep = how == survival::all || (how == survival::newest && i >= border) ||
                (how == survival::oldest && i < border);
    if (how == survival::random || how == survival::torn)
      keep = random.percent(mostly);
    if (keep)
      dirty[i].image->write_back(dirty[i].number, how == survival::torn
                                                      ? static_cast<std::uint8_t>(random.next())
                                                      : std::uint8_t{0xff});
  }
  for (auto* image : files) {
    if (how != survival::none && (how == survival::all || random.one_in(2)))
      image->write_back_size();
    image->revert();
  }
  begin_life();
}

} // namespace troupe::sim
