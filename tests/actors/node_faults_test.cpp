#include "tests/support/actor_stand.hpp"
#include "tests/support/catch.hpp"

#include <filesystem>
#include <fstream>

using namespace troupe;
using namespace troupe::test;
using namespace std::chrono_literals;
using action = observed_file_system::action;

namespace {

/// A node whose parts fail, and what was in its queue `a`/0 before.
struct faulty_node : test_node {
  /// Stores messages of half a kilobyte each, and ends in order.
  void fill_and_stop(int count) {
    start();
    create_topic("a");
    for (int i = 0; i < count; ++i) {
      auto response = put(put_of("a", {{"m" + std::to_string(i) + std::string(500, '.')}}));
      if (!all_stored(response))
        throw std::runtime_error("not stored");
      offsets.push_back(response.results[0].offset);
    }
    if (!stop().value().left_over.empty() ||
        !storage::close_store(stand.files, stand.options.store))
      throw std::runtime_error("not stopped");
  }
  void lose_queues() {
    std::filesystem::remove_all(storage::queue_directory(stand.options.store));
    std::filesystem::remove_all(storage::index_directory(stand.options.store));
  }
  /// Overwrites the start of the message of this number; answers what was there.
  std::string overwrite(std::size_t message, const std::string& with) {
    constexpr log_offset file_size = 64 * storage::kib;
    auto offset = offsets.at(message);
    std::fstream file(storage::log_file_path(stand.options.store, offset),
                      std::ios::in | std::ios::out | std::ios::binary);
    std::string before(with.size(), '\0');
    file.seekg(offset % file_size).read(before.data(), static_cast<std::streamsize>(before.size()));
    file.seekp(offset % file_size) << with;
    return before;
  }
  void fail(action what, const std::string& part) {
    stand.files.fault = [what, part](action a, const std::string& path) {
      return a == what && path.find(part) != std::string::npos ? errc::io_error : errc::none;
    };
  }
  std::string start_failure() {
    try {
      start();
    } catch (const std::runtime_error& e) {
      return e.what();
    }
    return {};
  }
  template <class Result>
  bool answered_now(answer<Result>& asked) {
    stand.world.drain();
    return asked.there();
  }

  std::vector<log_offset> offsets;
};

} // namespace

// -- whoever asked a part that ends is told at once ----------------------------------------------

TEST_CASE("node: a pull that waits is answered when the queues die", "[actors]") {
  faulty_node t;
  t.start();
  t.create_topic("a");
  pull_request request;
  request.topic = "a";
  request.wait_ms = 20'000;
  auto parked = t.stand.world.request<pull_response>(t.session, request);
  REQUIRE_FALSE(t.answered_now(parked));
  REQUIRE(t.stand.world.kill_all("queue-manager"));
  REQUIRE(t.answered_now(parked));
  CHECK(parked.code() == errc::connection_lost);
  CHECK(parked.reason().find("the queue-manager ended before it answered") == 0);
}

TEST_CASE("writer: who waits for room is told when it ends", "[actors]") {
  actor_stand t;
  t.options.dispatcher.mailbox_capacity = 1;
  t.open();
  t.add_writer();
  t.add_flusher();
  t.announce();
  t.world.tell(t.roles.writer, queue_state{});
  CHECK(all_stored(t.put(put_of("a", {{"x"}}))));
  auto parked =
      t.world.request<put_bundle_response>(t.roles.writer, group_of(put_of("a", {{"y"}})));
  auto stopped = t.world.request<log_offset>(t.roles.writer, stop_atom_v);
  t.world.drain();
  REQUIRE_FALSE((parked.there() || stopped.there()));
  t.world.kill(t.roles.writer);
  t.world.drain();
  REQUIRE((parked.there() && stopped.there()));
  CHECK(parked.code() == errc::connection_lost);
  CHECK(parked.reason().find("may have taken effect") != std::string::npos);
}

TEST_CASE("flusher: who waits for a flush is told when it ends", "[actors]") {
  actor_stand t;
  t.open();
  t.add_flusher();
  t.announce();
  auto flushed =
      t.world.request<log_flushed>(t.roles.flusher, flush_atom_v, log_run{0}, log_offset{1000});
  t.world.drain();
  REQUIRE_FALSE(flushed.there());
  t.world.kill(t.roles.flusher);
  t.world.drain();
  REQUIRE(flushed.there());
  CHECK(flushed.code() == errc::connection_lost);
}

