#include "sim/disk/disk.hpp"
#include "storage/format/properties.hpp"
#include "storage/index/key_index.hpp"
#include "storage/log/log_file.hpp"
#include "tests/fuzz/hostile.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <memory>
#include <string>
#include <vector>

using namespace troupe;
using namespace troupe::storage;
using fuzz::must;
using fuzz::require;

namespace {

constexpr std::array<std::string_view, 3> keys{"order-0", "order-1", ""};
constexpr std::string_view topic = "TopicOrders";
constexpr auto latest = std::numeric_limits<std::int64_t>::max();

/// What the index says of each key, after a check that it may say so.
std::vector<std::vector<log_offset>> answers(key_index& index, log_offset below) {
  constexpr std::size_t wanted = 8;
  std::vector<std::vector<log_offset>> all;
  for (auto begin : {std::int64_t{0}, std::int64_t{1'795'387'285'000}})
    for (auto key : keys) {
      auto found = must(index.query(topic, key, wanted, begin, latest));
      require(found.size() <= wanted, "a query finds no more than was asked for");
      for (auto offset : found)
        require(offset >= 0 && offset < below, "what is found lies in the log that was kept");
      auto sorted = found;
      std::ranges::sort(sorted);
      require(std::ranges::adjacent_find(sorted) == sorted.end(), "no offset is found twice");
      all.push_back(std::move(found));
    }
  return all;
}

std::unique_ptr<key_index> reopened(file_system& disk, const options& o, const wall_clock& clock) {
  auto index = must(key_index::open(disk, o, clock));
  for (auto& warning : index->warnings())
    require(warning.starts_with(index_directory(o)), "a warning names the file");
  return index;
}

} // namespace

/// Files of the key index, behind an offset up to which they are kept: whatever they hold, queries
/// find offsets that can be in a log; a cut can be done again; and what is added then is found,
/// also after another start.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  options o;
  o.directory = "/store";
  o.index_slots = 100;
  o.index_entries = 400; // those of the golden stores
  const index_geometry geometry{o.index_slots, o.index_entries};
  const fuzz::stopped_clock clock;
  fuzz::input in(data, size);
  const auto safe = in.number_up_to(latest - 1);
  sim::simulated_disk disk;
  for (auto* name : {"/20250101000000000", "/20250102000000000"})
    if (auto content = in.take(geometry.file_bytes()); !content.empty())
      fuzz::place_file(disk, index_directory(o) + name, content, geometry.file_bytes());

  answers(*reopened(disk, o, clock), latest);
  auto index = reopened(disk, o, clock);
  must(index->cut(safe));
  // The cut looks into the newest files only; whoever asks leaves out what lies behind the log.
  auto after_cut = answers(*index, latest);
  auto before = disk.fingerprint();
  index = reopened(disk, o, clock);
  require(answers(*index, latest) == after_cut, "another start finds the same");
  must(index->cut(safe));
  require(disk.fingerprint() == before, "a cut that was done changes nothing");

  const std::array hashes{key_hash(topic, keys[0])};
  must(index->add(safe, clock.now_ms(), hashes));
  auto newest = [](key_index& from) {
    auto found = must(from.query(topic, keys[0], 1, 0, latest));
    return found.empty() ? log_offset{-1} : found.front();
  };
  require(newest(*index) == safe, "what was added is found first");
  must(index->write_out());
  require(newest(*reopened(disk, o, clock)) == safe, "what was written is found first");
  return 0;
}
