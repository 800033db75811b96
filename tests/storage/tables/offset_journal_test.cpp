#include "sim/disk/disk.hpp"
#include "storage/tables/offset_table.hpp"
#include "tests/support/bytes.hpp"
#include "tests/support/catch.hpp"

#include <map>
#include <set>
#include <string>
#include <tuple>
#include <vector>

using namespace troupe;
using namespace troupe::storage;
using troupe::test::as_bytes;
using troupe::test::write;

namespace {

constexpr const char* journal = "/store/config/troupe-offsets.journal";
constexpr const char* table_file = "/store/config/consumerOffset.json";

struct fixture {
  sim::simulated_disk disk;
  options o;

  explicit fixture(flush_policy flush = flush_policy::async) {
    o.directory = "/store";
    o.flush = flush;
    REQUIRE(make_directories(disk, "/store/config"));
  }
  offset_table load() { return offset_table::load(disk, o).value(); }
  /// As the process ends and begins again.
  offset_table reload() {
    disk.restart();
    return load();
  }
  /// As `reload`, where nothing in the files is in doubt.
  offset_table reload_undamaged() {
    auto table = reload();
    CHECK(table.warnings().empty());
    return table;
  }
  std::string text(const char* path) {
    auto bytes = read_file(disk, path, 1 << 26);
    return bytes ? test::as_text(bytes.value()) : "";
  }
  void put(const char* path, const std::string& text) {
    REQUIRE(replace_file(disk, path, as_bytes(text)));
  }
  /// Calls of a kind fail at the journal, so many times.
  void fail(sim::fault_kind how, sim::call_kind call, std::uint32_t count = 1,
            std::uint64_t argument = 0) {
    sim::fault fault{.what = how, .kind = call, .path = "journal"};
    fault.count = count;
    fault.argument = argument;
    disk.set_faults({fault});
  }
};

void store(offset_table& table, std::int32_t queue, queue_offset offset,
           const std::string& group = "g") {
  REQUIRE(table.store(group, "t", queue, offset));
  REQUIRE(table.commit());
}

} // namespace

TEST_CASE("offset_journal: what was committed survives the process without a save", "[storage]") {
  fixture f;
  auto table = f.load();
  store(table, 0, 5);
  store(table, 1, 6);
  store(table, 0, 7);
  REQUIRE(table.store("g", "t", 2, 9)); // nobody was told of this one
  auto again = f.reload_undamaged();
  CHECK(again.find("g", "t", 0) == 7);
  CHECK(again.find("g", "t", 1) == 6);
  CHECK_FALSE(again.find("g", "t", 2).has_value());
  CHECK(again.changed()); // and wants to be saved
  REQUIRE(again.save(1));
  CHECK(f.text(journal).empty());
  CHECK(f.reload().find("g", "t", 0) == 7);
}

TEST_CASE("offset_journal: many changes are one write, and it goes on after a restart",
          "[storage]") {
  fixture f;
  auto table = f.load();
  std::vector<std::uint64_t> writes;
  f.disk.on_operation = [&](const sim::operation& done) {
    if (done.kind == sim::call_kind::write)
      writes.push_back(done.size);
  };
  for (int i = 0; i < 1000; ++i)
    REQUIRE(table.store("g", "t", i, i));
  REQUIRE(table.commit());
  CHECK(writes.size() == 1);
  auto again = f.reload();
  store(again, 3, 77);
  auto last = f.reload_undamaged();
  CHECK(last.find("g", "t", 3) == 77);
  CHECK(last.find("g", "t", 999) == 999);
}

TEST_CASE("offset_journal: any tail that was torn off costs only what was not committed",
          "[storage]") {
  fixture f;
  auto table = f.load();
  store(table, 0, 5);
  const auto one = f.text(journal).size();
  store(table, 0, 123456);
  const auto whole = f.text(journal);
  for (auto size = one; size <= whole.size(); ++size) {
    f.put(journal, whole.substr(0, size));
    auto again = f.reload_undamaged();
    CHECK(again.find("g", "t", 0) == (size < whole.size() ? 5 : 123456));
    store(again, 1, 8); // written over the torn end
    auto third = f.reload_undamaged();
    CHECK(third.find("g", "t", 0) == (size < whole.size() ? 5 : 123456));
    CHECK(third.find("g", "t", 1) == 8);
  }
}

