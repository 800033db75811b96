#include "tests/support/actor_stand.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/manifest.hpp"

#include <filesystem>
#include <fstream>

using namespace troupe;
using namespace troupe::test;
using namespace std::chrono_literals;
using action = observed_file_system::action;

namespace {

/// Queues and readers over a log of which parts can be made unreadable.
struct faulty_reads : actor_stand {
  void run() {
    open();
    add_pipeline();
    start();
  }
  std::vector<message_result> store_all(const std::vector<text_message>& messages) {
    auto response = put(put_of("a", messages));
    REQUIRE(all_stored(response));
    world.drain();
    return response.results;
  }
  /// Readers that have opened nothing yet.
  void renew_readers() {
    for (auto& one : roles.readers)
      world.kill(one);
    world.drain();
    roles.readers.clear();
    add_readers();
    announce();
  }
  /// The queue-manager ends as if killed; the next one knows that clients were served.
  void renew_queues() {
    world.kill(roles.queue_manager);
    world.kill(roles.queue_flusher);
    world.drain();
    actor_stand::store->after_orderly_stop = false;
    actor_stand::store->known = {};
    actor_stand::store->log.end = 0;
    add_queues(true);
  }
  answer<pull_response> pull(queue_offset from, std::uint32_t most = 1000) {
    pull_request request;
    request.topic = "a";
    request.from = from;
    request.max_messages = most;
    request.max_bytes = storage::mib;
    auto answered = world.request<pull_response>(client(), request);
    world.drain();
    return answered;
  }
  std::string log_path(log_offset start) const {
    return storage::log_file_path(options.store, start);
  }
  void overwrite(const std::string& path, std::int64_t at, const std::string& with) {
    std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
    file.seekp(at);
    file << with;
  }
  queue_manager_status status() {
    return world.ask<queue_manager_status>(roles.queue_manager, status_atom_v).value();
  }
  log_offset file_size() const {
    return static_cast<log_offset>(options.store.log_file_size_bytes);
  }
  /// Number of the first message in the second file.
  queue_offset first_in_second(const std::vector<message_result>& stored) const {
    for (auto& one : stored)
      if (one.offset >= file_size())
        return one.queue_position;
    throw std::runtime_error("the log has one file");
  }
};

} // namespace

TEST_CASE("reader: a pull ends before what cannot be read just now", "[actors][pull]") {
  auto code = GENERATE(errc::io_error, errc::too_many_files, errc::unavailable);
  faulty_reads t;
  t.run();
  auto second = t.first_in_second(t.store_all(numbered("m", 150, 1, 600)));
  t.renew_readers();
  bool broken = true;
  t.files.read_fault = [&](const std::string& path) {
    return broken && path == t.log_path(t.file_size()) ? code : errc::none;
  };
  auto before = t.pull(0);
  CHECK(before.value().status == pull_status::found);
  CHECK(before.value().next == second);
  CHECK(before.value().records.size() == static_cast<std::size_t>(second));
  CHECK(t.pull(second).code() == code);
  broken = false;
  CHECK(read_back(t.pull(second).value().records.at(0)).number == second);
  CHECK(t.status().damaged_messages == 0);
}

TEST_CASE("reader: a file that cannot be mapped is read all the same", "[actors][pull]") {
  faulty_reads t;
  t.run();
  auto stored = t.store_all(numbered("m", 5, 1, 600));
  t.renew_readers();
  t.files.map_fault = [](const std::string&) { return errc::too_many_files; };
  auto found = t.pull(0);
  REQUIRE(found.value().records.size() == 5);
  CHECK(bodies_of(found.value().records).back().starts_with("m4"));
  t.overwrite(t.log_path(0), stored[2].offset + 200, "damage");
  auto rest = t.pull(0);
  CHECK(rest.value().records.size() == 4);
  CHECK(rest.value().damaged == 1);
}

TEST_CASE("reader: a damaged message is left out, told once and counted", "[actors][pull]") {
  faulty_reads t;
  t.run();
  auto stored = t.store_all(numbered("m", 5, 1, 600));
  t.world.run_for(3s);
  auto path = storage::queue_directory(t.options.store) + "/a/0/00000000000000000000";
  auto entries = read_bytes(path);
  t.overwrite(t.log_path(0), stored[2].offset + 200, "damage");
  t.overwrite(t.log_path(0), stored[3].offset, std::string(100, '\0')); // so its entry may be wrong
  for (int i = 0; i < 3; ++i) {
    auto found = t.pull(0);
    CHECK(found.value().records.size() == 2);
    CHECK(found.value().next == 3);
    CHECK(found.value().damaged == 1);
    auto past = t.pull(3);
    CHECK(past.value().records.empty());
    CHECK(past.value().damaged == 1);
    CHECK(past.value().next == 4);
    CHECK(bodies_of(t.pull(4).value().records).at(0).starts_with("m4"));
    CHECK(t.status().damaged_messages == 2);
    CHECK(t.status().failure.empty());
  }
  CHECK(read_bytes(path) == entries);
  CHECK(all_stored(t.put(put_of("a", {{"x"}}))));
}

