#include "storage/recovery/recovery.hpp"

#include "storage/log/commit_log.hpp"
#include "storage/log/log_view.hpp"
#include "storage/os/posix_file_system.hpp"
#include "storage/recovery/abort_marker.hpp"
#include "tests/support/bytes.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/failing_file_system.hpp"
#include "tests/support/golden.hpp"

#include <rapidcheck.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <set>

#include <unistd.h>

using namespace troupe::storage;
using namespace troupe::test;

namespace {

constexpr std::int64_t later = 1'800'000'000'000; // after both golden stores were written
constexpr log_offset crash_end = 803526;
constexpr log_offset crash_last_record = 803295;
constexpr log_offset normal_end = 715564;

/// As RocketMQ reads its checkpoint.
recovery_plan plan_of(const golden_copy& store, bool abnormal, log_offset highest_queue_end) {
  auto log = store.checkpoint_time(0);
  auto lowest = std::min(log, store.checkpoint_time(1));
  return {.abnormal = abnormal,
          .now_ms = later,
          .log_time_ms = log,
          .minimum_time_ms = std::max<std::int64_t>(0, lowest - 3000),
          .highest_queue_end = highest_queue_end};
}

recovery_plan crash_plan(const golden_copy& store) {
  return plan_of(store, true, crash_end);
}
recovery_plan normal_plan(const golden_copy& store) {
  return plan_of(store, false, normal_end);
}

recovered_log recover(const golden_copy& store, const recovery_plan& plan) {
  auto recovered = recover_log(posix_file_system(), store.options(), plan);
  INFO((recovered.has_error() ? recovered.error().message : ""));
  REQUIRE(recovered.has_value());
  return std::move(recovered).value();
}

/// The manifest's messages that can be read, each checked against its line.
std::size_t readable(const golden_copy& store, const std::string& name, const recovered_log& log) {
  log_view view(posix_file_system(), store.options(), log.min_offset);
  std::size_t count = 0;
  for (auto& line : read_manifest(name)) {
    auto message = view.read(line.offset);
    if (line.offset >= log.end || message.has_error())
      continue;
    CHECK(message.value().view.topic == line.topic);
    CHECK(message.value().view.size == line.size);
    ++count;
  }
  return count;
}

/// Recovers once more and looks for any difference.
void check_repeatable(const golden_copy& store, const recovery_plan& plan, log_offset end) {
  auto before = tree_of(store.root());
  auto again = recover(store, plan);
  CHECK(again.end == end);
  CHECK(tree_of(store.root()) == before);
}

golden_message record_number(const std::string& name, std::size_t number) {
  auto lines = read_manifest(name);
  std::ranges::sort(lines, {}, &golden_message::offset);
  return lines.at(number);
}

/// Where the body of a record with IPv4 hosts begins.
log_offset body_of(log_offset record) {
  return record + 88;
}

} // namespace

TEST_CASE("recovery: a store that was closed in order stays as it is", "[storage]") {
  golden_copy store("normal-5.3.3");
  auto before = tree_of(store.root());
  auto log = recover(store, normal_plan(store));
  CHECK(log.min_offset == 0);
  CHECK(log.end == normal_end);
  CHECK(log.scanned_from == 655360); // the file in which the queues' knowledge ends
  CHECK_FALSE(log.cut);
  CHECK_FALSE(log.needs_repair);
  CHECK(log.warnings.empty());
  REQUIRE(log.current != nullptr);
  CHECK(log.current->path() == store.log_path(normal_end));
  CHECK(tree_of(store.root()) == before);
  CHECK(readable(store, "normal-5.3.3", log) == 1362);
}

TEST_CASE("recovery: after a crash the log ends behind the last whole record", "[storage]") {
  golden_copy store("crash-5.3.3");
  auto log = recover(store, crash_plan(store));
  CHECK(log.end == crash_end);
  CHECK(log.scanned_from > 0);
  CHECK_FALSE(log.cut);
  CHECK(log.last_store_timestamp == record_number("crash-5.3.3", 1566).store_timestamp);
  CHECK_FALSE(std::filesystem::exists(store.log_path(851968))); // was made ahead of time
  CHECK(readable(store, "crash-5.3.3", log) == 1567);
  check_repeatable(store, crash_plan(store), crash_end);
}

