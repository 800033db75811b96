#include "net/gateway/reply_desk.hpp"

#include "storage/format/properties.hpp"
#include "tests/net/gateway/desk_stand.hpp"
#include "tests/support/bytes.hpp"
#include "tests/support/catch.hpp"

#include <algorithm>

using namespace troupe;
using namespace troupe::test;
using namespace std::chrono_literals;

namespace {

/// Client 1 replies, client 2 has asked.
struct reply_stand : desk_stand {
  std::shared_ptr<net::send_desk> sends;
  std::string topic;

  reply_stand() {
    settings.store.flush = storage::flush_policy::sync;
    start();
    sends =
        std::make_shared<net::send_desk>(room().services, room().names, room().book, room().tally);
    open<net::reply_desk>(room().names, room().groups, *sends);
    topic = remoting::reply_topic(room().setup.address.cluster);
    on_work = [this] { sends->work(); };
    run([this] { sends->set_roles(node.roles); });
    run([this] { room().names.refresh([] {}); });
    enter(1);
    enter(2);
    beat(2, "asker");
  }
  void beat(connection_id from, const std::string& client) {
    remoting::heartbeat h;
    h.client_id = client;
    h.producer_groups = {"P"};
    REQUIRE(room().groups.heartbeat(from, h, 0));
  }
  net::client_request reply_to(const std::string& client, const std::string& to = "t",
                               std::int32_t queue = 0) {
    std::string properties = "CORRELATION_ID\1c1\2";
    if (!client.empty())
      properties += "REPLY_TO_CLIENT\1" + client + "\2";
    return request(request_code::send_reply_message, send_fields(to, queue, properties), "body");
  }
  std::vector<client_frame> pushed() const {
    std::vector<client_frame> found;
    std::copy_if(sent.begin(), sent.end(), std::back_inserter(found), [](const client_frame& f) {
      return f.header.code == request_code::push_reply_message_to_client && !f.header.is_answer();
    });
    return found;
  }
  void release() {
    while (node.release_creations(world))
      world.drain();
  }
  void stored(errc code = errc::none) {
    put_response done;
    done.results.push_back({code, code == errc::none ? 5000 : -1, code == errc::none ? 7 : -1});
    node.answer_put(world, done);
  }
  client_frame answer_of(std::int32_t number) const {
    auto answers = answers_to(number);
    REQUIRE(answers.size() == 1);
    return answers[0];
  }
};

const std::string* field(const client_frame& frame, std::string_view name) {
  return frame.header.ext.find(name);
}

} // namespace

TEST_CASE("reply_desk: a reply goes to the producer that asked, and is stored", "[gateway]") {
  reply_stand t;
  auto number = t.send(1, {t.reply_to("asker", "t", 2)})[0];
  auto pushed = t.pushed();
  REQUIRE(pushed.size() == 1);
  CHECK(pushed[0].to == 2);
  CHECK(pushed[0].header.is_oneway());
  CHECK(pushed[0].body == "body");
  for (auto* name :
       {"producerGroup", "topic", "defaultTopic", "defaultTopicQueueNums", "queueId", "sysFlag",
        "bornTimestamp", "flag", "properties", "bornHost", "storeHost", "storeTimestamp"})
    CHECK((field(pushed[0], name) != nullptr && !field(pushed[0], name)->empty()));
  auto& properties = *field(pushed[0], "properties");
  CHECK(storage::find_property(properties, "CORRELATION_ID") == "c1");
  CHECK_FALSE(storage::find_property(properties, "PUSH_REPLY_TIME").empty());
  REQUIRE(t.node.puts.size() == 1);
  CHECK(t.node.puts[0].topic == "t");
  auto message = *t.node.puts[0].messages.read().next().value();
  CHECK(as_text(message.body) == "body");
  CHECK(message.queue_id == 2);
  CHECK(storage::find_property(message.properties, "PUSH_REPLY_TIME").empty());
  CHECK(t.answers_to(number).empty());
  t.stored();
  auto answer = t.answer_of(number);
  CHECK(answer.header.code == response_code::success);
  CHECK(answer.number("queueId") == 2);
  CHECK(answer.number("queueOffset") == 7);
  CHECK(field(answer, "msgId")->size() == 32);
}

