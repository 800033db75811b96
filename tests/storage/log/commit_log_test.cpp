#include "storage/log/commit_log.hpp"

#include "storage/log/log_view.hpp"
#include "storage/os/posix_file_system.hpp"
#include "tests/support/bytes.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/failing_file_system.hpp"
#include "tests/support/temporary_directory.hpp"

#include <rapidcheck.h>

#include <map>
#include <string>
#include <vector>

using namespace troupe::storage;
using namespace troupe::test;

namespace {

constexpr std::uint32_t file_size = 4096;
constexpr std::uint32_t overhead = record_layout::fixed_bytes_v1 + 1; // topic "T"
using stage_result = commit_log::stage_result;

/// A new log in a directory of its own.
class fixture {
public:
  explicit fixture(file_system& fs = posix_file_system()) : fs_(fs) {
    options_.directory = directory_.path();
    options_.log_file_size_bytes = file_size;
    REQUIRE(make_directories(fs_, log_directory(options_)).has_value());
  }

  void add_file(commit_log& log) const {
    auto start = log.next_file_start();
    auto made = create_log_file(fs_, options_, start);
    REQUIRE(made.has_value());
    log.add_file(start, made.value());
  }

  options& settings() { return options_; }
  log_view view() const { return {posix_file_system(), options_, 0}; }

private:
  temporary_directory directory_;
  options options_;
  file_system& fs_;
};

/// Stages a record that takes `size` bytes with a body of `fill`.
stage_result stage(commit_log& log, std::uint32_t size, log_offset* offset = nullptr,
                   char fill = 'b') {
  REQUIRE(size >= overhead);
  std::string body(size - overhead, fill);
  record_fields fields;
  fields.topic = "T";
  fields.body = as_bytes(body);
  record_place place{.queue_position = 0, .offset = -1, .store_timestamp = 1};
  auto answer = log.stage(fields, place);
  if (offset != nullptr)
    *offset = place.offset;
  return answer;
}

} // namespace

TEST_CASE("commit_log: staged records are readable only after the commit", "[storage]") {
  fixture store;
  commit_log log(store.settings(), 0, nullptr);
  CHECK(log.wants_file());
  CHECK(log.next_file_start() == 0);
  CHECK(stage(log, 200) == stage_result::needs_file);
  store.add_file(log);
  CHECK(log.wants_file());
  CHECK(log.next_file_start() == file_size);

  log_offset second = -1;
  CHECK(stage(log, 200) == stage_result::staged);
  CHECK(stage(log, 300, &second) == stage_result::staged);
  CHECK(second == 200);
  CHECK(log.end() == 0);
  CHECK(log.staged_end() == 500);
  CHECK(log.staged_bytes() == 500);
  CHECK(log.bytes_left_in_file() == file_size - 500);
  auto view = store.view();
  CHECK(view.read(200).error().code == errc::not_found);

  REQUIRE(log.commit().has_value());
  CHECK(log.end() == 500);
  CHECK(log.staged_bytes() == 0);
  auto message = view.read(200);
  REQUIRE(message.has_value());
  CHECK(message.value().view.topic == "T");
  CHECK(as_text(message.value().view.body) == std::string(300 - overhead, 'b'));
}

TEST_CASE("commit_log: a record that does not fit rolls to the next file", "[storage]") {
  fixture store;
  commit_log log(store.settings(), 0, nullptr);
  store.add_file(log);
  store.add_file(log);
  CHECK_FALSE(log.wants_file());
  // What is left behind the first record: `room` bytes; the second wants 200 and 8 for the blank.
  auto room = GENERATE(207U, 208U, 209U, 300U, 8U, 9U, 99U);
  CHECK(stage(log, file_size - room) == stage_result::staged);
  log_offset offset = -1;
  CHECK(stage(log, 200, &offset) == stage_result::staged);
  REQUIRE(log.commit().has_value());
  auto view = store.view();
  if (room >= 208) {
    CHECK(offset == file_size - room);
    CHECK_FALSE(log.wants_file());
  } else {
    CHECK(offset == file_size);
    CHECK(log.wants_file());
    CHECK(view.read(file_size - room).error().code == errc::not_found); // the blank
  }
  CHECK(log.end() == offset + 200);
  std::vector<log_offset> seen;
  auto walked = view.walk(0, log.end(), verify::structure_and_crc, [&](const record_view& record) {
    seen.push_back(record.offset);
    return true;
  });
  REQUIRE(walked.has_value());
  CHECK(walked.value().end == log.end());
  CHECK(seen == std::vector<log_offset>{0, offset});
}

TEST_CASE("commit_log: an exact fit leaves a blank of 8 bytes, one byte less one of 9",
          "[storage]") {
  fixture store;
  commit_log log(store.settings(), 0, nullptr);
  store.add_file(log);
  store.add_file(log);
  auto blank = GENERATE(8U, 9U);
  CHECK(stage(log, file_size - blank) == stage_result::staged);
  CHECK(stage(log, overhead) == stage_result::staged);
  REQUIRE(log.commit().has_value());
  auto first = posix_file_system().open(log_directory(store.settings()) + "/" + offset_file_name(0),
                                        open_mode::read);
  std::string tail(blank, '?');
  REQUIRE(
      first.value()->read_at(file_size - blank, std::as_writable_bytes(std::span(tail))).value() ==
      blank);
  auto expected = std::string("\0\0\0", 3) + static_cast<char>(blank) + "\xcb\xd4\x31\x94" +
                  std::string(blank - 8, '\0');
  CHECK(tail == expected);
}

