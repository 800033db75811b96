#include "storage/queues/queue_table.hpp"

#include "storage/format/properties.hpp"
#include "storage/log/log_file.hpp"
#include "storage/os/posix_file_system.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/manifest.hpp"
#include "tests/support/observed_file_system.hpp"
#include "tests/support/temporary_directory.hpp"

#include <rapidcheck.h>
#include <sys/resource.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>
#include <tuple>

using namespace troupe::storage;
using namespace troupe::test;

namespace {

constexpr log_offset no_end = 1LL << 60;
using bounds = consume_queue::log_bounds;
using append_result = queue_table::append_result;

/// A store with 10 entries in each queue file.
struct fixture {
  temporary_directory directory;
  options o;
  queue_table_options own;

  fixture() {
    o.directory = directory.path();
    o.queue_file_size_bytes = 200;
    own.tail_entries = 8;
    own.open_files = 4;
  }
  std::unique_ptr<queue_table> open(const bounds& log = {0, no_end, 0}) {
    return queue_table::open(posix_file_system(), o, own, log).value();
  }
  std::string file(const std::string& queue, std::int64_t start) const {
    return directory / "consumequeue/" + queue + "/" + offset_file_name(start);
  }
};

position at(std::int32_t queue, queue_offset number, log_offset offset) {
  position p;
  p.offset = offset;
  p.size = 100;
  p.tags_code = number % 1000 * 7;
  p.queue_id = queue;
  p.queue_position = number;
  return p;
}

append_result append(queue_table& table, const std::string& topic, const position& p) {
  return table.append(*table.create(topic).value(), p).value();
}

/// Message n of the queue lies at 1000 + 100 n.
void append_up_to(queue_table& table, const std::string& topic, queue_offset from,
                  queue_offset to) {
  for (auto n = from; n < to; ++n)
    REQUIRE(append(table, topic, at(0, n, 1000 + 100 * n)) == append_result::appended);
}

std::vector<queue_entry> all(const consume_queue& queue) {
  std::vector<queue_entry> found;
  REQUIRE(queue.read(queue.min(), SIZE_MAX, found).has_value());
  return found;
}

/// The delay topic has a queue for each level, counted from 0.
std::int64_t expected_code(const golden_message& m) {
  return m.topic == delay_topic ? m.store_timestamp + *delay_levels{}.of(m.queue_id + 1)
                                : java_hash(m.tags);
}

void overwrite(const std::string& path, std::size_t at, const std::string& bytes) {
  std::fstream out(path, std::ios::in | std::ios::out | std::ios::binary);
  out.seekp(static_cast<std::streamoff>(at));
  out << bytes;
}

} // namespace

TEST_CASE("queue_table: what must not write keeps all that is added in memory", "[storage]") {
  fixture f;
  {
    auto table = f.open();
    append(*table, "T", at(0, 0, 1000));
    REQUIRE(table->write_out());
  }
  f.own.read_only = true;
  auto table = f.open();
  const queue_offset count = static_cast<queue_offset>(f.own.tail_entries) * 12;
  for (queue_offset i = 1; i <= count; ++i)
    REQUIRE(append(*table, "T", at(0, i, 1000 + i * 100)) == append_result::appended);
  for (queue_offset i = 0; i <= count; ++i)
    CHECK(table->find("T", 0)->entry(i).value().offset == 1000 + i * 100);
  CHECK(f.open()->find("T", 0)->next() == 1); // on the disk
}

TEST_CASE("queue_table: golden queues hold exactly their messages", "[storage]") {
  for (auto& store : golden_stores()) {
    CAPTURE(store);
    options o;
    o.directory = golden_path(store) + "/store";
    o.queue_file_size_bytes = 20000;
    queue_table_options own;
    own.read_only = true;
    auto opened = queue_table::open(posix_file_system(), o, own, {0, no_end, 0});
    REQUIRE(opened.has_value());
    auto& table = *opened.value();
    CHECK(table.damaged().empty());
    std::map<std::pair<std::string, std::int32_t>, queue_offset> counts;
    log_offset end = 0;
    for (auto& m : read_manifest(store)) {
      if (!m.has_queue_entry())
        continue;
      CAPTURE(m.topic, m.queue_id, m.queue_offset);
      auto* queue = table.find(m.topic, m.queue_id);
      REQUIRE(queue != nullptr);
      CHECK(queue->entry(m.queue_offset).value() ==
            queue_entry{m.offset, m.size, expected_code(m)});
      CHECK(queue->find_first(m.offset).value() == m.queue_offset);
      ++counts[{m.topic, m.queue_id}];
      end = std::max<log_offset>(end, m.offset + m.size);
    }
    std::uint64_t total = 0;
    for (auto& [name, count] : counts) {
      CHECK(table.find(name.first, name.second)->next() == count);
      total += static_cast<std::uint64_t>(count);
    }
    CHECK(table.queue_count() == counts.size());
    CHECK(table.entry_total() == total);
    CHECK(table.log_end() == end);
  }
}

