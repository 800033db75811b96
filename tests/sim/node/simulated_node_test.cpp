#include "sim/node/node.hpp"

#include "sim/node/node_scene.hpp"

#include "storage/format/message_batch.hpp"
#include "storage/format/properties.hpp"
#include "tests/support/bytes.hpp"
#include "tests/support/catch.hpp"

#include <string>
#include <utility>
#include <vector>

using namespace troupe;
using namespace troupe::sim;
using namespace std::chrono_literals;

namespace {

node_options options_for(storage::flush_policy flush) {
  auto options = small_node_options();
  options.store.flush = flush;
  return options;
}

struct stand {
  world around{7};
  simulated_node node;
  std::unique_ptr<simulated_link> wire;

  explicit stand(storage::flush_policy flush = storage::flush_policy::async)
      : stand(options_for(flush)) {}
  explicit stand(const node_options& options) : node(around, 1, options), wire(node.connect()) {
    REQUIRE(node.start());
    create();
  }
  void create(const std::string& name = "t") {
    topic_info topic{name, 1, 1, 6};
    around.ask<topic_info>(wire->service(), create_atom_v, topic).value();
  }
  /// Positions of all messages that a consumer gets.
  std::vector<queue_offset> pulled(const std::string& topic = "t") {
    std::vector<queue_offset> positions;
    pull_request request;
    request.topic = topic;
    for (;;) {
      auto found = around.ask<pull_response>(wire->service(), request).value();
      for (auto& record : found.records)
        positions.push_back(decode_message(record).position);
      if (found.next <= request.from)
        return positions;
      request.from = found.next;
    }
  }
  static put_request one(const std::string& body, const std::string& topic = "t") {
    storage::message_batch_builder batch;
    storage::new_message message;
    message.body = test::as_bytes(body);
    batch.add(message);
    put_request request;
    request.topic = topic;
    request.messages = batch.take();
    request.count = 1;
    return request;
  }
  put_response put(const std::string& body, const std::string& topic = "t") {
    return around.ask<put_response>(wire->service(), one(body, topic)).value();
  }
  answer<put_response> send(const std::string& body) {
    return around.request<put_response>(wire->service(), one(body));
  }
  queue_offset stored() {
    auto found = around.ask<topic_description>(wire->service(), bounds_atom_v, std::string("t"));
    return found.value().queues.at(0).max;
  }
};

} // namespace

TEST_CASE("simulated_node: what was acknowledged outlives the process", "[sim]") {
  stand s;
  for (int i = 0; i < 10; ++i)
    s.put("x");
  s.node.kill();
  CHECK_FALSE(s.node.running());
  REQUIRE(s.node.start());
  CHECK(s.stored() == 10);
}

TEST_CASE("simulated_node: a power cut takes what an asynchronous node has not flushed", "[sim]") {
  stand s;
  s.around.run_for(3s);
  s.node.stall("flusher", 10s);
  for (int i = 0; i < 10; ++i)
    s.put("x");
  random_source random(1);
  s.node.cut_power(survival::none, random);
  REQUIRE(s.node.start());
  CHECK(s.stored() == 0);
}

TEST_CASE("simulated_node: what a failed flush dropped is no hole after the next power cut",
          "[sim]") {
  stand s(storage::flush_policy::sync);
  auto put = [&](const std::string& body) { return s.put(body).failure.code; };
  CHECK(put("a") == errc::none);
  s.around.run_for(3s);
  fault dropped;
  dropped.what = fault_kind::lost_sync;
  dropped.kind = call_kind::sync;
  dropped.path = "commitlog";
  s.node.disk().set_faults({dropped});
  CHECK(put(std::string(2000, 'b')) == errc::maybe_stored);
  CHECK(put("c") == errc::write_stopped);
  s.node.kill();
  REQUIRE(s.node.start());
  CHECK(put("d") == errc::none);
  auto before = s.stored();
  random_source random(1);
  s.node.cut_power(survival::none, random);
  REQUIRE(s.node.start());
  CHECK(s.stored() == before);
  CHECK(put("e") == errc::none);
}

