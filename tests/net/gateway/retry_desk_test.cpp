#include "net/gateway/retry_desk.hpp"

#include "storage/format/properties.hpp"
#include "tests/net/gateway/desk_stand.hpp"
#include "tests/support/bytes.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/temporary_directory.hpp"

#include <fstream>

using namespace troupe;
using namespace troupe::test;
using namespace std::chrono_literals;

namespace {

constexpr log_offset place = 1000;

struct retry_stand : desk_stand {
  std::map<log_offset, storage::slice> log;
  std::shared_ptr<net::send_desk> sends;

  retry_stand() {
    settings.store.flush = storage::flush_policy::sync;
    node.also = {[this](fetch_atom, log_offset at) {
      record_batch found;
      if (auto known = log.find(at); known != log.end())
        found.records.push_back(known->second);
      return found;
    }};
    start();
    sends =
        std::make_shared<net::send_desk>(room().services, room().names, room().book, room().tally);
    open<net::retry_desk>(room().names, room().book, *sends, room().tally);
    on_work = [this] { sends->work(); };
    run([this] { sends->set_roles(node.roles); });
    run([this] { room().names.refresh([] {}); });
    enter(1);
    write(0);
  }
  /// A message of topic "t" that was tried so often lies at `place`.
  void write(std::int32_t times) {
    storage::record_fields fields;
    fields.topic = "t";
    fields.flag = 5;
    fields.born_timestamp = 77;
    fields.born_host = storage::host::ipv4(0x0a000001, 99);
    fields.store_host = storage::host::ipv4(0x7f000001, 10911);
    fields.reconsume_times = times;
    fields.body = as_bytes("body");
    fields.properties = "TAGS\1a\2WAIT\1false\2";
    std::vector<std::byte> bytes(storage::encoded_size(fields, false));
    storage::encode_record(fields, {.queue_position = 3, .offset = place}, false, bytes);
    log[place] = storage::slice::copy_of(bytes);
  }
  net::client_request back(const std::string& level = "0", const std::string& most = "16") {
    ext_list fields = {{"group", "G"}, {"offset", std::to_string(place)}, {"delayLevel", level}};
    if (!most.empty())
      fields.emplace_back("maxReconsumeTimes", most);
    return request(request_code::consumer_send_msg_back, fields);
  }
  void release() {
    while (node.release_creations(world))
      world.drain();
  }
  void stored() {
    put_response done;
    done.results.push_back({errc::none, 5000, 1});
    node.answer_put(world, done);
  }
  /// -1 while there is none.
  std::int32_t code_of(std::int32_t number) const {
    auto answers = answers_to(number);
    return answers.size() == 1 ? answers[0].header.code : -1;
  }
  storage::new_message message(std::size_t which) const {
    return *node.puts.at(which).messages.read().next().value();
  }
};

} // namespace

TEST_CASE("retry_desk: a copy waits in the topic for retries, and then its origin is done",
          "[gateway]") {
  retry_stand t;
  auto number = t.send(1, {t.back()})[0];
  CHECK(t.node.created_topics.size() == 1);
  t.release();
  REQUIRE(t.node.puts.size() == 1);
  CHECK(t.code_of(number) == -1);
  auto& put = t.node.puts[0];
  CHECK(put.topic == "%RETRY%G");
  CHECK(put.wait); // its origin did not
  CHECK(put.born_host == storage::host::ipv4(0x0a000001, 99));
  auto copy = t.message(0);
  CHECK(as_text(copy.body) == "body");
  CHECK(copy.flag == 5);
  CHECK(copy.born_timestamp == 77);
  CHECK(copy.reconsume_times == 1);
  CHECK(storage::find_property(copy.properties, "TAGS") == "a");
  CHECK(storage::find_property(copy.properties, "DELAY") == "3");
  CHECK(storage::find_property(copy.properties, "RETRY_TOPIC") == "t");
  CHECK_FALSE(t.room().tally.find(remoting::group_send_backs, "t@G"));
  t.stored();
  CHECK(t.code_of(number) == response_code::success);
  CHECK(t.room().tally.find(remoting::group_send_backs, "t@G"));
}

TEST_CASE("retry_desk: what was tried often enough, or is given up, goes to the dead letters",
          "[gateway]") {
  retry_stand t;
  bool given_up = GENERATE(false, true);
  t.write(given_up ? 0 : 2);
  auto number = t.send(1, {given_up ? t.back("-1") : t.back("0", "2")})[0];
  t.release();
  REQUIRE(t.node.puts.size() == 1);
  CHECK(t.node.puts[0].topic == "%DLQ%G");
  REQUIRE(t.node.created_topics.size() == 1);
  CHECK(t.node.created_topics[0].read_queues == 1);
  CHECK(t.node.created_topics[0].perm == 6);
  CHECK(t.message(0).queue_id == 0);
  CHECK(storage::find_property(t.message(0).properties, "DELAY").empty());
  t.stored();
  CHECK(t.code_of(number) == response_code::success);
}

TEST_CASE("retry_desk: the group says how often, where its client does not", "[gateway]") {
  retry_stand t;
  t.node.settings["G"] = R"({"retryMaxTimes":4})";
  t.node.add_topic("%DLQ%G");
  t.write(4);
  auto old = t.back("0", "100");
  old.header.version = 63;
  t.send(1, {t.back("0", ""), old});
  REQUIRE(t.node.puts.size() == 2);
  CHECK(t.node.puts[0].topic == "%DLQ%G");
  CHECK(t.node.puts[1].topic == "%DLQ%G");
}