TEST_CASE("recovery: a torn last record is cut and its bytes are zeroed", "[storage]") {
  golden_copy store("crash-5.3.3");
  SECTION("a bit of the body flipped") {
    store.flip_bit(body_of(crash_last_record));
  }
  SECTION("second half zero") {
    store.write_log(crash_last_record + 115, std::string(116, '\0'));
  }
  SECTION("size one too large") {
    store.flip_bit(crash_last_record + 3);
  }
  SECTION("own offset of another place") {
    store.flip_bit(crash_last_record + 35);
  }
  auto log = recover(store, crash_plan(store));
  CHECK(log.end == crash_last_record);
  CHECK(log.cut);
  CHECK(log.quarantine.empty());
  CHECK_FALSE(log.needs_repair);
  auto rest = 65536 - static_cast<std::size_t>(crash_last_record % 65536);
  CHECK(store.read_log(crash_last_record, rest) == std::string(rest, '\0'));
  CHECK(readable(store, "crash-5.3.3", log) == 1566);
  check_repeatable(store, crash_plan(store), crash_last_record);
}

TEST_CASE("recovery: damage before durable records is kept, and writes are refused", "[storage]") {
  golden_copy store("crash-5.3.3");
  auto damaged = record_number("crash-5.3.3", 783);
  REQUIRE(damaged.offset >= 614982);
  SECTION("a bit of the body flipped") {
    store.flip_bit(body_of(damaged.offset));
  }
  SECTION("magic zero") {
    store.write_log(damaged.offset + 4, std::string(4, '\0'));
  }
  SECTION("the whole record zero") {
    store.write_log(damaged.offset, std::string(damaged.size, '\0'));
  }
  auto before = tree_of(store.root());
  auto log = recover(store, crash_plan(store));
  REQUIRE(log.needs_repair);
  CHECK(log.needs_repair->code == errc::needs_repair);
  CHECK(log.needs_repair->message.find("troupe store repair") != std::string::npos);
  CHECK(log.needs_repair->message.find(store.log_path(damaged.offset)) != std::string::npos);
  CHECK(log.end == crash_end);
  REQUIRE(log.gaps.size() == 1);
  CHECK(log.gaps[0].from == damaged.offset);
  CHECK(log.gaps[0].to == damaged.offset + damaged.size);
  CHECK(log.current == nullptr);
  CHECK_FALSE(log.cut);
  CHECK(readable(store, "crash-5.3.3", log) == 1566);
  CHECK(tree_of(store.root()) == before);
}

TEST_CASE("recovery: valid records behind a torn one are copied before they are cut", "[storage]") {
  golden_copy store("crash-5.3.3");
  auto damaged = record_number("crash-5.3.3", 1540);
  REQUIRE(damaged.store_timestamp > store.checkpoint_time(0)); // never synced as far as known
  REQUIRE(damaged.offset / 65536 == crash_end / 65536);
  store.flip_bit(body_of(damaged.offset));
  auto rest = store.read_log(damaged.offset, static_cast<std::size_t>(crash_end - damaged.offset));
  auto log = recover(store, crash_plan(store));
  CHECK(log.end == damaged.offset);
  CHECK(log.cut);
  CHECK_FALSE(log.needs_repair);
  auto name = "/quarantine/" + offset_file_name(damaged.offset) + "-1800000000000.log";
  CHECK(log.quarantine == store.root() + name);
  CHECK(as_text(read_bytes(log.quarantine)) == rest);
  check_repeatable(store, crash_plan(store), damaged.offset);
}

TEST_CASE("recovery: what an older end left behind is no damage in the middle", "[storage]") {
  // As RocketMQ leaves a store that it cut and wrote on: three old records, then others that end
  // within the old ones. The checkpoint vouches for the time of all of them.
  golden_copy store("crash-5.3.3");
  auto cut_at = record_number("crash-5.3.3", 1545);
  auto old = record_number("crash-5.3.3", 1560);
  REQUIRE(cut_at.offset / 65536 == old.offset / 65536);
  auto plan = crash_plan(store);
  plan.log_time_ms = later - 1;
  plan.minimum_time_ms = 0;
  auto size = static_cast<std::size_t>(old.offset - cut_at.offset) - 50;
  std::string body(size - 92, 'n');
  record_fields fields;
  fields.topic = "T";
  fields.body = as_bytes(body);
  std::vector<std::byte> record(encoded_size(fields, false));
  REQUIRE(record.size() == size);
  record_place place{.queue_position = 0, .offset = cut_at.offset, .store_timestamp = later - 5};
  SECTION("newer than what lies behind: cut, with a copy") {
    encode_record(fields, place, false, record);
    store.write_log(cut_at.offset, as_text(record));
    auto log = recover(store, plan);
    CHECK_FALSE(log.needs_repair);
    CHECK(log.end == cut_at.offset + static_cast<log_offset>(size));
    CHECK(log.cut);
    CHECK_FALSE(log.quarantine.empty());
    check_repeatable(store, plan, log.end);
  }
  SECTION("older than what lies behind: that was written later, and is kept") {
    place.store_timestamp = 5;
    encode_record(fields, place, false, record);
    store.write_log(cut_at.offset, as_text(record));
    auto log = recover(store, plan);
    CHECK(log.needs_repair);
    CHECK(log.end == crash_end);
  }
}

