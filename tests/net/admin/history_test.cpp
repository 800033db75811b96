#include "net/admin/history.hpp"
#include "tests/support/catch.hpp"

#include <boost/json.hpp>

using namespace troupe::net;
using namespace std::chrono_literals;
using c = history_column;

namespace {

history_sample at(std::int64_t ms, std::int64_t entries = 0, std::int64_t in_flight = 0) {
  history_sample s;
  s.at_ms = ms;
  s[c::entries] = entries;
  s[c::in_flight] = in_flight;
  return s;
}

boost::json::object read(const history& h, std::int64_t since = 0) {
  return boost::json::parse(history_json(h, {{75, 85, 90}}, since)).as_object();
}

} // namespace

TEST_CASE("history: ten minutes of every look, an hour of one in ten seconds", "[admin]") {
  history h;
  for (std::int64_t second = 1; second <= 2 * 3600; ++second)
    h.add(at(second * 1000, second));
  CHECK(h.fine().size() == 600);
  CHECK(h.fine().back().at_ms - h.fine().front().at_ms < history::fine_ms);
  CHECK(h.coarse().size() >= 360);
  CHECK(h.coarse().size() <= history::most_coarse);
  CHECK(h.coarse().back()[c::entries] == 7200);
}

TEST_CASE("history: looks that come too often do not take more room", "[admin]") {
  history h;
  for (std::int64_t i = 1; i <= 5000; ++i)
    h.add(at(i * 100));
  CHECK(h.fine().size() == history::most_fine);
}

TEST_CASE("history: of ten seconds the last count and the highest of the rest stays", "[admin]") {
  history h;
  h.add(at(20'000, 5, 7));
  h.add(at(21'000, 6, 90));
  auto silent = at(22'000);
  silent[c::entries] = not_known;
  silent[c::in_flight] = not_known;
  h.add(silent);
  REQUIRE(h.coarse().size() == 1);
  CHECK(h.coarse().front()[c::entries] == 6);
  CHECK(h.coarse().front()[c::in_flight] == 90);
  CHECK(h.coarse().front().at_ms == 22'000);
  h.add(at(30'000, 8, 1));
  CHECK(h.coarse().size() == 2);
}

TEST_CASE("history: what is not later than the last look is dropped", "[admin]") {
  history h;
  h.add(at(2000, 1));
  h.add(at(2000, 2));
  h.add(at(1000, 3));
  REQUIRE(h.fine().size() == 1);
  CHECK(h.fine().front()[c::entries] == 1);
}

TEST_CASE("history: JSON has a column for each kind, null for what is not known", "[admin]") {
  history h;
  h.add(at(1000, 4));
  h.add(at(2000, 9));
  auto all = read(h);
  CHECK(boost::json::serialize(all["diskPercent"]) == "[75,85,90]");
  auto fine = all["fine"].as_object();
  CHECK(fine.size() == history_columns + 1);
  CHECK(boost::json::serialize(fine["at"]) == "[1000,2000]");
  CHECK(boost::json::serialize(fine["entries"]) == "[4,9]");
  CHECK(boost::json::serialize(fine["memory"]) == "[null,null]");
  auto later = read(h, 1000)["fine"].as_object();
  CHECK(boost::json::serialize(later["at"]) == "[2000]");
  CHECK(read(h, 2000)["fine"].as_object()["at"].as_array().empty());
  CHECK(read({})["coarse"].as_object()["at"].as_array().empty());
}

TEST_CASE("history: a node looks each second only while somebody does", "[admin]") {
  history_pace pace;
  history_pace::time_point start{1h};
  CHECK(pace.step(start) == 10s);
  pace.asked(start);
  CHECK(pace.step(start + 59s) == 1s);
  CHECK(pace.step(start + 60s) == 10s);
}