TEST_CASE("queue_table: positions of a golden log give the golden queue files", "[storage]") {
  fixture f;
  f.o.queue_file_size_bytes = 20000;
  auto table = f.open();
  for (auto& m : read_manifest("normal-4.9.8")) {
    if (!m.has_queue_entry())
      continue;
    auto p = at(m.queue_id, m.queue_offset, m.offset);
    p.size = m.size;
    p.tags_code = expected_code(m);
    REQUIRE(append(*table, m.topic, p) == append_result::appended);
  }
  REQUIRE(table->write_out().has_value());
  std::size_t files = 0;
  auto golden = golden_path("normal-4.9.8") + "/store/consumequeue";
  for (auto& entry : std::filesystem::recursive_directory_iterator(golden)) {
    if (!entry.is_regular_file())
      continue;
    auto name = entry.path().string().substr(golden.size());
    CAPTURE(name);
    auto ours = f.directory / "consumequeue" + name;
    bool same = read_bytes(entry.path().string()) == read_bytes(ours);
    CHECK(same);
    ++files;
  }
  CHECK(files == 20);
}

TEST_CASE("consume_queue: duplicates change nothing and gaps are told", "[storage]") {
  fixture f;
  auto table = f.open();
  append_up_to(*table, "T", 0, 3);
  CHECK(append(*table, "T", at(0, 2, 1200)) == append_result::duplicate);
  CHECK(append(*table, "T", at(0, 3, 1200)) == append_result::duplicate);
  CHECK(append(*table, "T", at(0, 1, 9000)) == append_result::taken);
  CHECK(append(*table, "T", at(0, 4, 1300)) == append_result::gap);
  auto half = at(0, 3, 1300);
  half.has_queue_entry = false;
  CHECK(append(*table, "T", half) == append_result::duplicate);
  CHECK(table->find("T", 0)->next() == 3);
  CHECK(append(*table, "T", at(0, 3, 1300)) == append_result::appended);
}

TEST_CASE("queue_table: numbers that no queue can have are refused", "[storage]") {
  fixture f;
  auto table = f.open();
  CHECK(append(*table, "T", at(-1, 0, 0)) == append_result::unusable);
  CHECK(append(*table, "T", at(1024, 0, 0)) == append_result::unusable);
  CHECK(append(*table, "T", at(0, -1, 0)) == append_result::unusable);
  CHECK(append(*table, "T", at(0, 1LL << 62, 0)) == append_result::unusable);
  CHECK(append(*table, "T", at(0, 0, -1)) == append_result::unusable);
  auto empty = at(0, 0, 0);
  empty.size = 0;
  CHECK(append(*table, "T", empty) == append_result::unusable);
  CHECK(table->queue_count() == 0);
  CHECK(table->create("../T").has_error());
}

TEST_CASE("consume_queue: a queue that begins late is filled up to its first entry", "[storage]") {
  fixture f;
  {
    auto table = f.open();
    CHECK(append(*table, "T", at(0, 13, 5000)) == append_result::appended);
    CHECK(table->find("T", 0)->min() == 13);
    REQUIRE(table->write_out().has_value());
  }
  auto bytes = read_bytes(f.file("T/0", 200));
  CHECK_FALSE(std::filesystem::exists(f.file("T/0", 0)));
  for (std::size_t i = 0; i < 3; ++i)
    CHECK(load_entry(bytes.data() + 20 * i) == filler_entry);
  CHECK(load_entry(bytes.data() + 60) == queue_entry{5000, 100, 91});
  for (bool trusted : {false, true}) {
    auto table = f.open({0, no_end, trusted ? no_end : 0});
    CHECK(table->damaged().empty());
    auto* queue = table->find("T", 0);
    CHECK(queue->min() == 13);
    CHECK(queue->next() == 14);
    CHECK(append(*table, "T", at(0, 15, 6000)) == append_result::gap);
    REQUIRE(queue->truncate(100).has_value());
    CHECK(queue->next() == 13);
    CHECK(queue->log_end() == 0);
    CHECK(append(*table, "T", at(0, 13, 5000)) == append_result::appended);
    REQUIRE(table->write_out().has_value());
  }
}

