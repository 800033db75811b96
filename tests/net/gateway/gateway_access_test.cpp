// Who is asked for an access key, before any desk sees his request.

#include "tests/net/gateway/gateway_stand.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/temporary_directory.hpp"

#include <fstream>

using namespace troupe;
using namespace troupe::test;

namespace {

struct guarded_gateway : gateway_stand {
  explicit guarded_gateway(std::size_t most_connections = 0) {
    options.connections_per_account = most_connections;
    std::ofstream(file) << "accounts:\n"
                           "- accessKey: producer\n  secretKey: 12345678\n"
                           "  topicPerms:\n  - mine=PUB\n"
                           "- accessKey: stranger\n  secretKey: 11223344\n"
                           "  topicPerms:\n  - other=PUB\n"
                           "- accessKey: operator\n  secretKey: 87654321\n  admin: true\n";
    auto opened = access::account_book::open(file);
    REQUIRE(opened);
    book = opened.value();
    accounts = book;
    start();
  }

  net::client_request signed_request(std::int32_t code, const ext_list& fields,
                                     std::string_view body, const std::string& key,
                                     const std::string& secret) {
    auto made = request(code, fields, body);
    made.header.ext.add("AccessKey", key);
    auto right = access::signing_key::make(secret);
    made.header.ext.add("Signature", right.value().sign(made.header, made.body.bytes()));
    return made;
  }
  client_frame answer(net::client_request asked) {
    auto opaque = asked.header.opaque;
    arrive(1, {std::move(asked)});
    REQUIRE(world().run_until([&] { return !answers_to(opaque).empty(); }));
    return answers_to(opaque).front();
  }
  client_frame send(const std::string& topic, const std::string& secret = "12345678") {
    return answer(
        signed_request(request_code::send_message, send_fields(topic), "b", "producer", secret));
  }

  temporary_directory directory;
  std::string file = directory / "acl.yml";
  std::shared_ptr<access::account_book> book;
};

} // namespace

TEST_CASE("gateway: with accounts only what is signed and allowed is done", "[gateway]") {
  guarded_gateway t;
  CHECK(t.send("mine").header.code == response_code::success);
  auto other = t.send("other");
  CHECK(other.header.code == response_code::no_permission);
  CHECK(other.header.remark == "access key 'producer' has no right PUB for topic 'other'");
  CHECK(t.send("mine", "not the secret").header.code == response_code::no_permission);
  CHECK(t.ask(1, request_code::send_message, send_fields("mine"), "b").header.code ==
        response_code::no_permission);
  CHECK(t.ask(1, request_code::get_routeinfo_by_topic, {{"topic", "mine"}}).header.code ==
        response_code::success);
  CHECK(t.ask(1, request_code::get_routeinfo_by_topic, {{"topic", "other"}}).header.code ==
        response_code::topic_not_exist); // nothing was made of it
  auto list = [&](const char* key, const char* secret) {
    return t.answer(t.signed_request(request_code::get_all_topic_config, {}, {}, key, secret))
        .header.code;
  };
  CHECK(list("producer", "12345678") == response_code::no_permission);
  CHECK(list("operator", "87654321") == response_code::success);
  CHECK(t.settled == 8); // each once
}

TEST_CASE("gateway: a one-way request that is refused is settled and not answered", "[gateway]") {
  guarded_gateway t;
  auto told = t.request(
      request_code::update_consumer_offset,
      {{"consumerGroup", "G"}, {"topic", "mine"}, {"queueId", "0"}, {"commitOffset", "5"}});
  told.header.flag = remoting::oneway_flag;
  auto numbers = t.gateway_stand::send(1, {told});
  CHECK(t.answers_to(numbers[0]).empty());
  CHECK(t.settled == 1);
}

TEST_CASE("gateway: what changes in the accounts holds for the next request", "[gateway]") {
  guarded_gateway t;
  CHECK(t.send("other").header.code == response_code::no_permission);
  std::ofstream(t.file) << "accounts:\n- accessKey: producer\n  secretKey: 12345678\n"
                           "  defaultTopicPerm: PUB\n";
  t.book->look();
  CHECK(t.send("other").header.code == response_code::success);
}

TEST_CASE("gateway: an account has so many connections, until one leaves", "[gateway]") {
  guarded_gateway t(1);
  auto send = [&](connection_id from, const char* key, const char* secret, const char* topic) {
    auto asked = t.signed_request(request_code::send_message, send_fields(topic), "b", key, secret);
    auto opaque = asked.header.opaque;
    t.arrive(from, {std::move(asked)});
    REQUIRE(t.world().run_until([&] { return !t.answers_to(opaque).empty(); }));
    return t.answers_to(opaque).front().header;
  };
  CHECK(send(1, "producer", "12345678", "mine").code == response_code::success);
  CHECK(send(1, "producer", "12345678", "mine").code == response_code::success);
  CHECK(send(2, "producer", "wrong one", "mine").code == response_code::no_permission);
  auto refused = send(2, "producer", "12345678", "mine");
  CHECK(refused.code == response_code::system_busy);
  CHECK(refused.remark.find("account 'producer' has 1 connections") == 0);
  CHECK(send(3, "operator", "87654321", "mine").code == response_code::success);
  t.world().tell(t.gateway, net::departed{1});
  CHECK(send(2, "producer", "12345678", "mine").code == response_code::success);
}

TEST_CASE("gateway: a transaction is ended by who may publish on its topic", "[gateway]") {
  guarded_gateway t;
  auto sent =
      t.answer(t.signed_request(request_code::send_message,
                                send_fields("mine", 0, "TRAN_MSG\1true\2PGROUP\1P\2UNIQ_KEY\1k\2"),
                                "b", "producer", "12345678"));
  REQUIRE(sent.header.code == response_code::success);
  auto id = storage::parse_message_id(*sent.header.ext.find("msgId"));
  auto end = [&](const char* key, const char* secret, log_offset offset) {
    return t
        .answer(t.signed_request(
            request_code::end_transaction,
            {{"producerGroup", "P"},
             {"tranStateTableOffset", std::to_string(sent.number("queueOffset"))},
             {"commitLogOffset", std::to_string(offset)},
             {"commitOrRollback", std::to_string(storage::sysflag::transaction_commit)},
             {"fromTransactionCheck", "false"}},
            {}, key, secret))
        .header;
  };
  auto offset = id.value().offset;
  auto refused = end("stranger", "11223344", offset);
  CHECK(refused.code == response_code::no_permission);
  CHECK(refused.remark == "access key 'stranger' has no right PUB for topic 'mine'");
  CHECK(end("stranger", "11223344", offset + 1'000'000).code == response_code::system_error);
  CHECK(t.node.read_all("mine", 0).empty());
  CHECK(end("producer", "12345678", offset).code == response_code::success);
  CHECK(end("operator", "87654321", offset).code == response_code::success);
  t.world().run_for(std::chrono::milliseconds(100));
  CHECK(t.node.read_all("mine", 0) == std::vector<std::string>{"b"});
}