TEST_CASE("queue_manager: an end that cannot be found is an error, not a smaller one",
          "[actors][pull]") {
  faulty_reads t;
  t.options.store.flush = storage::flush_policy::sync;
  t.options.queue_manager.tail_entries = 1;
  t.run();
  t.store_all(numbered("m", 10));
  t.world.kill(t.roles.flusher);
  t.world.drain();
  auto unflushed = t.world.request<put_bundle_response>(t.roles.writer,
                                                        group_of(put_of("a", numbered("n", 10))));
  t.world.drain();
  bool broken = true;
  t.files.read_fault = [&](const std::string& path) {
    return broken && path.find("/consumequeue/") != std::string::npos ? errc::io_error : errc::none;
  };
  auto bounds = [&] {
    return t.world.ask<bounds_read>(t.roles.queue_manager, bounds_atom_v, std::string{"a"},
                                    log_offset{0});
  };
  CHECK(t.pull(3).code() == errc::io_error);
  CHECK(bounds().code() == errc::io_error);
  broken = false;
  CHECK(t.pull(3).value().records.size() == 7);
  CHECK(bounds().value().queues.at(0).max == 10);
}

TEST_CASE("reader: what retention took meanwhile is said to be gone", "[actors][pull]") {
  faulty_reads t;
  t.run();
  auto second = t.first_in_second(t.store_all(numbered("m", 150, 1, 600)));
  t.renew_readers();
  std::filesystem::remove(t.log_path(0)); // and nobody has been told yet
  auto gone = t.pull(0).value();
  CHECK(gone.status == pull_status::offset_too_small);
  CHECK(gone.next == second);
  CHECK(gone.min == second);
  CHECK(gone.records.empty());
  CHECK(t.pull(0, 10).value().next == 10); // as far as was looked
  CHECK(t.pull(second).value().status == pull_status::found);
  CHECK(t.status().damaged_messages == 0);
}

TEST_CASE("queue_manager: queues that know less than was shown never say too large",
          "[actors][pull]") {
  faulty_reads t;
  t.run();
  t.store_all(numbered("m", 20));
  auto writer = t.roles.writer;
  std::vector<caf::typed_response_promise<writer_status>> unanswered;
  t.roles.writer = t.world.play<writer_actor>([&](caf::event_based_actor* self) {
    return caf::message_handler{[&unanswered, self](status_atom) -> caf::result<writer_status> {
      unanswered.push_back(self->make_response_promise<writer_status>());
      return unanswered.back();
    }};
  }); // one that waits for the disk
  t.renew_queues();
  t.announce();
  auto bounds = t.world.request<bounds_read>(t.roles.queue_manager, bounds_atom_v, std::string{"a"},
                                             log_offset{0});
  auto searched = t.world.request<queue_offset>(t.roles.queue_manager, search_atom_v,
                                                std::string{"a"}, 0, std::int64_t{1});
  auto behind = t.pull(15);
  t.world.run_for(20s);
  REQUIRE(behind.there());
  CHECK(behind.code() == errc::unavailable);
  REQUIRE(bounds.there());
  CHECK(bounds.code() == errc::unavailable);
  REQUIRE(searched.there());
  CHECK(searched.code() == errc::unavailable);
  t.roles.writer = writer;
  t.announce();
  t.world.tell(t.roles.dispatcher, resume_atom_v, std::uint32_t{0}, log_offset{0});
  t.world.run_for(3s);
  CHECK(t.pull(15).value().records.size() == 5);
  CHECK(t.pull(25).value().status == pull_status::offset_too_large);
}

TEST_CASE("queue_manager: what a dead writer left in the log is all that was shown",
          "[actors][pull]") {
  faulty_reads t;
  t.run();
  t.store_all(numbered("m", 20));
  t.world.kill(t.roles.writer);
  t.world.drain();
  t.renew_queues();
  t.world.stall(0, "dispatcher", 500ms);
  t.announce();
  auto early = t.pull(25);
  CHECK_FALSE(early.there());
  t.world.run_for(1s);
  REQUIRE(early.there());
  CHECK(early.value().status == pull_status::offset_too_large);
  CHECK(early.value().next == 20);
}

TEST_CASE("queue_manager: entries that the disk refuses are written when it takes them again",
          "[actors][pull]") {
  faulty_reads t;
  t.options.queue_manager.tail_entries = 4;
  t.run();
  t.store_all(numbered("m", 4));
  bool broken = true;
  t.files.fault = [&](action what, const std::string& path) {
    return broken && what == action::write && path.find("/consumequeue/") != std::string::npos
               ? errc::io_error
               : errc::none;
  };
  REQUIRE(all_stored(t.put(put_of("a", numbered("n", 9)))));
  t.world.run_for(10s);
  CHECK(t.status().failure.empty());
  CHECK(t.put(put_of("a", {{"x"}})).results.at(0).code == errc::busy);
  CHECK(t.pull(0).value().records.size() >= 4);
  broken = false;
  t.world.run_for(5s);
  CHECK(t.pull(0).value().records.size() == 13);
  CHECK(all_stored(t.put(put_of("a", {{"x"}}))));
  t.world.run_for(5s);
  CHECK(t.status().durable == t.writer_state().end);
}

TEST_CASE("queue_manager: a search by time does not take damage for an answer", "[actors][pull]") {
  faulty_reads t;
  t.run();
  std::vector<message_result> stored;
  for (int i = 0; i < 9; ++i) {
    t.clock.ms += 1000;
    stored.push_back(t.store_all({{std::string(100, 'x')}}).at(0));
  }
  auto begin = t.clock.ms - 8000; // of the first
  for (auto i : {4, 5})
    t.overwrite(t.log_path(0), stored.at(static_cast<std::size_t>(i)).offset + 120, "damage");
  auto first_at = [&](std::int64_t ms) {
    return t.world.ask<queue_offset>(t.roles.queue_manager, search_atom_v, std::string{"a"}, 0, ms)
        .value();
  };
  for (auto i : {0, 1, 2, 3, 7, 8})
    CHECK(first_at(begin + 1000 * i) == i);
  CHECK(first_at(begin + 4000) == 4); // whose time nobody knows: nothing is left out
  CHECK(first_at(begin + 9000) == 9);
}
