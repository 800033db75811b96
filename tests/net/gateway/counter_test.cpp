// The parts that know nothing of what requests are about: counter, table of codes, sessions.

#include "tests/net/gateway/desk_stand.hpp"

#include "tests/support/catch.hpp"

using namespace troupe;
using namespace troupe::test;
using namespace std::chrono_literals;
using net::request_kind;

namespace {

struct counter_stand : desk_stand {
  counter_stand() { start(); }

  net::ticket came(request_kind kind, connection_id from = 1) {
    return ticket_for(from, request(0, {}, "body"), kind);
  }
  net::counter& counter() { return room().counter; }
};

} // namespace

TEST_CASE("counter: an answer settles its request, and a one-way request gets none", "[gateway]") {
  counter_stand t;
  auto asked = t.came(request_kind::question);
  auto told = t.came(request_kind::news);
  told.oneway = true;
  t.run([&] {
    t.counter().reply(asked, response_code::success, "fine");
    t.counter().reply(told, response_code::success, {});
  });
  CHECK(t.settled == asked.bytes + told.bytes);
  REQUIRE(t.sent.size() == 1);
  CHECK(t.sent[0].header.opaque == asked.opaque);
  CHECK(t.sent[0].header.is_answer());
  CHECK(t.sent[0].header.remark == "fine");
}

TEST_CASE("counter: it says when a client's last write is answered", "[gateway]") {
  counter_stand t;
  auto sent = t.came(request_kind::send);
  auto stored = t.came(request_kind::progress);
  auto asked = t.came(request_kind::question);
  t.run([&] {
    t.counter().enter(1, 2);
    t.counter().enter(2, 1);
    t.counter().reply(asked, response_code::success, {});
    t.counter().reply(sent, response_code::success, {});
  });
  CHECK(t.counter().has_writes(1));
  CHECK(t.written.empty());
  t.run([&] { t.counter().fail(stored, {errc::busy, "no room"}); });
  CHECK_FALSE(t.counter().has_writes(1));
  CHECK(t.counter().has_writes(2));
  CHECK(t.written == std::vector<connection_id>{1});
}

TEST_CASE("counter: who does not wait any more is refused, each kind in its time", "[gateway]") {
  counter_stand t;
  auto sent = t.came(request_kind::send);
  auto asked = t.came(request_kind::question);
  auto told = t.came(request_kind::news);
  auto stored = t.came(request_kind::progress);
  t.world.run_for(2400ms);
  t.run([&] { CHECK_FALSE(t.counter().too_late(sent)); });
  CHECK(t.counter().time_left_ms(sent) == 100);
  t.world.run_for(200ms);
  t.run([&] {
    CHECK(t.counter().too_late(sent));
    CHECK_FALSE(t.counter().too_late(asked));
  });
  t.world.run_for(10s);
  t.run([&] {
    CHECK(t.counter().too_late(asked));
    CHECK_FALSE(t.counter().too_late(told));
    CHECK_FALSE(t.counter().too_late(stored));
  });
  REQUIRE(t.sent.size() == 2);
  CHECK(t.sent[0].header.code == response_code::system_busy);
  CHECK(t.sent[0].header.remark.find("not stored") != std::string::npos);
  CHECK(t.sent[1].header.code == response_code::system_busy);
}

TEST_CASE("counter: a client has a few questions open, and the others come in order", "[gateway]") {
  counter_stand t;
  std::vector<bool> pulls;
  t.on_taken = [&](const net::taken& by) { pulls.push_back(by.pull); };
  std::vector<net::ticket> open(16);
  for (auto& who : open) {
    who = t.came(request_kind::question);
    CHECK(t.counter().may_ask(1));
    t.counter().begin_question(who);
  }
  CHECK_FALSE(t.counter().may_ask(1));
  CHECK(t.counter().may_ask(2));
  auto first = t.came(request_kind::question), second = t.came(request_kind::question);
  t.counter().wait_for_turn(first, t.request(0, {}));
  t.counter().wait_for_turn(second, t.request(0, {}));
  CHECK_FALSE(t.counter().next_question(1));
  t.deaf = true;
  t.run([&] { t.counter().reply(open[0], response_code::success, {}); });
  open.erase(open.begin());
  t.world.drain();
  CHECK(pulls.empty()); // the client has not taken the answer
  t.receipts.clear();
  t.world.drain();
  REQUIRE(pulls == std::vector<bool>{false});
  t.counter().end_question(1);
  CHECK_FALSE(t.counter().may_ask(1)); // not before those who wait
  auto next = t.counter().next_question(1);
  REQUIRE(next);
  CHECK(next->first.opaque == first.opaque);
  t.counter().begin_question(next->first);
  CHECK_FALSE(t.counter().next_question(1));
  t.counter().forget(1);
  CHECK(t.counter().may_ask(1));
}

