#include "net/gateway/pull_desk.hpp"

#include "storage/big_endian.hpp"
#include "tests/net/gateway/desk_stand.hpp"
#include "tests/support/catch.hpp"

using namespace troupe;
using namespace troupe::test;
using namespace std::chrono_literals;

namespace {

struct pull_stand : desk_stand {
  std::vector<pull_request> pulls; ///< that the node was asked
  pull_response next;              ///< what it answers
  bool hold = false;               ///< not before it is told to
  std::vector<caf::typed_response_promise<pull_response>> held;
  std::vector<group_offset> stored;

  pull_stand() {
    node.also = {[this](const pull_request& asked) -> caf::result<pull_response> {
                   pulls.push_back(asked);
                   if (!hold)
                     return next;
                   held.push_back(node.current->make_response_promise<pull_response>());
                   return held.back();
                 },
                 [this](store_atom, const group_offset& what) {
                   stored.push_back(what);
                   return what;
                 }};
    start();
    auto& desk = open<net::pull_desk>(room().names, room().groups, room().tally);
    on_taken = [&desk](const net::taken& by) {
      if (by.pull)
        desk.answer_taken(by.from);
    };
    on_retry = [&desk] { desk.send_held(); };
    run([this] { room().names.refresh([] {}); });
    enter(1);
  }
  net::pull_desk& desk() { return *static_cast<net::pull_desk*>(room().desk.get()); }
  void find_one() {
    next.status = pull_status::found;
    next.next = 1;
    next.max = 1;
    next.records = {storage::slice::copy_of_text("record")};
  }
  /// Records of so many KiB, numbered in their queue.
  void find_records(std::initializer_list<std::size_t> kibs, queue_offset first) {
    next.status = pull_status::found;
    for (auto size : kibs) {
      std::vector<std::byte> record(size * storage::kib);
      storage::big_endian::store(record.data() + 20, first++);
      next.records.push_back(storage::slice::copy_of(record));
    }
    next.next = next.max = first;
  }
  void answer_all() {
    world.inside(node.sessions.back(), [this] {
      for (auto& promise : std::exchange(held, {}))
        promise.deliver(next);
    });
    world.drain();
  }
  net::client_request pull_of(std::int64_t suspend_ms = 0) {
    return request(request_code::pull_message, pull_fields("G", "t", 0, "*", suspend_ms));
  }
  std::vector<std::int32_t> send_pulls(int count) {
    std::vector<net::client_request> all;
    for (int i = 0; i < count; ++i)
      all.push_back(pull_of());
    return send(1, std::move(all));
  }
};

} // namespace

TEST_CASE("pull_desk: what is found is answered and counted", "[gateway]") {
  pull_stand t;
  t.find_one();
  auto found = t.ask(1, request_code::lite_pull_message, pull_fields("G", "t", 0));
  CHECK(found.header.code == response_code::success);
  CHECK(found.number("nextBeginOffset") == 1);
  CHECK(found.body == "record");
  CHECK(t.room().tally.gets().now() == 1);
  CHECK(t.room().tally.find(remoting::group_gets, "t@G")->minute.sum == 1);
}

TEST_CASE("pull_desk: pulls of a client take turns until it has taken the answers", "[gateway]") {
  pull_stand t;
  t.find_one();
  t.deaf = true;
  t.send_pulls(40);
  CHECK(t.pulls.size() == 32);
  t.receipts.pop_front();
  t.world.drain();
  CHECK(t.pulls.size() == 33);
  t.enter(2);
  t.send(2, {t.pull_of()}); // another client's do not wait for that
  CHECK(t.pulls.size() == 34);
  t.deaf = false;
  t.receipts.clear();
  t.world.drain();
  CHECK(t.pulls.size() == 41);
  CHECK(t.sent.size() == 41);
}

TEST_CASE("pull_desk: pulls that wait for their turn are refused when the session ends",
          "[gateway]") {
  pull_stand t;
  t.find_one();
  t.deaf = true;
  auto numbers = t.send_pulls(40);
  t.world.kill(t.node.sessions.back());
  t.world.drain();
  t.receipts.pop_front();
  t.world.drain();
  for (std::size_t i = 32; i < 40; ++i) {
    REQUIRE(t.answers_to(numbers[i]).size() == 1);
    CHECK(t.answers_to(numbers[i])[0].header.code == response_code::service_not_available);
  }
}

TEST_CASE("pull_desk: nothing is asked for a client that is forgotten", "[gateway]") {
  pull_stand t;
  t.find_one();
  t.deaf = true;
  t.send_pulls(40);
  t.run([&] { t.desk().forget(1); });
  t.receipts.clear();
  t.world.drain();
  CHECK(t.pulls.size() == 32);
  CHECK(t.sent.size() == 32);
}

