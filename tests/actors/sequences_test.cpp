// Messages that their producer numbers: what is sent again is stored once.

#include "storage/format/message_batch.hpp"
#include "storage/recovery/producer_book.hpp"
#include "tests/support/actor_stand.hpp"
#include "tests/support/bytes.hpp"
#include "tests/support/catch.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>

using namespace troupe;
using namespace troupe::test;
using namespace std::chrono_literals;
using action = observed_file_system::action;
using storage::producer_id;

namespace {

constexpr producer_id alice{1, 1};
constexpr producer_id bob{2, 2};

/// Messages `from` to `to` of a producer, whose bodies are their numbers.
put_request numbered_put(const std::string& topic, const producer_id& id, std::uint64_t from,
                         std::uint64_t to, std::uint64_t epoch = 1, std::size_t size = 0) {
  storage::message_batch_builder builder;
  for (auto number = from; number <= to; ++number) {
    auto body = std::to_string(number);
    body.append(size, '.');
    auto properties = storage::producer_sequence{id, epoch, number}.property();
    storage::new_message message;
    message.sysflag = storage::sysflag::sequenced;
    message.body = as_bytes(body);
    message.properties = properties;
    builder.add(message);
  }
  put_request request;
  request.topic = topic;
  request.count = builder.count();
  request.messages = builder.take();
  return request;
}

std::vector<log_offset> offsets_of(const put_response& response) {
  std::vector<log_offset> offsets;
  for (auto& result : response.results)
    offsets.push_back(result.offset);
  return offsets;
}

errc code_of(const put_response& response) {
  return response.results.at(0).code;
}

/// All is stored, also if some lie nobody knows where.
bool acknowledged(const put_response& response) {
  return !response.results.empty() && response.failure.code == errc::none &&
         std::ranges::all_of(response.results, [](auto& r) { return r.code == errc::none; });
}

std::vector<std::string> numbers(std::uint64_t from, std::uint64_t to) {
  std::vector<std::string> texts;
  for (auto number = from; number <= to; ++number)
    texts.push_back(std::to_string(number));
  return texts;
}

struct running_pipeline : actor_stand {
  running_pipeline() {
    open();
    add_pipeline();
    start();
  }
};

/// A store whose log files are made, and whose log nobody flushes but the test.
struct unflushed : actor_stand {
  explicit unflushed(storage::flush_policy flush) {
    options.store.flush = flush;
    open();
    add_writer();
    add_queues();
    roles.flusher = world.play<flusher_actor>([this](caf::event_based_actor* self) {
      return caf::message_handler{[this, self](extend_atom, log_offset start) {
        auto file =
            files.open(storage::log_file_path(options.store, start), storage::open_mode::create);
        REQUIRE(file.value()->allocate(options.store.log_file_size_bytes, storage::blocks::sparse));
        self->send(roles.writer, extended_atom_v, start);
      }};
    });
    start();
  }
  void flush() {
    world.tell(roles.writer, log_flushed{writer_state().end, 0, 0});
    world.run_for(1ms);
  }
};

/// A node with topics "a" and "b", which may be killed.
struct running_node : test_node {
  explicit running_node(std::uint64_t seed = 1) : test_node(seed) {
    stand.clock.ms = 1'800'000'000'000;
    start();
    create_topic("a");
    create_topic("b");
  }
  void restart() {
    crash();
    start();
  }
  std::string file() const { return storage::producers_path(stand.options.store); }
};

} // namespace

