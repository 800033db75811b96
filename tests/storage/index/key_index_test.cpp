#include "storage/index/key_index.hpp"

#include "tests/storage/index/index_stand.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/manifest.hpp"

#include <rapidcheck.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <limits>
#include <map>

using namespace troupe::storage;
using namespace troupe::test;

namespace {

constexpr log_offset no_end = std::numeric_limits<log_offset>::max();

struct fixture : index_stand {
  using index_stand::index_stand;

  std::vector<log_offset> query(const std::string& key, std::size_t count = 64,
                                std::int64_t begin = 0, std::int64_t end = for_ever) {
    return index->query("T", key, count, begin, end).value();
  }
  std::vector<std::string> files() const {
    std::vector<std::string> found;
    for (auto& entry : std::filesystem::directory_iterator(directory / "index"))
      found.push_back(entry.path().string());
    std::sort(found.begin(), found.end());
    return found;
  }
};

void scribble(const std::string& path, std::size_t at, const std::string& bytes) {
  std::fstream out(path, std::ios::in | std::ios::out | std::ios::binary);
  out.seekp(static_cast<std::streamoff>(at));
  out << bytes;
}

std::vector<std::string> keys_of(const golden_message& m) {
  std::vector<std::string> keys;
  auto properties = "UNIQ_KEY\1" + m.unique_key + "\2KEYS\1" + m.keys + "\2";
  for_each_key(indexed_properties(properties),
               [&](std::string_view key) { keys.emplace_back(key); });
  return keys;
}

} // namespace

TEST_CASE("key_index: every key of the golden stores is found", "[storage]") {
  for (auto& store : golden_stores()) {
    CAPTURE(store);
    fixture f;
    std::filesystem::copy(golden_path(store) + "/store/index", f.directory / "index",
                          std::filesystem::copy_options::recursive);
    f.reopen();
    CHECK(f.index->warnings().empty());
    std::size_t keys = 0;
    for (auto& m : read_manifest(store)) {
      if (m.kind == "rollback")
        continue;
      for (auto& key : keys_of(m)) {
        CAPTURE(m.topic, key, m.offset);
        auto found = f.index->query(m.topic, key, 64, m.store_timestamp, m.store_timestamp).value();
        CHECK(std::ranges::find(found, m.offset) != found.end());
        ++keys;
      }
    }
    CHECK(keys > 80);
  }
}

TEST_CASE("key_index: the keys of a golden store give the golden index files", "[storage]") {
  fixture f;
  for (auto& m : read_manifest("normal-4.9.8")) {
    std::vector<std::uint32_t> hashes;
    if (m.kind != "rollback")
      for (auto& key : keys_of(m))
        hashes.push_back(key_hash(m.topic, key));
    REQUIRE(f.index->add(m.offset, m.store_timestamp, hashes).has_value());
    if (m.queue_offset % 7 == 0)
      REQUIRE(f.index->write_out().has_value());
  }
  REQUIRE(f.index->write_out().has_value());
  std::vector<std::string> golden;
  for (auto& entry :
       std::filesystem::directory_iterator(golden_path("normal-4.9.8") + "/store/index"))
    golden.push_back(entry.path().string());
  std::sort(golden.begin(), golden.end());
  auto ours = f.files();
  REQUIRE(ours.size() == golden.size());
  for (std::size_t i = 0; i < golden.size(); ++i) {
    CAPTURE(golden[i]);
    bool same = read_bytes(ours[i]) == read_bytes(golden[i]);
    CHECK(same);
  }
}

TEST_CASE("key_index: what is not written yet is found, newest first", "[storage]") {
  fixture f;
  REQUIRE(f.add(0, 1000, {"a", "b"}).has_value());
  REQUIRE(f.add(100, 2000, {"a"}).has_value());
  CHECK(f.query("a") == offsets{100, 0});
  REQUIRE(f.index->write_out().has_value());
  REQUIRE(f.add(200, 5000, {"a", "a"}).has_value());
  CHECK(f.query("a") == offsets{200, 100, 0});
  CHECK(f.query("a", 2) == offsets{200, 100});
  CHECK(f.query("b") == offsets{0});
  CHECK(f.query("c").empty());
  CHECK(f.query("a", 64, 2000, 2000) == offsets{100});
  CHECK(f.query("a", 64, 3001, 4000).empty());
  CHECK(f.query("a", 64, 3001, for_ever) == offsets{200});
}

