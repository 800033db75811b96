#include "storage/log/log_view.hpp"

#include "storage/os/posix_file_system.hpp"
#include "tests/support/bytes.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/golden.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>

using namespace troupe::storage;
using namespace troupe::test;

namespace {

constexpr log_offset file_size = 65536;
constexpr log_offset log_end = 715564;
constexpr auto everything = std::numeric_limits<log_offset>::max();

log_view view_of(const golden_copy& store, log_offset min = 0) {
  return {posix_file_system(), store.options(), min};
}

/// Offsets of all records that a walk visits.
std::vector<log_offset> visited(log_view& view, log_offset from, log_offset to,
                                log_view::walked* stopped = nullptr) {
  std::vector<log_offset> offsets;
  auto walked = view.walk(from, to, verify::structure_and_crc, [&](const record_view& record) {
    offsets.push_back(record.offset);
    return true;
  });
  REQUIRE(walked.has_value());
  if (stopped != nullptr)
    *stopped = walked.value();
  return offsets;
}

std::vector<log_offset> manifest_offsets() {
  std::vector<log_offset> offsets;
  for (auto& line : read_manifest("normal-5.3.3"))
    offsets.push_back(line.offset);
  std::ranges::sort(offsets);
  return offsets;
}

} // namespace

TEST_CASE("log_view: a walk meets every record of a store in order", "[storage]") {
  golden_copy store("normal-5.3.3");
  auto view = view_of(store);
  auto expected = manifest_offsets();
  log_view::walked stopped;
  CHECK(visited(view, 0, log_end, &stopped) == expected);
  CHECK(stopped.end == log_end);
  CHECK(visited(view, 0, everything, &stopped) == expected);
  CHECK(stopped.end == log_end);
  CHECK(std::string(stopped.problem).empty());

  auto some = visited(view, expected[10], expected[20]);
  CHECK(some == std::vector(expected.begin() + 10, expected.begin() + 20));
  CHECK(visited(view, expected[10], expected[20] + 1, &stopped).size() == 10);
  CHECK(stopped.end == expected[20]);
  CHECK(visited(view, expected[10], expected[10]).empty());
}

TEST_CASE("log_view: only what starts a record is read as one", "[storage]") {
  golden_copy store("normal-5.3.3");
  auto view = view_of(store);
  auto lines = read_manifest("normal-5.3.3");
  auto message = view.read(lines[5].offset);
  REQUIRE(message.has_value());
  CHECK(message.value().view.topic == lines[5].topic);
  CHECK(message.value().bytes.size() == lines[5].size);
  CHECK(message.value().bytes.bytes().data() == message.value().view.bytes.data());

  for (log_offset distance : {1, 4, 28, 88}) {
    CAPTURE(distance);
    CHECK(view.read(lines[5].offset + distance).error().code == errc::not_found);
  }
  for (log_offset offset : {log_end, log_end + 1, 10 * file_size + 65535, 11 * file_size,
                            std::numeric_limits<log_offset>::max()}) {
    CAPTURE(offset);
    CHECK(view.read(offset).error().code == errc::not_found);
  }
  CHECK(view.read(-1).error().code == errc::offset_too_small);
}

TEST_CASE("log_view: a damaged record is an error that names file and offset", "[storage]") {
  golden_copy store("normal-5.3.3");
  auto lines = manifest_offsets();
  auto damaged = lines[700];
  store.flip_bit(damaged + 88);
  auto view = view_of(store);
  auto refused = view.read(damaged);
  REQUIRE(refused.has_error());
  CHECK(refused.error().code == errc::corrupt);
  CHECK(refused.error().message.find(store.log_path(damaged)) != std::string::npos);
  CHECK(refused.error().message.find(std::to_string(damaged)) != std::string::npos);
  CHECK(view.read(lines[699]).has_value());
  CHECK(view.read(lines[701]).has_value());

  log_view::walked stopped;
  CHECK(visited(view, 0, log_end, &stopped).size() == 700);
  CHECK(stopped.end == damaged);
  CHECK_FALSE(std::string(stopped.problem).empty());
}