TEST_CASE("simulated_node: requests that were under way when it died end in an error", "[sim]") {
  stand s;
  s.wire->set({20ms});
  auto sent = s.send("x");
  s.around.run_for(25ms); // arrived, and the answer is on its way
  s.node.kill();
  s.around.run_for(1ms);
  REQUIRE(sent.there());
  CHECK(sent.code() == errc::connection_lost);
  auto nowhere = s.send("y");
  s.around.run_for(6s);
  CHECK(nowhere.code() == errc::unavailable);
  REQUIRE(s.node.start());
  CHECK(s.stored() == 1);
}

TEST_CASE("simulated_node: what is on the wire ends with its connection", "[sim]") {
  stand s;
  auto held = GENERATE(false, true); // the wire: slow, or closed for requests
  auto dies = GENERATE(true, false); // the node, or only the connection
  s.wire->set(held ? wire{0ms, 0ms, false, true} : wire{20ms});
  auto sent = s.send("x");
  s.around.run_for(10ms);
  if (dies)
    s.node.kill();
  else
    s.wire->cut();
  s.around.run_for(1ms);
  REQUIRE(sent.there());
  CHECK(sent.code() == errc::connection_lost);
  s.wire->set({});
  if (dies)
    REQUIRE(s.node.start());
  s.around.run_for(1s);
  CHECK(s.stored() == 0);
}

TEST_CASE("simulated_node: what was never on a wire waits for the next connection", "[sim]") {
  stand s;
  s.node.kill();
  s.around.run_for(1ms);
  auto waiting = s.send("x");
  s.around.run_for(1s);
  CHECK_FALSE(waiting.there());
  REQUIRE(s.node.start());
  s.around.run_for(1s);
  CHECK(waiting.value().failure.code == errc::none);
  CHECK(s.stored() == 1);
}

TEST_CASE("simulated_node: nobody hears of its death while answers are held", "[sim]") {
  stand s;
  s.wire->set({0ms, 0ms, true, false});
  auto sent = s.send("x");
  s.around.run_for(10ms);
  s.node.kill();
  REQUIRE(s.node.start());
  auto lost = s.send("y"); // into a connection that is dead
  s.around.run_for(1s);
  CHECK_FALSE(sent.there());
  s.wire->set({});
  s.around.run_for(1s);
  CHECK(sent.code() == errc::connection_lost);
  CHECK(lost.code() == errc::connection_lost);
  CHECK(s.stored() == 1);
}

TEST_CASE("simulated_node: a request may take effect after its client gave up", "[sim]") {
  stand s;
  s.wire->set({0ms, 0ms, false, true});
  auto sent = s.send("x");
  s.around.run_for(31s);
  CHECK(sent.code() == errc::maybe_stored);
  s.wire->set({});
  s.around.run_for(1s);
  CHECK(s.stored() == 1);
}

TEST_CASE("simulated_node: a held wire delays, in the direction that is held", "[sim]") {
  stand s;
  s.wire->set({0ms, 0ms, false, true});
  auto late = s.send("x");
  s.around.run_for(2s);
  CHECK_FALSE(late.there());
  s.wire->set({});
  s.around.run_for(200ms);
  CHECK(late.value().failure.code == errc::none);
  s.wire->set({0ms, 0ms, true, false}); // the node hears, and nobody hears the node
  auto stored = s.send("y");
  s.around.run_for(2s);
  CHECK_FALSE(stored.there());
  s.wire->set({});
  s.around.run_for(200ms);
  CHECK(stored.there());
  CHECK(s.stored() == 2);
}

TEST_CASE("simulated_node: a connection that is cut dials again", "[sim]") {
  stand s;
  s.wire->cut();
  s.around.drain();
  auto sent = s.send("x");
  s.around.run_for(1s);
  CHECK(sent.value().failure.code == errc::none);
}

TEST_CASE("simulated_node: its orderly stop leaves nothing open", "[sim]") {
  stand s;
  s.put("x");
  CHECK(s.node.stop());
  CHECK(s.node.disk().open_handles().empty());
  REQUIRE(s.node.start());
  CHECK(s.stored() == 1);
}

