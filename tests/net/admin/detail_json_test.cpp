#include "net/admin/detail_json.hpp"
#include "net/admin/history_watch.hpp"
#include "net/message_json.hpp"
#include "tests/support/catch.hpp"

#include <boost/json.hpp>

using namespace troupe;
using namespace troupe::net;
using c = history_column;

namespace {

boost::json::object read(const std::string& json) {
  return boost::json::parse(json).as_object();
}

} // namespace

TEST_CASE("details: a topic's queues say when their first message was stored", "[admin]") {
  topic_description all{{"t", 2, 2, 6}, {{0, 3, 9, 500, 0}, {1, 0, 0, -1, 0}}};
  auto queues = read(topic_detail_json(all, {{0, 400}}))["queues"].as_array();
  REQUIRE(queues.size() == 2);
  CHECK(queues[0].as_object()["firstStoreTimestamp"] == 400);
  CHECK(queues[0].as_object()["minOffset"] == 3);
  CHECK(queues[1].as_object()["firstStoreTimestamp"].is_null());
}

TEST_CASE("details: a group's lag counts what is there, and how long the next one waits",
          "[admin]") {
  group_detail all{"g", false, {}, {{"t", 0, 2, 5, 9}, {"t", 1, 9, 5, 9}, {"t", 2, 5, 5, 9}}, 4};
  auto g = read(group_detail_json(all, {{0, 700}}, 1000));
  CHECK(g["members"].is_null());
  CHECK(g["leftOut"] == 4);
  auto queues = g["queues"].as_array();
  CHECK(queues[0].as_object()["lag"] == 4); // retention took the rest
  CHECK(queues[0].as_object()["behindMs"] == 300);
  CHECK(queues[1].as_object()["lag"] == 0);
  CHECK(queues[1].as_object()["behindMs"] == 0);
  CHECK(queues[2].as_object()["behindMs"].is_null());
}

TEST_CASE("details: a long body is cut, and that is said", "[admin]") {
  std::string body(100, 'x');
  storage::record_view m;
  m.topic = "t";
  m.body = std::as_bytes(std::span(body));
  std::string out;
  append_message_json(out, m, 99);
  auto cut = read(out);
  CHECK(cut["bodyCut"] == true);
  CHECK(cut["bodyLen"] == 100);
  CHECK(cut["body"].as_string().size() == 132);
  CHECK(cut["bodySha256"].is_null());
  out.clear();
  append_message_json(out, m, 100);
  auto whole = read(out);
  CHECK(whole["bodyCut"] == false);
  CHECK(whole["body"].as_string().size() == 136);
}

TEST_CASE("details: what cannot be read is counted", "[admin]") {
  pull_response found;
  found.status = pull_status::found;
  found.next = 8;
  found.records.push_back(storage::slice::copy_of_text("no record"));
  auto all = read(pull_json({"t", 1, 7, 32, 1024, {}, 0}, found, 10));
  CHECK(all["unreadable"] == 1);
  CHECK(all["messages"].as_array().empty());
  CHECK(all["from"] == 7);
  CHECK(all["next"] == 8);
  CHECK(all["status"] == "found");
}

TEST_CASE("looks: of several queue-managers together, and nothing where one is silent", "[admin]") {
  node_status s;
  s.roles = {{"writer", role_running, 0, "n", 1},
             {"dispatcher", role_running, 0, "n", 1},
             {"queue-manager 1", role_running, 0, "n", 1},
             {"queue-manager 2", role_running, 0, "n", 1}};
  s.writer.end = 100;
  s.queues.entries = 12;
  s.queues.parts = {{0, 90, 80}, {1, 70, 70}};
  auto now = sample_of(s, 5);
  CHECK(now[c::answer_us] == 5);
  CHECK(now[c::entries] == 12);
  CHECK(now[c::not_applied] == 40);
  CHECK(now[c::not_durable] == 10);
  CHECK(now[c::not_flushed] == not_known); // there is no flusher
  CHECK(now[c::disk_percent] == not_known);
  s.roles.back().state = role_silent;
  now = sample_of(s, 5);
  CHECK(now[c::not_applied] == not_known);
  CHECK(now[c::entries] == not_known);
}

TEST_CASE("looks: a process knows how much memory it has", "[admin]") {
  CHECK(own_memory() > 100'000);
}
