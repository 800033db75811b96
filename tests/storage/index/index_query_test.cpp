#include "storage/index/index_query.hpp"

#include "tests/storage/index/index_stand.hpp"
#include "tests/support/catch.hpp"

#include <rapidcheck.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <limits>
#include <mutex>
#include <optional>
#include <thread>

using namespace troupe::storage;
using namespace troupe::test;

namespace {

struct fixture : index_stand {
  using index_stand::index_stand;

  index_query lookup(const std::string& key, std::size_t count = 64, std::int64_t begin = 0,
                     std::int64_t end = for_ever) const {
    return index->lookup("T", key, count, begin, end);
  }
  index_query::answer run(const index_query& asked) { return asked.run(fs).value(); }
};

void scribble(const std::string& path, std::size_t at, const std::string& bytes) {
  std::fstream out(path, std::ios::in | std::ios::out | std::ios::binary);
  out.seekp(static_cast<std::streamoff>(at));
  out << bytes;
}

/// The same answer by both ways, for all keys.
void compare(fixture& f, std::int64_t now) {
  const auto begin = *rc::gen::inRange<std::int64_t>(0, now + 1);
  const auto end = *rc::gen::inRange<std::int64_t>(begin, now + 1);
  const auto count = *rc::gen::inRange<std::size_t>(0, 70);
  for (auto key : {"a", "b", "c", "d", "e"}) {
    f.fs.read_fault = [](const std::string&) { return errc::io_error; };
    const auto all = f.lookup(key);
    const auto some = f.lookup(key, count, begin, end);
    f.fs.read_fault = {};
    RC_ASSERT(f.run(all).found == f.index->query("T", key, 64, 0, for_ever).value());
    RC_ASSERT(f.run(some).found == f.index->query("T", key, count, begin, end).value());
  }
}

} // namespace

TEST_CASE("index_query: finds what the index itself finds", "[storage]") {
  CHECK(rc::check("histories", [] {
    fixture f(*rc::gen::inRange<std::uint32_t>(1, 8), *rc::gen::inRange<std::uint32_t>(2, 40));
    log_offset end = 0;
    std::int64_t now = 1'000'000;
    for (int step = *rc::gen::inRange(1, 30); step > 0; --step) {
      switch (*rc::gen::inRange(0, 7)) {
      default:
        for (int n = *rc::gen::inRange(1, 20); n > 0; --n, end += 100) {
          // Now and then the clock is set back.
          now += *rc::gen::inRange(0, 10) == 0 ? -5000 : *rc::gen::inRange(0, 3000);
          std::vector<std::string> keys;
          for (int k = *rc::gen::inRange(0, 4); k > 0; --k)
            keys.emplace_back(1, static_cast<char>('a' + *rc::gen::inRange(0, 5)));
          RC_ASSERT(f.add(end, now, keys).has_value());
        }
        break;
      case 3:
        RC_ASSERT(f.index->write_out().has_value());
        break;
      case 4:
        RC_ASSERT(f.index->write_out().has_value());
        f.reopen();
        break;
      case 5:
        RC_ASSERT(f.index->drop_until(*rc::gen::inRange<log_offset>(0, end + 1)).has_value());
        break;
      case 6: { // damage, slots above all
        auto paths = f.index->paths();
        if (paths.empty())
          break;
        auto& path = paths[*rc::gen::inRange<std::size_t>(0, paths.size())];
        const auto size = std::filesystem::file_size(path);
        for (int i = *rc::gen::inRange(1, 4); i > 0; --i) {
          const bool slot = *rc::gen::arbitrary<bool>();
          const auto at = slot ? 40 + 4 * *rc::gen::inRange<std::size_t>(0, f.o.index_slots) + 3
                               : *rc::gen::inRange<std::size_t>(40, size);
          scribble(path, at, std::string(1, static_cast<char>(*rc::gen::inRange(0, 50))));
        }
      }
      }
      compare(f, now);
    }
  }));
}