TEST_CASE("pull_desk: a pull is asked for once, and waits at the node", "[gateway]") {
  pull_stand t;
  auto wait_of = [&](std::int64_t suspend_ms) {
    t.pulls.clear();
    t.send(1, {t.pull_of(suspend_ms)});
    REQUIRE(t.pulls.size() == 1);
    CHECK(t.pulls[0].max_bytes == 256 * 1024);
    return t.pulls[0].wait_ms;
  };
  CHECK(wait_of(15'000) == 15'000);
  CHECK(wait_of(1'000'000) == 30'000);
  CHECK(wait_of(0) == 0);
  CHECK(wait_of(-1) == 0);
  auto fields = pull_fields("G", "t", 0, "*", 15'000);
  fields[5].second = std::to_string(remoting::pull_flag::subscription); // says not to wait
  t.pulls.clear();
  t.send(1, {t.request(request_code::pull_message, fields)});
  CHECK(t.pulls.at(0).wait_ms == 0);
}

TEST_CASE("pull_desk: pulls that wait take no turns; beyond those they are answered with little",
          "[gateway]") {
  pull_stand t;
  t.hold = true;
  t.deaf = true;
  std::vector<net::client_request> all;
  for (int i = 0; i < 40; ++i)
    all.push_back(t.pull_of(15'000));
  auto numbers = t.send(1, std::move(all));
  REQUIRE(t.pulls.size() == 40);
  t.find_records({10, 10, 10}, 7); // 20 KiB are too much
  t.answer_all();
  std::size_t whole = 0;
  std::size_t cut = 0;
  for (auto number : numbers) {
    auto answers = t.answers_to(number);
    REQUIRE(answers.size() == 1);
    whole += answers[0].body.size() == 30 * 1024 && answers[0].number("nextBeginOffset") == 10;
    cut += answers[0].body.size() == 10 * 1024 && answers[0].number("nextBeginOffset") == 8;
  }
  CHECK(whole == 32);
  CHECK(cut == 8);
  // Whoever comes now waits until the client has taken one of those.
  t.send(1, {t.pull_of(15'000), t.pull_of(15'000), t.pull_of()});
  CHECK(t.pulls.size() == 40);
  t.receipts.pop_front();
  t.world.drain();
  CHECK(t.pulls.size() == 43);
  t.answer_all();
  CHECK(t.sent.size() == 43);
}

TEST_CASE("pull_desk: an answer with nothing is held for a while, each for its own", "[gateway]") {
  pull_stand t;
  auto numbers = t.send(1, {t.pull_of(300), t.pull_of(15'000), t.pull_of()});
  auto answered = [&](std::size_t which) { return t.answers_to(numbers[which]).size() == 1; };
  CHECK(answered(2));
  CHECK_FALSE(answered(0));
  t.world.run_for(400ms);
  CHECK(answered(0));
  CHECK_FALSE(answered(1));
  t.world.run_for(700ms);
  REQUIRE(answered(1));
  CHECK(t.answers_to(numbers[1])[0].header.code == response_code::pull_not_found);
}

TEST_CASE("pull_desk: an offset below 0 is answered as one below the beginning", "[gateway]") {
  pull_stand t;
  t.find_one();
  t.next.min = 5;
  auto answer = t.ask(1, request_code::pull_message, pull_fields("G", "t", -1));
  CHECK(t.pulls.at(0).from == 0);
  CHECK(answer.header.code == response_code::pull_offset_moved);
  CHECK(answer.number("nextBeginOffset") == 5);
  CHECK(answer.body.empty());
}

TEST_CASE("pull_desk: a pull without a subscription has that of its group", "[gateway]") {
  pull_stand t;
  t.find_one();
  auto fields = pull_fields("G", "t", 0, "");
  fields[5].second = "0"; // sysFlag
  auto pull = [&] { return t.ask(1, request_code::pull_message, fields).header.code; };
  CHECK(pull() == response_code::subscription_not_exist);
  remoting::heartbeat h;
  h.client_id = "c";
  h.consumers.push_back({"G", true, {{"t", "tag", "TAG", 1}}});
  REQUIRE(t.room().groups.heartbeat(1, h, 0));
  CHECK(pull() == response_code::success);
  CHECK(t.pulls.back().tag_hashes.size() == 1);
  fields[8].second = "2"; // subVersion
  CHECK(pull() == response_code::subscription_not_latest);
}

TEST_CASE("pull_desk: what cannot be pulled is refused, and the node is not asked", "[gateway]") {
  pull_stand t;
  auto code = [&](const ext_list& fields) {
    return t.ask(1, request_code::pull_message, fields).header.code;
  };
  CHECK(code(pull_fields("G", "none", 0)) == response_code::topic_not_exist);
  auto queue = pull_fields("G", "t", 0);
  queue[2].second = "4";
  CHECK(code(queue) == response_code::system_error);
  CHECK(code({}) == response_code::system_error);
  CHECK(t.pulls.empty());
}

TEST_CASE("pull_desk: a pull may say how far its group is", "[gateway]") {
  pull_stand t;
  auto fields = pull_fields("G", "t", 0);
  fields[5].second =
      std::to_string(remoting::pull_flag::subscription | remoting::pull_flag::commit_offset);
  fields[6].second = "9";
  t.ask(1, request_code::pull_message, fields);
  REQUIRE(t.stored.size() == 1);
  CHECK(t.stored[0].group == "G");
  CHECK(t.stored[0].offset == 9);
}
