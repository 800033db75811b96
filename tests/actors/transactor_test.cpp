#include "storage/format/half_message.hpp"
#include "storage/format/properties.hpp"
#include "tests/support/actor_stand.hpp"
#include "tests/support/bytes.hpp"
#include "tests/support/catch.hpp"

#include <deque>
#include <memory>
#include <utility>

using namespace troupe;
using namespace troupe::test;
using namespace std::chrono_literals;

namespace {

/// A message for queue 1 of "T" that waits until its producer, of group "P", says more.
put_request half_put(const std::string& body, const std::string& more = {}) {
  auto properties = std::make_shared<std::string>("UNIQ_KEY\1key-" + body +
                                                  "\2TRAN_MSG\1true\2PGROUP\1P\2" + more);
  auto text = std::make_shared<std::string>(body);
  storage::new_message m;
  m.queue_id = 1;
  m.sysflag = storage::sysflag::transaction_prepared;
  m.born_timestamp = 1'700'000'000'000;
  m.body = as_bytes(*text);
  m.properties = *properties;
  put_request request;
  request.topic = "T";
  request.count = 1;
  request.messages = {
      {m},
      std::make_shared<std::pair<std::shared_ptr<std::string>, std::shared_ptr<std::string>>>(
          properties, text)};
  return request;
}

struct transaction_stand {
  test_node node;
  std::deque<transaction_check> asked;
  transaction_asker asker;

  explicit transaction_stand(std::uint64_t seed = 1) : node(seed) {
    start();
    node.create_topic("T", 2);
  }
  void start() {
    node.start();
    asker = world().play<transaction_asker>([this](caf::event_based_actor*) {
      return caf::message_handler{[this](const transaction_check& question) {
        asked.push_back(question);
        return question.group == "P";
      }};
    });
    world().tell(node.roles().transactor, watch_atom_v,
                 caf::actor_cast<caf::strong_actor_ptr>(asker));
    world().drain();
  }
  sim::world& world() { return node.stand.world; }
  /// The actor's clock and the wall's go on together.
  void pass(std::chrono::milliseconds time) {
    for (; time > 0ms; time -= 100ms) {
      node.stand.clock.ms += 100;
      world().run_for(100ms);
    }
  }
  message_result send(const std::string& body, const std::string& more = {}) {
    auto done = node.put(half_put(body, more));
    REQUIRE(all_stored(done));
    return done.results.front();
  }
  answer<bool> end(log_offset offset, queue_offset position, bool commit,
                   const std::string& group = "P") {
    return world().ask<bool>(node.roles().transactor,
                             transaction_end{group, offset, position, commit});
  }
  answer<bool> end(const message_result& half, bool commit) {
    return end(half.offset, half.queue_position, commit);
  }
  std::vector<std::string> visible() {
    world().run_for(100ms);
    return node.read_all("T", 1);
  }
  std::vector<std::string> in(std::string_view topic) {
    world().run_for(100ms);
    std::vector<std::string> bodies;
    pull_request request;
    request.topic = topic;
    request.max_messages = 100;
    auto found = world().ask<read_request>(node.roles().queue_manager, request).value();
    if (found.records.empty())
      return bodies;
    auto read = world().ask<pull_response>(node.roles().readers.front(), found).value();
    return bodies_of(read.records);
  }
};

} // namespace

TEST_CASE("transactor: a message is seen when it is committed, once", "[actors]") {
  transaction_stand t;
  auto a = t.send("a");
  auto b = t.send("b");
  CHECK(a.queue_position == 0);
  CHECK(b.queue_position == 1);
  CHECK(t.visible().empty());
  CHECK(t.in(storage::half_topic) == std::vector<std::string>{"a", "b"});
  for (int i = 0; i < 3; ++i)
    CHECK(t.end(a, true).value());
  CHECK(t.visible() == std::vector<std::string>{"a"});
  CHECK(t.end(b, false).value());
  CHECK(t.end(b, true).value()); // too late, and answered as RocketMQ does
  CHECK(t.visible() == std::vector<std::string>{"a"});
  CHECK(t.in(storage::op_topic) == std::vector<std::string>{"0", "1"});
  auto record = t.node.pull("T", 1, 0).records.front();
  auto view = storage::decode_record(record.bytes(), read_back(record).offset,
                                     storage::verify::structure_and_crc)
                  .view;
  CHECK(view.sysflag == storage::sysflag::transaction_commit);
  CHECK(view.prepared_transaction_offset == a.offset);
  CHECK(storage::find_property(view.properties, "UNIQ_KEY") == "key-a");
}