TEST_CASE("node: queues become durable again after the queue-flusher died at work", "[actors]") {
  faulty_node t;
  t.start();
  t.create_topic("a");
  t.stand.world.run_for(3s);
  // It waits for the log's flush, which does not come.
  t.stand.world.stall(0, "flusher", 3s);
  REQUIRE(all_stored(t.put(put_of("a", numbered("m", 10)))));
  t.stand.world.run_for(1500ms);
  REQUIRE(t.stand.world.kill_all("queue-flusher"));
  t.stand.world.run_for(5s);
  auto status = t.status();
  CHECK(status.queues.durable == status.writer.end);
  CHECK(status.writer.refusal.empty());
  CHECK(t.stop().value().left_over.empty());
}

TEST_CASE("queue_manager: a sync that takes very long is not a failed one", "[actors]") {
  faulty_node t;
  t.start();
  t.create_topic("a");
  t.stand.world.run_for(3s);
  t.stand.world.stall(0, "queue-flusher", 12min);
  REQUIRE(all_stored(t.put(put_of("a", numbered("m", 10)))));
  t.stand.world.run_for(11min);
  CHECK(t.status().writer.refusal.empty());
  t.stand.world.run_for(2min);
  auto status = t.status();
  CHECK(status.queues.durable == status.writer.end);
}

TEST_CASE("node: a search by time is right or an error when readers die", "[actors]") {
  int errors = 0;
  for (int moment = 1; moment < 40; moment += 2) {
    faulty_node t;
    t.start();
    t.create_topic("a");
    for (int i = 0; i < 64; ++i) {
      t.stand.clock.ms += 1000;
      REQUIRE(all_stored(t.put(put_of("a", {{"x"}}))));
    }
    t.stand.world.drain();
    auto wanted = t.stand.clock.ms - 1000 * (63 - 13); // of message 13
    auto found = t.stand.world.request<queue_offset>(t.session, search_atom_v, std::string("a"),
                                                     std::int32_t{0}, wanted);
    for (int i = 0; i < moment; ++i)
      t.stand.world.step();
    REQUIRE(t.stand.world.kill_all("reader"));
    INFO("killed after " << moment << " steps");
    REQUIRE(t.answered_now(found));
    if (found.code() == errc::none) {
      CHECK(found.value() == 13);
    } else {
      CHECK(found.code() == errc::unavailable);
      ++errors;
    }
  }
  CHECK(errors > 0);
}

// -- starting ------------------------------------------------------------------------------------

TEST_CASE("node: does not start when its queues cannot be opened", "[actors]") {
  faulty_node t;
  t.fill_and_stop(10);
  // Their number no longer fits the checkpoint: they are to be removed, and cannot.
  std::filesystem::remove_all(storage::index_directory(t.stand.options.store));
  std::filesystem::create_directories(storage::queue_directory(t.stand.options.store) + "/b/0");
  std::filesystem::copy_file(
      storage::queue_directory(t.stand.options.store) + "/a/0/00000000000000000000",
      storage::queue_directory(t.stand.options.store) + "/b/0/00000000000000000000");
  t.fail(action::remove, "/consumequeue/");
  auto failure = t.start_failure();
  CHECK(failure.find("node n1 cannot serve: the queue-manager stopped") != std::string::npos);
  CHECK_FALSE(t.stop().value().left_over.empty());
  t.stand.files.fault = nullptr;
  t.start();
  CHECK(t.read_all("a", 0).size() == 10);
}

TEST_CASE("node: serves reads when its queues cannot be written at start", "[actors]") {
  faulty_node t;
  t.fill_and_stop(300);
  t.lose_queues();
  t.fail(action::write, "/consumequeue/");
  CHECK(t.start_failure().empty());
  auto refused = t.put(put_of("a", {{"x"}}));
  CHECK(refused.results.at(0).code == errc::busy);
  CHECK(refused.failure.message.find("writing the queues failed") != std::string::npos);
  auto fetched = t.stand.world.ask<record_batch>(t.session, fetch_atom_v, t.offsets.at(250));
  CHECK(fetched.code() == errc::none);
  auto began = t.stand.world.now();
  CHECK_FALSE(t.stop().value().left_over.empty());
  CHECK(t.stand.world.now() - began < 1s);
}