TEST_CASE("recovery: an exact durable offset decides what is damage in the middle", "[storage]") {
  golden_copy store("crash-5.3.3");
  auto damaged = record_number("crash-5.3.3", 1540);
  auto next = record_number("crash-5.3.3", 1541);
  store.flip_bit(body_of(damaged.offset));
  auto plan = crash_plan(store);
  plan.log_time_ms = next.store_timestamp;
  SECTION("records of the checkpoint's millisecond count as durable without it") {
    CHECK(recover(store, plan).needs_repair);
  }
  SECTION("durable up to the damage: cut") {
    plan.safe_offset = damaged.offset;
    auto log = recover(store, plan);
    CHECK_FALSE(log.needs_repair);
    CHECK(log.end == damaged.offset);
  }
  SECTION("durable beyond the damage: not even looked at") {
    plan.safe_offset = next.offset + next.size;
    auto log = recover(store, plan);
    CHECK_FALSE(log.needs_repair);
    CHECK(log.end == crash_end);
  }
  SECTION("durable beyond the damage, which is met: kept") {
    plan.safe_offset = next.offset + next.size + 1; // no record starts there
    CHECK(recover(store, plan).needs_repair);
  }
}

TEST_CASE("recovery: a later file that holds synced data is not cut", "[storage]") {
  // Nothing valid is left from the damage up to the synced end, which lies in the next file.
  golden_copy store("crash-5.3.3");
  constexpr log_offset last_file = 786432;
  auto damaged = record_number("crash-5.3.3", 1450);
  REQUIRE(damaged.offset < last_file);
  store.write_log(damaged.offset,
                  std::string(static_cast<std::size_t>(last_file - damaged.offset), 'x'));
  store.flip_bit(body_of(last_file));
  auto plan = crash_plan(store);
  plan.log_time_ms = 1; // of no use
  SECTION("synced into the later file: kept") {
    plan.safe_offset = last_file + 1;
    auto log = recover(store, plan);
    CHECK(log.needs_repair);
    CHECK(log.end == crash_end);
  }
  SECTION("synced up to the later file: cut") {
    plan.safe_offset = last_file;
    auto log = recover(store, plan);
    CHECK_FALSE(log.needs_repair);
    CHECK(log.end == last_file);
    CHECK_FALSE(log.quarantine.empty());
  }
}

TEST_CASE("recovery: a record behind which no blank fits is not taken", "[storage]") {
  golden_copy store("crash-5.3.3");
  constexpr log_offset last_file = 786432;
  auto left = GENERATE(0u, 1u, 7u, 8u);
  std::string body(65536 - 92 - left, 'n');
  record_fields fields;
  fields.topic = "T";
  fields.body = as_bytes(body);
  std::vector<std::byte> record(encoded_size(fields, false));
  REQUIRE(record.size() == 65536 - left);
  record_place place{.queue_position = 0, .offset = last_file, .store_timestamp = later - 5};
  encode_record(fields, place, false, record);
  store.write_log(last_file, as_text(record) + std::string(left, '\0'));
  auto log = recover(store, crash_plan(store));
  INFO(left);
  CHECK_FALSE(log.needs_repair);
  CHECK(log.end == (left == 0 || left == 8 ? last_file + 65536 - left : last_file));
  // Whatever the end is, the log goes on from it.
  commit_log next(store.options(), log.end, log.current);
  record_place behind{};
  fields.body = {};
  CHECK(next.stage(fields, behind) != commit_log::stage_result::too_large);
}

