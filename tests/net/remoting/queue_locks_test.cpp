#include "net/remoting/queue_locks.hpp"
#include "tests/support/catch.hpp"

#include <span>

using namespace troupe::remoting;
using queues = std::vector<queue_name>;

namespace {

std::string refusal(std::string_view body) {
  auto read = read_lock_body(std::as_bytes(std::span(body)));
  REQUIRE(read.has_error());
  return read.error().message;
}

} // namespace

TEST_CASE("queue_locks: a queue has one holder in a group, until its time is over", "[remoting]") {
  queue_locks locks;
  const queue_name q0{"T", 0}, q1{"T", 1};
  CHECK(locks.lock(1, {"a", "G", {q0, q1}}, 0) == queues{q0, q1});
  CHECK(locks.lock(1, {"b", "G", {q0, q1}}, 1) == queues{});
  CHECK(locks.lock(1, {"b", "H", {q0}}, 1) == queues{q0});
  CHECK(locks.lock(1, {"a", "G", {q0}}, 30'000) == queues{q0}); // renewed
  CHECK(locks.lock(1, {"b", "G", {q0, q1}}, queue_locks::lock_ms) == queues{q1});
  locks.unlock({"b", "G", {q0}}); // not its own
  CHECK(locks.lock(1, {"b", "G", {q0}}, queue_locks::lock_ms) == queues{});
  locks.unlock({"a", "G", {q0}});
  CHECK(locks.lock(1, {"b", "G", {q0}}, queue_locks::lock_ms) == queues{q0});
  locks.expire(2 * queue_locks::lock_ms - 1);
  CHECK_FALSE(locks.empty());
  locks.expire(2 * queue_locks::lock_ms);
  CHECK(locks.empty());
}

TEST_CASE("queue_locks: who lost his connection keeps a queue as long as he trusts his lock",
          "[remoting]") {
  queue_locks locks;
  const queue_name q0{"t", 0};
  CHECK(locks.lock(1, {"a", "G", {q0}}, 0) == queues{q0});
  CHECK(locks.lock(2, {"z", "H", {q0}}, 0) == queues{q0});
  locks.departed(1);
  locks.departed(1);                  // nothing more comes of it
  constexpr auto trusted_ms = 31'000; // 30 s, and 1 s for the answer
  CHECK(locks.lock(3, {"b", "G", {q0}}, trusted_ms) == queues{});
  CHECK(locks.lock(3, {"b", "G", {q0}}, queue_locks::orphan_ms - 1) == queues{});
  CHECK(locks.lock(3, {"b", "G", {q0}}, queue_locks::orphan_ms) == queues{q0});
  CHECK(locks.lock(3, {"b", "H", {q0}}, queue_locks::orphan_ms) == queues{}); // of another
}

TEST_CASE("queue_locks: who comes back by another connection has it as before", "[remoting]") {
  queue_locks locks;
  const queue_name q0{"t", 0};
  CHECK(locks.lock(1, {"a", "G", {q0}}, 0) == queues{q0});
  locks.departed(1);
  constexpr auto back_ms = 20'000;
  CHECK(locks.lock(4, {"a", "G", {q0}}, back_ms) == queues{q0});
  locks.departed(1);
  CHECK(locks.lock(3, {"b", "G", {q0}}, back_ms + queue_locks::lock_ms - 1) == queues{});
  locks.departed(4);
  locks.expire(back_ms + queue_locks::orphan_ms);
  CHECK(locks.empty());
}

TEST_CASE("queue_locks: one connection holds so many, and gives them back", "[remoting]") {
  queue_locks locks;
  auto body_of = [](const std::string& group, int from, int count) {
    lock_body body{"c", group, {}};
    for (int i = 0; i < count; ++i)
      body.queues.push_back({"T", from + i});
    return body;
  };
  constexpr int most = queue_locks::most_of_connection;
  CHECK(locks.lock(1, body_of("G", 0, most - 1), 0).size() == most - 1);
  CHECK(locks.lock(1, body_of("H", 0, 5), 0).size() == 1);
  CHECK(locks.lock(1, body_of("G", 0, most - 1), 1).size() == most - 1); // renewed
  CHECK(locks.lock(1, body_of("I", 0, 5), 1).empty());
  CHECK(locks.lock(2, body_of("H", 5, 5), 1).size() == 5); // others may
  locks.unlock(body_of("G", 0, most - 1));
  CHECK(locks.lock(1, body_of("I", 0, 5), 1).size() == 5);
  locks.expire(2 * queue_locks::lock_ms);
  CHECK(locks.empty());
  CHECK(locks.lock(1, body_of("G", 0, most), 0).size() == most);
}

TEST_CASE("queue_locks: bodies as clients write them", "[remoting]") {
  std::string_view body =
      R"({"clientId":"c","consumerGroup":"G","onlyThisBroker":false,"mqSet":[)"
      R"({"brokerName":"b","queueId":3,"topic":"T"},{"queueId":"1","topic":"U"}]})";
  auto read = read_lock_body(std::as_bytes(std::span(body)));
  REQUIRE(read);
  CHECK(read.value().client_id == "c");
  CHECK(read.value().group == "G");
  CHECK(read.value().queues == queues{{"T", 3}, {"U", 1}});
  CHECK(write_locked_queues(read.value().queues, "b") ==
        R"({"lockOKMQSet":[{"brokerName":"b","queueId":3,"topic":"T"},)"
        R"({"brokerName":"b","queueId":1,"topic":"U"}]})");
  CHECK(write_locked_queues({}, "b") == R"({"lockOKMQSet":[]})");
  CHECK(refusal("[]") == "lock request: the body is no object");
  CHECK(refusal("{}").find("clientId and consumerGroup must have") != std::string::npos);
  CHECK(refusal(R"({"clientId":"c","consumerGroup":"G","mqSet":[{"queueId":-1}]})") ==
        "lock request: mqSet names no queue that can be");
  CHECK(refusal(R"({"clientId":"c","consumerGroup":"G","mqSet":7})") ==
        "lock request: mqSet is no array");
}