TEST_CASE("consume_queue: entries are readable from the tail and from the files", "[storage]") {
  fixture f;
  auto table = f.open();
  append_up_to(*table, "T", 0, 27); // the tail holds 8: most were written out on the way
  auto* queue = table->find("T", 0);
  CHECK(queue->written() == 24);
  CHECK(std::filesystem::exists(f.file("T/0", 400)));
  CHECK(std::filesystem::file_size(f.file("T/0", 400)) == 200);
  auto entries = all(*queue);
  REQUIRE(entries.size() == 27);
  for (queue_offset n = 0; n < 27; ++n)
    CHECK(entries[static_cast<std::size_t>(n)] == queue_entry{1000 + 100 * n, 100, 7 * n});
  std::vector<queue_entry> some;
  REQUIRE(queue->read(22, 4, some).has_value());
  CHECK(some.size() == 4);
  CHECK(some.back().offset == 3500);
  CHECK(queue->find_first(0).value() == 0);
  CHECK(queue->find_first(3401).value() == 25);
  CHECK(queue->find_first(9999).value() == 27);
  CHECK(queue->entry(27).error().code == errc::not_found);
}

TEST_CASE("queue_table: reopening gives the same queues", "[storage]") {
  fixture f;
  {
    auto table = f.open();
    append_up_to(*table, "T", 0, 27);
    append_up_to(*table, "U", 0, 10); // a file full to its end
    CHECK(table->unwritten_queues() == 2);
    REQUIRE(table->write_out().has_value());
    CHECK(table->unwritten_queues() == 0);
  }
  for (log_offset trusted : {log_offset{0}, log_offset{2000}, no_end}) {
    auto table = f.open({0, no_end, trusted});
    CHECK(table->damaged().empty());
    CHECK(table->find("T", 0)->next() == 27);
    CHECK(table->find("T", 0)->log_end() == 3700);
    CHECK(table->find("U", 0)->next() == 10);
    CHECK(table->entry_total() == 37);
    CHECK(table->log_end() == 3700);
    CHECK(all(*table->find("T", 0)).size() == 27);
  }
}

TEST_CASE("queue_table: opening cuts what points behind the log's end", "[storage]") {
  fixture f;
  {
    auto table = f.open();
    append_up_to(*table, "T", 0, 27);
    REQUIRE(table->write_out().has_value());
  }
  auto end = GENERATE(log_offset{0}, log_offset{1000}, log_offset{1100}, log_offset{2000},
                      log_offset{2050}, log_offset{3000}, log_offset{3700});
  auto trusted = GENERATE(false, true);
  auto table = f.open({0, end, trusted ? end : 0});
  auto expected = std::max<queue_offset>(0, (end - 1000) / 100);
  CHECK(table->damaged().empty());
  auto* queue = table->find("T", 0);
  CHECK(queue->next() == expected);
  CHECK(queue->log_end() == (expected > 0 ? 1000 + 100 * expected : 0));
  // Nothing of the cut entries comes back, and the queue goes on as if they had never been.
  append_up_to(*table, "T", expected, 30);
  REQUIRE(table->write_out().has_value());
  table = f.open();
  CHECK(table->find("T", 0)->next() == 30);
  CHECK(all(*table->find("T", 0)).size() == 30);
}

