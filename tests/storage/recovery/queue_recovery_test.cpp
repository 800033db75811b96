#include "storage/recovery/queue_recovery.hpp"

#include "storage/log/log_view.hpp"
#include "storage/os/posix_file_system.hpp"
#include "storage/recovery/abort_marker.hpp"
#include "storage/recovery/queue_compare.hpp"
#include "storage/recovery/store.hpp"
#include "storage/repair/repair.hpp"
#include "storage/tables/topic_table.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/golden.hpp"
#include "tests/support/started_store.hpp"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <utility>
#include <vector>

using namespace troupe::storage;
using namespace troupe::test;

namespace {

namespace disk = std::filesystem;

std::string queue_path(const golden_copy& store, const std::string& queue) {
  return store.root() + "/consumequeue/" + queue;
}

/// What is wrong first: every message from `log_min` on has its entry, and no queue has others.
std::string first_fault(const running& node, const std::string& name, log_offset log_min = 0) {
  if (!node.caught_up)
    return node.caught_up.error().message;
  std::size_t messages = 0;
  for (auto& line : read_manifest(name)) {
    if (!line.has_queue_entry() || line.offset < log_min)
      continue;
    ++messages;
    auto where = " " + line.topic + "/" + std::to_string(line.queue_id) + " number " +
                 std::to_string(line.queue_offset);
    auto* queue = node.queues.table->find(line.topic, line.queue_id);
    if (queue == nullptr || line.queue_offset < queue->min() || line.queue_offset >= queue->next())
      return "there is no" + where;
    auto entry = queue->entry(line.queue_offset);
    if (!entry)
      return "unreadable is" + where + ": " + entry.error().message;
    if (entry.value().offset != line.offset || entry.value().size != line.size)
      return "another message has" + where;
  }
  std::size_t entries = 0;
  node.queues.table->for_each([&](auto&, const consume_queue& queue) {
    entries += static_cast<std::size_t>(queue.next() - queue.min());
  });
  return entries == messages
             ? ""
             : std::to_string(entries) + " entries for " + std::to_string(messages) + " messages";
}

struct damage {
  std::string what;
  std::function<void(const std::string& directory, const std::string& file)> inflict;
};

std::vector<damage> damages() {
  return {{"empty", [](auto&, auto& file) { disk::resize_file(file, 0); }},
          {"zeroed",
           [](auto&, auto& file) {
             auto size = disk::file_size(file);
             disk::resize_file(file, 0);
             disk::resize_file(file, size);
           }},
          {"cut", [](auto&, auto& file) { disk::resize_file(file, 200); }},
          {"cut at its end, at full size",
           [](auto&, auto& file) {
             auto size = disk::file_size(file);
             disk::resize_file(file, 20);
             disk::resize_file(file, size);
           }},
          {"missing", [](auto&, auto& file) { disk::remove(file); }},
          {"without its directory", [](auto& directory, auto&) { disk::remove_all(directory); }}};
}

std::int64_t tags_code_in(const running& node, const std::string& topic, queue_offset number) {
  return node.queues.table->find(topic, 0)->entry(number).value().tags_code;
}

queue_offset next_number(const running& node, const std::string& topic, std::int32_t id) {
  auto* queue = node.queues.table->find(topic, id);
  return queue != nullptr ? queue->next() : node.queues.numbers->of(topic, id);
}

/// Queues of a store whose log is elsewhere: the same files but for the log's own.
struct queues_apart {
  explicit queues_apart(const golden_copy& store) : log(store.options()) {
    own = log;
    own.directory = store.root() + "-queues";
    disk::remove_all(own.directory);
    disk::create_directories(own.directory);
    for (auto* part : {"consumequeue", "index", "config"})
      disk::copy(store.root() + "/" + part, own.directory + "/" + part,
                 disk::copy_options::recursive);
    disk::copy(store.root() + "/checkpoint", own.directory + "/checkpoint");
  }
  ~queues_apart() { disk::remove_all(own.directory); }

