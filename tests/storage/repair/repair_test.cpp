#include "storage/repair/repair.hpp"

#include "storage/log/log_view.hpp"
#include "storage/os/posix_file_system.hpp"
#include "storage/recovery/queue_recovery.hpp"
#include "storage/recovery/store.hpp"
#include "tests/support/bytes.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/failing_file_system.hpp"
#include "tests/support/golden.hpp"

#include <rapidcheck.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <set>
#include <tuple>

using namespace troupe::storage;
using namespace troupe::test;

namespace {

constexpr std::int64_t later = 1'800'000'000'000; // after the golden stores were written

class fixed_clock final : public wall_clock {
public:
  std::int64_t now_ms() const override { return later; }
};
const fixed_clock clock_of_tests;

/// The machine does not fail in these tests: nothing has to wait for the disk.
file_system& fast_files() {
  static failing_file_system fs = [] {
    failing_file_system made(posix_file_system());
    made.skip_syncs();
    return made;
  }();
  return fs;
}

std::vector<golden_message> messages_of(const std::string& name) {
  auto lines = read_manifest(name);
  std::ranges::sort(lines, {}, &golden_message::offset);
  return lines;
}

store_repair open_repair(file_system& fs, const golden_copy& store) {
  auto opened = store_repair::open(fs, store.root(), {100, 400}, clock_of_tests, {});
  INFO((opened.has_error() ? opened.error().message : ""));
  REQUIRE(opened.has_value());
  return std::move(opened).value();
}

std::vector<std::string> repair(const golden_copy& store) {
  auto work = open_repair(fast_files(), store);
  auto done = work.run();
  INFO((done.has_error() ? done.error().message : ""));
  REQUIRE(done.has_value());
  return std::move(done).value();
}

repair_plan plan_for(const golden_copy& store) {
  return open_repair(fast_files(), store).plan();
}

struct started {
  opened_store store;
  recovered_queues queues;
};

/// Starts as a node does, and puts all of the log into the queues.
started start(file_system& fs, const options& o) {
  started out;
  auto opened = open_store(fs, o, clock_of_tests);
  INFO((opened.has_error() ? opened.error().message : ""));
  REQUIRE(opened.has_value());
  out.store = std::move(opened).value();
  auto& log = out.store.log;
  INFO((log.needs_repair ? log.needs_repair->message : ""));
  REQUIRE_FALSE(log.needs_repair);
  queue_recovery_plan plan{log.min_offset, log.end, out.store.known, false};
  auto queues = recover_queues(fs, o, {}, clock_of_tests, plan);
  REQUIRE(queues.has_value());
  out.queues = std::move(queues).value();
  log_view view(fs, o, log.min_offset);
  for (auto at = out.queues.applied; at < log.end;) {
    auto batch = view.positions(at, log.end, 1000);
    INFO((batch.has_error() ? batch.error().message : ""));
    REQUIRE(batch.has_value());
    REQUIRE(batch.value().to > at);
    queue_table::applied done;
    REQUIRE(out.queues.table->apply(batch.value(), 0, done, [](auto&, auto&) {}).has_value());
    CHECK_FALSE(done.gap);
    REQUIRE(out.queues.index->add(batch.value()).has_value());
    at = batch.value().to;
  }
  REQUIRE(out.queues.table->write_out().has_value());
  return out;
}

struct overlap {
  log_offset from = 0;
  log_offset to = 0;
  bool hits(const golden_message& m) const {
    return m.offset < to && from < m.offset + static_cast<log_offset>(m.size);
  }
};

/// Every message that no damage hit is read through its queue, at its number and place.
void check_served(const golden_copy& store, const std::string& name,
                  const std::function<bool(const golden_message&)>& damaged) {
  auto node = start(fast_files(), store.options());
  log_view view(posix_file_system(), store.options(), node.store.log.min_offset);
  std::size_t served = 0;
  for (auto& line : messages_of(name)) {
    CAPTURE(line.offset, line.topic, line.queue_id, line.queue_offset);
    if (damaged(line))
      continue;
    auto message = view.read(line.offset);
    REQUIRE(message.has_value());
    CHECK(message.value().view.topic == line.topic);
    CHECK(message.value().view.size == line.size);
    CHECK_FALSE(is_placeholder(message.value().view));
    ++served;
    if (!message.value().view.has_queue_entry())
      continue;
    auto* queue = node.queues.table->find(line.topic, line.queue_id);
    REQUIRE(queue != nullptr);
    auto entry = queue->entry(line.queue_offset);
    REQUIRE(entry.has_value());
    CHECK(entry.value().offset == line.offset);
    CHECK(entry.value().size == line.size);
  }
  CHECK(served > 0);
}

} // namespace