TEST_CASE("sequences: a repeated batch is answered with its old places", "[actors]") {
  running_pipeline t;
  auto first = t.put(numbered_put("a", alice, 1, 3));
  REQUIRE(all_stored(first));
  REQUIRE(all_stored(t.put(put_of("a", {{"of somebody else"}}))));
  auto second = t.put(numbered_put("a", alice, 4, 6));
  REQUIRE(all_stored(second));
  auto end = t.writer_state().end;
  for (int i = 0; i < 2; ++i) {
    CHECK(offsets_of(t.put(numbered_put("a", alice, 1, 3))) == offsets_of(first));
    auto again = t.put(numbered_put("a", alice, 4, 6));
    CHECK(all_stored(again));
    CHECK(offsets_of(again) == offsets_of(second));
    CHECK(again.results.at(2).queue_position == 6);
  }
  CHECK(t.writer_state().end == end);
  // Of a batch that was stored in part only the rest is.
  auto mixed = t.put(numbered_put("a", alice, 5, 8));
  REQUIRE(all_stored(mixed));
  CHECK(mixed.results.at(0).offset == second.results.at(1).offset);
  CHECK(mixed.results.at(2).offset >= end);
  CHECK(mixed.results.at(3).queue_position == 8);
  t.world.run_for(100ms);
  CHECK(t.writer_state().backlog == 0); // the room of what was repeated is given back
}

TEST_CASE("sequences: what is out of order, stale or unknown is refused with the reason",
          "[actors]") {
  running_pipeline t;
  REQUIRE(all_stored(t.put(numbered_put("a", alice, 1, 3, 5))));
  auto end = t.writer_state().end;
  auto early = t.put(numbered_put("b", alice, 5, 6, 5));
  CHECK(code_of(early) == errc::offset_too_large);
  CHECK(early.results.size() == 2);
  CHECK(early.failure.message.find("message 4, which has to be sent again first") !=
        std::string::npos);
  auto stale = t.put(numbered_put("a", alice, 4, 4, 4));
  CHECK(code_of(stale) == errc::invalid_argument);
  CHECK(stale.failure.message.find("started again") != std::string::npos);
  auto unknown = t.put(numbered_put("a", bob, 7, 7));
  CHECK(code_of(unknown) == errc::offset_too_small);
  CHECK(unknown.failure.message.find("higher epoch") != std::string::npos);
  auto request = numbered_put("a", alice, 4, 4, 5);
  storage::message_batch_builder builder;
  storage::new_message bare;
  bare.sysflag = storage::sysflag::sequenced;
  builder.add(bare);
  request.messages = builder.take();
  CHECK(code_of(t.put(request)) == errc::invalid_argument);
  CHECK(t.writer_state().end == end);
  CHECK(all_stored(t.put(numbered_put("b", alice, 4, 6, 5))));
  CHECK(all_stored(t.put(numbered_put("a", alice, 1, 2, 6))));
  t.world.run_for(100ms);
  CHECK(t.writer_state().backlog == 0);
}