  recovered_queues recover(log_offset end) const {
    auto known = load_checkpoint(fast_files(), checkpoint_path(own)).value();
    queue_recovery_plan plan{0, end, known, false, {}, false};
    return recover_queues(fast_files(), own, {}, clock_of_tests, plan).value();
  }
  /// What the log says of them as it is read again.
  queue_comparison read_again(recovered_queues& queues) const {
    log_view view(fast_files(), log, 0);
    auto batch = view.positions(queues.applied, queues.compare_until, 100'000).value();
    REQUIRE(batch.to == queues.compare_until);
    return compare_records(*queues.table, batch, queues.compare_until).value();
  }
  std::string file(const std::string& queue) const {
    return own.directory + "/consumequeue/" + queue + "/00000000000000000000";
  }
  /// Of one entry the offset in the log.
  void spoil(const std::string& queue, queue_offset number) const {
    std::fstream entry(file(queue), std::ios::in | std::ios::out | std::ios::binary);
    entry.seekp(number * 20 + 7);
    entry.put('\x77');
  }

  options log;
  options own;
};

} // namespace

TEST_CASE("queue_recovery: a sound store that Java stopped is taken as it is", "[storage]") {
  for (auto* name : {"normal-4.9.8", "normal-5.3.3", "extras-5.3.3", "propcrc-5.3.3"}) {
    CAPTURE(name);
    golden_copy store(name);
    auto node = start(store.options());
    CHECK(node.queues.rebuild_reason == "");
    CHECK(node.queues.corrected == 0);
    CHECK(node.queues.applied == node.store.log.end);
    CHECK(first_fault(node, name) == "");
  }
}

TEST_CASE("queue_recovery: a store that Java stopped may have lost any queue file", "[storage]") {
  for (auto& damage : damages()) {
    for (auto* file : {"TopicOrders/0/00000000000000000000", "TopicMany/0/00000000000000000000",
                       "TopicMany/0/00000000000000020000", "TopicEdge/0/00000000000000000000"}) {
      CAPTURE(damage.what, file);
      golden_copy store("normal-5.3.3");
      auto path = queue_path(store, file);
      damage.inflict(path.substr(0, path.rfind('/')), path);
      CHECK(first_fault(start(store.options()), "normal-5.3.3") == "");
    }
  }
}

TEST_CASE("queue_recovery: messages of a topic that Java deleted need no queue", "[storage]") {
  for (auto deleted : {true, false}) {
    CAPTURE(deleted);
    golden_copy store("normal-5.3.3");
    REQUIRE(make_directories(fast_files(), config_directory(store.options())));
    auto topics = topic_table::load(fast_files(), store.options());
    REQUIRE(topics.has_value());
    REQUIRE(topics.value().put({"TopicOrders"}));
    if (!deleted)
      REQUIRE(topics.value().put({"TopicBig"}));
    REQUIRE(topics.value().save(later));
    disk::remove_all(queue_path(store, "TopicBig"));
    auto node = start(store.options());
    CHECK(node.queues.rebuild_reason.empty() == deleted);
    CHECK((node.queues.table->find("TopicBig", 0) == nullptr) == deleted);
  }
}

TEST_CASE("queue_recovery: an entry that leads nowhere is compared with the log", "[storage]") {
  constexpr auto name = "normal-5.3.3";
  golden_copy store(name);
  std::int64_t tags = 0;
  {
    auto node = start(store.options());
    save_own_checkpoint(store.options(), node);
    tags = tags_code_in(node, "TopicOrders", 14);
  }
  stop(store.options());
  auto path = queue_path(store, "TopicOrders/0/00000000000000000000");
  auto sound = read_bytes(path);
  auto flipped = [&](std::size_t entry, std::size_t bit) {
    auto bytes = sound;
    bytes[entry * queue_entry_bytes + bit / 8] ^= static_cast<std::byte>(1U << (bit % 8));
    std::ofstream(path, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()),
               static_cast<std::streamsize>(bytes.size()));
  };
  for (auto entry : {0U, 7U, 14U, 15U, 30U})
    for (std::size_t bit = 0; bit < 8 * queue_entry_bytes; bit += entry == 14 ? 1U : 7U) {
      CAPTURE(entry, bit);
      flipped(entry, bit);
      auto how = bit % 3;
      if (how == 1)
        REQUIRE(create_abort_marker(fast_files(), store.root()));
      if (how == 2)
        disk::remove(store.root() + "/checkpoint");
      auto node = start(store.options());
      CHECK(first_fault(node, name) == "");
      CHECK((node.queues.corrected > 0 || !node.queues.rebuild_reason.empty()));
      CHECK(tags_code_in(node, "TopicOrders", 14) == tags);
      save_own_checkpoint(store.options(), node);
      stop(store.options());
    }
}