TEST_CASE("counter: no answer is larger than clients read", "[gateway]") {
  counter_stand t;
  auto asked = t.came(request_kind::question);
  t.run([&] { t.counter().reply_text(asked, std::string(16 << 20, 'x')); });
  REQUIRE(t.sent.size() == 1);
  CHECK(t.sent[0].header.code == response_code::system_error);
  CHECK(t.sent[0].body.empty());
}

TEST_CASE("counter: a word of its own is no answer and has its own number", "[gateway]") {
  counter_stand t;
  remoting::command news;
  news.code = request_code::notify_consumer_ids_changed;
  t.run([&] {
    t.counter().tell(1, news);
    t.counter().tell(2, news, {storage::slice::copy_of_text("body")});
  });
  REQUIRE(t.sent.size() == 2);
  CHECK(t.settled == 0);
  CHECK_FALSE(t.sent[0].header.is_answer());
  CHECK(t.sent[0].header.is_oneway());
  CHECK(t.sent[0].header.opaque != t.sent[1].header.opaque);
  CHECK(t.sent[1].to == 2);
  CHECK(t.sent[1].body == "body");
}

TEST_CASE("request_table: it finds each code of all desks, and no other", "[gateway]") {
  net::request_table table;
  auto line = [](std::int32_t code, request_kind kind) {
    return net::request_line{code, kind, false, {}};
  };
  table.add({line(30, request_kind::send), line(10, request_kind::news)});
  table.add({line(20, request_kind::bounded)});
  for (auto code : {10, 20, 30}) {
    REQUIRE(table.find(code) != nullptr);
    CHECK(table.find(code)->code == code);
  }
  for (auto code : {-1, 0, 15, 31})
    CHECK(table.find(code) == nullptr);
  CHECK(table.kind_of(20) == request_kind::bounded);
  CHECK(table.kind_of(21) == request_kind::question);
}

TEST_CASE("client_sessions: what waits goes in order to one session, opened for all", "[gateway]") {
  counter_stand t;
  std::vector<std::int32_t> opened;
  t.on_open = [&](const session_actor& session, const net::client_sessions::waiting_requests& all) {
    CHECK(session == t.node.sessions.back());
    for (auto& [who, request] : all)
      opened.push_back(who.opaque);
  };
  auto& sessions = t.room().sessions;
  auto first = t.came(request_kind::question), second = t.came(request_kind::question);
  t.run([&] {
    CHECK_FALSE(sessions.enter(1, {}));
    sessions.open_if_wanted(1); // nobody waits
    sessions.wait(first, {});
    sessions.open_if_wanted(1);
    sessions.wait(second, {});
    sessions.open_if_wanted(1);
  });
  CHECK(t.node.sessions.size() == 2); // the gateway's own is the first
  CHECK(opened == std::vector<std::int32_t>{first.opaque, second.opaque});
  t.world.kill(t.node.sessions.back());
  t.world.drain();
  CHECK(sessions.find(1) == nullptr);
  t.run([&] { CHECK(sessions.find_or_refuse(first) == nullptr); });
  REQUIRE(t.sent.size() == 1);
  CHECK(t.sent[0].header.code == response_code::service_not_available);
  t.enter(1); // and has one again
  CHECK(t.node.sessions.size() == 3);
}

TEST_CASE("client_sessions: a client is forgotten when what it sent is stored", "[gateway]") {
  counter_stand t;
  std::vector<connection_id> departed;
  t.on_departed = [&](connection_id who) { departed.push_back(who); };
  t.enter(1);
  auto sent = t.came(request_kind::send);
  auto& sessions = t.room().sessions;
  t.run([&] {
    t.counter().enter(1, 1);
    CHECK_FALSE(sessions.leave(1));
  });
  CHECK(sessions.find(1) != nullptr);
  t.run([&] {
    t.counter().reply(sent, response_code::success, {});
    sessions.all_written(1);
  });
  CHECK(departed == std::vector<connection_id>{1});
  t.run([&] { CHECK(sessions.leave(1)); });
  CHECK_FALSE(sessions.knows(1));
  CHECK(sessions.peer_of(1) == nullptr);
}

TEST_CASE("client_sessions: without a session what waits for it is refused", "[gateway]") {
  counter_stand t;
  t.world.kill(t.node.handle);
  t.world.drain();
  auto asked = t.came(request_kind::question);
  t.run([&] {
    t.room().sessions.enter(1, {});
    t.room().sessions.wait(asked, {});
    t.room().sessions.open_if_wanted(1);
  });
  REQUIRE(t.sent.size() == 1);
  CHECK(t.sent[0].header.opaque == asked.opaque);
  CHECK(t.sent[0].header.code != response_code::success);
}
