#include "net/gateway/pull_desk.hpp"

#include "net/gateway/send_desk.hpp"
#include "storage/big_endian.hpp"
#include "storage/format/record.hpp"
#include "tests/net/gateway/desk_stand.hpp"
#include "tests/net/gateway/far_actor.hpp"
#include "tests/support/catch.hpp"

using namespace troupe;
using namespace troupe::test;
using namespace std::chrono_literals;

namespace {

struct pull_stand : desk_stand {
  std::vector<pull_request> pulls;     ///< that the queue-manager was asked
  pull_response next;                  ///< what it answers
  std::vector<record_location> places; ///< what a reader has to bring, if there are any
  bool hold = false;                   ///< not before it is told to
  std::vector<caf::typed_response_promise<read_request>> held;
  std::vector<read_request> doubts; ///< entries that it had to compare with the log
  std::vector<read_request> reads;  ///< that the reader was asked
  std::deque<caf::typed_response_promise<pull_response>> open_reads;
  std::vector<group_offset> stored;

  explicit pull_stand(const session_options& limits = {}) {
    settings.session = limits;
    node.also = {[this](store_atom, const group_offset& what) {
      stored.push_back(what);
      return what;
    }};
    play_roles();
    start();
    auto& desk = open<net::pull_desk>(room().names, room().book, room().groups, room().tally);
    on_taken = [&desk](const net::taken& by) {
      if (by.pull)
        desk.answer_taken(by.from);
    };
    on_retry = [&desk] { desk.send_held(); };
    on_work = [&desk] { desk.work(); };
    run([this, &desk] { desk.set_roles(node.roles); });
    run([this] { room().names.refresh([] {}); });
    enter(1);
  }
  void play_roles() {
    node.roles.queue_manager =
        world.play<queue_manager_actor>([this](caf::event_based_actor* self) {
          return caf::message_handler{
              [this, self](const pull_request& asked) -> caf::result<read_request> {
                pulls.push_back(asked);
                if (!hold)
                  return found();
                held.push_back(self->make_response_promise<read_request>());
                return held.back();
              },
              [this](read_request& doubted) {
                doubts.push_back(doubted);
                doubted.records.front().compared = true;
                return doubted;
              }};
        });
    node.roles.readers = {world.play<reader_actor>([this](caf::event_based_actor* self) {
      return caf::message_handler{[this, self](const read_request& asked) {
        reads.push_back(asked);
        open_reads.push_back(self->make_response_promise<pull_response>());
        return open_reads.back();
      }};
    })};
  }
  read_request found() const { return {"t", 0, places, next}; }
  /// The reader answers what it was asked first.
  void bring(const pull_response& answer) {
    world.inside(node.roles.readers[0], [this, answer] {
      open_reads.front().deliver(answer);
      open_reads.pop_front();
    });
    world.drain();
  }
  void set_roles(const role_table& roles) {
    run([this, roles] { desk().set_roles(roles); });
  }
  std::int32_t code_of(std::int32_t number) const {
    auto answers = answers_to(number);
    return answers.size() == 1 ? answers[0].header.code : -1;
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
  /// Real ones, each with this value of "region", numbered in their queue.
  void find_regions(const std::vector<std::string>& regions, queue_offset first) {
    next.status = pull_status::found;
    next.records.clear();
    for (auto& region : regions) {
      auto properties = "region\001" + region + "\002";
      storage::record_fields fields;
      fields.topic = "t";
      fields.properties = properties;
      std::vector<std::byte> record(storage::encoded_size(fields, false));
      storage::encode_record(fields, {.queue_position = first++, .offset = 1000}, false, record);
      next.records.push_back(storage::slice::copy_of(record));
    }
    next.next = next.max = first;
  }
  void answer_all() {
    world.inside(node.roles.queue_manager, [this] {
      for (auto& promise : std::exchange(held, {}))
        promise.deliver(found());
    });
    world.drain();
  }
  net::client_request pull_of(std::int64_t suspend_ms = 0) {
    return request(request_code::pull_message, pull_fields("G", "t", 0, "*", suspend_ms));
  }
  net::client_request sql_pull(const std::string& expression, std::int64_t suspend_ms = 0,
                               const std::string& most = "32") {
    auto fields = pull_fields("G", "t", 0, expression, suspend_ms);
    fields.emplace_back("expressionType", "SQL92");
    for (auto& [name, value] : fields)
      if (name == "maxMsgNums")
        value = most;
    return request(request_code::pull_message, fields);
  }
  client_frame answer_of(std::int32_t number) const {
    auto answers = answers_to(number);
    REQUIRE(answers.size() == 1);
    return answers[0];
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
  CHECK(t.room().tally.find(remoting::group_get_bytes, "t@G")->minute.sum == 6);
  CHECK(t.room().tally.find(remoting::broker_gets, "troupe")->minute.sum == 1);
  CHECK(t.room().tally.find(remoting::group_get_time, "0@t@G"));
  CHECK(t.room().tally.pulled_to("t", "G", 0) == 1);
  CHECK(t.room().tally.pulled_to("t", "G", 1) == -1);
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

TEST_CASE("pull_desk: pulls that wait for their turn go on when the client's session ends",
          "[gateway]") {
  pull_stand t;
  t.find_one();
  t.deaf = true;
  auto numbers = t.send_pulls(40);
  t.world.kill(t.node.sessions.back());
  t.world.drain();
  t.deaf = false;
  t.receipts.clear();
  t.world.drain();
  for (auto number : numbers)
    CHECK(t.code_of(number) == response_code::success);
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
  auto of_newer_client = t.request(request_code::pull_message, queue);
  of_newer_client.header.version = 479;
  CHECK(t.answers_to(t.send(1, {of_newer_client})[0]).at(0).header.code ==
        response_code::invalid_parameter);
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

// -- expressions over properties -----------------------------------------------------------------

TEST_CASE("pull_desk: only messages that pass an expression leave", "[gateway]") {
  pull_stand t;
  t.find_regions({"eu", "us", "eu", "asia"}, 5);
  auto found = t.answer_of(t.send(1, {t.sql_pull("region in ('eu', 'asia')")})[0]);
  CHECK(found.header.code == response_code::success);
  CHECK(found.number("nextBeginOffset") == 9);
  CHECK(found.body.size() == t.next.records[0].size() * 2 + t.next.records[3].size());
  CHECK(t.pulls.at(0).tag_hashes.empty());
  CHECK(t.pulls[0].max_messages > 32);
  CHECK(t.room().tally.gets().now() == 3);
}

TEST_CASE("pull_desk: what passes beyond the client's number is for its next pull", "[gateway]") {
  pull_stand t;
  t.find_regions({"eu", "us", "eu", "us", "eu"}, 5);
  auto found = t.answer_of(t.send(1, {t.sql_pull("region = 'eu'", 0, "2")})[0]);
  CHECK(found.number("nextBeginOffset") == 9);
  CHECK(found.body.size() == t.next.records[0].size() * 2);
}

TEST_CASE("pull_desk: where none passes it is asked for more, and then answered with none",
          "[gateway]") {
  pull_stand t;
  t.find_regions({"us", "us"}, 0);
  auto none = t.answer_of(t.send(1, {t.sql_pull("region = 'eu'")})[0]);
  CHECK(t.pulls.size() == 16);
  CHECK(t.pulls[1].from == 2);
  CHECK(none.header.code == response_code::pull_retry_immediately);
  CHECK(none.number("nextBeginOffset") == 2);
  CHECK(none.body.empty());
}

TEST_CASE("pull_desk: a pull goes on waiting for one that passes", "[gateway]") {
  pull_stand t;
  t.hold = true;
  auto number = t.send(1, {t.sql_pull("region = 'eu'", 15'000)})[0];
  t.world.run_for(4s);
  t.find_regions({"us"}, 0);
  t.answer_all();
  CHECK(t.answers_to(number).empty());
  REQUIRE(t.pulls.size() == 2);
  CHECK(t.pulls[1].from == 1);
  CHECK(t.pulls[1].wait_ms == 11'000);
  bool comes = GENERATE(true, false);
  if (comes)
    t.find_regions({"eu"}, 1);
  else
    t.next = {pull_status::nothing_new, 1, 0, 1, {}, 0, {}};
  t.answer_all();
  auto answer = t.answer_of(number);
  CHECK(answer.header.code == (comes ? response_code::success : response_code::pull_not_found));
  CHECK(answer.number("nextBeginOffset") == (comes ? 2 : 1));
}

TEST_CASE("pull_desk: a failure behind what was looked at costs only what is behind it",
          "[gateway]") {
  pull_stand t;
  t.hold = true;
  auto number = t.send(1, {t.sql_pull("region = 'eu'")})[0];
  t.find_regions({"us"}, 0);
  t.answer_all();
  t.world.run_for(t.settings.session.deadline);
  auto answer = t.answer_of(number);
  CHECK(answer.header.code == response_code::pull_retry_immediately);
  CHECK(answer.number("nextBeginOffset") == 1);
  t.hold = false;
  t.send_pulls(40); // its turn is free
  CHECK(t.pulls.size() == 42);
}

TEST_CASE("pull_desk: for a client that has left nobody asks for more", "[gateway]") {
  pull_stand t;
  t.hold = true;
  t.send(1, {t.sql_pull("region = 'eu'", 15'000)});
  t.run([&] { t.room().sessions.leave(1); });
  t.find_regions({"us"}, 0);
  t.answer_all();
  CHECK(t.pulls.size() == 1);
}

TEST_CASE("pull_desk: a broken expression is refused, its own and its group's", "[gateway]") {
  pull_stand t;
  auto own = t.answer_of(t.send(1, {t.sql_pull("a >")})[0]).header;
  CHECK(own.code == response_code::subscription_parse_failed);
  CHECK(own.remark.find("Encountered \"<EOF>\" at line 1, column 4") != std::string::npos);
  remoting::heartbeat h;
  h.client_id = "c";
  h.consumers.push_back({"G", true, {{"t", "a !", "SQL92", 1}}});
  REQUIRE(t.room().groups.heartbeat(1, h, 0));
  auto fields = pull_fields("G", "t", 0, "");
  fields[5].second = "0"; // sysFlag
  auto pull = [&] { return t.ask(1, request_code::pull_message, fields).header.code; };
  CHECK(pull() == response_code::subscription_parse_failed);
  CHECK(t.pulls.empty());
  h.consumers[0].subscriptions[0] = {"t", "region = 'us'", "SQL92", 2};
  REQUIRE(t.room().groups.heartbeat(1, h, 0));
  t.find_regions({"us"}, 0);
  CHECK(pull() == response_code::success);
  h.consumers[0].subscriptions[0] = {"t", "x", "XPATH", 3};
  REQUIRE(t.room().groups.heartbeat(1, h, 0));
  CHECK(pull() == response_code::system_error);
}

TEST_CASE("pull_desk: without property-filter an expression is refused", "[gateway]") {
  pull_stand t;
  t.run([&] { t.room().setup.options.property_filter = false; });
  auto answer = t.answer_of(t.send(1, {t.sql_pull("a = 1")})[0]).header;
  CHECK(answer.code == response_code::system_error);
  CHECK(answer.remark == "The broker does not support consumer to filter message by SQL92");
  CHECK(t.pulls.empty());
}

// -- the way of a pull ---------------------------------------------------------------------------

TEST_CASE("pull_desk: a pull is answered once, at its deadline when nobody else does",
          "[gateway]") {
  pull_stand t;
  t.hold = true;
  auto suspend = GENERATE(0, 15'000);
  auto number = t.send(1, {t.pull_of(suspend)})[0];
  t.world.run_for(t.settings.session.deadline + std::chrono::milliseconds(suspend) - 1ms);
  CHECK(t.answers_to(number).empty());
  t.world.run_for(1ms);
  REQUIRE(t.answers_to(number).size() == 1);
  CHECK(t.answers_to(number)[0].header.remark.find("no answer within") != std::string::npos);
  t.find_one();
  t.answer_all(); // too late
  CHECK(t.answers_to(number).size() == 1);
  CHECK(t.reads.empty());
}

TEST_CASE("pull_desk: a pull that fails frees its turn", "[gateway]") {
  pull_stand t;
  t.hold = true;
  auto numbers = t.send_pulls(40);
  CHECK(t.pulls.size() == 32);
  t.world.run_for(t.settings.session.deadline);
  CHECK(t.pulls.size() == 40);
  t.world.run_for(t.settings.session.deadline);
  for (auto number : numbers)
    CHECK(t.code_of(number) == response_code::system_error);
}

TEST_CASE("pull_desk: an entry in doubt is compared with the log before its messages are brought",
          "[gateway]") {
  pull_stand t;
  t.places = {{100, 10, 7, 0}, {200, 10, 8, 0}};
  auto number = t.send(1, {t.pull_of()})[0];
  REQUIRE(t.reads.size() == 1);
  CHECK(t.reads[0].records.size() == 2);
  pull_response doubt;
  doubt.status = pull_status::in_doubt;
  doubt.max = 9;
  t.bring(doubt);
  REQUIRE(t.doubts.size() == 1);
  REQUIRE(t.doubts[0].records.size() == 1);
  CHECK(t.doubts[0].records[0].offset == 100);
  CHECK(t.doubts[0].answer.status == pull_status::found);
  CHECK(t.doubts[0].answer.next == 8);
  CHECK(t.doubts[0].answer.max == 9);
  REQUIRE(t.reads.size() == 2);
  CHECK(t.reads[1].records.at(0).compared);
  CHECK(t.answers_to(number).empty());
  t.bring(doubt); // as often as it says so
  CHECK(t.doubts.size() == 2);
  t.find_one();
  t.bring(t.next);
  CHECK(t.code_of(number) == response_code::success);
}

TEST_CASE("pull_desk: the readers take turns, and without a role a pull is refused at once",
          "[gateway]") {
  pull_stand t;
  t.places = {{100, 10, 7, 0}};
  auto roles = t.node.roles;
  std::size_t others = 0;
  roles.readers.push_back(t.world.play<reader_actor>([&others](caf::event_based_actor*) {
    return caf::message_handler{[&others](const read_request& asked) {
      ++others;
      return asked.answer;
    }};
  }));
  t.set_roles(roles);
  t.send_pulls(6);
  CHECK(t.reads.size() == 3);
  CHECK(others == 3);
  roles.readers.clear();
  roles.elsewhere["reader"] = "log";
  t.set_roles(roles);
  auto unread = t.ask(1, request_code::pull_message, pull_fields("G", "t", 0)).header;
  CHECK(unread.code == response_code::service_not_available);
  CHECK(unread.remark.find("the reader (node log) is not reachable") != std::string::npos);
  roles.queue_manager = nullptr;
  t.set_roles(roles);
  auto unfound = t.ask(1, request_code::pull_message, pull_fields("G", "t", 0)).header;
  CHECK(unfound.code == response_code::service_not_available);
  CHECK(unfound.remark.find("no queue-manager runs any more") != std::string::npos);
}

TEST_CASE("pull_desk: who was asked in a process that is out of reach now is not waited for",
          "[gateway][spread]") {
  pull_stand t;
  auto roles = t.node.roles;
  roles.queue_manager = far_actor<queue_manager_actor>(t.world);
  t.set_roles(roles);
  auto lost = t.send(1, {t.pull_of(15'000)})[0];
  t.set_roles(roles); // the same one: nothing is lost
  CHECK(t.answers_to(lost).empty());
  t.set_roles(t.node.roles);
  REQUIRE(t.answers_to(lost).size() == 1);
  CHECK(t.answers_to(lost)[0].header.code == response_code::service_not_available);
  CHECK(t.answers_to(lost)[0].header.remark.find("the connection to the queue-manager broke") !=
        std::string::npos);
  t.places = {{100, 10, 7, 0}};
  roles = t.node.roles;
  roles.readers = {far_actor<reader_actor>(t.world)};
  t.set_roles(roles);
  auto unread = t.send(1, {t.pull_of()})[0];
  CHECK(t.pulls.back().max_bytes == largest_piece);
  CHECK(t.answers_to(unread).empty());
  t.set_roles(t.node.roles);
  REQUIRE(t.answers_to(unread).size() == 1);
  CHECK(t.answers_to(unread)[0].header.remark.find("the connection to the reader broke") !=
        std::string::npos);
}

TEST_CASE("pull_desk: for a client that has left nothing is read", "[gateway]") {
  pull_stand t;
  t.hold = true;
  t.places = {{100, 10, 7, 0}};
  t.send(1, {t.pull_of(15'000)});
  REQUIRE(t.pulls.size() == 1);
  t.run([&] {
    CHECK(t.room().sessions.leave(1));
    t.desk().forget(1);
  });
  t.answer_all();
  CHECK(t.reads.empty());
  CHECK(t.room().tally.gets().now() == 0);
}

TEST_CASE("pull_desk: so many pulls of one client wait, and no other is the worse for it",
          "[gateway]") {
  pull_stand t;
  t.hold = true;
  t.enter(2);
  std::vector<net::client_request> all(2049);
  std::generate(all.begin(), all.end(), [&] { return t.pull_of(15'000); });
  auto numbers = t.send(1, std::move(all));
  CHECK(t.pulls.size() == 2048);
  CHECK(t.code_of(numbers.back()) == response_code::system_busy);
  t.send(2, {t.pull_of(15'000)});
  CHECK(t.pulls.size() == 2049);
  t.answer_all();
  t.send(1, {t.pull_of(15'000)});
  CHECK(t.pulls.size() == 2050);
}

TEST_CASE("pull_desk: what a client has open in sends and pulls is counted together", "[gateway]") {
  session_options limits;
  limits.credit_bytes = 64 * storage::kib;
  pull_stand t(limits);
  auto sends = std::make_shared<net::send_desk>(t.room().services, t.room().names, t.room().book,
                                                t.room().tally);
  t.room().table.add(sends->lines());
  t.on_work = [&t, &sends] {
    sends->work();
    t.desk().work();
  };
  t.run([&] { sends->set_roles(t.node.roles); });
  auto send = [&](std::size_t kib) {
    return t.send(1, {t.request(request_code::send_message, send_fields("t"),
                                std::string(kib * storage::kib, 'x'))})[0];
  };
  t.places = {{100, 20 * storage::kib, 7, 0}};
  auto stored = send(60);
  auto refused = t.send(1, {t.pull_of()})[0];
  CHECK(t.reads.empty());
  CHECK(t.code_of(refused) == response_code::system_busy);
  put_response done;
  done.results.push_back({errc::none, 100, 7});
  t.node.answer_put(t.world, done);
  CHECK(t.code_of(stored) == response_code::success);
  auto found = t.send(1, {t.pull_of()})[0];
  CHECK(t.reads.size() == 1);
  CHECK(t.code_of(send(60)) == response_code::system_busy);
  t.find_one();
  t.bring(t.next);
  CHECK(t.code_of(found) == response_code::success);
  send(60);
  CHECK(t.node.puts.size() == 2);
}

TEST_CASE("pull_desk: a stop refuses what comes, and what is open is still answered", "[gateway]") {
  pull_stand t;
  t.hold = true;
  auto open = t.send(1, {t.pull_of(15'000)})[0];
  t.run([&] { t.desk().stop(); });
  auto refused = t.ask(1, request_code::pull_message, pull_fields("G", "t", 0)).header;
  CHECK(refused.code == response_code::service_not_available);
  CHECK(refused.remark.find("the node is stopping") != std::string::npos);
  t.find_one();
  t.answer_all();
  CHECK(t.code_of(open) == response_code::success);
}

TEST_CASE("pull_desk: the group's settings say who may consume, and from whom", "[gateway]") {
  pull_stand t;
  t.find_one();
  auto answer = [&] {
    return t.ask(1, request_code::pull_message, pull_fields("G", "t", 0)).header;
  };
  SECTION("nobody") {
    t.node.settings["G"] = R"({"consumeEnable":false})";
    CHECK(answer().code == response_code::no_permission);
    CHECK(answer().remark == "subscription group no permission, G");
    CHECK(t.pulls.empty());
    CHECK(t.node.settings_questions == 1); // then it is known
    auto other = t.ask(1, request_code::pull_message, pull_fields("H", "t", 0));
    CHECK(other.header.code == response_code::success);
  }
  SECTION("nobody who broadcasts") {
    t.node.settings["G"] = R"({"consumeBroadcastEnable":false})";
    CHECK(answer().code == response_code::success);
    remoting::heartbeat beat;
    beat.client_id = "a";
    beat.consumers.push_back({"G", false, {{"t", "*", "TAG", 1}}});
    REQUIRE(t.room().groups.heartbeat(1, beat, 0));
    CHECK(answer().code == response_code::no_permission);
  }
  SECTION("from another broker") {
    CHECK(*answer().ext.find("suggestWhichBrokerId") == "0");
    t.node.settings["G"] = R"({"brokerId":7})";
    t.run([&] { t.room().book.changed("G"); });
    CHECK(*answer().ext.find("suggestWhichBrokerId") == "7");
  }
}