TEST_CASE("reply_desk: who is not here gets no reply, and it is stored", "[gateway]") {
  reply_stand t;
  auto nobody = GENERATE(std::string(), std::string("other"), std::string("askeq"));
  auto number = t.send(1, {t.reply_to(nobody)})[0];
  CHECK(t.pushed().empty());
  REQUIRE(t.node.puts.size() == 1);
  t.stored();
  auto answer = t.answer_of(number).header;
  CHECK(answer.code == response_code::system_error);
  CHECK(answer.remark.find(nobody.empty() ? "is null" : "channel of <" + nobody + "> not found") !=
        std::string::npos);
}

TEST_CASE("reply_desk: one that was pushed and cannot be stored is a success", "[gateway]") {
  reply_stand t;
  auto number = t.send(1, {t.reply_to("asker")})[0];
  t.stored(errc::no_space);
  auto answer = t.answer_of(number);
  CHECK(answer.header.code == response_code::success);
  CHECK(*field(answer, "msgId") == "0");
}

TEST_CASE("reply_desk: the topic of replies is made, others by the rules", "[gateway]") {
  reply_stand t;
  t.run([&] { t.room().setup.options.auto_create_topics = false; });
  auto number = t.send(1, {t.reply_to("asker", t.topic)})[0];
  CHECK(t.pushed().empty());
  REQUIRE(t.node.created_topics.size() == 1);
  CHECK(t.node.created_topics[0].name == t.topic);
  CHECK(t.node.created_topics[0].write_queues == 1);
  t.release();
  CHECK(t.pushed().size() == 1);
  t.stored();
  CHECK(t.answer_of(number).header.code == response_code::success);
  auto refused = t.answer_of(t.send(1, {t.reply_to("asker", "new")})[0]).header;
  CHECK(refused.code == response_code::topic_not_exist);
  CHECK(t.pushed().size() == 1);
}

TEST_CASE("reply_desk: what could not be stored for certain is not pushed", "[gateway]") {
  reply_stand t;
  auto code = [&](const net::client_request& request) {
    return t.answer_of(t.send(1, {request})[0]).header.code;
  };
  CHECK(code(t.reply_to("asker", "t", 4)) == response_code::system_error);
  CHECK(code(t.reply_to("asker", "TBW102")) == response_code::no_permission);
  CHECK(code(t.reply_to("asker", "bad topic")) == response_code::message_illegal);
  CHECK(code(t.request(request_code::send_reply_message_v2, {})) == response_code::system_error);
  CHECK(t.pushed().empty());
  CHECK(t.node.puts.empty());
}

TEST_CASE("reply_desk: the newest connection of a client gets its replies", "[gateway]") {
  reply_stand t;
  t.enter(3);
  t.beat(3, "asker");
  t.send(1, {t.reply_to("asker")});
  REQUIRE(t.pushed().size() == 1);
  CHECK(t.pushed()[0].to == 3);
  (void)t.room().groups.forget(3);
  t.send(1, {t.reply_to("asker")});
  REQUIRE(t.pushed().size() == 2);
  CHECK(t.pushed()[1].to == 2);
}

TEST_CASE("reply_desk: a client has so many replies open, and no more", "[gateway]") {
  reply_stand t;
  std::vector<net::client_request> many;
  for (int i = 0; i < 1025; ++i)
    many.push_back(t.reply_to("asker", t.topic));
  auto numbers = t.send(1, std::move(many));
  CHECK(t.answer_of(numbers.back()).header.code == response_code::system_busy);
  CHECK(t.answers_to(numbers[1023]).empty());
  t.world.run_for(3s);
  t.release(); // too late for all of them
  CHECK(t.pushed().empty());
  CHECK(t.answer_of(numbers[0]).header.code == response_code::system_busy);
  auto next = t.send(1, {t.reply_to("asker")})[0];
  CHECK(t.pushed().size() == 1);
  t.stored();
  CHECK(t.answer_of(next).header.code == response_code::success);
}
