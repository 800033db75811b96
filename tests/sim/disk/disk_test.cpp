#include "sim/disk/disk.hpp"
#include "tests/support/bytes.hpp"
#include "tests/support/catch.hpp"

#include <algorithm>
#include <set>

namespace {

using namespace troupe;
using namespace troupe::sim;
using storage::access;
using storage::blocks;
using storage::errc;
using storage::open_mode;
using test::as_bytes;
using test::as_text;
using test::write;

std::string content(simulated_disk& disk, const std::string& path) {
  auto bytes = storage::read_file(disk, path, 1 << 20);
  return bytes ? as_text(bytes.value()) : "(" + bytes.error().message + ")";
}

/// A file that is durable with its name.
std::shared_ptr<storage::file> durable_file(simulated_disk& disk, const std::string& path,
                                            std::string_view text) {
  auto made = disk.open(path, open_mode::create).value();
  REQUIRE(write(*made, 0, text));
  REQUIRE(made->sync());
  REQUIRE(disk.sync_directory("/"));
  return made;
}

void cut(simulated_disk& disk, survival how, std::uint64_t seed = 1) {
  random_source random(seed);
  disk.power_cut(how, random);
}

} // namespace

TEST_CASE("simulated_disk: what was written is read, mapped and listed at once", "[sim]") {
  simulated_disk disk;
  disk.set_time_ms(77);
  REQUIRE(storage::make_directories(disk, "/a/b"));
  auto made = disk.open("/a/b/f", open_mode::create).value();
  REQUIRE(made->allocate(10'000, blocks::sparse));
  auto map = made->map(access::random).value();
  REQUIRE(write(*made, 9'000, "hello"));
  CHECK(as_text(map->bytes().subspan(9'000, 5)) == "hello");
  CHECK(map->bytes().size() == 10'000);
  CHECK_FALSE(map->damaged());
  CHECK(made->next_data(0) == 8'192);
  CHECK(made->next_data(9'001) == 9'001);
  CHECK(made->next_hole(0) == 0);
  CHECK(made->next_hole(9'001) == 10'000);
  auto entries = disk.list("/a/b").value();
  REQUIRE(entries.size() == 1);
  CHECK(entries[0].name == "f");
  CHECK(entries[0].size == 10'000);
  CHECK(entries[0].modified_ms == 77);
  std::vector<std::byte> tail(100);
  CHECK(made->read_at(9'990, tail).value() == 10);
  CHECK(made->read_at(20'000, tail).value() == 0);
}

TEST_CASE("simulated_disk: a mapping sees what is written after its file has grown", "[sim]") {
  simulated_disk disk;
  auto made = disk.open("/f", open_mode::create).value();
  REQUIRE(write(*made, 0, "abc"));
  auto map = made->map(access::random).value();
  REQUIRE(write(*made, 100'000, "far"));
  REQUIRE(write(*made, 1, "X"));
  CHECK(as_text(map->bytes()) == "aXc");
  REQUIRE(made->allocate(1, blocks::sparse));
  CHECK(map->damaged());
}

TEST_CASE("simulated_disk: errors are those of a real disk", "[sim]") {
  simulated_disk disk;
  CHECK(disk.open("/f", open_mode::read).error().code == errc::not_found);
  CHECK(disk.open("/no/f", open_mode::create).error().code == errc::not_found);
  CHECK(disk.make_directory("/no/d").error().code == errc::not_found);
  CHECK(disk.list("/no").error().code == errc::not_found);
  CHECK(disk.sync_directory("/no").error().code == errc::not_found);
  CHECK(disk.rename("/f", "/g").error().code == errc::not_found);
  CHECK(disk.remove("/f").has_value());
  auto made = disk.open("/f", open_mode::create).value();
  CHECK(disk.make_directory("/f").has_error());
  CHECK(made->map(access::random).has_error());
  auto reader = disk.open("/f", open_mode::read).value();
  CHECK(write(*reader, 0, "x").has_error());
  REQUIRE(disk.make_directory("/d"));
  REQUIRE(disk.open("/d/x", open_mode::create));
  CHECK(disk.remove("/d").has_error());
  CHECK(disk.open("/d", open_mode::read).has_error());
}

TEST_CASE("simulated_disk: a power cut takes what was not synced", "[sim]") {
  simulated_disk disk;
  auto file = durable_file(disk, "/f", "durable");
  REQUIRE(write(*file, 0, "CHANGED and longer"));
  cut(disk, survival::none);
  CHECK(content(disk, "/f") == "durable");
  CHECK(write(*file, 0, "old handle").has_error());
  CHECK(content(disk, "/f") == "durable");
}

TEST_CASE("simulated_disk: a synced file without a synced name is gone", "[sim]") {
  simulated_disk disk;
  auto made = disk.open("/f", open_mode::create).value();
  REQUIRE(write(*made, 0, "x"));
  REQUIRE(made->sync());
  cut(disk, survival::none);
  CHECK(disk.open("/f", open_mode::read).error().code == errc::not_found);
}

TEST_CASE("simulated_disk: a synced name without a synced file is empty", "[sim]") {
  simulated_disk disk;
  auto made = disk.open("/f", open_mode::create).value();
  REQUIRE(write(*made, 0, "x"));
  REQUIRE(disk.sync_directory("/"));
  cut(disk, survival::none);
  CHECK(content(disk, "/f").empty());
}

TEST_CASE("simulated_disk: syncing a directory does not sync the one that holds it", "[sim]") {
  simulated_disk disk;
  REQUIRE(disk.make_directory("/d"));
  auto made = disk.open("/d/f", open_mode::create).value();
  REQUIRE(made->sync());
  REQUIRE(disk.sync_directory("/d"));
  cut(disk, survival::none);
  CHECK(disk.list("/").value().empty());
}

TEST_CASE("simulated_disk: a removal or renaming that is not synced is undone", "[sim]") {
  simulated_disk disk;
  durable_file(disk, "/a", "A");
  durable_file(disk, "/b", "B");
  REQUIRE(disk.remove("/a"));
  REQUIRE(disk.rename("/b", "/c"));
  SECTION("without the directory") {
    cut(disk, survival::none);
    CHECK(content(disk, "/a") == "A");
    CHECK(content(disk, "/b") == "B");
    CHECK(disk.open("/c", open_mode::read).has_error());
  }
  SECTION("with the directory") {
    REQUIRE(disk.sync_directory("/"));
    cut(disk, survival::none);
    CHECK(disk.open("/a", open_mode::read).has_error());
    CHECK(disk.open("/b", open_mode::read).has_error());
    CHECK(content(disk, "/c") == "B");
  }
}

TEST_CASE("simulated_disk: a renaming can be durable without the bytes", "[sim]") {
  simulated_disk disk;
  durable_file(disk, "/f", "old");
  auto made = disk.open("/f.tmp", open_mode::create).value();
  REQUIRE(write(*made, 0, "new"));
  REQUIRE(disk.rename("/f.tmp", "/f"));
  REQUIRE(disk.sync_directory("/"));
  cut(disk, survival::none);
  CHECK(content(disk, "/f").empty());
}

TEST_CASE("simulated_disk: replacing a file leaves the old or the new one", "[sim]") {
  std::set<std::string> seen;
  for (std::uint64_t seed = 0; seed < 400; ++seed) {
    simulated_disk disk;
    durable_file(disk, "/f", "old");
    random_source random(seed);
    disk.set_faults({{.what = fault_kind::crash, .call = random.between(1, 8)}});
    auto replaced = storage::replace_file(disk, "/f", as_bytes("new"));
    disk.power_cut(random);
    auto found = content(disk, "/f");
    CAPTURE(seed);
    CHECK((found == "new" || (found == "old" && replaced.has_error())));
    seen.insert(found);
  }
  CHECK(seen.size() == 2);
}

TEST_CASE("simulated_disk: pages and sectors survive each by itself", "[sim]") {
  std::set<std::string> random_outcomes;
  std::set<std::string> torn_outcomes;
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    for (auto how : {survival::random, survival::torn, survival::newest, survival::oldest}) {
      simulated_disk disk;
      auto file = durable_file(disk, "/f", std::string(3 * 4096, '-'));
      for (std::uint64_t page = 0; page < 3; ++page)
        REQUIRE(write(*file, page * 4096, std::string(4096, '#')));
      cut(disk, how, seed);
      auto found = content(disk, "/f");
      REQUIRE(found.size() == 3 * 4096);
      std::string pages;
      for (std::size_t page = 0; page < 3; ++page)
        pages += found[page * 4096];
      if (how == survival::newest)
        CHECK((pages == "---" || pages == "--#" || pages == "-##" || pages == "###"));
      if (how == survival::oldest)
        CHECK((pages == "---" || pages == "#--" || pages == "##-" || pages == "###"));
      if (how == survival::random) {
        CHECK(found[0] == found[4095]);
        random_outcomes.insert(pages);
      }
      if (how == survival::torn)
        torn_outcomes.insert({found[0], found[512], found[1024]});
    }
  }
  CHECK(random_outcomes.size() == 8);
  CHECK(torn_outcomes.size() == 8);
}

TEST_CASE("simulated_disk: size and bytes survive each by itself", "[sim]") {
  std::set<std::string> seen;
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    simulated_disk disk;
    auto file = durable_file(disk, "/f", "");
    REQUIRE(write(*file, 0, "xy"));
    cut(disk, survival::random, seed);
    seen.insert(content(disk, "/f"));
  }
  CHECK(seen == std::set<std::string>{"", "xy", std::string(2, '\0')});
}

TEST_CASE("simulated_disk: what was cut off may come back, but not into a file that grew",
          "[sim]") {
  simulated_disk disk;
  auto file = durable_file(disk, "/f", "secret");
  REQUIRE(file->allocate(0, blocks::sparse));
  REQUIRE(file->allocate(6, blocks::sparse));
  CHECK(content(disk, "/f") == std::string(6, '\0'));
  SECTION("not synced") {
    cut(disk, survival::none);
    CHECK(content(disk, "/f") == "secret");
  }
  SECTION("synced") {
    REQUIRE(file->sync());
    cut(disk, survival::none);
    CHECK(content(disk, "/f") == std::string(6, '\0'));
  }
}

TEST_CASE("simulated_disk: after a failed sync a later one proves nothing", "[sim]") {
  simulated_disk disk;
  auto file = durable_file(disk, "/f", "old");
  disk.set_faults({{.what = fault_kind::lost_sync}});
  REQUIRE(write(*file, 0, "new"));
  CHECK(file->sync().has_error());
  CHECK(disk.faults_hit() == 1);
  CHECK(file->sync().has_value());
  CHECK(content(disk, "/f") == "new");
  SECTION("the bytes are lost even if everything else is kept") {
    cut(disk, survival::all);
    CHECK(content(disk, "/f") == "old");
  }
  SECTION("written again and synced they are durable") {
    REQUIRE(write(*file, 0, "new"));
    REQUIRE(file->sync());
    cut(disk, survival::none);
    CHECK(content(disk, "/f") == "new");
  }
}

TEST_CASE("simulated_disk: a lying sync succeeds and does nothing", "[sim]") {
  simulated_disk disk;
  disk.set_faults({{.what = fault_kind::lying_sync, .count = 2}});
  durable_file(disk, "/f", "x");
  cut(disk, survival::none);
  CHECK(disk.list("/").value().empty());
}

TEST_CASE("simulated_disk: the death of a process loses nothing that was written", "[sim]") {
  simulated_disk disk;
  auto lock = disk.lock("/lock").value();
  CHECK(disk.lock("/lock").error().code == errc::locked);
  auto file = disk.open("/f", open_mode::create).value();
  REQUIRE(write(*file, 0, "x"));
  auto map = file->map(access::random).value();
  CHECK(disk.open_handles() == std::vector<std::string>{"file /f", "lock /lock", "mapping /f"});
  disk.restart();
  CHECK(content(disk, "/f") == "x");
  CHECK(disk.open_handles().empty());
  CHECK(as_text(map->bytes()) == "x");
  CHECK(file->sync().has_error());
  auto again = disk.lock("/lock").value();
  lock.reset(); // of the earlier life: must not release the new one
  CHECK(disk.lock("/lock").error().code == errc::locked);
}

TEST_CASE("simulated_disk: from a crash on no call changes anything", "[sim]") {
  simulated_disk disk;
  auto file = durable_file(disk, "/f", "x");
  auto before = disk.fingerprint();
  disk.set_faults({{.what = fault_kind::crash, .call = 2}});
  CHECK(disk.list("/").has_value());
  CHECK(write(*file, 0, "y").has_error());
  CHECK(disk.crashed());
  CHECK(disk.remove("/f").has_error());
  CHECK(disk.open("/g", open_mode::create).has_error());
  CHECK(disk.calls() == 2);
  disk.restart();
  CHECK(disk.fingerprint() == before);
  CHECK(disk.calls() == 0);
}

TEST_CASE("simulated_disk: each fault strikes where the plan says", "[sim]") {
  simulated_disk disk;
  auto file = durable_file(disk, "/f", "0123456789");
  SECTION("the second write to a path") {
    disk.set_faults(
        {{.what = fault_kind::io_error, .kind = call_kind::write, .path = "f", .skip = 1}});
    CHECK(write(*file, 0, "a"));
    CHECK(write(*file, 0, "b").error().code == errc::io_error);
    CHECK(write(*file, 0, "c"));
  }
  SECTION("a short write leaves its beginning") {
    disk.set_faults({{.what = fault_kind::short_write, .argument = 2}});
    CHECK(write(*file, 0, "abcd").has_error());
    CHECK(content(disk, "/f") == "ab23456789");
  }
  SECTION("a page that cannot be read") {
    disk.set_faults({{.what = fault_kind::broken_page, .argument = 3}});
    auto map = file->map(access::random).value();
    CHECK(map->damaged());
    CHECK(as_text(map->bytes()) == std::string(10, '\0'));
    CHECK_FALSE(file->map(access::random).value()->damaged());
  }
  SECTION("a bit at rest") {
    disk.set_faults({{.what = fault_kind::flip_bit, .kind = call_kind::open, .argument = 8}});
    CHECK(content(disk, "/f") == "0023456789");
    cut(disk, survival::none);
    CHECK(content(disk, "/f") == "0023456789");
  }
  SECTION("write-back at any time") {
    REQUIRE(write(*file, 0, "abc"));
    disk.set_faults({{.what = fault_kind::write_back, .count = 20, .argument = 5},
                     {.what = fault_kind::write_back, .count = 20, .argument = 6}});
    REQUIRE(disk.list("/"));
    cut(disk, survival::none);
    CHECK(content(disk, "/f") == "abc3456789");
  }
  SECTION("no descriptors, no room") {
    disk.set_faults({{.what = fault_kind::too_many_files, .kind = call_kind::open},
                     {.what = fault_kind::no_space, .kind = call_kind::allocate}});
    CHECK(disk.open("/f", open_mode::read).error().code == errc::too_many_files);
    CHECK(file->allocate(100, blocks::reserved).error().code == errc::no_space);
    CHECK(file->allocate(100, blocks::reserved));
  }
}

TEST_CASE("simulated_disk: a full disk refuses and keeps what fits", "[sim]") {
  simulated_disk disk({.capacity_bytes = 3 * 4096});
  auto file = disk.open("/f", open_mode::create).value();
  REQUIRE(file->allocate(2 * 4096, blocks::reserved));
  CHECK(disk.usage("/").value().available_bytes == 4096);
  auto other = disk.open("/g", open_mode::create).value();
  REQUIRE(other->allocate(64 * 4096, blocks::sparse));
  CHECK(other->allocate(64 * 4096, blocks::reserved).error().code == errc::no_space);
  CHECK(write(*other, 100, std::string(8192, 'x')).error().code == errc::no_space);
  CHECK(disk.usage("/").value().available_bytes == 0);
  REQUIRE(disk.remove("/f"));
  CHECK(disk.used_bytes() == 3 * 4096); // somebody holds it
  file.reset();
  CHECK(disk.used_bytes() == 4096);
  CHECK(write(*other, 100, std::string(8192, 'x')));
}

TEST_CASE("simulated_disk: a removed file lives as long as it is open", "[sim]") {
  simulated_disk disk;
  auto file = durable_file(disk, "/f", "x");
  REQUIRE(disk.remove("/f"));
  REQUIRE(write(*file, 1, "y"));
  std::vector<std::byte> bytes(2);
  CHECK(file->read_at(0, bytes).value() == 2);
  CHECK(as_text(bytes) == "xy");
  CHECK(disk.list("/").value().empty());
}

TEST_CASE("simulated_disk: the same calls and seeds give the same disk", "[sim]") {
  auto run = [](std::uint64_t seed) {
    simulated_disk disk;
    std::uint64_t trace = 0;
    disk.on_operation = [&](const operation& what) { trace = trace * 31 + what.number; };
    auto random = stream(seed, "test");
    for (int i = 0; i < 50; ++i) {
      auto path = "/f" + std::to_string(random.below(5));
      if (auto file = disk.open(path, open_mode::create))
        CHECK(write(*file.value(), random.below(20'000), path));
      if (random.one_in(10))
        disk.power_cut(random);
      if (random.one_in(10))
        disk.write_back(random);
    }
    return std::pair(disk.fingerprint(), trace);
  };
  CHECK(run(7) == run(7));
  CHECK(run(7) != run(8));
}

TEST_CASE("fault_plan: text and plan are the same", "[sim]") {
  auto text = "short-write call=17 kind=write path=commitlog skip=2 count=3 argument=40; crash "
              "call=9; lost-sync kind=sync-directory";
  auto plan = parse_fault_plan(text).value();
  REQUIRE(plan.size() == 3);
  CHECK(plan[0].what == fault_kind::short_write);
  CHECK(plan[0].path == "commitlog");
  CHECK(plan[0].argument == 40);
  CHECK(to_string(plan) == text);
  CHECK(parse_fault_plan("").value().empty());
  CHECK(parse_fault_plan("crash call=x").error().message.find("call=x") != std::string::npos);
  CHECK(parse_fault_plan("call=3").has_error());
  CHECK(parse_fault_plan("crash crash").has_error());
}

TEST_CASE("simulated_disk: some reads that must not wait find a page that is cold", "[sim]") {
  auto answers = [](std::uint64_t seed, std::uint64_t one_in) {
    simulated_disk disk;
    disk.set_cold_pages(seed, one_in);
    auto made = disk.open("/f", open_mode::create).value();
    REQUIRE(write(*made, 0, std::string(100'000, 'x')));
    std::string all;
    std::vector<std::byte> into(100);
    for (std::uint64_t at = 0; at < 100'000; at += 250) {
      const auto calls = disk.calls();
      auto got = made->read_resident(at, into);
      all += got.has_value() ? '+' : '-';
      if (got.has_value()) {
        CHECK(got.value() == 100);
        CHECK(disk.calls() == calls + 1);
        continue;
      }
      CHECK(got.error().code == errc::not_resident);
      CHECK(disk.calls() == calls); // nothing was done
      REQUIRE(made->read_at(at, into).value() == 100);
      for (int again = 0; again < 10; ++again)
        CHECK(made->read_resident(at, into).has_value());
    }
    return all;
  };
  const auto one = answers(1, 8);
  CHECK(one == answers(1, 8));
  CHECK(one != answers(2, 8));
  CHECK(answers(1, 0) == std::string(400, '+'));
  const auto cold = std::ranges::count(one, '-');
  CHECK(cold > 10);
  CHECK(cold < 80);
}

TEST_CASE("simulated_disk: a dead process is told so by reads that must not wait", "[sim]") {
  simulated_disk disk;
  auto made = disk.open("/f", open_mode::create).value();
  std::vector<std::byte> into(10);
  disk.set_watching(false);
  CHECK(made->read_resident(0, into).value() == 0);
  disk.set_watching(true);
  disk.crash();
  for (int i = 0; i < 100; ++i)
    CHECK(made->read_resident(0, into).error().code == errc::io_error);
  disk.restart();
  CHECK(made->read_resident(0, into).error().code == errc::io_error);
}