TEST_CASE("sequences: a message refused alone leaves no gap behind it", "[actors]") {
  running_pipeline t;
  auto too_large = numbered_put("a", alice, 1, 2, 1, 70'000);
  auto refused = t.put(too_large);
  REQUIRE(refused.results.size() == 2);
  for (auto& result : refused.results)
    CHECK(result.code == errc::too_large);
  CHECK(refused.failure.message.find("mapped-file-size-commit-log") != std::string::npos);
  CHECK(all_stored(t.put(numbered_put("a", alice, 1, 2))));
  t.world.run_for(100ms);
  CHECK(t.writer_state().backlog == 0);
}

TEST_CASE("sequences: the properties of a message that was copied do not count", "[actors]") {
  running_pipeline t;
  REQUIRE(all_stored(t.put(numbered_put("a", alice, 1, 1))));
  auto end = t.writer_state().end;
  storage::new_message copy;
  auto properties = storage::producer_sequence{alice, 1, 1}.property();
  copy.properties = properties;
  storage::message_batch_builder builder;
  builder.add(copy);
  put_request request;
  request.topic = "b";
  request.count = 1;
  request.messages = builder.take();
  auto response = t.put(request);
  REQUIRE(all_stored(response));
  CHECK(response.results.at(0).offset == end);
}

TEST_CASE("sequences: a repeated message waits for the flush like a new one", "[actors]") {
  unflushed t(storage::flush_policy::sync);
  auto in_a_hurry = numbered_put("a", alice, 1, 100);
  in_a_hurry.wait = false;
  REQUIRE(all_stored(t.put(in_a_hurry)));
  // Its place is forgotten since.
  auto again = t.world.request<put_bundle_response>(t.roles.writer,
                                                    group_of(numbered_put("a", alice, 1, 1)));
  t.world.run_for(50ms);
  CHECK_FALSE(again.there());
  t.flush();
  REQUIRE(again.there());
  CHECK(acknowledged(again.value().responses.at(0)));
  CHECK(again.value().responses.at(0).results.at(0).offset == -1);
}

TEST_CASE("sequences: after a failed write nothing counts as stored", "[actors]") {
  running_pipeline t;
  REQUIRE(all_stored(t.put(numbered_put("a", alice, 1, 1))));
  bool broken = true;
  t.files.fault = [&](action what, const std::string& path) {
    auto log = path.find("/commitlog/0") != std::string::npos;
    return broken && what == action::write && log ? errc::io_error : errc::none;
  };
  CHECK(code_of(t.put(numbered_put("a", alice, 2, 2))) == errc::maybe_stored);
  broken = false;
  CHECK(code_of(t.put(numbered_put("a", alice, 2, 2))) == errc::write_stopped);
}

TEST_CASE("sequences: without a place for the windows nothing is stored", "[actors]") {
  running_pipeline t;
  auto end = t.writer_state().end;
  bool broken = true;
  t.files.fault = [&](action, const std::string& path) {
    return broken && path.find("troupe-producers") != std::string::npos ? errc::no_space
                                                                        : errc::none;
  };
  CHECK(code_of(t.put(numbered_put("a", alice, 1, 1))) == errc::no_space);
  CHECK(all_stored(t.put(put_of("a", {{"an ordinary one"}}))));
  CHECK(t.writer_state().end > end);
  broken = false;
  CHECK(all_stored(t.put(numbered_put("a", alice, 1, 1))));
}

TEST_CASE("sequences: a store that knows no producers has no file of them", "[actors]") {
  running_node node;
  REQUIRE(all_stored(node.put(put_of("a", numbered("m", 100)))));
  CHECK(node.stop().value().left_over.empty());
  node.start();
  CHECK_FALSE(std::filesystem::exists(node.file()));
  REQUIRE(all_stored(node.put(numbered_put("a", alice, 1, 1))));
  CHECK(std::filesystem::exists(node.file()));
}

// -- over a restart ------------------------------------------------------------------------------

TEST_CASE("sequences: a batch is stored once, also when the node died before the answer",
          "[actors]") {
  auto seed = GENERATE(range(std::uint64_t{1}, std::uint64_t{17}));
  running_node node{seed};
  auto& random = node.stand.world;
  std::uint64_t next = 1;
  std::uint64_t last = 0;
  for (int life = 0; life < 8; ++life) {
    for (int i = 0; i < 6; ++i) { // several log files in the end
      last = std::max(last, next + random.random() % 40);
      auto sent = node.send(numbered_put("a", alice, next, last, 1, 100));
      for (auto steps = random.random() % 60; steps > 0; --steps)
        random.step();
      if (i < 5)
        random.run_until([&] { return sent.there(); });
      if (sent.there() && sent.code() == errc::none && acknowledged(sent.value()))
        next = last + 1; // else the same is sent again, and more
    }
    if (life % 3 == 2) {
      CHECK(node.stop().value().left_over.empty());
      node.start();
    } else {
      node.restart();
    }
  }
  if (next <= last) {
    REQUIRE(acknowledged(node.put(numbered_put("a", alice, next, last))));
  }
  node.stand.world.run_for(1s);
  auto bodies = node.read_all("a", 0);
  for (auto& body : bodies)
    body = body.substr(0, body.find('.'));
  INFO("seed " << seed);
  CHECK(last > 200);
  CHECK(bodies == numbers(1, last));
}

TEST_CASE("sequences: a producer is known after a restart, however far back it wrote", "[actors]") {
  running_node node;
  auto first = node.put(numbered_put("a", alice, 1, 3));
  REQUIRE(all_stored(first));
  for (int i = 0; i < 20; ++i) // many log files
    REQUIRE(all_stored(node.put(put_of("b", numbered("m", 20, 1, 2000)))));
  node.restart();
  auto again = node.put(numbered_put("a", alice, 1, 4));
  REQUIRE(all_stored(again));
  auto expected = offsets_of(first);
  expected.push_back(again.results.at(3).offset);
  CHECK(offsets_of(again) == expected);
  CHECK(node.read_all("a", 0) == numbers(1, 4));
}

TEST_CASE("sequences: the file is never ahead of the durable log", "[actors]") {
  unflushed t(storage::flush_policy::async);
  auto path = storage::producers_path(t.options.store);
  auto true_to = [&] {
    auto bytes = storage::read_file(t.files, path, 1 << 20).value();
    return storage::producer_windows::decode(bytes).value().true_to;
  };
  for (std::uint64_t number = 1; number <= 60; ++number) // three log files
    REQUIRE(all_stored(t.put(numbered_put("a", alice, number, number, 1, 3000))));
  CHECK(true_to() == 0);
  auto end = t.writer_state().end;
  t.flush();
  CHECK(true_to() > 0);
  CHECK(true_to() <= end);
  t.put(numbered_put("a", alice, 61, 61));
  CHECK(true_to() <= end);
}

TEST_CASE("sequences: a file that cannot be used is replaced by what the log says", "[actors]") {
  auto how = GENERATE(0, 1, 2);
  running_node node;
  REQUIRE(all_stored(node.put(numbered_put("a", alice, 1, 3))));
  node.crash();
  if (how == 0) {
    std::ofstream(node.file()) << "damaged";
  } else if (how == 1) { // it knows more than the log, as after a lost one
    storage::producer_windows windows;
    for (std::uint64_t number = 1; number <= 9; ++number)
      windows.note({alice, 1, number}, {0, 0});
    auto bytes = windows.encode(log_offset{1} << 40);
    REQUIRE(storage::replace_file(node.stand.files, node.file(), bytes));
  } else { // right, and of a moment long ago
    REQUIRE(storage::replace_file(node.stand.files, node.file(),
                                  storage::producer_windows{}.encode(0)));
  }
  node.start();
  INFO("way " << how);
  CHECK(all_stored(node.put(numbered_put("a", alice, 1, 3))));
  CHECK(code_of(node.put(numbered_put("a", alice, 5, 5))) == errc::offset_too_large);
  CHECK(all_stored(node.put(numbered_put("a", alice, 4, 4))));
  node.stand.world.run_for(1s);
  CHECK(node.read_all("a", 0) == numbers(1, 4));
  node.restart();
  CHECK(all_stored(node.put(numbered_put("a", alice, 3, 5))));
  node.stand.world.run_for(1s);
  CHECK(node.read_all("a", 0) == numbers(1, 5));
}

TEST_CASE("sequences: a message of a deleted topic is not stored again when it is remade",
          "[actors]") {
  running_node node;
  REQUIRE(all_stored(node.put(numbered_put("a", alice, 1, 3))));
  node.stand.world.ask<tombstone>(node.session, remove_atom_v, std::string("a")).value();
  node.stand.world.run_for(100ms);
  CHECK(code_of(node.put(numbered_put("a", alice, 3, 3))) == errc::not_found);
  CHECK(all_stored(node.put(numbered_put("b", alice, 4, 4)))); // the producer goes on
  node.create_topic("a");
  CHECK(all_stored(node.put(numbered_put("a", alice, 3, 3))));
  CHECK(all_stored(node.put(numbered_put("a", alice, 5, 5))));
  node.stand.world.run_for(1s);
  auto again = node.pull("a", 0, 3);
  REQUIRE(again.records.size() == 1);
  CHECK(bodies_of(again.records) == numbers(5, 5));
}
