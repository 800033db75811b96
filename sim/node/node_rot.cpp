#include "sim/node/node_rot.hpp"

#include "storage/format/queue_entry.hpp"
#include "storage/log/log_file.hpp"
#include "storage/queues/queue_files.hpp"
#include "storage/recovery/checkpoint.hpp"

#include <algorithm>
#include <cstdlib>
#include <vector>

namespace troupe::sim {

namespace {

struct stored_file {
  std::string path;
  storage::byte_view bytes; ///< good until the disk does something
};

std::vector<stored_file> files_below(const simulated_disk& disk, const std::string& directory) {
  std::vector<stored_file> found;
  disk.for_each_file([&](const std::string& path, storage::byte_view bytes) {
    if (path.starts_with(directory) && !bytes.empty())
      found.push_back({path, bytes});
  });
  return found;
}

/// The number that a file's name is: the place of its first byte.
log_offset start_of(const std::string& path) {
  return std::strtoll(path.c_str() + path.rfind('/') + 1, nullptr, 10);
}

struct byte_range {
  std::uint64_t from = 0;
  std::uint64_t size = 0;
};

struct flipped_bit {
  std::uint64_t at = 0; ///< its byte
  unsigned bit = 0;
};

flipped_bit flip_one(simulated_disk& disk, const std::string& path, const byte_range& range,
                     random_source& random) {
  flipped_bit flipped;
  flipped.at = range.from + random.below(range.size);
  flipped.bit = static_cast<unsigned>(random.below(8));
  disk.flip_bit(path, flipped.at, flipped.bit);
  return flipped;
}

std::string text_of(const std::string& path, const flipped_bit& flipped) {
  return path + " byte " + std::to_string(flipped.at) + " bit " + std::to_string(flipped.bit);
}

} // namespace

storage::byte_view node_rot::as_written(log_offset offset, storage::byte_view bytes) const {
  auto found = struck_.find(offset);
  if (found == struck_.end())
    return bytes;
  auto& versions = found->second;
  bool known = std::ranges::any_of(
      versions, [&](const record_bytes& one) { return std::ranges::equal(one, bytes); });
  return known ? storage::byte_view(versions.front()) : bytes;
}

/// Where another record lies now than when a bit turned over before, the old one is forgotten.
void node_rot::note_struck(log_offset offset, const record_bytes& before,
                           const record_bytes& after) {
  auto& versions = struck_[offset];
  if (versions.empty() || versions.back() != before)
    versions.assign(1, before);
  versions.push_back(after);
}

std::string node_rot::strike(simulated_disk& disk, const storage::options& options,
                             random_source& random) {
  auto dice = random.below(10);
  if (dice < 4)
    return strike_log(disk, options, random);
  if (dice < 7)
    return strike_queue(disk, options, random);
  auto below = dice == 9 ? storage::checkpoint_path(options) : storage::index_directory(options);
  auto what = strike_file(disk, below, random);
  in_derived_ |= !what.empty();
  return what;
}

std::string node_rot::strike_log(simulated_disk& disk, const storage::options& options,
                                 random_source& random) {
  auto files = files_below(disk, storage::log_directory(options) + "/");
  if (files.empty())
    return {};
  auto& file = files[random.below(files.size())];
  auto start = start_of(file.path);
  struct record {
    byte_range range;
    queue_place place;
  };
  std::vector<record> records;
  for (std::uint64_t at = 0; at < file.bytes.size();) {
    auto found = storage::decode_record(file.bytes.subspan(at), start + static_cast<log_offset>(at),
                                        storage::verify::structure);
    if (found.kind != storage::record_kind::message)
      break;
    auto& view = found.view;
    records.push_back(
        {{at, found.size}, {std::string(view.topic), view.queue_id, view.queue_position}});
    at += found.size;
  }
  if (records.empty())
    return {};
  auto& chosen = records[random.below(records.size())];
  places_.insert(chosen.place);
  in_log_ = true;
  auto bytes = file.bytes.subspan(chosen.range.from, chosen.range.size);
  record_bytes before(bytes.begin(), bytes.end());
  auto flipped = flip_one(disk, file.path, chosen.range, random);
  auto after = before;
  after[flipped.at - chosen.range.from] ^= std::byte{1} << flipped.bit;
  note_struck(start + static_cast<log_offset>(chosen.range.from), before, after);
  return text_of(file.path, flipped);
}

std::string node_rot::strike_queue(simulated_disk& disk, const storage::options& options,
                                   random_source& random) {
  auto root = storage::queue_directory(options) + "/";
  auto files = files_below(disk, root);
  if (files.empty())
    return {};
  auto& file = files[random.below(files.size())];
  constexpr auto size = std::uint64_t{storage::queue_entry_bytes};
  std::vector<std::uint64_t> entries;
  for (std::uint64_t at = 0; at + size <= file.bytes.size(); at += size) {
    auto bytes = file.bytes.subspan(at, size);
    if (std::ranges::any_of(bytes, [](std::byte b) { return b != std::byte{0}; }))
      entries.push_back(at);
  }
  if (entries.empty())
    return {};
  auto at = entries[random.below(entries.size())];
  auto name = file.path.substr(root.size()); // TOPIC/QUEUE/START
  auto slash = name.find('/');
  auto queue = std::strtol(name.c_str() + slash + 1, nullptr, 10);
  in_derived_ = true;
  places_.emplace(name.substr(0, slash), static_cast<std::int32_t>(queue),
                  (start_of(file.path) + static_cast<log_offset>(at)) /
                      static_cast<log_offset>(size));
  return text_of(file.path, flip_one(disk, file.path, {at, size}, random));
}

std::string node_rot::strike_file(simulated_disk& disk, const std::string& below,
                                  random_source& random) {
  auto files = files_below(disk, below);
  if (files.empty())
    return {};
  auto& file = files[random.below(files.size())];
  return text_of(file.path, flip_one(disk, file.path, {0, file.bytes.size()}, random));
}

} // namespace troupe::sim
