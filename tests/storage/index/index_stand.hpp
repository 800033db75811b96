#pragma once

#include "storage/format/properties.hpp"
#include "storage/index/key_index.hpp"
#include "storage/os/posix_file_system.hpp"
#include "tests/support/observed_file_system.hpp"
#include "tests/support/temporary_directory.hpp"

#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <vector>

namespace troupe::test {

constexpr std::int64_t for_ever = std::numeric_limits<std::int64_t>::max() - 10'000;
using offsets = std::vector<storage::log_offset>;

class set_clock final : public storage::wall_clock {
public:
  std::int64_t now_ms() const override { return now; }
  std::int64_t now = 1'795'387'287'815;
};

/// An index in a directory of its own, of keys of the topic "T".
struct index_stand {
  temporary_directory directory;
  observed_file_system fs{storage::posix_file_system()};
  storage::options o;
  set_clock clock;
  std::unique_ptr<storage::key_index> index;

  explicit index_stand(std::uint32_t slots = 100, std::uint32_t entries = 400) {
    o.directory = directory.path();
    o.index_slots = slots;
    o.index_entries = entries;
    reopen();
  }
  void reopen() { index = storage::key_index::open(fs, o, clock).value(); }
  storage::result<void> add(storage::log_offset offset, std::int64_t time,
                            const std::vector<std::string>& keys) {
    std::vector<std::uint32_t> hashes;
    for (auto& key : keys)
      hashes.push_back(storage::key_hash("T", key));
    return index->add(offset, time, hashes);
  }
};

} // namespace troupe::test