TEST_CASE("repair: a sound store needs none, and none is made", "[storage]") {
  for (auto* name : {"normal-5.3.3", "crash-5.3.3", "extras-5.3.3"}) {
    golden_copy store(name);
    auto before = tree_of(store.root());
    auto work = open_repair(fast_files(), store);
    CHECK(work.plan().nothing_to_do());
    CHECK(work.plan().messages == messages_of(name).size());
    CHECK(work.run().value().empty());
    CHECK(tree_of(store.root()) == before);
  }
}

TEST_CASE("repair: a torn tail is left to the next start", "[storage]") {
  golden_copy store("crash-5.3.3");
  store.flip_bit(803295 + 88);
  CHECK(plan_for(store).nothing_to_do());
}

TEST_CASE("repair: a damaged record leaves a placeholder with its number", "[storage]") {
  golden_copy store("crash-5.3.3");
  auto lines = messages_of("crash-5.3.3");
  auto victim = lines[783];
  store.flip_bit(victim.offset + 88);
  auto damaged = store.read_log(victim.offset, victim.size);
  auto plan = plan_for(store);
  REQUIRE(plan.gaps.size() == 1);
  CHECK(plan.gaps[0].from == victim.offset);
  CHECK(plan.gaps[0].to == victim.offset + static_cast<log_offset>(victim.size));
  CHECK(plan.gaps[0].reason == "CRC of the body is wrong");
  CHECK(plan.lost_count() == 1);
  CHECK(plan.lost.homeless.empty());
  CHECK(plan.messages == lines.size() - 1);
  auto kept = repair(store);
  REQUIRE(kept.size() == 4); // checkpoint, the gap, queues, index
  CHECK(as_text(read_bytes(kept[1])) == damaged);
  CHECK_FALSE(std::filesystem::exists(store.root() + "/checkpoint"));
  CHECK_FALSE(std::filesystem::exists(store.root() + "/repair"));
  CHECK(std::filesystem::exists(store.root() + "/abort"));

  {
    auto node = start(fast_files(), store.options());
    CHECK(node.store.log.scanned_from == 0);
    CHECK(node.store.log.end == 803526);
    auto entry = node.queues.table->find(victim.topic, victim.queue_id)->entry(victim.queue_offset);
    REQUIRE(entry.has_value());
    CHECK(entry.value().offset == victim.offset);
  }
  log_view view(posix_file_system(), store.options(), 0);
  auto placeholder = view.read(victim.offset).value();
  CHECK(is_placeholder(placeholder.view));
  CHECK(placeholder.view.size == victim.size);
  CHECK(placeholder.view.topic == victim.topic);
  CHECK(placeholder.view.queue_position == victim.queue_offset);
  check_served(store, "crash-5.3.3", [&](auto& m) { return m.offset == victim.offset; });
}