TEST_CASE("recovery: lost last files move the end back to the last blank", "[storage]") {
  golden_copy store("crash-5.3.3");
  for (log_offset start : {786432, 851968})
    std::filesystem::remove(store.log_path(start));
  auto log = recover(store, crash_plan(store));
  CHECK(log.end == 786332);
  REQUIRE_FALSE(log.warnings.empty());
  CHECK(log.warnings.back().text.find(std::to_string(crash_end)) != std::string::npos);
  CHECK(store.read_log(786332, 100) == std::string(100, '\0'));
  check_repeatable(store, crash_plan(store), 786332);
}

TEST_CASE("recovery: a log that ends before what its checkpoint calls durable is not written to",
          "[storage]") {
  golden_copy store("crash-5.3.3");
  auto plan = crash_plan(store);
  plan.safe_offset = crash_end;
  plan.abnormal = GENERATE(true, false);
  log_offset end = 0;
  SECTION("its last files are gone") {
    for (log_offset start : {786432, 851968})
      std::filesystem::remove(store.log_path(start));
    end = 786332;
  }
  SECTION("its last file holds only zeros") {
    store.write_log(786432, std::string(65536, '\0'));
    end = 786332;
  }
  SECTION("its last record is damaged") {
    auto last = record_number("crash-5.3.3", read_manifest("crash-5.3.3").size() - 1);
    store.flip_bit(body_of(last.offset));
    plan.safe_offset = crash_end + 1; // checked, since no record ends there
    end = last.offset;
  }
  auto before = tree_of(store.root());
  auto log = recover(store, plan);
  REQUIRE(log.needs_repair);
  CHECK(log.needs_repair->message.find("durable up to " + std::to_string(plan.safe_offset)) !=
        std::string::npos);
  CHECK(log.needs_repair->message.find("troupe store repair") != std::string::npos);
  CHECK(readable_until(log.gaps, log.end, 0) <= log.end);
  CHECK(tree_of(store.root()) == before); // whoever finds the files puts them back
  if (end > 0)
    CHECK((log.end == end || log.end == end + 100)); // a blank may end the file
}

TEST_CASE("recovery: after RocketMQ's orderly stop two witnesses show that the log is shorter",
          "[storage]") {
  golden_copy store("normal-5.3.3");
  auto plan = normal_plan(store);
  auto last = record_number("normal-5.3.3", read_manifest("normal-5.3.3").size() - 1);
  REQUIRE(last.offset + static_cast<log_offset>(last.size) == normal_end);
  SECTION("none speaks: it is whole") {
    CHECK_FALSE(recover(store, plan).needs_repair);
  }
  SECTION("a damaged queue entry alone is no witness") {
    plan.highest_queue_end = normal_end + 1'000'000;
    CHECK_FALSE(recover(store, plan).needs_repair);
  }
  SECTION("the last record is gone") {
    store.write_log(last.offset, std::string(last.size, '\0'));
    plan.log_time_ms = last.store_timestamp + 1; // also where the one before has the same time
    CHECK(recover(store, plan).needs_repair);
    auto wild = plan; // one bit of an entry's offset
    wild.highest_queue_end += std::int64_t{1} << 40;
    CHECK_FALSE(recover(store, wild).needs_repair);
    plan.abnormal = true; // a crash may take what was not flushed
    CHECK_FALSE(recover(store, plan).needs_repair);
  }
}

TEST_CASE("recovery: after an orderly stop nothing behind damage is cut for want of a checkpoint",
          "[storage]") {
  golden_copy store("normal-5.3.3");
  auto hit = record_number("normal-5.3.3", read_manifest("normal-5.3.3").size() - 3);
  store.write_log(hit.offset, std::string(hit.size, '\0'));
  recovery_plan plan{.abnormal = false, .now_ms = later};
  auto log = recover(store, plan);
  CHECK(log.needs_repair);
  CHECK(log.end == normal_end);
}

TEST_CASE("recovery: without queues or checkpoint all of the log is checked", "[storage]") {
  golden_copy store("normal-5.3.3");
  recovery_plan plan{.abnormal = false, .now_ms = later};
  auto log = recover(store, plan);
  CHECK(log.end == normal_end);
  CHECK(log.scanned_from == 0);

  golden_copy crashed("crash-5.3.3");
  plan.abnormal = true;
  log = recover(crashed, plan);
  CHECK(log.end == crash_end);
  CHECK(log.scanned_from == 0);
}