TEST_CASE("node: serves what is before the damage that its queues cannot pass", "[actors]") {
  auto with = GENERATE('\0', '#'); // as lost sectors read, and as anything else
  faulty_node t;
  t.fill_and_stop(300);
  t.lose_queues();
  t.overwrite(120, std::string(40, with));
  CHECK(t.start_failure().empty());
  auto refused = t.put(put_of("a", {{"x"}}));
  CHECK(refused.results.at(0).code == errc::needs_repair);
  CHECK(refused.failure.message.find("not readable from " + std::to_string(t.offsets[120])) !=
        std::string::npos);
  CHECK(t.read_all("a", 0).size() == 120);
  CHECK(t.status().dispatcher.pauses >= 50);
  auto began = t.stand.world.now();
  CHECK(t.stop().value().left_over.find("not readable") != std::string::npos);
  CHECK(t.stand.world.now() - began < 1s);
}

TEST_CASE("node: takes writes when the log is readable again", "[actors]") {
  faulty_node t;
  t.fill_and_stop(300);
  t.lose_queues();
  auto before = t.overwrite(120, "damage");
  CHECK(t.start_failure().empty());
  CHECK(t.put(put_of("a", {{"x"}})).results.at(0).code == errc::needs_repair);
  t.overwrite(120, before);
  t.stand.world.run_for(1s);
  CHECK(all_stored(t.put(put_of("a", {{"x"}}))));
  t.stand.world.drain();
  CHECK(t.read_all("a", 0).size() == 301);
  CHECK(t.stop().value().left_over.empty());
}

// -- stopping ------------------------------------------------------------------------------------

TEST_CASE("node: queues that fail during the stop do not hold it up", "[actors]") {
  faulty_node t;
  t.start();
  t.create_topic("a");
  t.fail(action::write, "/consumequeue/");
  auto sent = t.send(put_of("a", numbered("m", 1000)));
  t.stand.world.drain(); // the first write has failed
  auto began = t.stand.world.now();
  auto report = t.stop();
  CHECK(report.value().left_over.find("writing the queues failed") != std::string::npos);
  CHECK(t.stand.world.now() - began < 2s);
}

TEST_CASE("node: a stop without the writer saves what the others have", "[actors]") {
  faulty_node t;
  t.start();
  t.create_topic("a");
  REQUIRE(all_stored(t.put(put_of("a", numbered("m", 10)))));
  REQUIRE(t.stand.world.kill_all("writer"));
  t.stand.world.drain();
  t.stand.world.ask<group_offset>(t.session, store_atom_v, group_offset{"g", "a", 0, 7}).value();
  CHECK(t.stop().value().left_over.find("the writer had stopped") == 0);
  auto known =
      storage::load_checkpoint(t.stand.files, storage::checkpoint_path(t.stand.options.store));
  t.start();
  auto fetched =
      t.stand.world.ask<group_offset>(t.session, fetch_atom_v, group_offset{"g", "a", 0, -1});
  CHECK(fetched.value().offset == 7);
  CHECK(known.value().safe_offset == t.stand.store->log.end); // queues and log were synced
}

// -- status --------------------------------------------------------------------------------------

TEST_CASE("node: status names the parts that do not answer", "[actors]") {
  faulty_node t;
  t.start();
  t.create_topic("a");
  REQUIRE(all_stored(t.put(put_of("a", {{"x"}}))));
  auto state_of = [&](const std::string& role) {
    for (auto& r : t.status().roles)
      if (r.role == role)
        return r.state;
    return std::string{};
  };
  t.stand.world.stall(0, "writer", 10s);
  CHECK(state_of("writer") == role_silent);
  CHECK(state_of("flusher") == role_running);
  t.stand.world.run_for(10s);
  CHECK(state_of("writer") == role_running);
  REQUIRE(t.stand.world.kill_all("flusher"));
  t.stand.world.drain();
  CHECK(state_of("flusher") == role_stopped);
  CHECK(t.status().writer.refusal.find("the flusher stopped (it was killed)") == 0);
}

// -- topics --------------------------------------------------------------------------------------

