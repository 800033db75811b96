// Questions that a session answers by itself: those of the query desk, and how far groups are.

#include "net/gateway/query_desk.hpp"

#include "net/gateway/offset_desk.hpp"
#include "tests/net/gateway/desk_stand.hpp"
#include "tests/support/catch.hpp"

using namespace troupe;
using namespace troupe::test;

namespace {

struct query_stand : desk_stand {
  record_batch records;
  std::vector<key_query> keys;
  std::vector<pull_request> pulls;
  group_offset known{"G", "t", 0, -1};
  std::vector<group_offset> stored;
  node_status status;

  query_stand() {
    node.also = {
        [this](bounds_atom, const std::string& name,
               std::int32_t queue) -> caf::result<topic_description> {
          if (name != "t")
            return make_caf_error(errc::not_found, "no topic " + name);
          auto one = described;
          std::erase_if(one.queues, [queue](auto& q) { return q.queue_id != queue; });
          return one;
        },
        [](search_atom, const std::string& name, std::int32_t queue,
           std::int64_t time) -> caf::result<queue_offset> {
          if (name != "t")
            return make_caf_error(errc::not_found, "no topic " + name);
          return queue * 1000 + time;
        },
        [this](fetch_atom, log_offset) { return records; },
        [this](const pull_request& asked) {
          pulls.push_back(asked);
          return pull_response{};
        },
        [this](const key_query& asked) {
          keys.push_back(asked);
          return records;
        },
        [this](fetch_atom, const group_offset&) { return known; },
        [this](store_atom, const group_offset& what) -> caf::result<group_offset> {
          if (what.group == "full")
            return make_caf_error(errc::no_space, "no room");
          stored.push_back(what);
          return what;
        },
        [this](status_atom) { return status; },
    };
    start();
    enter(1);
    described.queues = {{.queue_id = 0, .min = 5, .max = 9, .first = 5}};
    role_status writer;
    writer.role = "writer";
    writer.state = role_running;
    status.roles = {writer};
  }
  topic_description described;
};

ext_list queue_of(const std::string& topic, const std::string& queue = "0") {
  return {{"topic", topic}, {"queueId", queue}};
}

ext_list progress_of(const std::string& topic, const std::string& group = "G") {
  return {{"consumerGroup", group}, {"topic", topic}, {"queueId", "0"}, {"commitOffset", "8"}};
}

} // namespace

TEST_CASE("query_desk: where a queue begins and ends", "[gateway]") {
  query_stand t;
  t.open<net::query_desk>();
  CHECK(t.ask(1, request_code::get_min_offset, queue_of("t")).number("offset") == 5);
  CHECK(t.ask(1, request_code::get_max_offset, queue_of("t")).number("offset") == 9);
  CHECK(t.ask(1, request_code::get_max_offset, queue_of("t", "3")).number("offset") == 0);
  CHECK(t.ask(1, request_code::get_max_offset, queue_of("none")).number("offset") == 0);
  CHECK(t.ask(1, request_code::get_max_offset, {}).header.code == response_code::system_error);
}

TEST_CASE("query_desk: the first message since a time", "[gateway]") {
  query_stand t;
  t.open<net::query_desk>();
  auto fields = queue_of("t", "2");
  fields.emplace_back("timestamp", "7");
  auto search = [&] { return t.ask(1, request_code::search_offset_by_timestamp, fields); };
  CHECK(search().number("offset") == 2007);
  fields[0].second = "none";
  CHECK(search().number("offset") == 0);
}

TEST_CASE("query_desk: messages by their place and by their key", "[gateway]") {
  query_stand t;
  t.open<net::query_desk>();
  auto view = [&] { return t.ask(1, request_code::view_message_by_id, {{"offset", "100"}}); };
  auto query = [&] {
    return t.ask(1, request_code::query_message,
                 {{"topic", "t"},
                  {"key", "k"},
                  {"maxNum", "1000"},
                  {"beginTimestamp", "1"},
                  {"endTimestamp", "2"}});
  };
  CHECK(view().header.code == response_code::system_error);
  CHECK(query().header.code == response_code::query_not_found);
  t.records.records = {storage::slice::copy_of_text("record")};
  CHECK(view().body == "record");
  CHECK(query().body == "record");
  REQUIRE(t.keys.size() == 2);
  CHECK(t.keys[1].key == "k");
  CHECK(t.keys[1].max == 64);
  CHECK(t.keys[1].end_ms == 2);
}

TEST_CASE("query_desk: a session that dies is no answer", "[gateway]") {
  query_stand t;
  t.open<net::query_desk>();
  t.world.kill(t.node.sessions.back());
  auto answer = t.ask(1, request_code::get_max_offset, queue_of("t"));
  CHECK(answer.header.code != response_code::success);
}

TEST_CASE("offset_desk: a group goes on where it was", "[gateway]") {
  query_stand t;
  t.open<net::offset_desk>();
  t.known.offset = 7;
  CHECK(t.ask(1, request_code::query_consumer_offset, progress_of("t")).number("offset") == 7);
}

TEST_CASE("offset_desk: a new group starts at the beginning of a young queue only", "[gateway]") {
  query_stand t;
  t.open<net::offset_desk>();
  auto ask = [&](const std::string& topic) {
    return t.ask(1, request_code::query_consumer_offset, progress_of(topic));
  };
  CHECK(ask("t").number("offset") == 5);
  CHECK(ask("none").header.code == response_code::query_not_found);
  SECTION("not when its first messages are gone") {
    t.described.queues[0].min = 6;
    CHECK(ask("t").header.code == response_code::query_not_found);
  }
  SECTION("not when the log does not fit into memory") {
    t.status.writer.end = std::int64_t{1} << 60;
    CHECK(ask("t").header.code == response_code::query_not_found);
  }
  SECTION("and nobody knows when the log's size is not known") {
    t.status.roles.clear();
    CHECK(ask("t").header.code == response_code::service_not_available);
  }
}

TEST_CASE("offset_desk: progress is answered when it is stored", "[gateway]") {
  query_stand t;
  t.open<net::offset_desk>();
  CHECK(t.ask(1, request_code::update_consumer_offset, progress_of("t")).header.code ==
        response_code::success);
  REQUIRE(t.stored.size() == 1);
  CHECK(t.stored[0].offset == 8);
  CHECK(t.ask(1, request_code::update_consumer_offset, progress_of("t", "full")).header.code ==
        response_code::service_not_available);
  CHECK(t.room().table.kind_of(request_code::update_consumer_offset) ==
        net::request_kind::progress);
}

TEST_CASE("query_desk: when a queue's first message was stored", "[gateway]") {
  query_stand t;
  t.open<net::query_desk>();
  auto ask = [&](const char* topic, const char* queue) {
    return t.ask(1, request_code::get_earliest_msg_storetime,
                 {{"topic", topic}, {"queueId", queue}});
  };
  CHECK(ask("t", "0").number("timestamp") == -1); // it was deleted meanwhile
  REQUIRE(t.pulls.size() == 1);
  CHECK(t.pulls[0].from == 5);
  CHECK(t.pulls[0].max_messages == 1);
  CHECK(ask("t", "7").number("timestamp") == -1);
  CHECK(ask("none", "0").number("timestamp") == -1);
  CHECK(t.pulls.size() == 1);
}