TEST_CASE("recovery: a checkpoint that cannot be true is not used", "[storage]") {
  golden_copy store("crash-5.3.3");
  auto plan = crash_plan(store);
  SECTION("in the future") {
    plan.now_ms = plan.log_time_ms - 1;
  }
  SECTION("negative") {
    plan.minimum_time_ms = -5;
  }
  SECTION("newer than the log") {
    plan.log_time_ms = later;
    plan.minimum_time_ms = later;
  }
  SECTION("offset behind the end") {
    plan.safe_offset = crash_end + 1;
  }
  SECTION("offset beyond all files") {
    plan.safe_offset = crash_end * 1000;
  }
  auto log = recover(store, plan);
  CHECK(log.end == crash_end);
  CHECK(log.scanned_from == 0);
  CHECK_FALSE(log.warnings.empty());
}

TEST_CASE("recovery: the scan starts at the exact durable offset", "[storage]") {
  golden_copy store("crash-5.3.3");
  auto plan = crash_plan(store);
  auto from = record_number("crash-5.3.3", 1450);
  plan.safe_offset = from.offset;
  auto log = recover(store, plan);
  CHECK(log.scanned_from == from.offset);
  CHECK(log.end == crash_end);

  SECTION("also when it is the end") {
    plan.safe_offset = crash_end;
    plan.highest_queue_end = -1;
    log = recover(store, plan);
    CHECK(log.scanned_from == crash_end);
    CHECK(log.end == crash_end);
  }
  SECTION("but not when no record starts there") {
    plan.safe_offset = from.offset + GENERATE(-1, 1, 4, 100);
    log = recover(store, plan);
    CHECK(log.scanned_from == from.offset - from.offset % 65536);
    CHECK(log.end == crash_end);
  }
}

TEST_CASE("recovery: missing files are told apart", "[storage]") {
  golden_copy store("normal-5.3.3");
  auto& fs = posix_file_system();
  SECTION("first ones: the minimum moves up") {
    for (log_offset start : {0, 65536, 131072})
      std::filesystem::remove(store.log_path(start));
    auto log = recover(store, normal_plan(store));
    CHECK(log.min_offset == 196608);
    CHECK(log.end == normal_end);
  }
  SECTION("one in the middle: refused") {
    std::filesystem::remove(store.log_path(262144));
    auto refused = recover_log(fs, store.options(), normal_plan(store));
    REQUIRE(refused.has_error());
    CHECK(refused.error().code == errc::needs_repair);
    CHECK(refused.error().message.find("00000000000000262144") != std::string::npos);
  }
  SECTION("all, while the queues know of records: refused unless told") {
    std::filesystem::remove_all(log_directory(store.options()));
    auto plan = normal_plan(store);
    auto refused = recover_log(fs, store.options(), plan);
    REQUIRE(refused.has_error());
    CHECK(refused.error().code == errc::needs_repair);
    plan.accept_empty_log = true;
    auto log = recover(store, plan);
    CHECK(log.end == 0);
    CHECK(log.current == nullptr);
  }
  SECTION("all, in a new store") {
    std::filesystem::remove_all(store.root());
    auto log = recover(store, {.abnormal = false, .now_ms = later});
    CHECK(log.end == 0);
    CHECK(std::filesystem::is_directory(log_directory(store.options())));
  }
}

