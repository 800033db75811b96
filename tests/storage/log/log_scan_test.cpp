#include "storage/log/log_scan.hpp"

#include "storage/os/posix_file_system.hpp"
#include "tests/support/bytes.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/golden.hpp"

#include <algorithm>
#include <limits>
#include <vector>

using namespace troupe::storage;
using namespace troupe::test;

namespace {

constexpr log_offset end_of_log = 715564;

log_scan scan_of(const options& o) {
  return {posix_file_system(), o, list_log(posix_file_system(), o).value().listing.files};
}

} // namespace

TEST_CASE("log_scan: a record that starts right before the data of a sparse file is found",
          "[storage]") {
  temporary_directory directory;
  options o;
  o.directory = directory.path();
  o.log_file_size_bytes = mib;
  REQUIRE(make_directories(posix_file_system(), log_directory(o)).has_value());
  auto path = log_file_path(o, 0);
  auto to = posix_file_system().open(path, open_mode::create).value();
  REQUIRE(to->allocate(mib, blocks::sparse).has_value());
  auto hidden = GENERATE(0U, 1U, 2U); // leading zeros of the size, which nobody wrote
  record_fields fields;
  fields.topic = "T";
  record_place place;
  place.offset = 512 * 1024 - static_cast<log_offset>(hidden);
  std::vector<std::byte> record(encoded_size(fields, false));
  encode_record(fields, place, false, record);
  auto written = as_text(record).substr(hidden);
  REQUIRE(write(*to, 512 * 1024, written).has_value());

  auto scan = scan_of(o);
  auto found = scan.find(0).value();
  REQUIRE(found.has_value());
  CHECK(found->offset == place.offset);
  CHECK(found->size == record.size());
  CHECK_FALSE(scan.find(place.offset + 1).value().has_value());
  CHECK(scan.all_zero(0, place.offset).value());
  CHECK_FALSE(scan.all_zero(0, mib).value());
  auto behind = place.offset + static_cast<log_offset>(record.size());
  CHECK(scan.all_zero(behind, std::numeric_limits<log_offset>::max()).value());
}

TEST_CASE("log_scan: records are known by their start and by their end", "[storage]") {
  golden_copy store("normal-5.3.3");
  auto scan = scan_of(store.options());
  CHECK(scan.begin() == 0);
  CHECK(scan.limit() == 11 * 65536);
  auto lines = read_manifest("normal-5.3.3");
  std::ranges::sort(lines, {}, &golden_message::offset);
  for (std::size_t i = 0; i < lines.size(); i += 7) {
    auto offset = lines[i].offset;
    auto end = offset + static_cast<log_offset>(lines[i].size);
    CAPTURE(offset);
    CHECK(scan.record_at(offset).value()->size == lines[i].size);
    CHECK_FALSE(scan.record_at(offset + 1).value().has_value());
    CHECK(scan.record_ending_at(end).value());
    CHECK_FALSE(scan.record_ending_at(end - 1).value());
    CHECK_FALSE(scan.record_ending_at(end + 1).value());
  }
  for (log_offset outside :
       {log_offset{-1}, log_offset{0}, scan.limit() + 1, std::numeric_limits<log_offset>::max()}) {
    CHECK_FALSE(scan.record_ending_at(outside).value());
    if (outside != 0) {
      CHECK_FALSE(scan.record_at(outside).value().has_value());
    }
  }
  CHECK_FALSE(scan.record_ending_at(90).value());
}

TEST_CASE("log_scan: a walk rolls over blanks and tells its last record", "[storage]") {
  golden_copy store("normal-5.3.3");
  auto scan = scan_of(store.options());
  auto run = scan.walk(0).value();
  CHECK(run.end == end_of_log);
  REQUIRE(run.last.has_value());
  CHECK(run.last->offset == 715391);
  CHECK(std::string(run.problem).empty());
  auto none = scan.walk(end_of_log).value();
  CHECK(none.end == end_of_log);
  CHECK_FALSE(none.last.has_value());
}

TEST_CASE("log_scan: any number of threads finds the same end and visits the same records",
          "[storage]") {
  temporary_directory directory;
  options o;
  o.directory = directory / "store";
  o.log_file_size_bytes = 64 * mib;
  REQUIRE(make_directories(posix_file_system(), log_directory(o)).has_value());
  auto to = create_log_file(posix_file_system(), o, 0).value();
  std::vector<std::byte> body(3 * mib, std::byte{'b'});
  record_fields fields;
  fields.topic = "T";
  fields.body = body;
  record_place place;
  std::vector<std::byte> record(encoded_size(fields, false));
  for (; place.queue_position < 20; ++place.queue_position) {
    place.store_timestamp = 1000 + place.queue_position;
    if (place.queue_position == 5) { // a whole record in its body, where a search begins
      record_fields inner;
      inner.topic = "inner";
      record_place where{.queue_position = 0, .offset = 16 * mib + 1000, .store_timestamp = 1};
      auto at = static_cast<std::size_t>(where.offset - place.offset) - 88;
      encode_record(inner, where, false, std::span(body).subspan(at, encoded_size(inner, false)));
    }
    encode_record(fields, place, false, record);
    std::array<byte_view, 1> parts{record};
    REQUIRE(to->write_at(static_cast<std::uint64_t>(place.offset), parts).has_value());
    place.offset += static_cast<log_offset>(record.size());
  }
  auto size = static_cast<log_offset>(record.size());
  auto expected = place.offset;
  auto why = std::string();
  SECTION("whole") {}
  SECTION("a wrong CRC far behind") {
    auto at = GENERATE(3, 6, 11, 17);
    expected = at * size;
    why = "CRC of the body is wrong";
    REQUIRE(write(*to, static_cast<std::uint64_t>(expected + 2'000'000), "x").has_value());
  }
  SECTION("a wrong size, so that nothing behind it can be found by sizes") {
    expected = 9 * size;
    why = "body is longer than its record";
    REQUIRE(write(*to, static_cast<std::uint64_t>(expected + 1), "\1").has_value());
  }
  for (unsigned threads : {1U, 2U, 3U, 8U}) {
    CAPTURE(threads);
    o.scan_threads = threads;
    auto scan = scan_of(o);
    std::vector<log_offset> visited;
    std::uint64_t told = 0;
    scan.report_to({[&](std::uint64_t done, std::uint64_t total) {
      CHECK(done >= told);
      CHECK(total >= done);
      told = done;
    }});
    auto run = scan.walk(0, [&](const record_view& view) { visited.push_back(view.offset); });
    REQUIRE(run.has_value());
    CHECK(run.value().end == expected);
    CHECK(run.value().problem == why);
    CHECK(run.value().last->offset == expected - size);
    CHECK(run.value().last->store_timestamp == 1000 + expected / size - 1);
    REQUIRE(visited.size() == static_cast<std::size_t>(expected / size));
    CHECK(visited.back() == expected - size);
    CHECK(told == static_cast<std::uint64_t>(expected));
  }
}
