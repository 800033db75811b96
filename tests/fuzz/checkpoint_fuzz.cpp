#include "sim/disk/disk.hpp"
#include "storage/recovery/checkpoint.hpp"
#include "tests/fuzz/hostile.hpp"

#include <string>

using namespace troupe;
using namespace troupe::storage;
using fuzz::must;
using fuzz::require;

namespace {

bool same_times(const checkpoint& a, const checkpoint& b) {
  return a.log_time == b.log_time && a.queue_time == b.queue_time && a.index_time == b.index_time &&
         a.master_flushed_offset == b.master_flushed_offset && a.confirm_offset == b.confirm_offset;
}

bool same_addition(const checkpoint& a, const checkpoint& b) {
  return a.safe_offset == b.safe_offset && a.queue_count == b.queue_count &&
         a.entry_total == b.entry_total && a.index_files == b.index_files;
}

} // namespace

/// The file `checkpoint`: every file is read, what was read and written again reads equal, and what
/// a start uses of it lies within the log and the past.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string path = "/store/checkpoint";
  sim::simulated_disk disk;
  fuzz::place_file(disk, path, fuzz::input(data, size).rest());
  const auto found = must(load_checkpoint(disk, path));
  require(found.extension_valid || same_addition(found, {}), "a void addition says nothing");

  must(save_checkpoint(disk, path, found));
  const auto again = must(load_checkpoint(disk, path));
  require(again.extension_valid, "what was written is complete");
  require(same_times(found, again) && same_addition(found, again), "what was written reads equal");

  constexpr log_offset log_end = 1'000'000;
  constexpr std::int64_t now = 1'767'225'600'000;
  const auto used = found.clamped(log_end, now);
  require(used.minimum_time() >= 0 && used.minimum_time() <= now, "a start begins in the past");
  require(!used.extension_valid || (used.safe_offset >= 0 && used.safe_offset <= log_end),
          "an addition that counts lies within the log");
  return 0;
}