TEST_CASE("log_view: a page that cannot be read fails that request only", "[storage]") {
  golden_copy store("normal-5.3.3");
  auto lines = manifest_offsets();
  auto view = view_of(store);
  auto first = lines[0];
  auto cut = *std::ranges::find_if(lines, [](log_offset o) { return o > 40'000; });
  REQUIRE(view.read(cut).has_value());
  auto held = view.read(first);
  REQUIRE(held.has_value());
  std::filesystem::resize_file(store.log_path(0), 8192); // pages behind can no longer be read
  auto refused = view.read(cut);
  REQUIRE(refused.has_error());
  CHECK(refused.error().code == errc::io_error);
  CHECK(refused.error().message.find(store.log_path(0)) != std::string::npos);
  CHECK(refused.error().message.find(std::to_string(cut)) != std::string::npos);
  CHECK(held.value().bytes.damaged());
  // The next request looks at the file anew and sees that it is too short.
  CHECK(view.read(first).error().code == errc::corrupt);
  CHECK(view.read(file_size + 7).error().code == errc::not_found);

  auto walking = view_of(store);
  CHECK(walking.walk(0, log_end, verify::structure, [](auto&) { return true; }).has_error());
}

TEST_CASE("log_view: positions come in pieces that fit together", "[storage]") {
  golden_copy store("normal-5.3.3");
  auto view = view_of(store);
  auto lines = read_manifest("normal-5.3.3");
  std::ranges::sort(lines, {}, &golden_message::offset);
  std::size_t next = 0;
  log_offset from = 0;
  while (from < log_end) {
    auto batch = view.positions(from, log_end, 100);
    REQUIRE(batch.has_value());
    CHECK(batch.value().from == from);
    REQUIRE(batch.value().to > from);
    CHECK(batch.value().positions.size() <= 100);
    for (auto& position : batch.value().positions) {
      REQUIRE(next < lines.size());
      auto& line = lines[next++];
      CHECK(position.offset == line.offset);
      CHECK(position.size == line.size);
      CHECK(position.queue_id == line.queue_id);
      CHECK(batch.value().topics.at(position.topic) == line.topic);
      CHECK(position.has_queue_entry == line.has_queue_entry());
    }
    from = batch.value().to;
  }
  CHECK(next == lines.size());
  auto none = view.positions(log_end, log_end, 100);
  REQUIRE(none.has_value());
  CHECK(none.value().positions.empty());
  CHECK(none.value().to == log_end);
  CHECK(view.positions(1, log_end, 100).error().code == errc::corrupt);
  CHECK(view.positions(0, log_end, 0).value().to == 0);
}

TEST_CASE("log_view: keeps few maps, and none from those who hold it", "[storage]") {
  golden_copy store("normal-5.3.3");
  log_view view{posix_file_system(), store.options(), 0, 2};
  auto lines = manifest_offsets();
  auto held = view.read(lines[0]).value().bytes;
  auto expected = as_text(held.bytes());
  for (auto offset : lines) {
    REQUIRE(view.read(offset).has_value());
    CHECK(view.map_count() <= 2);
  }
  CHECK(as_text(held.bytes()) == expected);
  CHECK_FALSE(held.damaged());
  // What is held is still known when its file goes.
  auto watched = view.drop_until(file_size);
  REQUIRE(watched.size() == 1);
  watched[0].map.lock()->revoke();
  CHECK(held.damaged());
}

TEST_CASE("log_view: dropped files live on in slices until these go", "[storage]") {
  golden_copy store("normal-5.3.3");
  auto view = view_of(store);
  auto lines = manifest_offsets();
  auto in_second = *std::ranges::find_if(lines, [](log_offset o) { return o >= file_size; });
  auto in_third = *std::ranges::find_if(lines, [](log_offset o) { return o >= 2 * file_size; });
  auto held = view.read(in_second);
  REQUIRE(held.has_value());
  auto slice = held.value().bytes;
  auto expected = as_text(slice.bytes());
  held = error{};
  REQUIRE(view.read(lines[0]).has_value());
  std::filesystem::remove(store.log_path(0));
  std::filesystem::remove(store.log_path(file_size));

  auto watched = view.drop_until(2 * file_size);
  REQUIRE(watched.size() == 1); // the first file's map was held by nobody
  CHECK(watched[0].start == file_size);
  CHECK(view.min_offset() == 2 * file_size);
  CHECK(as_text(slice.bytes()) == expected);
  CHECK(view.read(in_second).error().code == errc::offset_too_small);
  CHECK(view.walk(in_second, log_end, verify::structure, [](auto&) { return true; }).error().code ==
        errc::offset_too_small);
  CHECK(view.read(in_third).has_value());
  CHECK(view.drop_until(0).empty());
  CHECK(view.min_offset() == 2 * file_size);

  watched[0].map.lock()->revoke();
  CHECK(slice.damaged());
  slice = {};
  CHECK(watched[0].map.expired());
}

TEST_CASE("log_view: each of many slices holds its file, and nobody does when the last is gone",
          "[storage]") {
  golden_copy store("normal-5.3.3");
  auto lines = manifest_offsets();
  auto in_second = *std::ranges::lower_bound(lines, file_size);
  auto expected = as_text(view_of(store).read(lines[0]).value().bytes.bytes());
  auto is_mapped = [&] {
    std::ifstream maps("/proc/self/maps");
    std::string all(std::istreambuf_iterator<char>(maps), {});
    return all.find(store.log_path(0)) != std::string::npos;
  };
  for (std::size_t count : {1, 31, 32, 33, 64, 100})
    for (bool dropped : {false, true}) {
      log_view view(posix_file_system(), store.options(), 0, 1);
      std::vector<slice> slices;
      for (std::size_t i = 0; i < count; ++i)
        slices.push_back(view.read(lines[0]).value().bytes);
      if (dropped)
        CHECK(view.drop_until(file_size).size() == 1);
      else // the view has room for one map
        REQUIRE(view.read(in_second).has_value());
      for (auto& one : slices) {
        CHECK(is_mapped());
        CHECK(one.mapped());
        CHECK(as_text(one.bytes()) == expected);
        one = {};
      }
      CHECK_FALSE(is_mapped());
    }
}