TEST_CASE("queue_recovery: queues keep their numbers when all their messages have expired",
          "[storage]") {
  constexpr auto name = "normal-5.3.3";
  constexpr log_offset log_min = 196608; // TopicOrders and others end before
  constexpr auto own_file = "TopicOrders/0/00000000000000000000";
  constexpr auto other_file = "TopicEdge/0/00000000000000000000";
  std::vector<std::pair<std::string, std::function<void(const golden_copy&)>>> accidents{
      {"none", [](auto&) {}},
      {"another queue lost its file",
       [](auto& store) { disk::remove(queue_path(store, other_file)); }},
      {"another queue has a file of zeros",
       [](auto& store) { damages()[1].inflict("", queue_path(store, other_file)); }},
      {"all is distrusted",
       [](auto& store) {
         REQUIRE(create_abort_marker(fast_files(), store.root()));
         disk::remove(store.root() + "/checkpoint");
       }},
      {"its own file is cut",
       [](auto& store) { disk::resize_file(queue_path(store, own_file), 31 * queue_entry_bytes); }},
  };
  for (auto ours : {true, false})
    for (auto& [what, inflict] : accidents) {
      CAPTURE(ours, what);
      golden_copy store(name);
      if (ours) {
        auto node = start(store.options());
        REQUIRE(node.queues.table->drop_until(log_min));
        save_own_checkpoint(store.options(), node);
        stop(store.options());
      }
      for (auto* file : {"00000000000000000000", "00000000000000065536", "00000000000000131072"})
        disk::remove(store.root() + "/commitlog/" + file);
      inflict(store);
      for (int again = 0; again < 2; ++again) {
        auto node = start(store.options());
        CHECK(first_fault(node, name, log_min) == "");
        CHECK(next_number(node, "TopicOrders", 0) == 31);
        CHECK(next_number(node, "TopicOrders", 1) == 30);
        CHECK(next_number(node, "TopicPayments", 0) == 60);
        CHECK(next_number(node, "TopicMany", 0) == 1100);
      }
    }
}

TEST_CASE("queue_recovery: the checkpoint knows the number of a queue that lost all entries",
          "[storage]") {
  constexpr log_offset log_min = 196608;
  golden_copy store("normal-5.3.3");
  {
    auto node = start(store.options());
    REQUIRE(node.queues.table->drop_until(log_min));
    save_own_checkpoint(store.options(), node);
  }
  stop(store.options());
  for (auto* file : {"00000000000000000000", "00000000000000065536", "00000000000000131072"})
    disk::remove(store.root() + "/commitlog/" + file);
  damages()[1].inflict("", queue_path(store, "TopicOrders/0/00000000000000000000"));
  auto node = start(store.options());
  CHECK(next_number(node, "TopicOrders", 0) == 31);
  CHECK(next_number(node, "TopicOrders", 1) == 30);
}

TEST_CASE("queue_recovery: no message is dropped because its number is taken", "[storage]") {
  golden_copy store("normal-5.3.3");
  auto node = start(store.options());
  position_batch batch{node.store.log.end, node.store.log.end + 100, {"TopicOrders"}, {}, {}};
  position again;
  again.offset = node.store.log.end;
  again.size = 100;
  again.queue_position = 3; // as by a node that did not know the queue
  batch.positions.push_back(again);
  queue_table::applied done;
  auto applied = node.queues.table->apply(batch, 0, done, [](auto&, auto&) {});
  REQUIRE(applied.has_error());
  CHECK(applied.error().code == errc::needs_repair);
  CHECK(applied.error().message.find("two messages with number 3") != std::string::npos);
  CHECK(done.count == 0);
}

namespace {

/// The message with which a start with these settings is refused; nothing was changed then.
std::string refusal(const golden_copy& store, const options& o) {
  auto before = tree_of(store.root());
  auto opened = open_store(fast_files(), o, clock_of_tests);
  REQUIRE(opened.has_error());
  CHECK(opened.error().code == errc::invalid_argument);
  auto after = tree_of(store.root());
  after.erase("lock");
  before.erase("lock");
  CHECK(after == before);
  return opened.error().message;
}

bool says(const std::string& message, const std::vector<std::string>& all) {
  return std::ranges::all_of(all,
                             [&](auto& one) { return message.find(one) != std::string::npos; });
}

} // namespace

TEST_CASE("sizes: a changed size of queue files is refused with both values", "[storage]") {
  golden_copy store("normal-5.3.3");
  if (GENERATE(false, true)) { // with a checkpoint of our own
    save_own_checkpoint(store.options(), start(store.options()));
    stop(store.options());
  }
  auto o = store.options();
  o.queue_file_size_bytes = GENERATE(10'000U, 40'000U, 6'000'000U);
  auto message = refusal(store, o);
  CAPTURE(message);
  CHECK(says(message,
             {"mapped-file-size-consume-queue is " + std::to_string(o.queue_file_size_bytes) + ",",
              "20000", store.root() + "/consumequeue/"}));
  CHECK(first_fault(start(store.options()), "normal-5.3.3") == ""); // set back, all is well
}

