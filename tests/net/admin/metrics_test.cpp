#include "net/admin/metric_set.hpp"
#include "net/admin/metrics.hpp"
#include "storage/histogram.hpp"
#include "tests/support/catch.hpp"

#include <map>
#include <set>
#include <sstream>
#include <string>

using namespace troupe;
using namespace troupe::net;

namespace {

/// Prometheus' text format, as far as we write it; fails the test where it is none.
struct parsed_metrics {
  std::map<std::string, std::string> types;
  std::map<std::string, double> series; ///< by name with labels

  explicit parsed_metrics(const std::string& text) {
    std::istringstream in(text);
    std::set<std::string> helped;
    std::string line;
    std::string family;
    REQUIRE((text.empty() || text.back() == '\n'));
    while (std::getline(in, line)) {
      INFO(line);
      if (line.starts_with("# HELP ")) {
        family = line.substr(7, line.find(' ', 7) - 7);
        REQUIRE(line.size() > 8 + family.size());
        REQUIRE(helped.insert(family).second); // all of a name stand together
      } else if (line.starts_with("# TYPE ")) {
        REQUIRE(line.starts_with("# TYPE " + family + " "));
        REQUIRE(types.emplace(family, line.substr(8 + family.size())).second);
      } else {
        auto at = line.rfind(' ');
        REQUIRE(at != line.npos);
        auto name = line.substr(0, at);
        REQUIRE(name.substr(0, name.find('{')).starts_with(family));
        REQUIRE(types.contains(family));
        REQUIRE(series.emplace(name, std::stod(line.substr(at + 1))).second);
      }
    }
  }

  double at(const std::string& name) const {
    auto found = series.find(name);
    INFO(name);
    REQUIRE(found != series.end());
    return found->second;
  }
  std::size_t of(const std::string& name) const {
    std::size_t count = 0;
    for (auto& [full, value] : series)
      count += full.starts_with(name + "{") || full == name;
    return count;
  }
};

constexpr metric_name lags{"lag", "Lag", metric_name::kind::gauge, true};
constexpr metric_name sums{"sum_total", "Sum", metric_name::kind::counter, true};
constexpr metric_name alone{"alone", "Alone"};

metric_labels topic(int number) {
  return {{"topic", "t" + std::to_string(1000 + number)}};
}

node_status running() {
  node_status s;
  for (auto* role : {"writer", "flusher", "dispatcher", "queue-manager", "cleaner"})
    s.roles.push_back({role, role_running, 1, "n1", 5});
  s.writer.end = 5000;
  s.writer.min = 1000;
  s.writer.refusals = {{"busy", 3}};
  s.flusher.flushed = 4000;
  s.queues.applied = 4500;
  return s;
}

} // namespace

TEST_CASE("histogram: a value counts with the first bound that it does not pass", "[admin]") {
  constexpr std::array<std::uint64_t, 3> bounds{1, 10, 100};
  storage::histogram h(bounds);
  for (auto value : {0, 1, 2, 10, 11, 100, 101, 5000})
    h.add(static_cast<std::uint64_t>(value));
  CHECK(h.read().counts == std::vector<std::uint64_t>{2, 2, 2, 2});
  CHECK(h.read().sum == 5225);
}

TEST_CASE("metrics: a histogram is cumulative, in the unit of its name", "[admin]") {
  constexpr std::array<std::uint64_t, 2> bounds{1, 10};
  storage::histogram h(bounds);
  h.add(1);
  h.add(5);
  h.add(50);
  metric_set set({}, 100);
  set.add({"took_seconds", "Time"}, h.read(), bounds, 1e-3);
  set.add({"none_seconds", "Time"}, {}, bounds, 1e-3);
  parsed_metrics m(set.text());
  CHECK(m.types.at("took_seconds") == "histogram");
  CHECK(m.at("took_seconds_bucket{le=\"0.001\"}") == 1);
  CHECK(m.at("took_seconds_bucket{le=\"0.01\"}") == 2);
  CHECK(m.at("took_seconds_bucket{le=\"+Inf\"}") == 3);
  CHECK(m.at("took_seconds_count") == 3);
  CHECK(m.at("took_seconds_sum") == Approx(0.056));
  CHECK_FALSE(m.types.contains("none_seconds"));
}

TEST_CASE("metrics: what is too many is summed as other, and nothing is lost", "[admin]") {
  metric_set set({{"cluster", "c"}}, 101);
  set.add(alone, 7);
  for (int i = 0; i < 5; ++i)
    set.add(lags, 1, topic(i));
  for (int i = 0; i < 500; ++i)
    set.add(sums, 2, topic(i));
  parsed_metrics m(set.text());
  CHECK(m.series.size() == 101);
  CHECK(m.of("alone") == 1);
  CHECK(m.of("lag") == 5); // few, and all there
  CHECK(m.of("sum_total") == 95);
  CHECK(m.at(R"(sum_total{cluster="c",topic="t1000"})") == 2);
  CHECK(m.at(R"(sum_total{cluster="c",topic="other"})") == 2 * (500 - 94));
}

TEST_CASE("metrics: each name has one series at least", "[admin]") {
  metric_set set({}, 1);
  set.add(alone, 7);
  for (int i = 0; i < 50; ++i) {
    set.add(lags, 1, topic(i));
    set.add(sums, 1, topic(i));
  }
  parsed_metrics m(set.text());
  CHECK(m.at(R"(lag{topic="other"})") == 50);
  CHECK(m.at(R"(sum_total{topic="other"})") == 50);
  CHECK(m.series.size() == 3);
}