TEST_CASE("repair: the queues tell of messages behind which their queue has none", "[storage]") {
  golden_copy store("crash-5.3.3");
  auto lines = messages_of("crash-5.3.3");
  // The newest message of some queue that is not the newest of the log.
  std::map<std::tuple<std::string, std::int32_t>, golden_message> newest;
  for (auto& line : lines)
    if (line.has_queue_entry())
      newest[{line.topic, line.queue_id}] = line;
  auto victim = newest.begin()->second;
  for (auto& [name, line] : newest)
    if (line.queue_offset > 3 && line.offset < 700'000)
      victim = line;
  store.write_log(victim.offset, std::string(victim.size, '\0'));
  SECTION("they are there") {
    repair(store);
    auto node = start(fast_files(), store.options());
    CHECK(node.queues.table->find(victim.topic, victim.queue_id)->next() ==
          victim.queue_offset + 1);
  }
  SECTION("they are gone: the number is free again") {
    std::filesystem::remove_all(queue_directory(store.options()));
    repair(store);
    auto node = start(fast_files(), store.options());
    CHECK(node.queues.table->find(victim.topic, victim.queue_id)->next() == victim.queue_offset);
  }
}

TEST_CASE("repair: behind a clock that was set back durable messages are no tail", "[storage]") {
  golden_copy store("crash-5.3.3");
  auto lines = messages_of("crash-5.3.3");
  for (std::size_t at = 1541; at < lines.size(); ++at) {
    std::array<std::byte, 8> bytes{};
    big_endian::store(bytes.data(), lines[at].store_timestamp - 3'600'000);
    store.write_log(lines[at].offset + 56, {reinterpret_cast<const char*>(bytes.data()), 8});
  }
  store.flip_bit(lines[1540].offset + 88);
  CHECK(plan_for(store).gaps.empty()); // as RocketMQ leaves bytes of before
  checkpoint known;
  known.safe_offset = lines.back().offset;
  REQUIRE(save_checkpoint(fast_files(), checkpoint_path(store.options()), known));
  CHECK(plan_for(store).gaps.size() == 1);
}

TEST_CASE("repair: a page that can be read at a later attempt is kept", "[storage]") {
  golden_copy store("crash-5.3.3");
  auto before = tree_of(store.root() + "/commitlog");
  failing_file_system fs(posix_file_system());
  fs.skip_syncs();
  fs.break_page(store.log_path(65536), 8192);
  fs.break_reads_too();
  int pauses = 0;
  auto work = store_repair::open(fs, store.root(), {100, 400}, clock_of_tests, {},
                                 [&](std::chrono::milliseconds) {
                                   if (++pauses == 2)
                                     fs.mend_page();
                                 });
  REQUIRE(work.has_value());
  CHECK(pauses == 2);
  CHECK(work.value().plan().nothing_to_do());
  REQUIRE(work.value().run().has_value());
  CHECK(tree_of(store.root() + "/commitlog") == before);
}

TEST_CASE("repair: pages that no attempt can read are counted before anything is written",
          "[storage]") {
  golden_copy store("crash-5.3.3");
  auto before = tree_of(store.root() + "/commitlog");
  failing_file_system fs(posix_file_system());
  fs.skip_syncs();
  fs.break_page(store.log_path(65536), 8192);
  fs.break_reads_too();
  std::chrono::milliseconds paused{0};
  auto work = store_repair::open(fs, store.root(), {100, 400}, clock_of_tests, {},
                                 [&](std::chrono::milliseconds span) { paused += span; });
  REQUIRE(work.has_value());
  CHECK(paused >= std::chrono::milliseconds(500));
  CHECK(work.value().plan().unreadable == store.log_path(65536));
  CHECK(work.value().plan().lost_pages == std::vector<std::uint64_t>{8192});
  CHECK(tree_of(store.root() + "/commitlog") == before);
  REQUIRE(work.value().run().has_value());
  work = error{errc::io_error, "done"}; // gives the store's lock back
  check_served(store, "crash-5.3.3", [](auto& line) {
    return overlap{65536 + 8192, 65536 + 12288}.hits(line);
  });
}

TEST_CASE("repair: a missing file becomes one that leads to the next", "[storage]") {
  golden_copy store("crash-5.3.3");
  std::filesystem::remove(store.log_path(262144));
  std::filesystem::remove(store.log_path(327680));
  overlap lost{262144, 393216};
  if (GENERATE(true, false))
    std::filesystem::remove_all(queue_directory(store.options()));
  auto plan = plan_for(store);
  REQUIRE(plan.gaps.size() == 1);
  CHECK(plan.gaps[0].to == lost.to);
  CHECK(plan.gaps[0].reason.find("00000000000000327680 is missing") != std::string::npos);
  repair(store);
  CHECK(std::filesystem::file_size(store.log_path(262144)) == 65536);
  check_served(store, "crash-5.3.3", [&](auto& m) { return lost.hits(m); });
}

TEST_CASE("repair: the lost end of a log keeps its place and its numbers", "[storage]") {
  golden_copy store("crash-5.3.3");
  auto last = messages_of("crash-5.3.3").back();
  auto end = last.offset + static_cast<log_offset>(last.size);
  checkpoint known;
  known.safe_offset = end;
  known.sizes = file_sizes::of(store.options());
  REQUIRE(save_checkpoint(fast_files(), checkpoint_path(store.options()), known));
  overlap lost{786332, end};
  SECTION("files are gone") {
    for (log_offset start : {786432, 851968})
      std::filesystem::remove(store.log_path(start));
  }
  SECTION("a file is empty") {
    lost.from = 786332;
    store.write_log(786432, std::string(65536, '\0'));
  }
  SECTION("the last record is damaged") {
    lost.from = last.offset;
    store.flip_bit(last.offset + 88);
  }
  std::map<std::tuple<std::string, std::int32_t>, queue_offset> next;
  for (auto& line : messages_of("crash-5.3.3"))
    if (line.has_queue_entry())
      next[{line.topic, line.queue_id}] = line.queue_offset + 1;
  auto plan = plan_for(store);
  REQUIRE(plan.gaps.size() == 1);
  CHECK(plan.gaps[0].from <= lost.from + 100); // a blank may stand before it
  CHECK(plan.gaps[0].to == end);
  repair(store);
  auto node = start(fast_files(), store.options());
  CHECK(node.store.log.end == end);
  for (auto& [queue, number] : next) {
    auto* found = node.queues.table->find(std::get<0>(queue), std::get<1>(queue));
    REQUIRE(found != nullptr);
    CHECK(found->next() == number); // what comes next takes no number of a lost message
  }
}

TEST_CASE("repair: a file of a wrong length gets the others' length", "[storage]") {
  golden_copy store("crash-5.3.3");
  overlap lost;
  auto path = store.log_path(131072);
  SECTION("too short") {
    std::filesystem::resize_file(path, 30'000);
    lost = {131072 + 30'000, 196608};
  }
  SECTION("empty") {
    std::filesystem::resize_file(path, 0);
    lost = {131072, 196608};
  }
  SECTION("too long: what is too much is kept") {
    std::ofstream(path, std::ios::app) << "too much";
  }
  auto kept = repair(store);
  CHECK(std::filesystem::file_size(path) == 65536);
  if (lost.to == 0) {
    auto copy = std::ranges::find_if(
        kept, [](auto& name) { return name.find("-from-65536-") != std::string::npos; });
    REQUIRE(copy != kept.end());
    CHECK(as_text(read_bytes(*copy)) == "too much");
  }
  check_served(store, "crash-5.3.3", [&](auto& m) { return lost.hits(m); });
}

TEST_CASE("repair: what cannot be repaired is refused with the reason", "[storage]") {
  golden_copy store("crash-5.3.3");
  SECTION("a store in use") {
    auto lock = posix_file_system().lock(store.root() + "/lock").value();
    auto refused = store_repair::open(posix_file_system(), store.root(), {}, clock_of_tests, {});
    REQUIRE(refused.has_error());
    CHECK(refused.error().code == errc::locked);
  }
  SECTION("no store") {
    auto refused =
        store_repair::open(posix_file_system(), store.root() + "/index", {}, clock_of_tests, {});
    REQUIRE(refused.has_error());
    CHECK_FALSE(std::filesystem::exists(store.root() + "/index/lock"));
  }
}

TEST_CASE("repair: a log that is gone leaves an empty store, and its queues aside", "[storage]") {
  golden_copy store("normal-5.3.3");
  for (auto& entry : std::filesystem::directory_iterator(log_directory(store.options())))
    std::filesystem::remove(entry.path());
  CHECK(open_store(posix_file_system(), store.options(), clock_of_tests).has_error());
  auto queues = tree_of(queue_directory(store.options()));
  CHECK(plan_for(store).log_is_gone);
  auto kept = repair(store);
  REQUIRE(kept.size() == 3);
  CHECK(tree_of(kept[1]) == queues);
  auto node = start(fast_files(), store.options());
  CHECK(node.store.log.end == 0);
}

TEST_CASE("repair: killed at any step it can be done again", "[storage]") {
  overlap first{100'000, 100'900};
  overlap second{262144 - 3000, 393216 + 500}; // with a file that is missing
  auto damage = [&](const golden_copy& store) {
    store.write_log(first.from, std::string(900, '\xda'));
    store.write_log(second.from, std::string(3000, '\0'));
    store.write_log(393216, std::string(500, 'x'));
    std::filesystem::remove(store.log_path(262144));
    std::filesystem::resize_file(store.log_path(327680), 65'000);
    store.write_log(327680, std::string(65'000, 'y'));
  };
  auto finished = false;
  int steps = 0;
  for (; !finished && steps < 200; ++steps) {
    CAPTURE(steps);
    golden_copy store("crash-5.3.3");
    damage(store);
    auto written = store.read_log(first.from, 900);
    failing_file_system dying(posix_file_system(), steps);
    dying.skip_syncs();
    finished = open_repair(dying, store).run().has_value();
    CHECK(finished != dying.failed());
    if (!finished)
      repair(store);
    CHECK(plan_for(store).nothing_to_do());
    // The bytes as they were are in quarantine, whatever was copied besides.
    auto found = false;
    for (auto& [name, bytes] : tree_of(store.root() + "/quarantine"))
      found = found || as_text(bytes).find(written) != std::string::npos;
    CHECK(found);
    if (steps % 7 == 0 || finished)
      check_served(store, "crash-5.3.3", [&](auto& m) { return first.hits(m) || second.hits(m); });
  }
  CHECK(finished);
  CHECK(steps > 15);
}

TEST_CASE("repair: whatever is damaged, all that is whole is served again", "[storage]") {
  auto lines = messages_of("crash-5.3.3");
  constexpr log_offset log_end = 803526;
  CHECK(rc::check("repair of random damage", [&] {
    golden_copy store("crash-5.3.3");
    std::vector<overlap> damaged;
    auto count = *rc::gen::inRange(1, 5);
    for (int i = 0; i < count; ++i) {
      auto from = *rc::gen::inRange<log_offset>(0, log_end - 70'000);
      auto kind = *rc::gen::inRange(0, 4);
      if (kind == 0) { // a bit that the format protects: size, magic, own offset, body
        auto& line = lines[*rc::gen::inRange<std::size_t>(0, lines.size() - 100)];
        auto at = *rc::gen::element<log_offset>(0, 3, 5, 7, 30, 35, 87, 88);
        store.flip_bit(line.offset + (at == 88 && line.body_size == 0 ? 7 : at));
        damaged.push_back({line.offset, line.offset + static_cast<log_offset>(line.size)});
        continue;
      }
      auto length = kind == 3 ? *rc::gen::inRange<log_offset>(30'000, 70'000)
                              : *rc::gen::inRange<log_offset>(200, 5'000);
      auto stale = *rc::gen::inRange<log_offset>(0, log_end - 70'000);
      for (auto at = from; at < from + length;) { // no write crosses a file
        auto stop = std::min(from + length, at - at % 65536 + 65536);
        auto size = static_cast<std::size_t>(stop - at);
        std::string bytes(size, '\0');
        if (kind == 2) // as from another place of the log
          bytes = store.read_log(stale - stale % 65536 + stale % 60'000, size);
        store.write_log(at, bytes);
        at = stop;
      }
      damaged.push_back({from, from + length});
    }
    auto hit = [&](const golden_message& m) {
      return std::ranges::any_of(damaged, [&](auto& d) { return d.hits(m); });
    };
    auto before = tree_of(log_directory(store.options()));
    repair(store);
    RC_ASSERT(plan_for(store).nothing_to_do());
    std::map<std::string, std::vector<std::byte>> quarantine; // none, if nothing was changed
    if (std::filesystem::exists(store.root() + "/quarantine"))
      quarantine = tree_of(store.root() + "/quarantine");
    auto quarantined = [&](log_offset at, std::byte was) {
      for (auto& [name, bytes] : quarantine) {
        auto start = name.ends_with(".log") ? std::stoll(name.substr(0, 20)) : log_end;
        if (at >= start && at < start + static_cast<log_offset>(bytes.size()) &&
            bytes[static_cast<std::size_t>(at - start)] == was)
          return true;
      }
      return false;
    };
    std::size_t checked = 0;
    for (auto& [name, bytes] : before) {
      auto now = read_bytes(log_directory(store.options()) + "/" + name);
      for (std::size_t i = 0; i < bytes.size() && checked < 40; ++i)
        if (now[i] != bytes[i]) {
          RC_ASSERT(quarantined(std::stoll(name) + static_cast<log_offset>(i), bytes[i]));
          ++checked;
          i += 97;
        }
    }
    check_served(store, "crash-5.3.3", hit);
  }));
}

TEST_CASE("queue_recovery: a rebuild that was interrupted goes on from its checkpoint",
          "[storage]") {
  golden_copy store("crash-5.3.3");
  auto& fs = fast_files();
  log_offset half = 0;
  std::filesystem::remove(store.root() + "/checkpoint");
  {
    auto opened = open_store(fs, store.options(), clock_of_tests).value();
    queue_recovery_plan plan{0, opened.log.end, opened.known, false};
    auto queues = recover_queues(fs, store.options(), {}, clock_of_tests, plan).value();
    CHECK_FALSE(queues.rebuild_reason.empty());
    CHECK(queues.applied == 0);
    log_view view(fs, store.options(), 0);
    auto batch = view.positions(0, opened.log.end, 700).value();
    queue_table::applied done;
    REQUIRE(queues.table->apply(batch, 0, done, [](auto&, auto&) {}).has_value());
    REQUIRE(queues.index->add(batch).has_value());
    REQUIRE(queues.table->write_out().has_value());
    REQUIRE(queues.index->write_out().has_value());
    half = batch.to;
    checkpoint reached;
    reached.log_time = reached.queue_time = batch.positions.back().store_timestamp;
    reached.safe_offset = half;
    reached.queue_count = static_cast<std::uint32_t>(queues.table->queue_count());
    reached.entry_total = queues.table->entry_total();
    reached.index_files = static_cast<std::uint32_t>(queues.index->file_count());
    REQUIRE(save_checkpoint(fs, checkpoint_path(store.options()), reached).has_value());
  }
  {
    auto opened = open_store(fs, store.options(), clock_of_tests).value();
    CHECK(opened.log.scanned_from == half);
    queue_recovery_plan plan{0, opened.log.end, opened.known, false};
    auto queues = recover_queues(fs, store.options(), {}, clock_of_tests, plan).value();
    CHECK(queues.rebuild_reason.empty());
    CHECK(queues.applied == half);
  }
  check_served(store, "crash-5.3.3", [](auto&) { return false; });
}