TEST_CASE("retry_desk: retries are dealt out to as many queues as the group says", "[gateway]") {
  retry_stand t;
  t.node.settings["G"] = R"({"retryQueueNums":3})";
  t.send(1, {t.back(), t.back(), t.back(), t.back()});
  t.release();
  REQUIRE(t.node.created_topics.size() == 1);
  CHECK(t.node.created_topics[0].write_queues == 3);
  REQUIRE(t.node.puts.size() == 4);
  for (std::size_t i = 0; i < 4; ++i)
    CHECK(t.message(i).queue_id == static_cast<std::int32_t>(i % 3));
}

TEST_CASE("retry_desk: a group without queues for retries wants none", "[gateway]") {
  retry_stand t;
  t.node.settings["G"] = R"({"retryQueueNums":0})";
  CHECK(t.code_of(t.send(1, {t.back()})[0]) == response_code::success);
  CHECK(t.node.puts.empty());
  CHECK(t.node.created.empty());
}

TEST_CASE("retry_desk: what is not stored for certain is no success", "[gateway]") {
  retry_stand t;
  t.node.add_topic("%DLQ%G");
  auto number = t.send(1, {t.back("-1")})[0];
  REQUIRE(t.node.puts.size() == 1);
  put_response answer;
  SECTION("refused") {
    answer.results.push_back({errc::busy, -1, -1});
    answer.failure = {errc::busy, "not stored: busy"};
    t.node.answer_put(t.world, answer);
    CHECK(t.code_of(number) == response_code::system_busy);
  }
  SECTION("nobody knows") {
    t.node.answer_put(t.world, answer);
    CHECK(t.code_of(number) == response_code::system_error);
  }
  SECTION("the writer died") {
    t.node.fail_bundle(t.world, make_caf_error(errc::unavailable, "gone"));
    CHECK(t.code_of(number) > 0);
  }
  CHECK(t.answers_to(number).size() == 1);
  auto missing = t.request(request_code::consumer_send_msg_back,
                           {{"group", "G"}, {"offset", "77"}, {"delayLevel", "0"}});
  CHECK(t.code_of(t.send(1, {missing})[0]) == response_code::system_error);
  auto nobody = t.request(request_code::consumer_send_msg_back,
                          {{"group", "bad name"}, {"offset", "1000"}, {"delayLevel", "0"}});
  CHECK(t.code_of(t.send(1, {nobody})[0]) == response_code::system_error);
}

TEST_CASE("retry_desk: Go's consumer hears of nothing but success", "[gateway]") {
  retry_stand t;
  t.node.add_topic("%DLQ%G");
  auto from_go = t.back("-1");
  from_go.header.language = remoting::language_number("GO");
  auto before = t.settled;
  auto refused = t.send(1, {from_go})[0];
  put_response answer;
  answer.results.push_back({errc::busy, -1, -1});
  answer.failure = {errc::busy, "not stored: busy"};
  t.node.answer_put(t.world, answer);
  CHECK(t.answers_to(refused).empty());
  CHECK(t.settled == before + from_go.bytes);
  from_go.header.opaque += 1'000'000;
  auto done = t.send(1, {from_go})[0];
  t.stored();
  CHECK(t.code_of(done) == response_code::success);
}

TEST_CASE("retry_desk: a client has so many open at a time", "[gateway]") {
  retry_stand t;
  t.node.hold_topics = true; // nothing goes on
  std::vector<net::client_request> many;
  for (int i = 0; i < 130; ++i)
    many.push_back(t.back("-1"));
  auto numbers = t.send(1, many);
  CHECK(t.code_of(numbers[127]) == -1);
  CHECK(t.code_of(numbers[128]) == response_code::system_busy);
  t.world.run_for(3s); // their clients have given up
  t.node.release_topics(t.world);
  CHECK(t.code_of(numbers[0]) == response_code::system_busy);
  auto again = t.send(1, {t.back("-1")})[0];
  t.release();
  CHECK(t.node.puts.size() == 1);
  t.stored();
  CHECK(t.code_of(again) == response_code::success);
}

TEST_CASE("retry_desk: who sends a message back may read it", "[gateway]") {
  retry_stand t;
  temporary_directory directory;
  auto file = directory / "acl.yml";
  std::ofstream(file) << "accounts:\n"
                         "- accessKey: stranger\n  secretKey: 12345678\n"
                         "  defaultGroupPerm: SUB\n"
                         "- accessKey: consumer\n  secretKey: 12345678\n"
                         "  groupPerms:\n  - G=SUB\n  topicPerms:\n  - t=SUB\n";
  auto book = access::account_book::open(file);
  REQUIRE(book);
  t.room().setup.accounts = book.value();
  auto back = [&](const char* key) {
    auto request = t.back();
    request.header.ext.add("AccessKey", key);
    auto number = t.send(1, {request})[0];
    t.release();
    return number;
  };
  auto refused = t.answers_to(back("stranger"));
  REQUIRE(refused.size() == 1);
  CHECK(refused[0].header.code == response_code::no_permission);
  CHECK(refused[0].header.remark == "access key 'stranger' has no right SUB for topic 't'");
  CHECK(t.node.puts.empty());
  auto taken = back("consumer");
  REQUIRE(t.node.puts.size() == 1);
  t.stored();
  CHECK(t.code_of(taken) == response_code::success);
}