TEST_CASE("metrics: one that is called other itself is added to the rest", "[admin]") {
  metric_set set({}, 2);
  for (auto* name : {"a", "other", "z"})
    set.add(lags, 1, {{"topic", name}});
  parsed_metrics m(set.text());
  CHECK(m.at(R"(lag{topic="a"})") == 1);
  CHECK(m.at(R"(lag{topic="other"})") == 2);
}

TEST_CASE("metrics: values of labels stay inside their quotes", "[admin]") {
  metric_set set({}, 10);
  set.add(lags, 1, {{"topic", "a\"b\\c\nd"}});
  CHECK(parsed_metrics(set.text()).at(R"(lag{topic="a\"b\\c\nd"})") == 1);
}

TEST_CASE("metrics: a node's numbers have RocketMQ's names and labels", "[admin]") {
  auto status = running();
  gateway_report gateway;
  gateway.clients.push_back({1, "127.0.0.1:5", "c1", 0, 407, {"G"}, {"P"}});
  gateway.in = {{"t", {}, {10, 1000}}, {"SCHEDULE_TOPIC_XXXX", {}, {1, 10}}};
  gateway.out = {{"t", "G", {4, 400}}};
  group_list groups;
  groups.offsets = {{"G", "t", 0, 4}, {"G", "t", 1, 1}, {"G", "gone", 0, 5}};
  queue_state ends;
  ends.next_offsets["t"] = {10, 3};
  metrics_input from;
  from.cluster = "c";
  from.node = "n1";
  from.start.now = start_progress::phase::serving;
  from.status = &status;
  from.gateway = &gateway;
  from.groups = &groups;
  from.ends = &ends;
  parsed_metrics m(metrics_text(from));
  const std::string same = R"({cluster="c",node_type="broker",node_id="n1")";
  CHECK(m.at("rocketmq_messages_in_total" + same + R"(,topic="t",is_system="false"})") == 10);
  CHECK(m.at("rocketmq_messages_in_total" + same +
             R"(,topic="SCHEDULE_TOPIC_XXXX",is_system="true"})") == 1);
  const std::string who = R"(,topic="t",consumer_group="G",is_retry="false",is_system="false"})";
  CHECK(m.at("rocketmq_messages_out_total" + same + who) == 4);
  CHECK(m.at("rocketmq_throughput_out_total" + same + who) == 400);
  CHECK(m.at("rocketmq_consumer_lag_messages" + same + who) == 8);
  CHECK(m.of("rocketmq_consumer_lag_messages") == 1);
  CHECK(m.at("rocketmq_storage_dispatch_behind_bytes" + same +
             R"(,storage_type="local",storage_medium="disk"})") == 500);
  CHECK(m.of("rocketmq_producer_connections") == 1);
  CHECK(m.at("rocketmq_consumer_connections" + same +
             R"(,consumer_group="G",language="java",version="407",protocol_type="remoting",)"
             R"(consume_mode="push",is_system="false"})") == 1);
  CHECK(m.at("troupe_refused_requests_total" + same + R"(,cause="busy"})") == 3);
  CHECK(m.at("troupe_serving" + same + "}") == 1);
  CHECK(m.types.at("rocketmq_messages_in_total") == "counter");
  CHECK(m.types.at("rocketmq_consumer_lag_messages") == "gauge");
}

TEST_CASE("metrics: the numbers of a part that is silent are left out", "[admin]") {
  auto status = running();
  status.roles[1].state = role_silent; // the flusher
  metrics_input from;
  from.status = &status;
  parsed_metrics m(metrics_text(from));
  CHECK_FALSE(m.types.contains("troupe_flushes_total"));
  CHECK_FALSE(m.types.contains("rocketmq_storage_flush_behind_bytes"));
  CHECK(m.types.contains("troupe_dirty_bytes"));
  from.status = nullptr; // while the log is recovered
  from.start.done = 63;
  parsed_metrics early(metrics_text(from));
  CHECK(early.of("troupe_recovery_checked_bytes") == 1);
  CHECK(early.series.size() == 3);
}

TEST_CASE("metrics: many topics and groups stay within the bound", "[admin]") {
  auto status = running();
  gateway_report gateway;
  group_list groups;
  queue_state ends;
  for (int i = 0; i < 5000; ++i) {
    auto name = "topic" + std::to_string(i);
    gateway.in.push_back({name, {}, {1, 1}});
    gateway.out.push_back({name, "G", {1, 1}});
    ends.next_offsets[name] = {5, 5};
    groups.offsets.push_back({"G", name, 0, 1});
    groups.offsets.push_back({"G", name, 1, 1});
  }
  metrics_input from;
  from.most_series = 1000;
  from.status = &status;
  from.gateway = &gateway;
  from.groups = &groups;
  from.ends = &ends;
  parsed_metrics m(metrics_text(from));
  CHECK(m.series.size() <= 1000);
  CHECK(m.series.size() > 950);
  double lag = 0;
  for (auto& [name, value] : m.series)
    lag += name.starts_with("rocketmq_consumer_lag_messages{") ? value : 0;
  CHECK(lag == 5000 * 8);
}
