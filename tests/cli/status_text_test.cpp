#include "cli/status_text.hpp"
#include "net/admin/status_json.hpp"
#include "net/admin/status_view.hpp"
#include "tests/support/catch.hpp"

#include <algorithm>

using namespace troupe;
using namespace troupe::cli;
using namespace troupe::net;

namespace {

/// Of a store in three processes, asked at the first.
node_status spread_status() {
  node_status s;
  s.node = "log";
  s.roles = {{"writer", role_running, 0, "log", 1000},
             {"flusher", role_running, 0, "log", 1000},
             {"dispatcher", role_running, 0, "order", 1000},
             {"queue-manager", role_running, 0, "queues", 1000}};
  s.writer.end = 5000;
  s.writer.backlog = 7;
  s.backlog_capacity = 100;
  s.flusher.flushed = 4000;
  s.dispatcher.next = 4500;
  s.queues.applied = 4200;
  s.queues.durable = 3000;
  s.links = {{"order", "up", 900, 1, ""}, {"queues", "up", 800, 1, ""}};
  s.nodes = {{"log", "writer, flusher", role_running, 1000, "", s.links},
             {"order",
              "dispatcher",
              role_running,
              900,
              "",
              {{"log", "up", 900, 1, ""}, {"queues", "away", 50, 1, "no node answers there"}}},
             {"queues", "queue-manager", role_running, 800, "", {{"log", "up", 800, 1, ""}}}};
  return s;
}

status_edge edge(const node_status& s, const std::string& from, const std::string& to) {
  auto all = edges_of(s);
  auto found =
      std::ranges::find_if(all, [&](const status_edge& e) { return e.from == from && e.to == to; });
  REQUIRE(found != all.end());
  return *found;
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

} // namespace

TEST_CASE("status: each edge says how far its end is behind", "[cli]") {
  auto s = spread_status();
  CHECK(edge(s, "writer", "flusher").backlog == 1000);
  CHECK(edge(s, "writer", "flusher").link.empty()); // in the same process
  auto in_flight = edge(s, "writer", "dispatcher");
  CHECK(in_flight.backlog == 7);
  CHECK(in_flight.capacity == 100);
  CHECK(in_flight.link == "up");
  CHECK(in_flight.since_ms == 900);
  CHECK(edge(s, "dispatcher", "queue-manager").backlog == 300);
  CHECK(edge(s, "writer", "queue-manager").backlog == 800);
  CHECK(edge(s, "queue-manager", "queue-flusher").backlog == 1200);
}

TEST_CASE("status: an edge between two others is as its ends see it", "[cli]") {
  auto broken = edge(spread_status(), "dispatcher", "queue-manager");
  CHECK(broken.link == "away");
  CHECK(broken.since_ms == 50);
}

TEST_CASE("status: who was asked last may be further than who was asked first", "[cli]") {
  auto s = spread_status();
  s.flusher.flushed = s.writer.end + 10;
  CHECK(edge(s, "writer", "flusher").backlog == 0);
}

TEST_CASE("status: what a part would say that does not answer is unknown", "[cli]") {
  for (auto* state : {role_away, role_silent, role_stopped, role_waiting}) {
    auto s = spread_status();
    s.roles[3].state = state;
    s.queues = {};
    CHECK_FALSE(edge(s, "dispatcher", "queue-manager").backlog);
    CHECK_FALSE(edge(s, "writer", "queue-manager").backlog);
    CHECK_FALSE(edge(s, "queue-manager", "queue-flusher").backlog);
    CHECK(edge(s, "writer", "flusher").backlog == 1000);
    CHECK(has(status_json(s), R"("to":"queue-manager","toNode":"queues","backlog":null)"));
    CHECK(has(status_text(s), "dispatcher (order) -> queue-manager (queues): unknown"));
  }
}

TEST_CASE("status: who is connected to whom, and since when somebody is away", "[cli]") {
  auto s = spread_status();
  s.nodes[2] = {"queues", "queue-manager", role_away, 65'000, "the connection is lost", {}};
  auto text = status_text(s);
  CHECK(has(text, "member    order (dispatcher): running for 0 s; linked to log; "
                  "not to queues"));
  CHECK(has(text, "member    queues (queue-manager): not reachable for 1 min 5 s "
                  "(the connection is lost)"));
  CHECK(has(status_json(s), R"("state":"not reachable","sinceMs":65000,)"
                            R"("reason":"the connection is lost","links":null)"));
}