TEST_CASE("commit_log: one byte more than fits into any file is refused", "[storage]") {
  fixture store;
  commit_log log(store.settings(), 0, nullptr);
  store.add_file(log);
  CHECK(stage(log, file_size - 7) == stage_result::too_large);
  CHECK(log.staged_bytes() == 0);
  CHECK(stage(log, file_size - 8) == stage_result::staged);
  CHECK(stage(log, overhead) == stage_result::needs_file);
  CHECK(log.staged_end() == file_size - 8);
  REQUIRE(log.commit().has_value());
  CHECK(stage(log, overhead) == stage_result::needs_file);
  store.add_file(log);
  CHECK(stage(log, overhead) == stage_result::staged);
}

TEST_CASE("commit_log: a failed commit forgets what was staged, and nothing follows", "[storage]") {
  failing_file_system fs(posix_file_system());
  fixture store(fs);
  commit_log log(store.settings(), 0, nullptr);
  store.add_file(log);
  CHECK(stage(log, 1000) == stage_result::staged);
  REQUIRE(log.commit().has_value());
  store.add_file(log);
  CHECK(stage(log, 3500) == stage_result::staged); // in the second file
  fs.allow(0);
  CHECK(log.commit().error().code == errc::io_error);
  fs.allow(1000);
  CHECK(log.end() == 1000);
  CHECK(log.staged_bytes() == 0);
  CHECK(log.staged_end() == 1000);
  CHECK(log.bytes_left_in_file() == file_size - 1000);
  CHECK(log.commit().error().code == errc::write_stopped);
}

TEST_CASE("commit_log: after a failed write nothing is written any more", "[storage]") {
  failing_file_system fs(posix_file_system());
  fixture store(fs);
  commit_log log(store.settings(), 0, nullptr);
  store.add_file(log);
  store.add_file(log);
  CHECK(stage(log, 1000) == stage_result::staged);
  REQUIRE(log.commit().has_value());
  CHECK(stage(log, 3000) == stage_result::staged);
  CHECK(stage(log, 3000) == stage_result::staged);
  fs.allow(1); // the first file's piece is written, the second's is not
  auto failed = log.commit();
  REQUIRE(failed.has_error());
  CHECK(failed.error().code == errc::io_error);
  CHECK(log.end() == 1000);
  fs.allow(1000);
  auto again = log.commit();
  REQUIRE(again.has_error());
  CHECK(again.error().code == errc::write_stopped);
  CHECK(store.view().read(file_size).error().code == errc::not_found);
}

TEST_CASE("commit_log: a log file that cannot be made whole leaves nothing", "[storage]") {
  failing_file_system fs(posix_file_system());
  fixture store(fs);
  CHECK(create_log_file(fs, store.settings(), 0).has_value());
  CHECK(create_log_file(fs, store.settings(), 0).error().code == errc::exists);
  for (int steps : {0, 1, 2, 3}) { // open, allocate, sync, sync of the directory
    fs.allow(steps);
    CHECK(create_log_file(fs, store.settings(), file_size).has_error());
    fs.allow(1000);
    auto state = list_log(posix_file_system(), store.settings()).value();
    if (state.listing.files.size() == 2) // only because the removal failed too
      CHECK(steps >= 2);
    REQUIRE(
        fs.remove(log_directory(store.settings()) + "/" + offset_file_name(file_size)).has_value());
  }
  auto last = std::numeric_limits<log_offset>::max() - 10;
  CHECK(create_log_file(fs, store.settings(), last).error().code == errc::too_large);
}

TEST_CASE("log_file: names are 20 digits and nothing else", "[storage]") {
  CHECK(offset_file_name(0) == "00000000000000000000");
  CHECK(offset_file_name(1073741824) == "00000000001073741824");
  CHECK(parse_offset_file_name("00000000001073741824") == 1073741824);
  CHECK(parse_offset_file_name("09223372036854775807") == 9223372036854775807);
  for (auto* name : {"09223372036854775808", "99999999999999999999", "-0000000000000000001",
                     "+0000000000000000001", "0000000000000000001", "000000000000000000001",
                     "0000000000000000000x", " 0000000000000000001", ""}) {
    CAPTURE(name);
    CHECK_FALSE(parse_offset_file_name(name));
  }
}

TEST_CASE("commit_log: whatever is staged and committed is read back as it was", "[storage]") {
  CHECK(rc::check("commit_log agrees with a map of records", [] {
    failing_file_system fs(posix_file_system());
    fs.skip_syncs();
    fixture store(fs);
    commit_log log(store.settings(), 0, nullptr);
    std::map<log_offset, std::pair<std::uint32_t, char>> committed;
    auto pending = committed;
    auto steps = *rc::gen::container<std::vector<std::uint32_t>>(rc::gen::inRange(0U, 3000U));
    for (auto step : steps) {
      auto fill = static_cast<char>('a' + step % 26);
      if (step < 300) {
        RC_ASSERT(log.commit().has_value());
        committed.merge(pending);
        pending.clear();
      } else {
        if (log.wants_file())
          store.add_file(log);
        log_offset offset = -1;
        auto answer = stage(log, step, &offset, fill);
        if (answer == stage_result::needs_file) { // a log without files took the only one
          store.add_file(log);
          answer = stage(log, step, &offset, fill);
        }
        RC_ASSERT(answer == stage_result::staged);
        pending[offset] = {step, fill};
      }
    }
    auto view = store.view();
    auto at = committed.begin();
    auto walked = view.walk(0, log.end(), verify::structure_and_crc, [&](const record_view& r) {
      RC_ASSERT(at != committed.end());
      RC_ASSERT(r.offset == at->first);
      RC_ASSERT(as_text(r.body) == std::string(at->second.first - overhead, at->second.second));
      ++at;
      return true;
    });
    RC_ASSERT(walked.has_value());
    RC_ASSERT(walked.value().end == log.end());
    RC_ASSERT(at == committed.end());
  }));
}