TEST_CASE("queue_table: damage is reported, and the queue can be built anew", "[storage]") {
  fixture f;
  {
    auto table = f.open();
    append_up_to(*table, "T", 0, 27);
    append_up_to(*table, "U", 0, 5);
    REQUIRE(table->write_out().has_value());
  }
  SECTION("an entry goes back in the log") {
    overwrite(f.file("T/0", 200), 20, std::string("\0\0\0\0\0\0\0\1", 8));
  }
  SECTION("a size is negative") {
    overwrite(f.file("T/0", 200), 28, "\xff");
  }
  SECTION("a hole inside") {
    overwrite(f.file("T/0", 200), 20, std::string(20, '\0'));
  }
  SECTION("a file is one byte short") {
    std::filesystem::resize_file(f.file("T/0", 200), 199);
  }
  SECTION("a file in the middle is missing") {
    std::filesystem::remove(f.file("T/0", 200));
  }
  auto table = f.open();
  REQUIRE(table->damaged().size() == 1);
  CHECK(table->damaged()[0].topic == "T");
  CHECK(table->damaged()[0].reason.find("T/0/") != std::string::npos);
  CHECK(table->find("T", 0) == nullptr);
  CHECK(table->find("U", 0)->next() == 5);
  REQUIRE(table->discard_damaged().has_value());
  CHECK_FALSE(std::filesystem::exists(f.directory / "consumequeue/T/0"));
  append_up_to(*table, "T", 0, 27);
  REQUIRE(table->write_out().has_value());
  CHECK(f.open()->find("T", 0)->next() == 27);
}

TEST_CASE("queue_table: garbage behind a trusted end is wiped", "[storage]") {
  fixture f;
  {
    auto table = f.open();
    append_up_to(*table, "T", 0, 9);
    REQUIRE(table->write_out().has_value());
  }
  overwrite(f.file("T/0", 0), 195, "xyz"); // behind a zero entry, as a power loss leaves it
  auto table = f.open({0, 1900, 1900});
  CHECK(table->damaged().empty());
  CHECK(table->find("T", 0)->next() == 9);
  auto bytes = read_bytes(f.file("T/0", 0));
  CHECK(std::count(bytes.begin() + 180, bytes.end(), std::byte{0}) == 20);
}

TEST_CASE("consume_queue: an entry with an end beyond all numbers lies behind the log",
          "[storage]") {
  fixture f;
  {
    auto table = f.open();
    append_up_to(*table, "T", 0, 9);
    REQUIRE(table->write_out().has_value());
  }
  overwrite(f.file("T/0", 0), 60, "\x7f\xff\xff\xff\xff\xff\xff\xff");
  auto table = f.open({0, 1900, 0});
  CHECK(table->find("T", 0)->next() == 3);
  CHECK(table->find("T", 0)->log_end() == 1300);
}

TEST_CASE("consume_queue: an entry behind the newest one is not handed out", "[storage]") {
  fixture f;
  {
    auto table = f.open();
    append_up_to(*table, "T", 0, 9);
    REQUIRE(table->write_out().has_value());
  }
  overwrite(f.file("T/0", 0), 60, "\x01"); // the checkpoint vouches for it
  auto table = f.open({0, 1900, 1900});
  std::vector<queue_entry> found;
  auto outcome = table->find("T", 0)->read(0, 9, found);
  REQUIRE(outcome.has_error());
  CHECK(outcome.error().code == errc::corrupt);
  CHECK(outcome.error().message.find("message 3") != std::string::npos);
  CHECK(found.size() == 3); // those before it are
}

TEST_CASE("queue_table: a file that begins where no queue reaches is damage", "[storage]") {
  fixture f;
  std::filesystem::create_directories(f.directory / "consumequeue/T/0");
  std::ofstream(f.file("T/0", 9'223'372'036'854'775'800)) << std::string(200, '\0');
  auto table = f.open();
  REQUIRE(table->damaged().size() == 1);
  CHECK(table->damaged()[0].reason.find("09223372036854775800") != std::string::npos);
}

TEST_CASE("queue_table: foreign names are ignored with a warning", "[storage]") {
  fixture f;
  {
    auto table = f.open();
    append_up_to(*table, "T", 0, 3);
    REQUIRE(table->write_out().has_value());
  }
  auto root = f.directory / "consumequeue";
  std::filesystem::create_directories(root + "/bad.name/0");
  std::filesystem::create_directories(root + "/T/007");
  std::filesystem::create_directories(root + "/T/5000");
  std::filesystem::create_directories(root + "/T/0/sub");
  std::ofstream(root + "/T/0/notes.txt") << "x";
  std::ofstream(root + "/file") << "x";
  std::ofstream(root + "/T/0/00000000000000000200").flush(); // of 0 bytes, as a crash leaves it
  auto table = f.open();
  CHECK(table->damaged().empty());
  CHECK(table->warnings().size() == 6);
  CHECK(table->find("T", 0)->next() == 3);
  CHECK(table->queue_count() == 1);
  CHECK_FALSE(std::filesystem::exists(f.file("T/0", 200)));
}

