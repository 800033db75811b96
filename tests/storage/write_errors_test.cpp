#include "storage/index/key_index.hpp"
#include "storage/os/posix_file_system.hpp"
#include "storage/queues/queue_table.hpp"
#include "storage/recovery/checkpoint.hpp"
#include "storage/tables/topic_table.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/failing_file_system.hpp"
#include "tests/support/golden.hpp"

#include <limits>

using namespace troupe::storage;
using namespace troupe::test;

namespace {

constexpr int unlimited = std::numeric_limits<int>::max();
constexpr log_offset no_end = 1LL << 60;

/// A directory behind a file system that stops working after a number of changes.
struct fixture {
  temporary_directory directory;
  failing_file_system fs{posix_file_system()};
  options o;

  fixture() {
    o.directory = directory.path();
    o.queue_file_size_bytes = 200;
    o.index_slots = 7;
    o.index_entries = 6;
    fs.skip_syncs();
  }
};

/// Queue 0 begins with message 13, queue 1 with 0; message n of both lies where its index says.
std::vector<position> positions() {
  std::vector<position> all;
  for (queue_offset n = 0; n < 30; ++n) {
    for (std::int32_t queue = 0; queue < 2; ++queue) {
      position p;
      p.offset = 1000 + 200 * n + 100 * queue;
      p.size = 100;
      p.queue_id = queue;
      p.queue_position = n + (queue == 0 ? 13 : 0);
      all.push_back(p);
    }
  }
  return all;
}

std::unique_ptr<queue_table> open_queues(fixture& f, file_system& fs) {
  queue_table_options own;
  own.tail_entries = 8;
  return queue_table::open(fs, f.o, own, {0, no_end, 0}).value();
}

/// Appends all positions and writes them out; after an error it goes on where it stopped if `again`
/// says so.
template <class Again>
bool append_all(queue_table& table, Again&& again) {
  for (auto& p : positions()) {
    for (bool done = false; !done;) {
      auto outcome = table.append(*table.create("T").value(), p);
      done = outcome.has_value();
      if (done)
        REQUIRE(outcome.value() != queue_table::append_result::gap);
      else if (!again())
        return false;
    }
  }
  while (table.write_out().has_error())
    if (!again())
      return false;
  return true;
}

class fixed_clock final : public wall_clock {
public:
  std::int64_t now_ms() const override { return 1'795'387'287'815; }
};

template <class Again>
bool index_all(key_index& index, Again&& again) {
  std::vector<std::uint32_t> keys = {1, 2, 3, 4};
  for (log_offset n = 0; n < 10; ++n)
    while (index.add(100 * n, 1000 * (n + 1), keys).has_error())
      if (!again())
        return false;
  while (index.write_out().has_error())
    if (!again())
      return false;
  return true;
}

} // namespace

TEST_CASE("queue_table: after a write error the same call can be repeated", "[storage]") {
  fixture expected;
  REQUIRE(append_all(*open_queues(expected, posix_file_system()), [] { return false; }));
  auto want = tree_of(expected.directory / "consumequeue");
  REQUIRE(want.size() == 7);
  int failures = 0;
  bool failed = true;
  for (int changes = 0; failed; ++changes) {
    CAPTURE(changes);
    fixture f;
    auto table = open_queues(f, f.fs);
    f.fs.allow(changes);
    REQUIRE(append_all(*table, [&] {
      f.fs.allow(unlimited);
      return true;
    }));
    failed = f.fs.failed();
    failures += failed;
    bool same = tree_of(f.directory / "consumequeue") == want;
    CHECK(same);
  }
  CHECK(failures > 20);
}

TEST_CASE("queue_table: whenever the process dies, the next one completes the queues",
          "[storage]") {
  fixture expected;
  REQUIRE(append_all(*open_queues(expected, posix_file_system()), [] { return false; }));
  auto want = tree_of(expected.directory / "consumequeue");
  bool failed = true;
  for (int changes = 0; failed; ++changes) {
    CAPTURE(changes);
    fixture f;
    {
      auto table = open_queues(f, f.fs);
      f.fs.allow(changes);
      failed = !append_all(*table, [] { return false; });
    }
    f.fs.allow(unlimited);
    auto table = open_queues(f, f.fs);
    CHECK(table->damaged().empty());
    REQUIRE(append_all(*table, [] { return false; }));
    bool same = tree_of(f.directory / "consumequeue") == want;
    CHECK(same);
  }
}

TEST_CASE("key_index: after a write error the same call can be repeated", "[storage]") {
  fixed_clock clock;
  fixture expected;
  auto whole = key_index::open(posix_file_system(), expected.o, clock).value();
  REQUIRE(index_all(*whole, [] { return false; }));
  auto want = tree_of(expected.directory / "index");
  REQUIRE(want.size() == 8);
  bool failed = true;
  for (int changes = 0; failed; ++changes) {
    CAPTURE(changes);
    fixture f;
    auto index = key_index::open(f.fs, f.o, clock).value();
    f.fs.allow(changes);
    REQUIRE(index_all(*index, [&] {
      f.fs.allow(unlimited);
      return true;
    }));
    failed = f.fs.failed();
    // A half-made file that could not even be removed stays, empty, until the next start.
    std::vector<std::vector<std::byte>> got;
    for (auto& [name, content] : tree_of(f.directory / "index"))
      if (!content.empty())
        got.push_back(content);
    std::vector<std::vector<std::byte>> contents;
    for (auto& [name, content] : want)
      contents.push_back(content);
    bool same = got == contents;
    CHECK(same);
  }
}

TEST_CASE("key_index: whenever the process dies, a cut and the rest give the same answers",
          "[storage]") {
  fixed_clock clock;
  bool failed = true;
  for (int changes = 0; failed; ++changes) {
    CAPTURE(changes);
    fixture f;
    {
      auto index = key_index::open(f.fs, f.o, clock).value();
      f.fs.allow(changes);
      failed = !index_all(*index, [] { return false; });
    }
    f.fs.allow(unlimited);
    auto index = key_index::open(f.fs, f.o, clock).value();
    REQUIRE(index->cut(0).has_value());
    CHECK(index->file_count() == 0);
    REQUIRE(index_all(*index, [] { return false; }));
    CHECK(index->file_count() == 8);
  }
}

TEST_CASE("checkpoint and topics: a save that fails leaves the old or the new content",
          "[storage]") {
  bool failed = true;
  for (int changes = 0; failed; ++changes) {
    CAPTURE(changes);
    fixture f;
    auto path = checkpoint_path(f.o);
    checkpoint content;
    content.log_time = 1;
    REQUIRE(save_checkpoint(f.fs, path, content).has_value());
    auto topics = topic_table::load(f.fs, f.o).value();
    REQUIRE(topics.put({"A", 1, 1, 6}).has_value());
    REQUIRE(topics.save(1).has_value());

    content.log_time = 2;
    REQUIRE(topics.put({"B", 1, 1, 6}).has_value());
    f.fs.allow(changes);
    bool saved = save_checkpoint(f.fs, path, content).has_value();
    bool kept = topics.save(2).has_value();
    failed = f.fs.failed();
    auto found = load_checkpoint(posix_file_system(), path).value();
    CHECK(found.extension_valid);
    CHECK((found.log_time == 2 || (!saved && found.log_time == 1)));
    auto loaded = topic_table::load(posix_file_system(), f.o).value();
    CHECK(loaded.warnings().empty());
    CHECK(loaded.find("A") != nullptr);
    CHECK((loaded.find("B") != nullptr || !kept));
  }
}
