#include "cli/top_text.hpp"

#include "tests/support/catch.hpp"

using namespace troupe;
using namespace troupe::cli;

namespace {

top_sample sample(std::int64_t at_ms, log_offset end, std::uint64_t entries) {
  top_sample s;
  s.at_ms = at_ms;
  for (auto* role : {"writer", "flusher", "queue-manager"})
    s.status.roles.push_back({role, role_running, 0, "n", 0});
  s.status.writer.end = end;
  s.status.queues.entries = entries;
  return s;
}

} // namespace

TEST_CASE("top: rates are what happened between two looks", "[cli]") {
  auto rates = rates_between(sample(1000, 500, 10), sample(3000, 2500, 30));
  CHECK(rates.bytes == 1000.0);
  CHECK(rates.messages == 10.0);
  CHECK(rates.flushes == 0.0);
}

TEST_CASE("top: what is not known has no rate", "[cli]") {
  auto later = sample(3000, 2500, 30);
  later.status.roles[0].state = role_silent;
  CHECK(!rates_between(sample(1000, 500, 10), later).bytes);
  CHECK(!rates_between(sample(1000, 5000, 10), sample(3000, 2500, 30)).bytes); // cut since
  CHECK(!rates_between(sample(1000, 1, 1), sample(1000, 2, 2)).messages);      // no time
}

TEST_CASE("top: groups come by how far they are behind", "[cli]") {
  auto before = sample(0, 0, 0);
  auto after = sample(2000, 0, 0);
  before.groups["a"] = {{"t", 0, 5, 0, 100}};
  after.groups["a"] = {{"t", 0, 25, 0, 100}};
  after.groups["b"] = {{"t", 0, 1, 0, 100}, {"t", 1, -1, 0, 100}}; // no offset: not begun
  after.groups["c"] = {{"t", 0, 100, 0, 100}};
  auto lags = furthest_behind(&before, after, 2);
  REQUIRE(lags.size() == 2);
  CHECK(lags[0].group == "b");
  CHECK(lags[0].lag == 99);
  CHECK(lags[1].group == "a");
  CHECK(lags[1].consumed == 10.0);
  CHECK(!furthest_behind(nullptr, after, 1)[0].consumed);
}

TEST_CASE("top: only roles that do not run are coloured, and only when wanted", "[cli]") {
  auto now = sample(0, 0, 0);
  CHECK(top_text(nullptr, now, 1, true).find('\033') == std::string::npos);
  now.status.roles[0].state = role_stopped;
  CHECK(top_text(nullptr, now, 1, true).find('\033') != std::string::npos);
  CHECK(top_text(nullptr, now, 1, false).find('\033') == std::string::npos);
}