TEST_CASE("sizes: changed slots or entries of the index are refused with both values",
          "[storage]") {
  golden_copy store("normal-5.3.3");
  auto o = store.options();
  SECTION("of a RocketMQ store") {
    o.index_slots = 101;
    CHECK(says(refusal(store, o), {"max-hash-slot-num = 101", "max-hash-slot-num = 100 ",
                                   "max-index-num = 400", store.root() + "/index/"}));
  }
  SECTION("of our own, also if files keep their length") {
    save_own_checkpoint(o, start(o));
    stop(o);
    o.index_slots = 105;
    o.index_entries = 399;
    CHECK(says(refusal(store, o), {"max-index-num = 399", "max-hash-slot-num = 100 ",
                                   "max-index-num = 400", store.root() + "/index/"}));
  }
}

TEST_CASE("sizes: they can be changed on purpose", "[storage]") {
  golden_copy store("normal-5.3.3");
  save_own_checkpoint(store.options(), start(store.options()));
  stop(store.options());
  auto o = store.options();
  o.queue_file_size_bytes = 40'000;
  o.index_slots = 50;
  disk::remove_all(store.root() + "/consumequeue");
  disk::remove_all(store.root() + "/index");
  CHECK(first_fault(start(o), "normal-5.3.3") == "");
}

TEST_CASE("sizes: files that all lost their ends are damage when the right size is known",
          "[storage]") {
  golden_copy store("normal-5.3.3");
  save_own_checkpoint(store.options(), start(store.options()));
  stop(store.options());
  for (auto& entry : disk::recursive_directory_iterator(store.root() + "/consumequeue"))
    if (entry.is_regular_file())
      disk::resize_file(entry.path(), 200);
  for (auto& entry : disk::directory_iterator(store.root() + "/index"))
    disk::resize_file(entry.path(), 4096);
  auto node = start(store.options());
  CHECK(first_fault(node, "normal-5.3.3") == "");
  CHECK(node.queues.index->file_count() > 0);
}

TEST_CASE("queue_recovery: groups are settled only where no message can be gone", "[storage]") {
  golden_copy store("normal-5.3.3");
  auto settled = [&] { return groups_are_settled(fast_files(), store.root()); };
  auto settle = [&] { REQUIRE(settle_groups(fast_files(), store.root()).has_value()); };
  CHECK_FALSE(settled());
  {
    auto node = start(store.options());
    CHECK_FALSE(settled()); // no checkpoint of ours vouched for anything
    save_own_checkpoint(store.options(), node);
  }
  { auto node = start(store.options()); }
  CHECK_FALSE(settled()); // the start before had died with it open
  settle();
  { auto node = start(store.options()); }
  CHECK(settled());
  SECTION("an orderly stop leaves nothing open") {
    stop(store.options());
    CHECK_FALSE(settled());
    auto node = start(store.options());
    CHECK(settled());
  }
  SECTION("queues that are discarded open it, also for the next start") {
    stop(store.options());
    disk::remove_all(store.root() + "/consumequeue");
    for (auto life : {1, 2}) {
      CAPTURE(life);
      auto node = start(store.options());
      CHECK_FALSE(settled());
      save_own_checkpoint(store.options(), node);
    }
  }
  SECTION("a tail that is cut opens it, also for the next start") {
    auto end = open_store(fast_files(), store.options(), clock_of_tests).value().log.end;
    store.write_log(end, "torn");
    for (auto life : {1, 2}) {
      CAPTURE(life);
      auto opened = open_store(fast_files(), store.options(), clock_of_tests);
      CHECK(opened.value().log.cut == (life == 1));
      CHECK_FALSE(settled());
    }
  }
  SECTION("so does a repair of a log that is gone") {
    stop(store.options());
    for (auto& file : disk::directory_iterator(store.root() + "/commitlog"))
      disk::remove(file.path());
    constexpr auto at_once = [](std::chrono::milliseconds) {};
    auto repair = store_repair::open(fast_files(), store.root(), {}, clock_of_tests, {}, at_once);
    REQUIRE(repair.has_value());
    REQUIRE(repair.value().run().has_value());
    repair = error{errc::busy, "closed"};
    auto opened = open_store(fast_files(), store.options(), clock_of_tests);
    CHECK(opened.value().known.extension_valid); // of the new store, which knows no lost numbers
    CHECK_FALSE(settled());
  }
}