TEST_CASE("key_index: a record that is in the index already is skipped", "[storage]") {
  fixture f;
  REQUIRE(f.add(100, 1000, {"a"}).has_value());
  REQUIRE(f.add(100, 1000, {"b"}).has_value());
  REQUIRE(f.add(50, 1000, {"c"}).has_value());
  CHECK(f.query("b").empty());
  CHECK(f.query("c").empty());
  REQUIRE(f.index->write_out().has_value());
  f.reopen();
  REQUIRE(f.add(100, 1000, {"d"}).has_value());
  CHECK(f.query("d").empty());
  REQUIRE(f.add(101, 1000, {"d"}).has_value());
  CHECK(f.query("d") == offsets{101});
}

TEST_CASE("key_index: full files roll, and names rise whatever the clock does", "[storage]") {
  fixture f(7, 4); // three entries a file
  for (log_offset n = 0; n < 10; ++n) {
    REQUIRE(f.add(100 * n, 1000 * (n + 1), {"k"}).has_value());
    f.clock.now -= 1000;
  }
  REQUIRE(f.index->write_out().has_value());
  CHECK(f.index->file_count() == 4);
  auto names = f.files();
  CHECK(names.size() == 4);
  for (auto& name : names) {
    CHECK(name.size() == f.directory.path().size() + std::string("/index/").size() + 17);
    CHECK(std::filesystem::file_size(name) == 40 + 4 * 7 + 20 * 4);
  }
  CHECK(f.query("k").size() == 10);
  REQUIRE(f.index->drop_until(250).has_value());
  CHECK(f.index->file_count() == 3);
  REQUIRE(f.index->drop_until(no_end).has_value());
  CHECK(f.index->file_count() == 1); // never the last
  CHECK(f.query("k") == offsets{900});
}