TEST_CASE("registrar: one that dies while it deletes a topic leaves it usable", "[actors]") {
  faulty_node t;
  t.start();
  t.create_topic("a");
  REQUIRE(all_stored(t.put(put_of("a", {{"0"}}))));
  t.stand.world.stall(0, "writer", 2s);
  auto removed = t.stand.world.request<tombstone>(t.session, remove_atom_v, std::string("a"));
  REQUIRE_FALSE(t.answered_now(removed));
  REQUIRE(t.stand.world.kill_all("registrar"));
  REQUIRE(t.answered_now(removed));
  CHECK(removed.code() == errc::connection_lost);
  t.stand.world.run_for(3s);
  auto again = t.put(put_of("a", {{"1"}}));
  REQUIRE(all_stored(again));
  CHECK(again.results[0].queue_position == 1);
}

TEST_CASE("registrar: a queue-manager that is started beside a deletion hears of it", "[actors]") {
  faulty_node t;
  t.start();
  t.create_topic("a");
  REQUIRE(all_stored(t.put(put_of("a", {{"0"}}))));
  t.stand.world.stall(0, "writer", 1s);
  auto removed = t.stand.world.request<tombstone>(t.session, remove_atom_v, std::string("a"));
  REQUIRE_FALSE(t.answered_now(removed));
  // The new one looks for tombstones before this one is saved, and the registrar sends it to the
  // old one.
  t.stand.world.stall(0, "registrar", 3s);
  t.stand.world.run_for(2s);
  REQUIRE(t.stand.world.kill_all("queue-manager"));
  t.stand.world.run_for(2s);
  REQUIRE(t.answered_now(removed));
  REQUIRE(removed.code() == errc::none);
  CHECK(t.read_all("a", 0).empty());
}

TEST_CASE("registrar: a queue-manager that hears of a deletion late is told again", "[actors]") {
  faulty_node t;
  t.start();
  t.create_topic("a");
  REQUIRE(all_stored(t.put(put_of("a", {{"0"}}))));
  t.stand.world.stall(0, "queue-manager", 3s);
  auto removed = t.stand.world.request<tombstone>(t.session, remove_atom_v, std::string("a"));
  t.stand.world.run_for(2s);
  CHECK_FALSE(removed.there()); // its messages may be seen as yet
  t.stand.world.run_for(3s);
  REQUIRE(removed.there());
  CHECK(removed.code() == errc::none);
  CHECK(t.read_all("a", 0).empty());
}

TEST_CASE("registrar: a deletion that the writer confirms too late did not happen", "[actors]") {
  faulty_node t;
  t.start();
  t.create_topic("a");
  REQUIRE(all_stored(t.put(put_of("a", {{"0"}}))));
  t.stand.world.stall(0, "writer", 15s);
  auto removed = t.stand.world.ask<tombstone>(t.roles().registrar, remove_atom_v, std::string("a"));
  CHECK(removed.code() == errc::busy);
  CHECK(removed.reason().find("topic a is still there") == 0);
  t.stand.world.run_for(10s);
  CHECK(all_stored(t.put(put_of("a", {{"1"}}))));
}

TEST_CASE("registrar: a deletion of which only half could be saved is undone", "[actors]") {
  faulty_node t;
  t.start();
  t.create_topic("a");
  REQUIRE(all_stored(t.put(put_of("a", {{"0"}}))));
  int failures = 1;
  t.stand.files.fault = [&](action what, const std::string& path) {
    return what == action::rename && path.ends_with("topics.json") && failures-- > 0
               ? errc::no_space
               : errc::none;
  };
  auto removed = t.stand.world.ask<tombstone>(t.session, remove_atom_v, std::string("a"));
  CHECK(removed.code() == errc::no_space);
  REQUIRE(all_stored(t.put(put_of("a", {{"1"}}))));
  auto topics = t.stand.world.ask<topic_list>(t.session, list_atom_v).value().topics;
  CHECK(topics.size() == 1);
  CHECK(t.read_all("a", 0) == std::vector<std::string>{"0", "1"});
  t.crash();
  t.start();
  CHECK(t.read_all("a", 0) == std::vector<std::string>{"0", "1"});
  CHECK(all_stored(t.put(put_of("a", {{"2"}}))));
}
