#include "storage/recovery/checkpoint.hpp"

#include "storage/os/posix_file_system.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/manifest.hpp"
#include "tests/support/temporary_directory.hpp"

#include <filesystem>
#include <fstream>

using namespace troupe::storage;
using namespace troupe::test;

namespace {

checkpoint example() {
  checkpoint c;
  c.log_time = 1'700'000'000'000;
  c.queue_time = 1'700'000'000'100;
  c.index_time = 1'600'000'000'000;
  c.master_flushed_offset = 17;
  c.confirm_offset = 18;
  c.safe_offset = 123'456;
  c.queue_count = 42;
  c.entry_total = 1LL << 40;
  c.index_files = 7;
  c.sizes = {1 << 30, 6'000'000, 5, 20};
  return c;
}

checkpoint load(const std::string& path) {
  return load_checkpoint(posix_file_system(), path).value();
}

void overwrite(const std::string& path, std::size_t at, char byte) {
  std::fstream out(path, std::ios::in | std::ios::out | std::ios::binary);
  out.seekp(static_cast<std::streamoff>(at));
  out.put(byte);
}

} // namespace

TEST_CASE("checkpoint: what is saved is loaded, in a file of RocketMQ's size", "[storage]") {
  temporary_directory directory;
  auto path = directory / "checkpoint";
  REQUIRE(save_checkpoint(posix_file_system(), path, example()).has_value());
  CHECK(std::filesystem::file_size(path) == 4096);
  auto found = load(path);
  CHECK(found.log_time == 1'700'000'000'000);
  CHECK(found.queue_time == 1'700'000'000'100);
  CHECK(found.index_time == 1'600'000'000'000);
  CHECK(found.master_flushed_offset == 17);
  CHECK(found.confirm_offset == 18);
  CHECK(found.extension_valid);
  CHECK(found.safe_offset == 123'456);
  CHECK(found.queue_count == 42);
  CHECK(found.entry_total == 1ULL << 40);
  CHECK(found.index_files == 7);
}

TEST_CASE("checkpoint: RocketMQ's own files have times and no addition", "[storage]") {
  auto found = load(golden_path("normal-5.3.3") + "/store/checkpoint");
  CHECK_FALSE(found.extension_valid);
  CHECK(found.log_time == 0); // closed before its first thorough flush
  CHECK(found.queue_time == read_manifest("normal-5.3.3").back().store_timestamp);
  CHECK(found.minimum_time() == 0);
  found = load(golden_path("crash-5.3.3") + "/store/checkpoint");
  CHECK(found.log_time == 1795387452522);
  CHECK(found.index_time == 1795387471107);
  CHECK(found.minimum_time() == 1795387449522);
}

TEST_CASE("checkpoint: any changed byte of the addition or of the times voids the addition",
          "[storage]") {
  temporary_directory directory;
  auto path = directory / "checkpoint";
  for (std::size_t at = 0; at < 2048 + 60; at = at == 23 ? 2048 : at + 1) {
    REQUIRE(save_checkpoint(posix_file_system(), path, example()).has_value());
    overwrite(path, at, '\x5a');
    CAPTURE(at);
    CHECK_FALSE(load(path).extension_valid);
  }
}

TEST_CASE("checkpoint: missing, short, empty and zeroed files give zeros", "[storage]") {
  temporary_directory directory;
  auto path = directory / "checkpoint";
  CHECK(load(path).log_time == 0);
  for (std::size_t size : {0U, 39U, 40U, 4096U}) {
    std::ofstream(path, std::ios::binary | std::ios::trunc) << std::string(size, '\0');
    auto found = load(path);
    CHECK(found.log_time == 0);
    CHECK(found.minimum_time() == 0);
    CHECK_FALSE(found.extension_valid);
  }
  REQUIRE(save_checkpoint(posix_file_system(), path, example()).has_value());
  std::filesystem::resize_file(path, 2048 + 59);
  CHECK(load(path).log_time == 1'700'000'000'000);
  CHECK_FALSE(load(path).extension_valid);
}

TEST_CASE("checkpoint: values that cannot be are not believed", "[storage]") {
  auto given = example();
  given.extension_valid = true;
  CHECK(given.clamped(123'456, 1'800'000'000'000).extension_valid);
  CHECK_FALSE(given.clamped(123'455, 1'800'000'000'000).extension_valid);
  auto early = given.clamped(123'456, 1'700'000'000'050);
  CHECK(early.log_time == 1'700'000'000'000);
  CHECK(early.queue_time == 0);
  CHECK(early.minimum_time() == 0);
  given.log_time = -1;
  given.safe_offset = -1;
  CHECK(given.clamped(123'456, 1'800'000'000'000).log_time == 0);
  CHECK_FALSE(given.clamped(123'456, 1'800'000'000'000).extension_valid);
}

TEST_CASE("checkpoint: recovery by time begins 3 s before the older of log and queues",
          "[storage]") {
  checkpoint c;
  c.log_time = 10'000;
  c.queue_time = 9'000;
  CHECK(c.minimum_time() == 6'000);
  c.queue_time = 2'000;
  CHECK(c.minimum_time() == 0);
}

TEST_CASE("checkpoint: the sizes of files are kept, and void when a byte of them changed",
          "[storage]") {
  temporary_directory directory;
  auto path = directory / "checkpoint";
  REQUIRE(save_checkpoint(posix_file_system(), path, example()).has_value());
  CHECK(load(path).sizes == example().sizes);
  for (std::size_t at = 2048 + 64; at < 2048 + 64 + 28; ++at) {
    REQUIRE(save_checkpoint(posix_file_system(), path, example()).has_value());
    overwrite(path, at, '\x5a');
    CAPTURE(at);
    CHECK_FALSE(load(path).sizes.known());
    CHECK(load(path).extension_valid);
  }
  auto without = example();
  without.sizes = {}; // as a version before wrote it
  REQUIRE(save_checkpoint(posix_file_system(), path, without).has_value());
  CHECK_FALSE(load(path).sizes.known());
  CHECK(load(path).safe_offset == 123'456);
}