TEST_CASE("simulated_node: after the same load a larger store starts with the same work", "[sim]") {
  auto options = options_for(storage::flush_policy::async);
  options.store.compared_bytes = 8 * storage::kib; // as little of a small log as of a large one
  auto work_of_a_start = [options](int stored) {
    stand s(options);
    for (int i = 0; i < stored; ++i)
      s.put(std::string(500, 'x'));
    s.around.run_for(5s); // with a checkpoint
    auto end = s.node.disk().used_bytes();
    for (int i = 0; i < 20; ++i)
      s.put(std::string(500, 'y'));
    s.node.kill();
    REQUIRE(s.node.start());
    auto calls = s.node.disk().calls();
    CHECK(s.stored() == stored + 20);
    return std::pair(calls, end);
  };
  for (int phase : {0, 7, 14}) { // the end of a file may lie on the way or not
    auto [small, small_bytes] = work_of_a_start(100 + phase);
    auto [large, large_bytes] = work_of_a_start(1500 + phase);
    CHECK(large_bytes > 8 * small_bytes);
    // Finding the end of a queue takes some more steps of a binary search, and that is all: there
    // are 70 more files in the queue, and 50 in the log.
    CHECK(large < small + 40);
  }
}

TEST_CASE("simulated_node: with damage in the middle of its log a node reads and refuses writes",
          "[sim]") {
  stand s;
  for (int i = 0; i < 3; ++i) {
    s.put("x");
    s.around.run_for(70s);
  }
  s.node.kill();
  auto& disk = s.node.disk();
  REQUIRE(disk.remove("/data/checkpoint")); // else nobody looks at what is surely there
  REQUIRE(disk.flip_bit("/data/commitlog/00000000000000000000", 88, 0));
  REQUIRE(s.node.start());
  auto put = s.put("y");
  CHECK(put.failure.code == errc::needs_repair);
  CHECK(put.failure.message.find("troupe store repair") != std::string::npos);
  CHECK(s.pulled() == std::vector<queue_offset>{1, 2});
}

TEST_CASE("simulated_node: what lies before the damage is served without the queues' files",
          "[sim]") {
  stand s;
  s.create("u");
  s.put("x", "u");
  std::vector<log_offset> offsets;
  for (int i = 0; i < 4; ++i) {
    offsets.push_back(s.put("x").results.at(0).offset);
    s.around.run_for(70s);
  }
  s.node.kill();
  auto& disk = s.node.disk();
  REQUIRE(disk.remove("/data/checkpoint")); // else nobody looks at what is surely there
  REQUIRE(disk.remove("/data/consumequeue/u/0/00000000000000000000"));
  auto second = static_cast<std::uint64_t>(offsets[1]);
  REQUIRE(disk.flip_bit("/data/commitlog/00000000000000000000", second + 88, 0));
  REQUIRE(s.node.start());
  CHECK(s.pulled("u") == std::vector<queue_offset>{0});
  CHECK(s.pulled("t") == std::vector<queue_offset>{0, 2, 3});
  s.around.run_for(70s); // and nothing is written where a repair has to look
  CHECK(s.put("y").failure.message.find("troupe store repair") != std::string::npos);
  CHECK(s.pulled("u") == std::vector<queue_offset>{0});
  (void)s.node.stop();
  CHECK(disk.list("/data/consumequeue/u/0").value().empty());
}

TEST_CASE("simulated_node: with damage in its log a node deletes nothing and shows nothing deleted",
          "[sim]") {
  stand s(storage::flush_policy::sync);
  s.create("u");
  s.put("x", "u");
  std::vector<log_offset> offsets;
  for (int i = 0; i < 4; ++i) {
    offsets.push_back(s.put("x").results.at(0).offset);
    s.around.run_for(70s);
  }
  s.around.ask<tombstone>(s.wire->service(), remove_atom_v, std::string("u")).value();
  s.around.drain(); // the files of its queues are removed, and that is not durable
  random_source random(1);
  s.node.cut_power(survival::none, random);
  auto& disk = s.node.disk();
  CHECK_FALSE(disk.list("/data/consumequeue/u/0").value().empty());
  REQUIRE(disk.remove("/data/checkpoint"));
  auto second = static_cast<std::uint64_t>(offsets[1]);
  REQUIRE(disk.flip_bit("/data/commitlog/00000000000000000000", second + 88, 0));
  REQUIRE(s.node.start());
  auto removed = s.around.ask<tombstone>(s.wire->service(), remove_atom_v, std::string("t"));
  CHECK(removed.code() == errc::needs_repair);
  CHECK(s.pulled("t") == std::vector<queue_offset>{0, 2, 3});
  s.create("u"); // else nobody would see its old queues
  CHECK(s.pulled("u").empty());
}