TEST_CASE("index_query: what is in memory needs no file", "[storage]") {
  fixture f(5, 20);
  for (log_offset n = 0; n < 15; ++n)
    REQUIRE(f.add(100 * n, 1000 * (n + 1), {"a"}).has_value());
  auto all = f.lookup("a");
  CHECK(all.parts.empty());
  CHECK(all.search.found.size() == 15);
  REQUIRE(f.index->write_out().has_value());
  CHECK(f.lookup("a").parts.size() == 1);
  for (log_offset n = 15; n < 40; ++n)
    REQUIRE(f.add(100 * n, 1000 * (n + 1), {"a"}).has_value());
  REQUIRE(f.index->file_count() == 3); // 19 entries each
  CHECK(f.lookup("a", 2).parts.empty());
  auto some = f.lookup("a", 4); // two of them in memory
  CHECK(some.search.found == offsets{3900, 3800});
  CHECK(f.run(some).found == offsets{3900, 3800, 3700, 3600});
  CHECK(f.lookup("a", 64, 0, 1000 * 30).parts.size() == 2); // the newest began later
  CHECK(f.run(f.lookup("b")).found.empty());
}

TEST_CASE("index_query: an answer to a lookup stays right while the owner goes on", "[storage]") {
  fixture f(3, 30);
  for (log_offset n = 0; n < 40; ++n)
    REQUIRE(f.add(100 * n, 1000 * (n + 1), {n % 2 == 0 ? "a" : "b"}).has_value());
  const auto unwritten = f.lookup("a");
  offsets expected;
  for (log_offset n = 38; n >= 0; n -= 2)
    expected.push_back(100 * n);
  REQUIRE(f.index->write_out().has_value());
  CHECK(f.run(unwritten).found == expected);
  CHECK(f.run(unwritten).damaged.empty());

  // What is written later may be found as well, and is no damage.
  const auto written = f.lookup("a");
  REQUIRE(f.add(4000, 41'000, {"a", "b", "c", "d"}).has_value());
  REQUIRE(f.index->write_out().has_value());
  auto later = f.run(written);
  CHECK(later.damaged.empty());
  expected.insert(expected.begin(), 4000);
  CHECK(later.found == expected);

  // Files that are gone take their records with them, and those alone.
  const auto path = f.index->paths().back();
  std::filesystem::rename(path, path + "-gone");
  expected.erase(expected.begin(), expected.begin() + 6);
  CHECK(f.run(written).found == expected);
  std::filesystem::rename(path + "-gone", path);
  REQUIRE(f.index->file_count() == 2);
  REQUIRE(f.index->drop_until(4000).has_value());
  later = f.run(written);
  CHECK(later.damaged.empty());
  CHECK(later.found == f.index->query("T", "a", 64, 0, for_ever).value());
  CHECK(later.found == offsets{4000, 3800, 3600, 3400, 3200, 3000});
}

TEST_CASE("index_query: slots that are written before the header are followed", "[storage]") {
  fixture f(3, 30);
  REQUIRE(f.add(0, 1000, {"a"}).has_value());
  REQUIRE(f.index->write_out().has_value());
  const auto asked = f.lookup("a");
  REQUIRE(f.add(100, 2000, {"a"}).has_value());
  int writes = 0; // entries, slots, header
  f.fs.fault = [&](auto what, const std::string&) {
    return what == observed_file_system::action::write && ++writes == 3 ? errc::no_space
                                                                        : errc::none;
  };
  REQUIRE(f.index->write_out().error().code == errc::no_space);
  auto found = f.run(asked);
  CHECK(found.found == offsets{100, 0});
  CHECK(found.damaged.empty());
}

TEST_CASE("index_query: an entry from before the clock was set back ends no search", "[storage]") {
  fixture f(1, 30);
  REQUIRE(f.add(0, 10'000, {"a"}).has_value());
  REQUIRE(f.add(100, 30'000, {"a"}).has_value());
  REQUIRE(f.index->write_out().has_value());
  const auto asked = f.lookup("a", 64, 25'000);
  REQUIRE(f.add(200, 12'000, {"a"}).has_value());
  REQUIRE(f.index->write_out().has_value());
  REQUIRE(f.index->file_count() == 1);
  CHECK(f.run(asked).found == offsets{100});
  CHECK(f.run(f.lookup("a", 64, 25'000)).found == offsets{100});
}

TEST_CASE("index_query: damage is told, and whose file it is", "[storage]") {
  fixture f(3, 30);
  for (log_offset n = 0; n < 40; ++n)
    REQUIRE(f.add(100 * n, 1000 * (n + 1), {"a"}).has_value());
  REQUIRE(f.index->write_out().has_value());
  const auto paths = f.index->paths();
  REQUIRE(paths.size() == 2);
  CHECK(f.run(f.lookup("a")).damaged.empty());
  for (std::size_t place = 0; place < 2; ++place) {
    scribble(paths[place], 40, std::string(12, '\x7f'));
    auto found = f.run(f.lookup("a"));
    CHECK(found.damaged == (place == 0 ? std::vector{paths[0]} : std::vector{paths[1], paths[0]}));
    CHECK(found.found == f.index->query("T", "a", 64, 0, for_ever).value());
    f.index->report_damaged(found.damaged);
  }
  f.index->report_damaged(std::vector<std::string>{"/nowhere"});

  f.fs.read_fault = [](const std::string&) { return errc::io_error; };
  CHECK(f.lookup("a").run(f.fs).error().code == errc::io_error);
  f.fs.read_fault = [](const std::string&) { return errc::too_many_files; };
  CHECK(f.lookup("a").run(f.fs).error().code == errc::too_many_files);
}

TEST_CASE("index_query: an owner goes on while another thread asks its files", "[storage]") {
  fixture f(7, 200);
  std::mutex passing;
  std::optional<index_query> passed;
  log_offset newest = 0; // of the index when it was asked
  bool ended = false;
  std::string wrong;
  std::uint64_t answers = 0;
  REQUIRE(f.add(0, 1000, {"k0"}).has_value());
  passed = f.lookup("k0");
  std::thread other([&] {
    for (;;) {
      index_query asked;
      log_offset upto = 0;
      {
        std::scoped_lock lock{passing};
        if (ended)
          return;
        asked = *passed;
        upto = newest;
      }
      auto found = asked.run(posix_file_system());
      std::string what;
      if (!found) {
        what = found.error().message;
      } else {
        auto& all = found.value().found;
        if (!found.value().damaged.empty())
          what = "damage in " + found.value().damaged[0];
        // Of key 0 is each fifth; all must be there from the newest on, without a gap.
        const auto first = upto / 500 * 500;
        auto at = std::ranges::find(all, first);
        if (at == all.end() && std::ranges::none_of(all, [&](auto o) { return o > first; }))
          what = std::to_string(first) + " is missing";
        for (std::size_t i = 1; i < all.size(); ++i)
          if (all[i] != all[i - 1] - 500)
            what = "a gap behind " + std::to_string(all[i - 1]);
      }
      std::scoped_lock lock{passing};
      ++answers;
      if (wrong.empty())
        wrong = what;
    }
  });
  for (log_offset n = 1; n < 5'000; ++n) {
    CHECK(f.add(100 * n, 1000 * (n + 1), {"k" + std::to_string(n % 5)}).has_value());
    if (n % 11 == 0)
      CHECK(f.index->write_out().has_value());
    if (n % 400 == 0)
      CHECK(f.index->drop_until(100 * (n - 390)).has_value());
    std::scoped_lock lock{passing};
    passed = f.lookup("k0");
    newest = 100 * n;
  }
  {
    std::scoped_lock lock{passing};
    ended = true;
  }
  other.join();
  INFO(wrong);
  CHECK(wrong.empty());
  CHECK(answers > 0);
}

TEST_CASE("index_query: a slot that leads to an entry which nobody wrote is damage", "[storage]") {
  fixture f(1, 30);
  REQUIRE(f.add(0, 1000, {"a"}).has_value());
  REQUIRE(f.index->write_out().has_value());
  scribble(f.index->paths()[0], 43, "\x14");
  auto found = f.run(f.lookup("a"));
  CHECK(found.found.empty());
  CHECK(found.damaged == f.index->paths());
}
