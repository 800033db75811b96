#include "net/consumer.hpp"
#include "tests/support/actor_stand.hpp"
#include "tests/support/catch.hpp"

#include <filesystem>

using namespace troupe;
using namespace troupe::test;
using namespace std::chrono_literals;
using action = observed_file_system::action;

namespace {

constexpr std::int64_t hour_ms = 3600 * 1000;

/// A node with ten full log files whose entries are durable. Nothing is old yet.
struct cleaner_stand : test_node {
  cleaner_stand() {
    stand.options.store.delete_when_hours = {};
    stand.options.store.file_reserved_time_ms = 72 * hour_ms;
  }

  void fill() {
    // The files' times are the machine's; the clock goes with them.
    stand.clock.ms = std::chrono::duration_cast<std::chrono::milliseconds>(
                         std::chrono::system_clock::now().time_since_epoch())
                         .count();
    start();
    create_topic("a");
    stand.world.run_for(10ms);
    for (int i = 0; i < 10; ++i)
      if (!all_stored(put(put_of("a", numbered("m", 20, 1, 3000)))))
        throw std::runtime_error("not stored");
    stand.world.run_for(3s);
  }
  std::size_t log_files() const {
    std::size_t count = 0;
    for (auto& entry : std::filesystem::directory_iterator(log_directory(stand.options.store)))
      count += entry.is_regular_file() ? 1 : 0;
    return count;
  }
  /// All files but the one that is written were last changed so many hours ago.
  void make_older(int hours) {
    namespace disk = std::filesystem;
    auto newest = log_file_path(stand.options.store, status().writer.end);
    for (auto& entry : disk::directory_iterator(log_directory(stand.options.store)))
      if (entry.path().string() != newest)
        disk::last_write_time(entry.path(),
                              disk::last_write_time(entry.path()) - std::chrono::hours(hours));
  }
  void next_round() { stand.world.run_for(10'500ms); }
  log_offset log_min() { return status().writer.min; }
};

} // namespace

TEST_CASE("cleaner: expired files wait for their hour while the disk has room", "[actors]") {
  cleaner_stand t;
  t.fill();
  auto files = t.log_files();
  t.make_older(73);
  t.stand.files.used_percent = 75;
  t.next_round();
  CHECK(t.log_files() == files);
  t.stand.files.used_percent = 76; // over 75: expired ones go at any hour
  t.next_round();
  CHECK(t.log_min() > 0);
  t.next_round();
  t.next_round();
  CHECK(t.log_files() <= 2); // the last one stays, and perhaps the one made ahead
  CHECK(t.status().writer.refusal.empty());
  CHECK(t.status().cleaner.files_deleted > 5);
}

TEST_CASE("cleaner: what is not expired stays up to 85 percent", "[actors]") {
  cleaner_stand t;
  t.fill();
  auto files = t.log_files();
  t.stand.files.used_percent = 85;
  t.next_round();
  CHECK(t.log_files() == files);
  t.stand.files.used_percent = 86;
  t.next_round();
  CHECK(t.log_files() < files);
  CHECK(t.status().writer.refusal.empty());
}

TEST_CASE("cleaner: over 90 percent writes are refused until it is back at 85", "[actors]") {
  cleaner_stand t;
  t.fill();
  t.stand.files.used_percent = 90;
  t.next_round();
  CHECK(all_stored(t.put(put_of("a", {{"still"}}))));
  t.stand.files.used_percent = 91;
  t.next_round();
  auto refused = t.put(put_of("a", {{"x"}}));
  CHECK(refused.results.at(0).code == errc::disk_full);
  CHECK(refused.failure.message.find("91 % full") != std::string::npos);
  CHECK(refused.failure.message.find("disk-space-warning-level-ratio = 90") != std::string::npos);
  CHECK(t.status().writer.refusal.find("91 % full") != std::string::npos);
  auto min = t.pull("a", 0, 0).min;
  CHECK(t.pull("a", 0, min).status == pull_status::found); // reads go on
  t.stand.files.used_percent = 86;
  t.next_round();
  CHECK(t.put(put_of("a", {{"x"}})).results.at(0).code == errc::disk_full);
  t.stand.files.used_percent = 85;
  t.next_round();
  auto again = t.put(put_of("a", {{"again"}}));
  REQUIRE(all_stored(again));
  CHECK(again.results[0].queue_position == 201);
}

TEST_CASE("cleaner: one that takes over lets writes go on when there is room", "[actors]") {
  cleaner_stand t;
  t.fill();
  t.stand.files.used_percent = 91;
  t.next_round();
  CHECK(t.put(put_of("a", {{"x"}})).results.at(0).code == errc::disk_full);
  t.stand.files.used_percent = 50;
  REQUIRE(t.stand.world.kill_all("cleaner"));
  t.next_round();
  CHECK(all_stored(t.put(put_of("a", {{"again"}}))));
}

TEST_CASE("cleaner: who is overtaken learns the new minimum, and it does not go back", "[actors]") {
  cleaner_stand t;
  t.fill();
  t.stand.files.used_percent = 89;
  t.next_round();
  t.stand.files.used_percent = 10;
  auto overtaken = t.pull("a", 0, 0);
  CHECK(overtaken.status == pull_status::offset_too_small);
  CHECK(overtaken.min > 10);
  CHECK(overtaken.next == overtaken.min);
  auto rest = t.read_all("a", 0, overtaken.min);
  CHECK(rest.size() == static_cast<std::size_t>(200 - overtaken.min));
  // Roles that are started anew begin where the log begins now.
  t.stand.world.kill_all("queue-manager");
  t.stand.world.kill_all("reader");
  t.stand.world.run_for(2s);
  auto again = t.pull("a", 0, 0);
  CHECK(again.status == pull_status::offset_too_small);
  CHECK(again.min == overtaken.min);
  CHECK(t.read_all("a", 0, again.min) == rest);
}

TEST_CASE("cleaner: a queue-manager that is started beside a deletion hears of it", "[actors]") {
  cleaner_stand t;
  t.fill();
  t.stand.files.used_percent = 89;
  // The new one looks at the files before they go, and the cleaner tells the old one.
  t.stand.world.stall(0, "queue-manager", 10'500ms);
  t.stand.world.run_for(10'200ms);
  t.stand.world.stall(0, "cleaner", 5s);
  t.stand.world.run_for(1s);
  REQUIRE(t.stand.world.kill_all("queue-manager"));
  t.stand.world.run_for(2s);
  REQUIRE(t.log_min() == 0);
  t.stand.world.run_for(3s);
  auto min = t.log_min();
  REQUIRE(min > 0);
  t.stand.files.used_percent = 10;
  t.next_round();
  REQUIRE(t.log_min() == min);
  auto queues = t.stand.world.ask<topic_description>(t.session, bounds_atom_v, std::string("a"));
  auto begin = queues.value().queues.at(0).min;
  CHECK(begin > 0);
  CHECK(t.pull("a", 0, begin).status == pull_status::found);
}

TEST_CASE("cleaner: what is not in the queues yet is not deleted", "[actors]") {
  cleaner_stand t;
  t.fill();
  // From here on nothing becomes durable in the queues.
  auto durable = t.status().queues.durable;
  t.stand.files.fault = [](action what, const std::string& path) {
    return what == action::write && path.find("/consumequeue/") != std::string::npos
               ? errc::io_error
               : errc::none;
  };
  for (int i = 0; i < 10; ++i)
    REQUIRE(all_stored(t.put(put_of("a", numbered("m", 20, 1, 3000)))));
  t.make_older(100);
  t.stand.files.used_percent = 89;
  for (int i = 0; i < 5; ++i)
    t.next_round();
  CHECK(t.log_min() > 0);
  CHECK(t.log_min() <= durable);
  CHECK(t.status().writer.end > durable + 8 * 65536);
}

TEST_CASE("cleaner: a slice of a deleted file stays readable, and after two minutes is zeros",
          "[actors]") {
  cleaner_stand t;
  t.fill();
  auto held = t.pull("a", 0, 0).records.at(0);
  auto before = read_back(held).body;
  REQUIRE(before.starts_with("m0"));
  t.make_older(100);
  t.stand.files.used_percent = 80;
  t.next_round();
  REQUIRE(t.log_min() > 0);
  REQUIRE_FALSE(
      std::filesystem::exists(log_directory(t.stand.options.store) + "/00000000000000000000"));
  CHECK(read_back(held).body == before);
  CHECK_FALSE(held.damaged());
  t.stand.world.run_for(100s);
  CHECK(read_back(held).body == before);
  CHECK_FALSE(held.damaged());
  t.stand.world.run_for(25s);
  CHECK(held.damaged());
  CHECK(client::decode(held).error().code == errc::corrupt);
  for (auto byte : held.bytes())
    REQUIRE(byte == std::byte{0});
}

TEST_CASE("cleaner: a disk that cannot be looked at is reported, and looked at again", "[actors]") {
  cleaner_stand t;
  t.fill();
  t.make_older(100);
  t.stand.files.used_percent = 80;
  t.stand.files.fault = [](action what, const std::string& path) {
    return what == action::remove && path.find("/commitlog/") != std::string::npos ? errc::io_error
                                                                                   : errc::none;
  };
  t.next_round();
  CHECK(t.status().cleaner.failure.find("deleting log files") == 0);
  CHECK(t.log_min() == 0);
  CHECK(t.read_all("a", 0).size() == 200);
  t.stand.files.fault = nullptr;
  t.next_round();
  t.next_round();
  CHECK(t.log_min() > 0);
  CHECK(t.status().cleaner.failure.empty());
}

TEST_CASE("cleaner: of files of which one cannot be removed those before it are gone for everybody",
          "[actors]") {
  cleaner_stand t;
  t.fill();
  t.make_older(100);
  t.stand.files.used_percent = 80;
  t.stand.files.fault = [](action what, const std::string& path) {
    return what == action::remove && path.ends_with("/commitlog/00000000000000131072")
               ? errc::io_error
               : errc::none;
  };
  t.next_round();
  CHECK(t.status().cleaner.failure.find("deleting log files") == 0);
  CHECK(t.status().cleaner.files_deleted == 2);
  CHECK(t.log_min() == 131072);
  auto overtaken = t.pull("a", 0, 0);
  REQUIRE(overtaken.status == pull_status::offset_too_small);
  CHECK(t.read_all("a", 0, overtaken.min).size() == static_cast<std::size_t>(200 - overtaken.min));
}

TEST_CASE("cleaner: a clock that jumped deletes nothing", "[actors]") {
  cleaner_stand t;
  t.fill();
  t.next_round();
  auto files = t.log_files();
  t.stand.files.used_percent = 80; // expired ones go at any hour
  t.stand.clock.ms += 5 * 365 * 24 * hour_ms;
  t.next_round();
  t.next_round();
  CHECK(t.log_files() == files);
  CHECK(t.log_min() == 0);
  CHECK(t.status().cleaner.clock.find("the clock jumped") == 0);
}

TEST_CASE("cleaner: a data directory that is gone is said, stops writing, and stays so",
          "[actors]") {
  cleaner_stand t;
  t.fill();
  auto directory = t.stand.options.store.directory;
  std::filesystem::rename(directory, directory + ".moved");
  t.next_round();
  auto gone = "the data directory " + directory + " was removed or moved";
  CHECK(t.status().cleaner.failure.starts_with(gone));
  CHECK(t.status().writer.refusal.starts_with(gone));
  auto refused = t.put(put_of("a", {{"lost"}}));
  CHECK(refused.failure.code == errc::write_stopped);
  std::filesystem::rename(directory + ".moved", directory);
  t.next_round();
  CHECK(t.status().writer.refusal.starts_with(gone)); // what was written meanwhile is elsewhere
}