TEST_CASE("transactor: what is not the half that is meant is refused as RocketMQ does",
          "[actors]") {
  transaction_stand t;
  auto half = t.send("a");
  auto plain = t.node.put(put_of("T", {{"b"}})).results.front();
  auto refusal = [](answer<bool> got) { return got.reason(); };
  CHECK(refusal(t.end(999'999, 0, true)) == "Find prepared transaction message failed");
  CHECK(refusal(t.end(plain.offset, 0, true)) == "Find prepared transaction message failed");
  CHECK(refusal(t.end(half.offset, 1, true)) == "The transaction state table offset wrong");
  CHECK(refusal(t.end(half.offset, 0, true, "Q")) == "The producer group wrong");
  CHECK(t.visible().empty());
  CHECK(t.end(half, true).value());
  CHECK(t.visible() == std::vector<std::string>{"a"});
}

TEST_CASE("transactor: a producer that says nothing is asked, and answers for what he sent first",
          "[actors]") {
  transaction_stand t;
  auto half = t.send("a");
  t.pass(5s);
  CHECK(t.asked.empty());
  t.pass(2s);
  REQUIRE(t.asked.size() == 1);
  auto& question = t.asked.front();
  CHECK(question.group == "P");
  CHECK(question.unique_key == "key-a");
  CHECK(question.position == 1);
  auto said = read_back(question.record);
  CHECK(said.topic == "T");
  CHECK(said.queue == 1);
  CHECK(said.number == 1);
  CHECK(said.offset == question.offset);
  CHECK(said.body == "a");
  t.pass(31s);
  REQUIRE(t.asked.size() == 2);
  bool late = GENERATE(false, true);
  if (late)
    CHECK(t.end(half, true).value());
  else
    CHECK(t.end(t.asked[1].offset, t.asked[1].position, true).value());
  CHECK(t.end(t.asked[0].offset, t.asked[0].position, true).value());
  t.pass(200s);
  CHECK(t.asked.size() == 2);
  CHECK(t.visible() == std::vector<std::string>{"a"});
}

TEST_CASE("transactor: what nobody resolves is given up, and can be revived", "[actors]") {
  transaction_stand t;
  REQUIRE(t.node.stop());
  t.node.stand.options.transaction.check_max = 2;
  t.start();
  t.send("a");
  for (int i = 0; i < 20; ++i)
    t.pass(10s);
  CHECK(t.asked.size() == 2);
  CHECK(t.in(storage::unresolved_topic) == std::vector<std::string>{"a"});
  CHECK(t.visible().empty());
  auto& world = t.world();
  auto last = t.asked.back();
  auto found = world.ask<read_request>(t.node.roles().queue_manager, [] {
    pull_request request;
    request.topic = storage::unresolved_topic;
    return request;
  }());
  auto place = found.value().records.front().offset;
  auto plain = t.node.put(put_of("T", {{"b"}})).results.front();
  CHECK(world.ask<bool>(t.node.roles().transactor, revive_atom_v, plain.offset).code() ==
        errc::invalid_argument);
  for (int i = 0; i < 2; ++i) // the second one takes the place of the first
    CHECK(world.ask<bool>(t.node.roles().transactor, revive_atom_v, place).value());
  for (int i = 0; i < 4; ++i)
    t.pass(10s);
  REQUIRE(t.asked.size() == 3);
  CHECK(t.end(t.asked[2].offset, t.asked[2].position, true).value());
  t.pass(100s);
  CHECK(t.visible() == std::vector<std::string>{"a"});
}

TEST_CASE("transactor: a commit that comes after all questions is carried out, once", "[actors]") {
  transaction_stand t;
  REQUIRE(t.node.stop());
  t.node.stand.options.transaction.check_max = 1;
  t.start();
  auto a = t.send("a");
  auto b = t.send("b");
  CHECK(t.end(b, false).value());
  t.pass(100s);
  CHECK(t.in(storage::unresolved_topic) == std::vector<std::string>{"a"});
  auto transactor = t.node.roles().transactor;
  auto first = t.world().request<bool>(transactor, transaction_end{"P", a.offset, 0, true});
  auto second = t.world().request<bool>(transactor, transaction_end{"P", a.offset, 0, true});
  t.pass(2s);
  CHECK(first.value());
  CHECK(second.value());
  if (GENERATE(false, true)) {
    t.node.crash();
    t.start();
  }
  CHECK(t.end(a, true).value());
  CHECK(t.end(b, true).value()); // it was rolled back
  CHECK(t.visible() == std::vector<std::string>{"a"});
}

TEST_CASE("transactor: one that waits, or was committed, can be asked about again", "[actors]") {
  transaction_stand t;
  auto a = t.send("a");
  auto b = t.send("b");
  CHECK(t.end(a, true).value());
  auto revive = [&](const message_result& half) {
    return t.world().ask<bool>(t.node.roles().transactor, revive_atom_v, half.offset).value();
  };
  CHECK(revive(a));
  CHECK(revive(b));
  CHECK(t.in(storage::half_topic) == std::vector<std::string>{"a", "b", "a", "b"});
  t.pass(40s);
  REQUIRE(t.asked.size() == 2); // about each once: the later one stands for the first
  for (auto& question : std::exchange(t.asked, {}))
    CHECK(t.end(question.offset, question.position, true).value());
  t.pass(100s);
  CHECK(t.asked.empty());
  CHECK(t.visible() == std::vector<std::string>{"a", "b"});
}

TEST_CASE("transactor: a commit for a topic that was deleted leaves the message waiting",
          "[actors]") {
  transaction_stand t;
  auto a = t.send("a");
  auto& world = t.world();
  world.ask<tombstone>(t.node.session, remove_atom_v, std::string("T")).value();
  auto refused = t.end(a, true);
  CHECK(refused.code() == errc::not_found);
  CHECK(refused.reason().find("topic T was deleted") != std::string::npos);
  CHECK(t.in(storage::op_topic).empty());
  if (GENERATE(false, true)) {
    t.node.crash();
    t.start();
  }
  t.pass(8s);
  REQUIRE(t.asked.size() == 1);
  auto question = t.asked.front();
  CHECK(t.end(question.offset, question.position, true).code() == errc::not_found);
  t.node.create_topic("T", 2);
  CHECK(t.end(a, true).value());
  t.pass(100s);
  CHECK(t.asked.size() == 1);
  CHECK(t.visible() == std::vector<std::string>{"a"});
}

TEST_CASE("transactor: after a restart it goes on, and what was committed is not seen again",
          "[actors]") {
  transaction_stand t;
  auto a = t.send("a");
  auto b = t.send("b");
  CHECK(t.end(a, true).value());
  t.pass(2s);
  bool orderly = GENERATE(false, true);
  if (orderly)
    CHECK(t.node.stop().value().left_over.empty());
  else
    t.node.crash();
  t.start();
  CHECK(t.end(a, true).value());
  t.pass(8s);
  REQUIRE(t.asked.size() == 1);
  CHECK(t.asked.front().unique_key == "key-b");
  CHECK(t.end(b, true).value());
  CHECK(t.visible() == std::vector<std::string>{"a", "b"});
}

TEST_CASE("transactor: a commit whose message is there, and nothing that says so", "[actors]") {
  transaction_stand t;
  auto a = t.send("a");
  { // as it is when the power went between the two
    storage::new_message m;
    auto properties = std::make_shared<std::string>(
        "UNIQ_KEY\1key-a\2TRAN_MSG\1true\2PGROUP\1P\2REAL_TOPIC\1T\2REAL_QID\0011\2");
    m.queue_id = 1;
    m.sysflag = storage::sysflag::transaction_commit;
    m.born_timestamp = 1'700'000'000'000;
    m.prepared_transaction_offset = a.offset;
    m.body = as_bytes("a");
    m.properties = *properties;
    put_request request;
    request.topic = "T";
    request.count = 1;
    request.messages = {{m}, properties};
    auto done = t.world().ask<put_bundle_response>(t.node.roles().writer, group_of(request));
    CHECK(all_stored(done.value().responses.front()));
  }
  t.node.crash();
  t.start();
  CHECK(t.end(a, true).value());
  CHECK(t.visible() == std::vector<std::string>{"a"});
  t.pass(100s);
  CHECK(t.asked.empty());
}

TEST_CASE("transactor: one that dies is replaced, and nothing is lost", "[actors]") {
  transaction_stand t;
  auto a = t.send("a");
  auto b = t.send("b");
  CHECK(t.end(a, true).value());
  t.world().kill_all("transactor");
  t.world().run_for(1s);
  CHECK(t.end(a, true).value());
  CHECK(t.end(b, true).value());
  CHECK(t.visible() == std::vector<std::string>{"a", "b"});
}

TEST_CASE("transactor: a message of a transaction is neither in a batch nor late", "[actors]") {
  transaction_stand t;
  auto half = t.send("a", "DELAY\0013\2");
  CHECK(t.end(half, true).value());
  CHECK(t.visible() == std::vector<std::string>{"a"});
  auto nobody = half_put("x");
  nobody.count = 2;
  CHECK_FALSE(all_stored(t.node.put(nobody)));
}