TEST_CASE("recovery: files of a wrong size are told apart", "[storage]") {
  golden_copy store("normal-5.3.3");
  SECTION("one byte short in the middle: refused, and named") {
    std::filesystem::resize_file(store.log_path(65536), 65535);
    auto refused = recover_log(posix_file_system(), store.options(), normal_plan(store));
    REQUIRE(refused.has_error());
    CHECK(refused.error().code == errc::corrupt);
    CHECK(refused.error().message.find("00000000000000065536") != std::string::npos);
  }
  SECTION("longer: refused, with what can be done") {
    std::filesystem::resize_file(store.log_path(655360), 70000);
    auto refused = recover_log(posix_file_system(), store.options(), normal_plan(store));
    REQUIRE(refused.has_error());
    CHECK(refused.error().code == errc::corrupt);
    CHECK(refused.error().message.find("`troupe store repair`") != std::string::npos);
  }
  SECTION("a file behind the last that was never filled: removed") {
    auto size = GENERATE(0, 1, 40'000);
    std::ofstream(store.log_path(720896)).close();
    std::filesystem::resize_file(store.log_path(720896), static_cast<std::uintmax_t>(size));
    auto log = recover(store, normal_plan(store));
    CHECK(log.end == normal_end);
    CHECK_FALSE(std::filesystem::exists(store.log_path(720896)));
  }
  SECTION("foreign names: ignored with a warning") {
    std::ofstream(log_directory(store.options()) + "/notes.txt") << "hello";
    auto log = recover(store, normal_plan(store));
    CHECK(log.end == normal_end);
    REQUIRE(log.warnings.size() == 1);
    CHECK(log.warnings[0].text.find("notes.txt") != std::string::npos);
  }
}

TEST_CASE("recovery: a last file that lost its end gets its size again", "[storage]") {
  golden_copy store("normal-5.3.3");
  auto path = store.log_path(655360);
  auto last = record_number("normal-5.3.3", read_manifest("normal-5.3.3").size() - 1);
  SECTION("with all its records") {
    std::filesystem::resize_file(path, static_cast<std::uintmax_t>(normal_end - 655360));
    CHECK(recover(store, normal_plan(store)).end == normal_end);
  }
  SECTION("in the middle of a record: what is whole stays") {
    std::filesystem::resize_file(path, static_cast<std::uintmax_t>(last.offset + 10 - 655360));
    auto log = recover(store, normal_plan(store));
    CHECK(log.end == last.offset);
    CHECK(log.current != nullptr);
    check_repeatable(store, normal_plan(store), last.offset);
  }
  SECTION("alone: its length may be the setting's of before, if nothing else is known") {
    for (log_offset start = 0; start < 655360; start += 65536)
      std::filesystem::remove(store.log_path(start));
    std::filesystem::resize_file(path, 65536 - 4096);
    auto plan = normal_plan(store);
    auto refused = recover_log(posix_file_system(), store.options(), plan);
    REQUIRE(refused.has_error());
    CHECK(refused.error().message.find("mapped-file-size-commit-log") != std::string::npos);
    CHECK(std::filesystem::file_size(path) == 65536 - 4096);
    plan.file_size_known = true;
    CHECK(recover(store, plan).end == normal_end);
  }
  CHECK(std::filesystem::file_size(path) == 65536);
}

namespace {

/// From the record with that number on, as if the clock had been set back by an hour before it.
void set_clock_back(const golden_copy& store, std::size_t number) {
  auto lines = read_manifest("crash-5.3.3");
  std::ranges::sort(lines, {}, &golden_message::offset);
  for (auto at = number; at < lines.size(); ++at) {
    std::array<std::byte, 8> bytes{};
    big_endian::store(bytes.data(), lines[at].store_timestamp - 3'600'000);
    store.write_log(lines[at].offset + 56, {reinterpret_cast<const char*>(bytes.data()), 8});
  }
}

} // namespace

TEST_CASE("recovery: a clock that was set back makes durable records no leftovers", "[storage]") {
  golden_copy store("crash-5.3.3");
  auto damaged = record_number("crash-5.3.3", 1540);
  auto next = record_number("crash-5.3.3", 1541);
  set_clock_back(store, 1541);
  store.flip_bit(body_of(damaged.offset));
  auto plan = crash_plan(store);
  plan.safe_offset = next.offset + next.size + 1; // durable, but no record starts there
  CHECK(recover(store, plan).needs_repair);
}

TEST_CASE("recovery: after a clock that was set back old times vouch for nothing", "[storage]") {
  golden_copy store("crash-5.3.3");
  auto damaged = record_number("crash-5.3.3", 1540);
  set_clock_back(store, 1537);
  store.flip_bit(body_of(damaged.offset));
  auto plan = crash_plan(store);
  plan.safe_offset = record_number("crash-5.3.3", 1537).offset;
  plan.log_time_ms = record_number("crash-5.3.3", 1536).store_timestamp;
  auto log = recover(store, plan);
  CHECK_FALSE(log.needs_repair);
  CHECK(log.end == damaged.offset);
}

TEST_CASE("recovery: what cannot be read is never cut", "[storage]") {
  golden_copy store("crash-5.3.3");
  auto before = tree_of(store.root());
  failing_file_system fs(posix_file_system());
  fs.break_page(store.log_path(crash_last_record),
                static_cast<std::size_t>(crash_last_record % 65536));
  auto plan = crash_plan(store);
  auto log = recover_log(fs, store.options(), plan);
  REQUIRE(log.has_value());
  REQUIRE(log.value().needs_repair);
  CHECK(log.value().needs_repair->message.find(store.log_path(crash_last_record)) !=
        std::string::npos);
  CHECK(log.value().end < crash_end);
  CHECK(log.value().current == nullptr);
  CHECK(tree_of(store.root()) == before);
}

TEST_CASE("recovery: whatever is damaged, what is whole stays readable", "[storage]") {
  auto lines = read_manifest("crash-5.3.3");
  failing_file_system fs(posix_file_system());
  fs.skip_syncs();
  CHECK(rc::check("damage anywhere", [&] {
    golden_copy store("crash-5.3.3");
    auto plan = crash_plan(store);
    auto count = *rc::gen::inRange(1, 4);
    std::set<log_offset> damaged;
    for (int i = 0; i < count; ++i) {
      auto& line = lines[*rc::gen::inRange<std::size_t>(lines.size() / 2, lines.size())];
      store.flip_bit(line.offset + *rc::gen::inRange<log_offset>(0, line.size));
      damaged.insert(line.offset);
    }
    auto recovered = recover_log(fs, store.options(), plan);
    RC_ASSERT(recovered.has_value());
    auto& log = recovered.value();
    log_view view(posix_file_system(), store.options(), log.min_offset);
    for (auto& line : lines) {
      auto message = view.read(line.offset);
      if (line.offset >= log.end || damaged.contains(line.offset))
        continue;
      RC_ASSERT(message.has_value());
    }
    // Nothing that was durable may go: its damage makes the log read-only instead.
    auto lost = std::ranges::any_of(lines, [&](const golden_message& line) {
      return line.offset >= log.end && !damaged.contains(line.offset) &&
             line.store_timestamp <= plan.log_time_ms;
    });
    RC_ASSERT(!lost);
    if (log.needs_repair)
      return;
    auto before = tree_of(store.root());
    RC_ASSERT(recover_log(fs, store.options(), plan).value().end == log.end);
    RC_ASSERT(tree_of(store.root()) == before);
  }));
}

TEST_CASE("recovery: dying at any step of the cut leads to the same log", "[storage]") {
  auto damage = [](const golden_copy& store) {
    // Damaged in the file before the last two, so that files go, a tail is zeroed and copied.
    auto torn = record_number("crash-5.3.3", 1480);
    store.flip_bit(body_of(torn.offset));
    return torn.offset;
  };
  auto plan_for = [](const golden_copy& store) {
    auto plan = crash_plan(store);
    plan.log_time_ms = plan.minimum_time_ms; // nothing of the torn part was synced
    return plan;
  };
  golden_copy whole("crash-5.3.3");
  auto end = damage(whole);
  REQUIRE(recover(whole, plan_for(whole)).end == end);
  auto expected = tree_of(log_directory(whole.options()));
  REQUIRE(expected.size() < 13);

  auto finished = false;
  int steps = 0;
  for (; !finished && steps < 100; ++steps) {
    golden_copy store("crash-5.3.3");
    damage(store);
    failing_file_system dying(posix_file_system(), steps);
    dying.skip_syncs();
    finished = recover_log(dying, store.options(), plan_for(store)).has_value();
    CHECK(finished != dying.failed());
    auto log = recover(store, plan_for(store));
    CHECK(log.end == end);
    CHECK(tree_of(log_directory(store.options())) == expected);
    CHECK(std::filesystem::exists(store.root() + "/quarantine"));
  }
  CHECK(finished);
  CHECK(steps > 10);
}

TEST_CASE("abort_marker: holds the process id and goes when removed", "[storage]") {
  golden_copy store("normal-5.3.3");
  auto& fs = posix_file_system();
  CHECK_FALSE(abort_marker_exists(fs, store.root()));
  REQUIRE(create_abort_marker(fs, store.root()).has_value());
  REQUIRE(create_abort_marker(fs, store.root()).has_value());
  CHECK(abort_marker_exists(fs, store.root()));
  auto text = read_bytes(store.root() + "/abort");
  CHECK(as_text(text) == std::to_string(::getpid()));
  REQUIRE(remove_abort_marker(fs, store.root()).has_value());
  CHECK_FALSE(abort_marker_exists(fs, store.root()));
  golden_copy crashed("crash-5.3.3");
  CHECK(abort_marker_exists(fs, crashed.root()));
}