TEST_CASE("offset_journal: a damaged line is left out, and those behind it count", "[storage]") {
  fixture f;
  auto table = f.load();
  for (int i = 0; i < 3; ++i)
    store(table, i, 10 + i);
  const auto whole = f.text(journal);
  const auto from = whole.find("t@g 1 11") - 9;
  const auto to = whole.find('\n', from);
  for (auto at = from; at < to; ++at) {
    auto damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ 4);
    f.put(journal, damaged);
    auto again = f.reload();
    CHECK(again.warnings().size() == 1);
    CHECK(again.find("g", "t", 0) == 10);
    CHECK_FALSE(again.find("g", "t", 1).has_value());
    CHECK(again.find("g", "t", 2) == 12);
  }
  for (auto* text : {"", "\n", "x\n", "troupe-offsets 1 \n", "troupe-offsets 2 0-0\n",
                     "troupe-offsets 1 00000000-0\n\n\n\0\n", "troupe-offsets 1 00000000-0"}) {
    f.put(journal, text);
    CHECK_FALSE(f.reload().find("g", "t", 0).has_value());
  }
}

TEST_CASE("offset_journal: behind a damaged first line all others count", "[storage]") {
  fixture f;
  auto table = f.load();
  REQUIRE(table.save(1));
  store(table, 0, 10);
  store(table, 1, 11);
  const auto whole = f.text(journal);
  for (std::size_t at = 0; at < whole.find('\n'); ++at) {
    CAPTURE(at);
    auto damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ 4);
    f.put(journal, damaged);
    auto again = f.reload();
    REQUIRE(again.warnings().size() == 1);
    CHECK(again.warnings()[0].find("1 lines are damaged") != std::string::npos);
    CHECK(again.find("g", "t", 0) == 10);
    CHECK(again.find("g", "t", 1) == 11);
    store(again, 1, 12); // goes on in the same file
    CHECK(f.reload().find("g", "t", 1) == 12);
  }
}

TEST_CASE("offset_journal: one that is no use says what follows from that", "[storage]") {
  fixture f;
  for (auto* text : {"x\n", "troupe-offsets 1 00000001-0\n00000000 t@g 0 1\n"}) {
    f.put(journal, text);
    auto table = f.reload();
    REQUIRE(table.warnings().size() == 1);
    CHECK(table.warnings()[0].find("groups may get some messages again") != std::string::npos);
  }
}

TEST_CASE("offset_journal: it adds nothing to a file that another wrote", "[storage]") {
  fixture f;
  auto table = f.load();
  store(table, 0, 5);
  REQUIRE(table.save(1));
  store(table, 0, 6);
  const auto written = f.text(journal);
  f.put(table_file, R"({"offsetTable":{"t@g":{0:100}}})"); // as Java does
  auto after_java = f.reload();
  CHECK(after_java.find("g", "t", 0) == 100);
  CHECK(after_java.warnings().size() == 1);
  store(after_java, 1, 7);
  auto again = f.reload_undamaged();
  CHECK(again.find("g", "t", 0) == 100);
  CHECK(again.find("g", "t", 1) == 7);
  // Killed between the save and the end of the journal: what was removed stays so.
  again.remove_group("g");
  REQUIRE(again.save(2));
  f.put(journal, written);
  CHECK(f.reload().size() == 0);
}

TEST_CASE("offset_journal: a damaged file is replaced by .bak and the journal", "[storage]") {
  fixture f;
  auto table = f.load();
  store(table, 0, 5);
  REQUIRE(table.save(1));
  store(table, 1, 6);
  REQUIRE(table.save(2));
  store(table, 0, 7);
  f.put(table_file, "{\"offs");
  auto again = f.reload();
  CHECK(again.warnings().size() == 1);
  CHECK(again.find("g", "t", 0) == 7);
  CHECK_FALSE(again.find("g", "t", 1).has_value());
  CHECK(again.changed());
  CHECK(again.sync_journal().has_error()); // it does not have what .bak has
  REQUIRE(again.save(3));
  CHECK(f.reload().find("g", "t", 0) == 7);
}

TEST_CASE("offset_journal: removals are in it too", "[storage]") {
  fixture f;
  auto table = f.load();
  store(table, 0, 5);
  store(table, 0, 6, "h");
  REQUIRE(table.save(1));
  table.remove_group("g");
  REQUIRE(table.commit());
  CHECK_FALSE(f.reload().find("g", "t", 0).has_value());
  CHECK(f.reload().find("h", "t", 0) == 6);
  auto again = f.reload();
  again.remove_topic("t");
  REQUIRE(again.commit());
  REQUIRE(again.sync_journal());
  CHECK(f.reload().size() == 0);
}

