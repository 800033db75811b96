#include "net/admin/listing_json.hpp"
#include "net/admin/readiness.hpp"
#include "tests/support/catch.hpp"

#include <algorithm>

using namespace troupe;
using namespace troupe::net;
using namespace std::chrono_literals;
using phase = start_progress::phase;

namespace {

node_status well() {
  node_status s;
  s.roles = {{"writer", role_running, 0, "n", 1},
             {"flusher", role_running, 0, "n", 1},
             {"queue-manager", role_running, 0, "n", 1}};
  return s;
}

std::string text(const start_progress::view& start, const node_status* s) {
  return readiness_text(check_readiness(start, s), false);
}

start_progress::view in(phase now) {
  return {now, 0, 0, {}};
}

} // namespace

TEST_CASE("readiness: a node that serves is ready, part by part", "[admin]") {
  auto s = well();
  auto all = check_readiness(in(phase::serving), &s);
  CHECK(is_ready(all));
  CHECK(readiness_text(all, false) == "ready\n");
  CHECK(readiness_text(all, true) ==
        "[+] node: ok\n[+] writer: ok\n[+] flusher: ok\n[+] queue-manager: ok\n[+] "
        "queues: ok\n[+] writes: ok\nready\n");
}

TEST_CASE("readiness: a recovery says how far it is, and about how long it takes", "[admin]") {
  CHECK(text(in(phase::opening), nullptr) == "[-] node: opening\n");
  CHECK(text({phase::opening, 63, 100, 14s}, nullptr) == "[-] node: recovering 63 %, about 8 s\n");
  CHECK(text({phase::opening, 0, 100, 1s}, nullptr) == "[-] node: recovering 0 %\n");
  start_progress p;
  p.checked(10, 40);
  auto v = p.read(start_progress::clock::now() + 1s);
  CHECK(v.done == 10);
  CHECK(v.total == 40);
  CHECK(v.took >= 1s);
}

TEST_CASE("readiness: what stands in the way is named", "[admin]") {
  auto s = well();
  CHECK(text(in(phase::stopping), nullptr) == "[-] node: stopping\n");
  CHECK(text(in(phase::serving), nullptr) == "[-] node: does not answer\n");
  CHECK(text(in(phase::waiting), &s) == "[-] node: starting\n");
  s.writer.refusal = "the disk is 93 % full";
  CHECK(text(in(phase::serving), &s) == "[-] writes: the disk is 93 % full\n");
  s = well();
  s.queues.failure = "log damaged at 4096";
  CHECK(text(in(phase::serving), &s) ==
        "[-] queues: log damaged at 4096\n[-] writes: log damaged at 4096\n");
  s = well();
  s.writer.open = false;
  s.writer.end = 5 << 20;
  s.queues.applied = 2 << 20;
  CHECK(text(in(phase::serving), &s) ==
        "[-] queues: recovering, 3MiB of the log to go\n[-] writes: wait for the queues\n");
  s = well();
  s.waits_for = "node b";
  CHECK(text(in(phase::serving), &s) == "[-] others: waits for node b\n");
  s = well();
  s.roles[1].state = role_silent;
  CHECK_FALSE(is_ready(check_readiness(in(phase::serving), &s)));
}

TEST_CASE("listings: groups say how far behind they are, where that is known", "[admin]") {
  group_list groups;
  groups.settings = {{"B", "{}"}};
  groups.offsets = {{"A", "t", 0, 3}, {"A", "t", 2, 9}};
  queue_state ends;
  ends.next_offsets["t"] = {10, 0};
  CHECK(groups_json(groups, &ends) ==
        R"({"groups":[{"group":"A","offsets":[{"topic":"t","queueId":0,"offset":3,)"
        R"("maxOffset":10,"lag":7},{"topic":"t","queueId":2,"offset":9,"maxOffset":null,)"
        R"("lag":null}]},{"group":"B","offsets":[]}],"leftOut":0})");
  groups.offsets.assign(60'000, group_offset{"A", "t", 0, 3});
  CHECK(groups_json(groups, nullptr).ends_with(R"("leftOut":10000})"));
}

TEST_CASE("listings: names stay inside their strings", "[admin]") {
  gateway_report report;
  report.clients.push_back({1, "127.0.0.1:5", "a\"b\\<\x01", 0, 407, {"g"}, {}});
  CHECK(clients_json(report) ==
        R"({"clients":[{"address":"127.0.0.1:5","clientId":"a\"b\\<\u0001","language":"JAVA",)"
        R"("version":407,"consumerGroups":["g"],"producerGroups":[]}]})");
  CHECK(topics_json({}) == R"({"topics":[]})");
}