TEST_CASE("simulated_node: a power cut does not bring back the queues of a deleted topic",
          "[sim]") {
  stand s(storage::flush_policy::sync);
  for (int i = 0; i < 3; ++i)
    s.put("old");
  s.around.run_for(3s); // the queues are durable
  s.around.ask<tombstone>(s.wire->service(), remove_atom_v, std::string("t")).value();
  s.around.drain(); // their files are removed, and that is not durable
  random_source random(1);
  s.node.cut_power(survival::none, random);
  REQUIRE(s.node.start());
  CHECK(s.pulled().empty());
  bool again = GENERATE(false, true);
  if (again) { // after one more start the new ones are still there alone
    s.create();
    s.put("new");
    s.node.kill();
    REQUIRE(s.node.start());
    CHECK(s.pulled() == std::vector<queue_offset>{3});
  }
}

TEST_CASE("simulated_node: no topic is deleted while nobody knows what a failed write left",
          "[sim]") {
  stand s;
  s.around.run_for(3s);
  s.node.disk().set_faults({{.what = fault_kind::short_write,
                             .kind = call_kind::write,
                             .path = "commitlog",
                             .argument = 428}});
  CHECK(s.put("x").failure.code == errc::maybe_stored);
  auto removed = s.around.ask<tombstone>(s.wire->service(), remove_atom_v, std::string("t"));
  CHECK(removed.code() == errc::busy);
  CHECK(removed.reason().find("restart the node") != std::string::npos);
  s.node.kill();
  REQUIRE(s.node.start());
  CHECK(s.pulled() == std::vector<queue_offset>{0}); // all of it was written
  s.around.ask<tombstone>(s.wire->service(), remove_atom_v, std::string("t")).value();
  CHECK(s.pulled().empty());
}

TEST_CASE("simulated_node: a topic deleted behind what a power cut left is made again", "[sim]") {
  stand s;
  s.around.run_for(3s);
  s.node.stall("flusher", 10s);
  for (int i = 0; i < 3; ++i)
    s.put("lost");
  s.around.ask<tombstone>(s.wire->service(), remove_atom_v, std::string("t")).value();
  random_source random(1);
  s.node.cut_power(survival::none, random);
  REQUIRE(s.node.start());
  s.create();
  auto stored = s.put("new");
  REQUIRE(stored.failure.code == errc::none);
  CHECK(s.pulled() == std::vector<queue_offset>{stored.results[0].queue_position});
  s.node.kill();
  REQUIRE(s.node.start());
  CHECK(s.pulled() == std::vector<queue_offset>{stored.results[0].queue_position});
}

TEST_CASE("simulated_node: a delayed message that is left out is durable before it is passed over",
          "[sim]") {
  stand s;
  storage::message_batch_builder batch;
  storage::new_message message;
  message.properties = "DELAY\1"
                       "1\2";
  batch.add(message);
  auto later = stand::one({});
  later.messages = batch.take();
  s.node.stall("flusher", 5s);
  auto stored = s.around.ask<put_response>(s.wire->service(), later).value();
  REQUIRE(stored.results.at(0).code == errc::none);
  s.around.ask<tombstone>(s.wire->service(), remove_atom_v, std::string("t")).value();
  auto kept = [&] {
    bool found = false;
    s.node.disk().for_each_file([&](const std::string& path, storage::byte_view) {
      found = found || path.find("delayOffset.json") != std::string::npos;
    });
    return found;
  };
  s.around.run_for(3s); // its topic is gone: it is left out after a second
  CHECK_FALSE(kept());
  s.around.run_for(5s);
  CHECK(kept());
  CHECK(s.pulled().empty());
}