TEST_CASE("offset_journal: a write that fails is an error, and nothing was stored", "[storage]") {
  auto how =
      GENERATE(sim::fault_kind::io_error, sim::fault_kind::no_space, sim::fault_kind::short_write);
  fixture f;
  auto table = f.load();
  store(table, 0, 5);
  f.fail(how, sim::call_kind::write, 1, 20);
  REQUIRE(table.store("g", "t", 0, 6));
  REQUIRE(table.store("g", "t", 1, 1));
  CHECK(table.find("g", "t", 0) == 6);
  CHECK(table.commit().has_error());
  CHECK(table.find("g", "t", 0) == 5);
  CHECK_FALSE(table.find("g", "t", 1).has_value());
  CHECK(table.size() == 1);
  store(table, 2, 9); // it passed
  auto again = f.reload_undamaged();
  CHECK(again.find("g", "t", 0) == 5);
  CHECK(again.find("g", "t", 2) == 9);
}

TEST_CASE("offset_journal: after a sync that failed only a save makes it usable again",
          "[storage]") {
  fixture f(flush_policy::sync);
  auto table = f.load();
  store(table, 0, 5);
  f.fail(sim::fault_kind::lost_sync, sim::call_kind::sync);
  REQUIRE(table.store("g", "t", 0, 6));
  CHECK(table.commit().has_error());
  CHECK(table.find("g", "t", 0) == 5);
  REQUIRE(table.store("g", "t", 0, 7));
  CHECK(table.commit().has_error());
  CHECK(table.sync_journal().has_error());
  REQUIRE(table.save(1));
  store(table, 0, 8);
  sim::random_source random(1);
  f.disk.power_cut(sim::survival::none, random);
  CHECK(f.load().find("g", "t", 0) == 8);
}

TEST_CASE("offset_journal: it does not grow for ever when nothing can be saved", "[storage]") {
  fixture f;
  auto table = f.load();
  std::string reason;
  for (int round = 0; round < 2000 && reason.empty(); ++round) {
    for (int i = 0; i < 1000; ++i)
      REQUIRE(table.store("a-group-with-a-longer-name", "t", i, round));
    if (auto done = table.commit(); !done)
      reason = done.error().message;
  }
  CHECK(reason.find("full") != std::string::npos);
  CHECK(table.journal_bytes() <= 32 * mib);
  REQUIRE(table.save(1));
  store(table, 0, 5);
}

/// Random changes, saves, kills and power cuts, against a map of what must be there.
TEST_CASE("offset_journal: what was acknowledged is there after any crash", "[storage]") {
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    INFO("seed " << seed);
    sim::random_source random(seed);
    const bool sync = seed % 2 == 0;
    fixture f(sync ? flush_policy::sync : flush_policy::async);
    std::map<std::pair<std::string, std::int32_t>, queue_offset> model;
    auto table = f.load();
    for (int step = 0; step < 60; ++step) {
      auto group = "g" + std::to_string(random.below(3));
      auto queue = static_cast<std::int32_t>(random.below(3));
      auto choice = random.below(10);
      if (choice < 6) {
        auto offset = static_cast<queue_offset>(random.below(1'000'000));
        REQUIRE(table.store(group, "t", queue, offset));
        REQUIRE(table.commit());
        model[{group, queue}] = offset;
      } else if (choice == 6) {
        table.remove_group(group);
        REQUIRE(table.commit());
        std::erase_if(model, [&](auto& entry) { return entry.first.first == group; });
      } else if (choice == 7) {
        REQUIRE(table.save(step));
      } else {
        // At any call of a save or a commit, or between two.
        sim::fault crash{.what = sim::fault_kind::crash};
        crash.call = f.disk.calls() + 1 + random.below(12);
        f.disk.set_faults({crash});
        static_cast<void>(table.save(step));
        if (sync && random.below(2) == 0)
          f.disk.power_cut(random);
        else
          f.disk.restart();
        f.disk.set_faults({});
        table = f.load();
      }
      REQUIRE(table.size() == model.size());
      for (auto& [key, offset] : model)
        REQUIRE(table.find(key.first, "t", key.second) == offset);
    }
  }
}