TEST_CASE("consume_queue: files below the log's minimum go, never the last", "[storage]") {
  fixture f;
  {
    auto table = f.open();
    append_up_to(*table, "T", 0, 27);
    REQUIRE(table->drop_until(1950).has_value());
    auto* queue = table->find("T", 0);
    CHECK(queue->min() == 10);
    CHECK_FALSE(std::filesystem::exists(f.file("T/0", 0)));
    std::vector<queue_entry> none;
    CHECK(queue->read(9, 1, none).error().code == errc::offset_too_small);
    REQUIRE(table->drop_until(1901).has_value()); // never goes back
    CHECK(queue->min() == 10);
    REQUIRE(table->drop_until(99'000).has_value());
    CHECK(queue->min() == 27);
    CHECK(queue->next() == 27);
    CHECK(std::filesystem::exists(f.file("T/0", 400)));
    CHECK_FALSE(std::filesystem::exists(f.file("T/0", 200)));
    REQUIRE(table->write_out().has_value());
  }
  auto table = f.open({99'000, no_end, 0});
  CHECK(table->find("T", 0)->min() == 27);
  CHECK(table->find("T", 0)->next() == 27);
  append_up_to(*table, "T", 27, 28);
  CHECK(all(*table->find("T", 0)).size() == 1);
}

TEST_CASE("queue_table: what was written is unsynced until it is said to be", "[storage]") {
  fixture f;
  f.own.open_files = 2;
  auto table = f.open();
  append_up_to(*table, "T", 0, 1);
  CHECK(table->unsynced().files.empty());
  REQUIRE(table->write_out().has_value());
  auto first = table->unsynced();
  auto root = f.directory / "consumequeue";
  CHECK(first.files == std::vector<std::string>{f.file("T/0", 0)});
  CHECK(first.directories == std::vector<std::string>{root, root + "/T", root + "/T/0"});
  append_up_to(*table, "T", 1, 2);
  REQUIRE(table->write_out().has_value());
  table->synced(first);
  CHECK(table->unsynced().files == first.files); // written again in between
  CHECK(table->unsynced().directories.empty());
  table->synced(table->unsynced());
  CHECK(table->unsynced().files.empty());
  // More queues than open files: the oldest are synced before they are closed.
  for (std::int32_t id = 1; id <= 5; ++id)
    REQUIRE(append(*table, "T", at(id, 0, 10'000 + 100 * id)) == append_result::appended);
  REQUIRE(table->write_out().has_value());
  CHECK(table->open_files() == 2);
  // What somebody syncs stays open, so that a failure is told to them.
  auto running = table->unsynced();
  CHECK(running.files.size() == 2);
  for (std::int32_t id = 6; id <= 8; ++id)
    REQUIRE(append(*table, "T", at(id, 0, 10'000 + 100 * id)) == append_result::appended);
  REQUIRE(table->write_out().has_value());
  CHECK(table->open_files() == 3);
  auto again = table->unsynced();
  CHECK(std::ranges::includes(std::set(again.files.begin(), again.files.end()),
                              std::set(running.files.begin(), running.files.end())));
  table->synced(again);
  REQUIRE(table->find("T", 1)->entry(0).has_value());
  CHECK(table->open_files() == 2);
}

TEST_CASE("queue_table: what a dead process left is not durable before it is synced", "[storage]") {
  fixture f;
  {
    auto table = f.open();
    append_up_to(*table, "T", 0, 15);
    REQUIRE(table->write_out().has_value());
  }
  auto table = f.open();
  CHECK(table->unsynced().files.empty());
  table->distrust();
  auto doubtful = table->unsynced();
  CHECK(doubtful.files == std::vector<std::string>{f.file("T/0", 200)});
  CHECK(doubtful.directories.size() == 3);
  table->synced(doubtful);
  CHECK(table->unsynced().files.empty());
  CHECK(table->unsynced().directories.empty());
}

TEST_CASE("queue_table: too few descriptors make it slower, not fail", "[storage]") {
  fixture f;
  f.own.open_files = 1000;
  auto table = f.open();
  for (std::int32_t id = 0; id < 60; ++id)
    REQUIRE(append(*table, "T", at(id, 0, log_offset{100} * id)) == append_result::appended);
  ::rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
  auto few = before;
  few.rlim_cur = 40;
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &few) == 0);
  auto written = table->write_out();
  auto read = table->find("T", 0)->entry(0);
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &before) == 0);
  CHECK(written.has_value());
  CHECK(read.has_value());
  CHECK(table->open_files() < 40);
  CHECK(f.open()->queue_count() == 60);
}

TEST_CASE("queue_table: a removed topic leaves nothing behind", "[storage]") {
  fixture f;
  auto table = f.open();
  append_up_to(*table, "T", 0, 27);
  append_up_to(*table, "U", 0, 1);
  REQUIRE(table->remove("T").has_value());
  REQUIRE(table->remove("T").has_value());
  CHECK(table->find("T") == nullptr);
  CHECK_FALSE(std::filesystem::exists(f.directory / "consumequeue/T"));
  REQUIRE(table->write_out().has_value());
  append_up_to(*table, "T", 40, 41);
  REQUIRE(table->write_out().has_value());
  CHECK(f.open()->find("T", 0)->min() == 40);
}

TEST_CASE("queue_table: a batch goes to its queues up to the first gap", "[storage]") {
  fixture f;
  auto table = f.open();
  position_batch batch;
  batch.topics = {"A", "bad.name", "B"};
  auto add = [&](std::uint32_t topic, queue_offset number, log_offset offset) {
    batch.positions.push_back(at(0, number, offset));
    batch.positions.back().topic = topic;
  };
  add(0, 0, 0);
  add(1, 0, 100);
  add(2, 0, 200);
  add(0, 1, 300);
  add(0, 3, 400);
  add(2, 1, 500);
  std::vector<std::string> news;
  auto note = [&](auto& topic, auto& queue) {
    news.push_back(topic.name + std::to_string(queue.next()));
  };
  queue_table::applied done;
  REQUIRE(table->apply(batch, 0, done, note).has_value());
  CHECK(done.gap);
  CHECK(done.count == 4);
  CHECK(news == std::vector<std::string>{"A1", "B1", "A2"});
  batch.positions[4] = at(0, 2, 400);
  REQUIRE(table->apply(batch, 0, done, note).has_value());
  CHECK_FALSE(done.gap);
  CHECK(done.count == 6);
  CHECK(news == std::vector<std::string>{"A1", "B1", "A2", "A3", "B2"});
}

namespace {

/// What the queue must hold: (offset, size) by number, from the first entry ever appended.
struct model {
  std::map<queue_offset, log_offset> entries;
  queue_offset min = 0;
  queue_offset next = 0;
};

void check_against(const consume_queue* queue, const model& m) {
  if (queue == nullptr) { // never written, and forgotten at the last opening
    RC_ASSERT(m.next == 0);
    return;
  }
  RC_ASSERT(queue->next() == m.next);
  RC_ASSERT(queue->min() == m.min);
  std::vector<queue_entry> found;
  RC_ASSERT(queue->read(m.min, SIZE_MAX, found).has_value());
  RC_ASSERT(static_cast<queue_offset>(found.size()) == m.next - m.min);
  for (std::size_t i = 0; i < found.size(); ++i)
    RC_ASSERT(found[i].offset == m.entries.at(m.min + static_cast<queue_offset>(i)));
}

} // namespace

TEST_CASE("queue_table: any order of operations agrees with a simple model", "[storage]") {
  CHECK(rc::check("model", [] {
    fixture f;
    auto table = f.open();
    std::map<std::int32_t, model> models;
    log_offset log_end = 0;
    log_offset log_min = 0;
    for (int step = *rc::gen::inRange(1, 60); step > 0; --step) {
      switch (*rc::gen::inRange(0, 7)) {
      case 0:
      case 1:
      case 2: {
        auto id = *rc::gen::inRange(0, 6);
        auto& m = models[id];
        for (int n = *rc::gen::inRange(1, 25); n > 0; --n, log_end += 100) {
          RC_ASSERT(append(*table, "T", at(id, m.next, log_end)) == append_result::appended);
          m.entries[m.next++] = log_end;
        }
        break;
      }
      case 3:
        RC_ASSERT(table->write_out(*rc::gen::inRange<std::size_t>(0, 4)).has_value());
        break;
      case 4: {
        auto to = log_min + (*rc::gen::inRange<log_offset>(0, 10)) * (log_end - log_min) / 10;
        RC_ASSERT(table->truncate(to).has_value());
        log_end = to - to % 100;
        for (auto& [id, m] : models) {
          while (m.next > 0 && m.entries.count(m.next - 1) != 0 && m.entries[m.next - 1] + 100 > to)
            m.entries.erase(--m.next);
          m.min = std::min(m.min, m.next);
        }
        break;
      }
      case 5: {
        log_min += (*rc::gen::inRange<log_offset>(0, 4)) * (log_end - log_min) / 10;
        log_min -= log_min % 100; // a log begins with a record
        RC_ASSERT(table->drop_until(log_min).has_value());
        for (auto& [id, m] : models)
          while (m.min < m.next && m.entries.at(m.min) < log_min)
            ++m.min;
        break;
      }
      default:
        RC_ASSERT(table->write_out().has_value());
        if (*rc::gen::arbitrary<bool>())
          table->synced(table->unsynced());
        table = f.open({log_min, log_end, *rc::gen::arbitrary<bool>() ? log_end : 0});
        RC_ASSERT(table->damaged().empty());
      }
      for (auto& [id, m] : models)
        check_against(table->find("T", id), m);
    }
  }));
}

TEST_CASE("queue_table: the first entry behind an offset is found as by looking at each",
          "[storage]") {
  CHECK(rc::check("walk", [] {
    fixture f;
    auto table = f.open();
    auto count = *rc::gen::inRange<queue_offset>(1, 60);
    append_up_to(*table, "T", 0, count);
    if (*rc::gen::arbitrary<bool>())
      RC_ASSERT(table->write_out().has_value());
    auto* queue = table->find("T", 0);
    RC_ASSERT(queue->hide_until(*rc::gen::inRange<log_offset>(0, 1000 + 100 * count)).has_value());
    auto wanted = *rc::gen::inRange<log_offset>(0, 1200 + 100 * count);
    auto entries = all(*queue);
    auto walked = std::ranges::find_if(
        entries, [wanted](const queue_entry& e) { return e.offset >= wanted; });
    RC_ASSERT(queue->find_first(wanted).value() == queue->min() + (walked - entries.begin()));
  }));
}

TEST_CASE("queue_table: a file that cannot be synced ends writing, not reading", "[storage]") {
  fixture f;
  f.own.open_files = 2;
  f.own.tail_entries = 1;
  observed_file_system files(posix_file_system());
  auto table = queue_table::open(files, f.o, f.own, {0, no_end, 0}).value();
  auto add = [&](std::int32_t id) {
    REQUIRE(append(*table, "T", at(id, 0, 1000 + 100 * id)) == append_result::appended);
  };
  add(0);
  REQUIRE(table->write_out().has_value());
  table->synced(table->unsynced());
  add(1);
  add(2);
  REQUIRE(table->write_out().has_value()); // in place of the first, which is closed
  CHECK(table->wants_sync());
  files.fault = [](observed_file_system::action what, const std::string&) {
    return what == observed_file_system::action::sync ? errc::io_error : errc::none;
  };
  // A read that finds no room syncs nothing.
  CHECK(table->find("T", 0)->entry(0).has_value());
  CHECK(files.count(observed_file_system::action::sync, "/T/") == 0);
  add(3);
  CHECK(table->write_out().error().code == errc::write_stopped);
  files.fault = nullptr;
  CHECK(table->write_out().error().code == errc::write_stopped); // a later sync proves nothing
  for (std::int32_t id = 0; id < 4; ++id)
    CHECK(table->find("T", id)->entry(0).has_value());
}

TEST_CASE("queue_table: totals up to an offset are those of a table that is cut there",
          "[storage]") {
  fixture f;
  auto table = f.open();
  append_up_to(*table, "T", 0, 20);
  append_up_to(*table, "U", 7, 20); // begins late
  for (log_offset end : {0, 1000, 1100, 1700, 1750, 1800, 2500, 9999}) {
    auto totals = table->totals_until(end).value();
    auto in_t = std::clamp<log_offset>((end - 1000) / 100, 0, 20);
    auto in_u = in_t > 7 ? in_t : 0;
    CHECK(totals.queues == std::uint64_t{in_t > 0} + std::uint64_t{in_u > 0});
    CHECK(totals.entries == static_cast<std::uint64_t>(in_t + in_u));
  }
}