TEST_CASE("queue_recovery: queues away from the log keep what a checkpoint vouches for",
          "[storage][spread]") {
  golden_copy store("normal-5.3.3");
  auto node = start(store.options());
  auto end = node.store.log.end;
  save_own_checkpoint(store.options(), node);
  queues_apart apart(store);
  auto queues = apart.recover(end);
  CHECK(queues.rebuild_reason == "");
  CHECK(queues.vouched);
  CHECK(queues.table->entry_total() == node.queues.table->entry_total());
  // The newest part, here all of it, is compared as it is read again.
  CHECK(queues.compare_until == end);
  CHECK(queues.applied == 0);
  auto compared = apart.read_again(queues);
  CHECK(compared.reason == "");
  CHECK(compared.corrected == 0);
  auto lines = read_manifest("normal-5.3.3");
  CHECK(compared.records == static_cast<std::uint64_t>(std::ranges::count_if(
                                lines, [](auto& line) { return line.has_queue_entry(); })));
}

TEST_CASE("queue_recovery: queues away from the log are compared with it", "[storage][spread]") {
  golden_copy store("normal-5.3.3");
  auto node = start(store.options());
  save_own_checkpoint(store.options(), node);
  queues_apart apart(store);
  std::string name;
  node.queues.table->for_each([&](auto& topic, const consume_queue& queue) {
    if (queue.next() >= 6)
      name = topic.name + "/" + std::to_string(queue.queue_id());
  });
  REQUIRE(!name.empty());
  SECTION("one damaged entry is written anew") {
    apart.spoil(name, 3);
    auto queues = apart.recover(node.store.log.end);
    REQUIRE(queues.rebuild_reason == "");
    auto compared = apart.read_again(queues);
    CHECK(compared.reason == "");
    CHECK(compared.corrected == 1);
    CHECK(apart.read_again(queues).corrected == 0);
  }
  SECTION("entries of another log are not believed") {
    for (queue_offset number : {2, 3, 4, 5})
      apart.spoil(name, number);
    auto queues = apart.recover(node.store.log.end);
    auto reason = queues.rebuild_reason;
    if (reason.empty())
      reason = apart.read_again(queues).reason;
    CHECK(reason != "");
  }
}

TEST_CASE("queue_recovery: queues away from the log are no evidence without a checkpoint",
          "[storage][spread]") {
  golden_copy store("normal-5.3.3");
  auto node = start(store.options());
  auto end = node.store.log.end;
  SECTION("that of Java says nothing of them") {}
  SECTION("nor does that of the log alone") {
    checkpoint of_log;
    of_log.safe_offset = end;
    of_log.queue_count = queues_elsewhere;
    REQUIRE(save_checkpoint(fast_files(), checkpoint_path(store.options()), of_log));
  }
  SECTION("nor one behind which the log now ends") {
    save_own_checkpoint(store.options(), node);
    end -= 1;
  }
  queues_apart apart(store);
  auto queues = apart.recover(end);
  CHECK(queues.rebuild_reason != "");
  CHECK(queues.applied == 0);
  CHECK(queues.compare_until == 0);
  CHECK(queues.table->queue_count() == 0);
}

TEST_CASE("queue_recovery: queues that come back beside the log are built again",
          "[storage][spread]") {
  golden_copy store("normal-5.3.3");
  auto node = start(store.options());
  checkpoint of_log;
  of_log.log_time = node.store.log.last_store_timestamp - 1;
  of_log.safe_offset = node.store.log.end;
  of_log.queue_count = queues_elsewhere;
  of_log.sizes = file_sizes::of(store.options());
  stop(store.options());
  node = running{};
  REQUIRE(save_checkpoint(fast_files(), checkpoint_path(store.options()), of_log));
  auto again = start(store.options());
  CHECK(again.queues.rebuild_reason == "they were kept in another directory");
  CHECK(first_fault(again, "normal-5.3.3") == "");
}

TEST_CASE("queue_recovery: a directory for queues alone is locked, and is no store",
          "[storage][spread]") {
  golden_copy store("normal-5.3.3");
  auto refused = open_queue_directory(fast_files(), store.options());
  REQUIRE(refused.has_error());
  CHECK(refused.error().code == errc::invalid_argument);
  CHECK(refused.error().message.find("holds a log") != std::string::npos);
  auto own = store.options();
  own.directory = store.root() + "/queues-1-of-2";
  auto lock = open_queue_directory(fast_files(), own);
  REQUIRE(lock.has_value());
  CHECK(disk::exists(own.directory + "/consumequeue"));
  CHECK(open_queue_directory(fast_files(), own).error().code == errc::locked);
}