TEST_CASE("key_index: a clock that was wrong for a while hides no message", "[storage]") {
  constexpr std::int64_t right = 1'700'000'000'000;
  constexpr std::int64_t wrong = right + 5LL * 365 * 24 * 3600 * 1000;
  fixture f;
  const bool began_wrong = GENERATE(true, false);
  if (!began_wrong) {
    REQUIRE(f.add(0, right, {"k"}));
  }
  REQUIRE(f.add(100, wrong, {"k"}));
  REQUIRE(f.add(200, right + 5'000, {"k"})); // the clock was set back
  REQUIRE(f.add(300, right + 6'000, {"k"}));
  const auto since = GENERATE(as<std::string>(), "nothing", "a restart", "a rebuild");
  if (since != "nothing") {
    REQUIRE(f.index->write_out().has_value());
    f.reopen();
  }
  if (since == "a rebuild") {
    REQUIRE(f.index->cut(no_end).has_value()); // from the entries
  }
  CHECK(f.query("k", 64, right + 5'000, right + 10'000) == offsets{300, 200});
  CHECK(f.query("k", 64, wrong, wrong + 10'000) == offsets{100});
  CHECK(f.query("k").size() == (began_wrong ? 3 : 4));
}

TEST_CASE("key_index: written files are unsynced until they are said to be synced", "[storage]") {
  fixture f(7, 4);
  REQUIRE(f.add(0, 1000, {"a", "b"}).has_value());
  CHECK(f.index->unsynced().files.empty());
  REQUIRE(f.index->write_out().has_value());
  auto first = f.index->unsynced();
  CHECK(first.files == f.files());
  CHECK(first.directories == std::vector<std::string>{f.directory / "index"});
  REQUIRE(f.add(100, 2000, {"a", "b"}).has_value()); // rolls: the first file is written again
  f.index->synced(first);
  CHECK(f.index->unsynced().files.size() == 1);
  CHECK(f.index->unsynced().directories.size() == 1);
  REQUIRE(f.index->write_out().has_value());
  f.index->synced(f.index->unsynced());
  CHECK(f.index->unsynced().files.empty());
  CHECK(f.index->unsynced().directories.empty());
}

TEST_CASE("key_index: foreign and damaged files are named and never fatal", "[storage]") {
  fixture f;
  REQUIRE(f.add(0, 1000, {"a"}).has_value());
  REQUIRE(f.index->write_out().has_value());
  auto index = f.directory / "index/";
  std::ofstream(index + "notes") << "x";
  std::ofstream(index + "20000101000000000") << "short";
  std::ofstream(index + "20000101000000001").flush();
  f.reopen();
  CHECK(f.index->warnings().size() == 2);
  CHECK(f.query("a") == offsets{0});
  CHECK_FALSE(std::filesystem::exists(index + "20000101000000001"));
  scribble(f.files()[1], 36, "\xff\xff\xff\xff");
  f.reopen();
  CHECK(f.index->warnings().size() == 3);
  CHECK(f.query("a").empty());
  REQUIRE(f.index->cut(no_end).has_value());
  CHECK(f.query("a") == offsets{0});
}

TEST_CASE("key_index: a cut builds slots and chains anew from the entries", "[storage]") {
  fixture f(5, 40);
  for (log_offset n = 0; n < 10; ++n)
    REQUIRE(f.add(100 * n, 1000 * (n + 1), {"k", "other"}).has_value());
  REQUIRE(f.index->write_out().has_value());
  auto path = f.files()[0];
  auto intact = read_bytes(path);
  constexpr std::size_t entries = 40 + 5 * 4;
  scribble(path, 16, std::string(24, '\x7f'));
  scribble(path, 40, std::string(20, '\x03'));
  scribble(path, entries + 20 * 5 + 16, "\x01");
  scribble(path, entries + 20 * 25, "torn");
  f.reopen();
  REQUIRE(f.index->cut(no_end).has_value());
  bool same = read_bytes(path) == intact;
  CHECK_FALSE(same); // the last time is known to the second only
  auto rebuilt = read_bytes(path);
  std::copy_n(intact.begin() + 8, 8, rebuilt.begin() + 8);
  same = rebuilt == intact;
  CHECK(same);
  CHECK(f.query("k").size() == 10);
}

TEST_CASE("key_index: a begin beyond all times does not hide the entries", "[storage]") {
  fixture f;
  REQUIRE(f.add(100, 1000, {"a"}).has_value());
  REQUIRE(f.index->write_out().has_value());
  scribble(f.files()[0], 0, std::string("\x7f") + std::string(7, '\xff'));
  scribble(f.files()[0], 8, std::string("\x7f") + std::string(7, '\xff'));
  f.reopen();
  CHECK(f.query("a", 64, 0, no_end) == offsets{100});
  REQUIRE(f.index->cut(no_end).has_value());
  CHECK(f.query("a", 64, 0, no_end) == offsets{100});
}

TEST_CASE("key_index: an entry that holds nothing but a link is none", "[storage]") {
  fixture f;
  REQUIRE(f.add(100, 1000, {"a"}).has_value());
  REQUIRE(f.index->write_out().has_value());
  scribble(f.files()[0], 40 + 100 * 4 + 20, std::string(19, '\0') + "\7");
  f.reopen();
  REQUIRE(f.index->cut(no_end).has_value());
  CHECK(f.index->file_count() == 0);
}

TEST_CASE("key_index: hostile contents end a query instead of trapping it", "[storage]") {
  CHECK(rc::check("random damage", [] {
    fixture f(3, 50);
    for (log_offset n = 0; n < 40; ++n)
      RC_ASSERT(f.add(100 * n, 1000 * (n + 1), {"k" + std::to_string(n % 4)}).has_value());
    RC_ASSERT(f.index->write_out().has_value());
    auto path = f.files()[0];
    auto size = std::filesystem::file_size(path);
    for (int i = *rc::gen::inRange(1, 30); i > 0; --i) {
      auto byte = static_cast<char>(*rc::gen::inRange(0, 256));
      scribble(path, *rc::gen::inRange<std::size_t>(0, size), std::string(1, byte));
    }
    f.reopen();
    for (int k = 0; k < 4; ++k)
      RC_ASSERT(f.query("k" + std::to_string(k)).size() <= 64U);
    RC_ASSERT(f.add(100'000, 50'000, {"new"}).has_value());
    RC_ASSERT(f.index->cut(*rc::gen::inRange<log_offset>(0, 5000)).has_value());
    RC_ASSERT(f.index->write_out().has_value());
  }));
}

namespace {

struct indexed {
  log_offset offset;
  std::int64_t time;
};

/// All that was indexed, by key, oldest first.
struct model {
  std::map<std::string, std::vector<indexed>> keys;

  offsets newest(const std::string& key, std::int64_t begin, std::int64_t end) const {
    offsets found;
    auto all = keys.find(key);
    if (all != keys.end())
      for (auto& one : all->second)
        if (one.time >= begin && one.time <= end && (found.empty() || found.back() != one.offset))
          found.push_back(one.offset);
    std::reverse(found.begin(), found.end());
    found.resize(std::min<std::size_t>(found.size(), 64));
    return found;
  }
  void cut(log_offset safe) {
    for (auto& [key, all] : keys)
      std::erase_if(all, [safe](auto& one) { return one.offset >= safe; });
  }
};

void check_against(fixture& f, const model& m, std::int64_t now) {
  auto begin = *rc::gen::inRange<std::int64_t>(0, now + 1);
  auto end = *rc::gen::inRange<std::int64_t>(begin, now + 1);
  for (auto key : {"a", "b", "c", "d", "e"}) {
    RC_ASSERT(f.query(key) == m.newest(key, 0, for_ever));
    auto exact = m.newest(key, begin, end);
    auto found = f.query(key, 64, begin, end);
    for (auto offset : exact)
      RC_ASSERT(found.size() == 64U || std::ranges::find(found, offset) != found.end());
    auto generous = m.newest(key, begin - 1000, end + 1000);
    for (auto offset : found)
      RC_ASSERT(std::ranges::find(generous, offset) != generous.end());
  }
}

} // namespace

TEST_CASE("key_index: any order of operations agrees with a simple model", "[storage]") {
  CHECK(rc::check("model", [] {
    fixture f(5, *rc::gen::inRange<std::uint32_t>(2, 40));
    model m;
    log_offset end = 0;
    std::int64_t now = 1'000'000;
    for (int step = *rc::gen::inRange(1, 40); step > 0; --step) {
      switch (*rc::gen::inRange(0, 5)) {
      case 0:
      case 1:
        for (int n = *rc::gen::inRange(1, 20); n > 0; --n, end += 100) {
          now += *rc::gen::inRange(0, 3000);
          std::vector<std::string> keys;
          for (int k = *rc::gen::inRange(0, 4); k > 0; --k)
            keys.emplace_back(1, static_cast<char>('a' + *rc::gen::inRange(0, 5)));
          RC_ASSERT(f.add(end, now, keys).has_value());
          for (auto& key : keys)
            m.keys[key].push_back({end, now});
        }
        break;
      case 2:
        RC_ASSERT(f.index->write_out().has_value());
        break;
      case 3: // an orderly restart
        RC_ASSERT(f.index->write_out().has_value());
        f.reopen();
        RC_ASSERT(f.index->warnings().empty());
        break;
      default: { // a crash: slots and counters of the newest file are torn, entries are safe
        RC_ASSERT(f.index->write_out().has_value());
        if (!f.files().empty() && *rc::gen::arbitrary<bool>()) {
          scribble(f.files().back(), 16, std::string(24, '\x7f'));
          scribble(f.files().back(), 40, std::string(20, '\x03'));
        }
        f.reopen();
        auto safe = *rc::gen::inRange<log_offset>(end / 2, end + 1);
        RC_ASSERT(f.index->cut(safe).has_value());
        m.cut(safe);
        end = safe;
      }
      }
      check_against(f, m, now);
    }
  }));
}
