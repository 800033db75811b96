#include "net/access/account_book.hpp"
#include "net/remoting/codes.hpp"
#include "net/remoting/heartbeat.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/frames.hpp"
#include "tests/support/temporary_directory.hpp"

#include <fstream>
#include <map>

using namespace troupe;
using namespace troupe::access;
using test::as_text;
namespace request_code = remoting::request_code;

namespace {

constexpr const char* file = R"(# as RocketMQ's own example
globalWhiteRemoteAddresses:
  - 10.10.103.*

accounts:
  - accessKey: RocketMQ
    secretKey: 12345678
    whiteRemoteAddress:
    admin: false
    defaultTopicPerm: DENY
    defaultGroupPerm: SUB
    topicPerms:
      - topicA=DENY
      - topicB=PUB|SUB
      - topicC=SUB
      - topicP = PUB
    groupPerms:
      - groupA=DENY
      - groupB=PUB|SUB

  - accessKey: rocketmq2
    secretKey: "abcdefgh"
    whiteRemoteAddress: 192.168.1.*
    admin: true
)";

const auto elsewhere = storage::host::ipv4(0x0a000001, 7);

remoting::command request(std::int32_t code,
                          std::initializer_list<std::pair<const char*, std::string>> fields) {
  remoting::command made;
  made.code = code;
  for (auto& [name, value] : fields)
    made.ext.add(name, value);
  return made;
}

void sign(remoting::command& c, const std::string& key, const std::string& secret,
          std::string_view body = {}) {
  c.ext.add("AccessKey", key);
  auto with = signing_key::make(secret);
  REQUIRE(with);
  c.ext.add("Signature", with.value().sign(c, std::as_bytes(std::span(body))));
}

struct book {
  std::shared_ptr<const accounts> all;
  explicit book(std::string_view text = file) {
    auto read = accounts::parse(text, "acl.yml");
    INFO((read ? std::string() : read.error().message));
    REQUIRE(read);
    all = read.value();
  }
  std::string refusal(const remoting::command& c, std::string_view body = {},
                      storage::host peer = elsewhere) const {
    return all->refusal(c, std::as_bytes(std::span(body)), peer);
  }
  /// Of the account that is no admin.
  std::string asked(remoting::command c, std::string_view body = {}) const {
    sign(c, "RocketMQ", "12345678", body);
    return refusal(c, body);
  }
};

std::string why_not(std::string_view text) {
  auto read = accounts::parse(text, "acl.yml");
  return read ? std::string("it is read") : read.error().message;
}

} // namespace

TEST_CASE("signature: those that C++ and Node clients were captured sending", "[access]") {
  auto frames = test::cut(test::captured_file("frames.bin"));
  REQUIRE(frames);
  std::map<std::string, int> checked;
  for (auto& f : frames.value()) {
    auto c = remoting::decode_header(f.type, f.header.bytes());
    REQUIRE(c);
    auto* key = c.value().ext.find("AccessKey");
    if (key == nullptr || c.value().is_answer())
      continue;
    auto right = signing_key::make(*key); // both are "none", or empty
    INFO("request " << c.value().code << " of a client of " << int{c.value().language});
    CHECK(right.value().has_signed(c.value(), f.body.bytes()));
    CHECK_FALSE(signing_key::make("other").value().has_signed(c.value(), f.body.bytes()));
    ++checked[*key];
  }
  CHECK(checked[""] > 10);
  CHECK(checked["none"] > 10);
}

TEST_CASE("signature: every field and byte of the body counts, by name and not by order",
          "[access]") {
  auto key = signing_key::make("12345678").value();
  auto a = request(10, {{"topic", "t"}, {"AccessKey", "k"}, {"queueId", "0"}});
  auto b = request(10, {{"queueId", "0"}, {"topic", "t"}, {"AccessKey", "k"}});
  auto text = [](std::string_view t) { return std::as_bytes(std::span(t)); };
  auto signed_a = key.sign(a, text("body"));
  CHECK(signed_a == "LZFahxAJimHRMzsMr96aUGs3Qq4="); // by openssl dgst -sha1 -hmac
  CHECK(key.sign(b, text("body")) == signed_a);
  CHECK(key.sign(a, text("bodi")) != signed_a);
  b.ext.add("more", "x");
  CHECK(key.sign(b, text("body")) != signed_a);
  a.ext.add("Signature", "wrong");
  CHECK_FALSE(key.has_signed(a, text("body")));
  a.ext.add("Signature", signed_a);
  CHECK(key.has_signed(a, text("body")));
  a.ext.add("topic", "other"); // the last one is what a desk reads
  CHECK_FALSE(key.has_signed(a, text("body")));
}

TEST_CASE("accounts: who has no key, an unknown one or a wrong signature is refused alike",
          "[access]") {
  book t;
  auto send = request(request_code::send_message, {{"topic", "topicB"}});
  CHECK(t.refusal(send).find("asks for an access key") != std::string::npos);
  auto unknown = send, wrong = send, good = send;
  sign(unknown, "nobody_here", "12345678");
  sign(wrong, "RocketMQ", "87654321");
  sign(good, "RocketMQ", "12345678");
  CHECK(t.refusal(unknown) == t.refusal(wrong));
  CHECK_FALSE(t.refusal(wrong).empty());
  CHECK(t.refusal(good) == "");
  auto unsigned_one = send;
  unsigned_one.ext.add("AccessKey", "RocketMQ");
  CHECK(t.refusal(unsigned_one) == t.refusal(wrong));
}

TEST_CASE("accounts: rights to topics and groups, those for retries count as the group's",
          "[access]") {
  book t;
  auto send = [&](const std::string& topic) {
    return t.asked(request(request_code::send_message_v2, {{"b", topic}}));
  };
  CHECK(send("topicB") == "");
  CHECK(send("topicP") == "");
  CHECK(send("topicC") == "access key 'RocketMQ' has no right PUB for topic 'topicC'");
  CHECK(send("topicA") != "");
  CHECK(send("other") != "");
  CHECK(send("%RETRY%other") == "");
  CHECK(send("%RETRY%groupA") != "");
  CHECK(send("RMQ_SYS_TRACE_TOPIC") == "");
  CHECK(t.asked(request(request_code::send_batch_message, {{"b", "topicC"}})) != "");
  auto pull = [&](std::int32_t code, const std::string& topic, const std::string& group) {
    return t.asked(request(code, {{"topic", topic}, {"consumerGroup", group}}));
  };
  for (auto code : {request_code::pull_message, request_code::lite_pull_message,
                    request_code::update_consumer_offset, request_code::query_consumer_offset}) {
    CHECK(pull(code, "topicC", "groupB") == "");
    CHECK(pull(code, "topicC", "any") == "");
    CHECK(pull(code, "topicC", "groupA") ==
          "access key 'RocketMQ' has no right SUB for group 'groupA'");
    CHECK(pull(code, "topicP", "groupB") != "");
    CHECK(pull(code, "%RETRY%groupB", "groupB") == "");
    CHECK(pull(code, "%RETRY%groupA", "groupB") != "");
  }
  CHECK(t.asked(request(request_code::get_max_offset, {{"topic", "topicP"}})) == "");
  CHECK(t.asked(request(request_code::get_max_offset, {{"topic", "topicA"}})) != "");
  CHECK(t.asked(request(request_code::consumer_send_msg_back, {{"group", "groupA"}})) != "");
}

TEST_CASE("accounts: all groups and topics of a heartbeat and of locks are looked at", "[access]") {
  book t;
  auto beat = [&](const std::string& group, const std::string& topic) {
    remoting::heartbeat h;
    h.client_id = "c";
    h.producer_groups = {"any"};
    h.consumers = {{"groupB", true, {{"topicB", "*", "TAG", 1}}},
                   {group, true, {{"topicC", "*", "TAG", 1}, {topic, "*", "TAG", 1}}}};
    return t.asked(request(request_code::heart_beat, {}), remoting::write_heartbeat(h));
  };
  CHECK(beat("groupC", "topicB") == "");
  CHECK(beat("groupC", "%RETRY%groupC") == "");
  CHECK(beat("groupA", "topicB") != "");
  CHECK(beat("groupC", "topicP") != "");
  CHECK(t.asked(request(request_code::heart_beat, {}), "no heartbeat") != "");
  auto lock = [&](const std::string& group, const std::string& topic) {
    return t.asked(request(request_code::lock_batch_mq, {}),
                   R"({"clientId":"c","consumerGroup":")" + group +
                       R"(","mqSet":[{"brokerName":"b","queueId":0,"topic":"topicB"},)" +
                       R"({"brokerName":"b","queueId":0,"topic":")" + topic + "\"}]}");
  };
  CHECK(lock("groupB", "topicC") == "");
  CHECK(lock("groupA", "topicC") != "");
  CHECK(lock("topicP", "topicP") != ""); // a group of that name, but not the topic
}

TEST_CASE("accounts: an operator's request takes an admin, and a route nobody", "[access]") {
  book t;
  for (auto code : {request_code::update_and_create_topic, request_code::delete_topic_in_broker,
                    request_code::update_and_create_subscriptiongroup,
                    request_code::get_broker_config, request_code::view_message_by_id, 424242}) {
    CHECK(t.asked(request(code, {{"topic", "topicB"}})).find("is no admin") != std::string::npos);
    auto by_admin = request(code, {{"topic", "topicB"}});
    sign(by_admin, "rocketmq2", "abcdefgh");
    CHECK(t.refusal(by_admin) == "");
  }
  CHECK(t.refusal(request(request_code::get_routeinfo_by_topic, {{"topic", "topicA"}})) == "");
  CHECK(t.refusal(request(request_code::get_all_topic_list_from_nameserver, {})) != "");
}

TEST_CASE("accounts: trusted addresses need no signature", "[access]") {
  book t;
  auto send = request(request_code::send_message, {{"topic", "topicA"}});
  CHECK(t.refusal(send, {}, storage::host::ipv4(0x0a0a6705, 1)) == ""); // 10.10.103.5
  CHECK(t.refusal(send, {}, storage::host::ipv4(0x0a0a6805, 1)) != "");
  const auto of_admin = storage::host::ipv4(0xc0a80103, 1); // 192.168.1.3
  CHECK(t.refusal(send, {}, of_admin) != "");
  send.ext.add("AccessKey", "rocketmq2");
  CHECK(t.refusal(send, {}, of_admin) == "");
  send.ext.add("AccessKey", "RocketMQ");
  CHECK(t.refusal(send, {}, of_admin) != "");
}

TEST_CASE("addresses: RocketMQ's forms, and nothing else", "[access]") {
  auto v4 = [](std::uint32_t a) { return storage::host::ipv4(a, 1); };
  auto matches = [](const char* rule, const storage::host& peer) {
    auto read = address_rule::parse(rule);
    INFO(rule);
    REQUIRE(read);
    return read.value().matches(peer);
  };
  CHECK(matches("*", v4(1)));
  CHECK(matches("*.*.*.*", v4(1)));
  CHECK(matches("10.1.2.3", v4(0x0a010203)));
  CHECK_FALSE(matches("10.1.2.3", v4(0x0a010204)));
  CHECK(matches("10.1.*.*", v4(0x0a01ffff)));
  CHECK_FALSE(matches("10.1.*.*", v4(0x0a020000)));
  CHECK(matches("10.1.2.3-9", v4(0x0a010209)));
  CHECK_FALSE(matches("10.1.2.3-9", v4(0x0a01020a)));
  CHECK(matches("10.1.2.{3, 7}", v4(0x0a010207)));
  CHECK_FALSE(matches("10.1.2.{3,7}", v4(0x0a010204)));
  CHECK(matches("10.1.2.3, 10.1.2.7", v4(0x0a010207)));
  CHECK_FALSE(matches("", v4(0)));
  storage::host six;
  six.v6 = true;
  six.address = {0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0x12};
  CHECK(matches("fe80::1:12", six));
  CHECK(matches("FE80:0:0:0:0:0:1:12", six));
  CHECK(matches("fe80::1:*", six));
  CHECK(matches("fe80::1:10-1f", six));
  CHECK(matches("fe80::1:{12,13}", six));
  CHECK_FALSE(matches("fe80::1:{11,13}", six));
  CHECK_FALSE(matches("::", six));
  CHECK_FALSE(matches("*.*.*.*", six));
  for (auto bad : {"10.1.2", "10.1.2.3.4", "10.1.2.256", "10.1.2.9-3", "10.1.2.-3", "{1,2}",
                   "10.1.2{1,2}", "a.b.c.d", "1::2::3", "fe80:1", "10.1.2.3/24", "10.1.2.3,",
                   "1:2:3:4:5:6:7:8:9", "::fffff"}) {
    INFO(bad);
    CHECK_FALSE(address_rule::parse(bad));
  }
}

TEST_CASE("accounts: what is not understood is named by its line, and no secret is", "[access]") {
  CHECK(why_not("accounts:\n- accessKey: RocketMQ\n  secretKey: 123456\n") ==
        "acl.yml:2: secretKey has 7 bytes or more");
  CHECK(why_not("accounts:\n- accessKey: short\n  secretKey: 12345678\n").find("accessKey has") !=
        std::string::npos);
  const std::string head = "accounts:\n- accessKey: RocketMQ\n  secretKey: 12345678\n";
  CHECK(why_not(head) == "it is read");
  CHECK(why_not(head + "  admim: true\n").find("acl.yml:4: an unknown key") == 0);
  CHECK(why_not(head + "  admin: maybe\n") == "acl.yml:4: admin is true or false");
  CHECK(why_not(head + "  defaultTopicPerm: ALL\n").find("acl.yml:4: ") == 0);
  CHECK(why_not(head + "  topicPerms:\n  - a=PUB\n  - b\n").find("acl.yml:6: ") == 0);
  CHECK(why_not(head + "  whiteRemoteAddress: 10.1\n").find("acl.yml:4: ") == 0);
  CHECK(why_not(head + "- accessKey: RocketMQ\n  secretKey: 12345678\n").find("twice") !=
        std::string::npos);
  CHECK(why_not(head + "  secretKey: abcdefgh\n").find("twice") != std::string::npos);
  CHECK(why_not("").find("no accounts") != std::string::npos);
  CHECK(why_not("accounts: [\n").find("no YAML") != std::string::npos);
  CHECK(why_not("accounts: &a\n- *a\n").find("reference") != std::string::npos);
  CHECK(why_not("---\naccounts:\n---\naccounts:\n").find("more than one") != std::string::npos);
  CHECK(why_not(std::string(100, '[') + std::string(100, ']')).find("nested") != std::string::npos);
  CHECK(why_not("accounts: " + std::string(5000, 'x')).find("a text of more") != std::string::npos);
}

TEST_CASE("accounts: what is built to exhaust a reader is refused at once", "[access]") {
  const std::string head = "accounts:\n- accessKey: RocketMQ\n  secretKey: 12345678\n";
  // Each line ten times the one before it.
  std::string bomb = "a: &a [x, x, x, x, x, x, x, x, x, x]\n";
  for (char name = 'b'; name <= 'j'; ++name) {
    bomb += std::string(1, name) + ": &" + name + " [";
    for (int i = 0; i < 10; ++i)
      bomb += std::string(i > 0 ? ", " : "") + "*" + static_cast<char>(name - 1);
    bomb += "]\n";
  }
  CHECK(why_not(bomb).find("acl.yml:2: a reference") == 0);
  CHECK(why_not(head + "  <<: *base\n").find("acl.yml:4: a reference") == 0);
  CHECK(why_not("accounts: &a\n  - *a\n").find("a reference") != std::string::npos);
  constexpr std::size_t deep = 1'000'000;
  for (auto* open : {"[", "{a: ", "- ", "? "}) {
    INFO(open);
    std::string nested;
    while (nested.size() < deep)
      nested += open;
    CHECK(why_not("accounts: " + nested) != "it is read");
    CHECK(why_not(nested) != "it is read");
  }
  std::string wide = head + "  topicPerms:\n";
  for (int i = 0; i < 200'001; ++i)
    wide += "  - t\n";
  CHECK(why_not(wide).find("more, or deeper nested") != std::string::npos);
}

TEST_CASE("accounts: numbers, names and keys that no account has", "[access]") {
  const std::string head = "accounts:\n- accessKey: RocketMQ\n  secretKey: 12345678\n";
  const std::string huge(400, '9');
  for (auto& line :
       {"  admin: " + huge, std::string("  admin: 1e999999999"), "  defaultTopicPerm: " + huge,
        std::string("  defaultGroupPerm: -1"), "  whiteRemoteAddress: 10.1.2." + huge,
        std::string("  whiteRemoteAddress: 10.1.2.1-99999999999999999999"),
        std::string("  topicPerms: PUB"), std::string("  topicPerms:\n  - {a: PUB}"),
        std::string("  groupPerms:\n    a: SUB"), std::string("  ? [admin]\n  : true"),
        std::string("  admin: true\n  admin: true"),
        std::string("  admin: true\n  \"admin\": false"), "  " + huge + ": 1",
        std::string("  admin: !!binary dHJ1ZQ==\n  admin: true"),
        std::string("  topicPerms: \xff\xfe")}) {
    INFO(line);
    auto why = why_not(head + line + "\n");
    CHECK(why != "it is read");
    CHECK(why.find("acl.yml:") == 0);
    CHECK(why.size() < 400);
    CHECK(why.find("12345678") == std::string::npos);
  }
  CHECK(why_not("accounts:\n- accessKey: Rocket\n  accessKey: MQ\n").find("twice") !=
        std::string::npos);
  CHECK(
      why_not(head + "accounts:\n- accessKey: rocketmq2\n  secretKey: 12345678\n").find("twice") !=
      std::string::npos);
  CHECK(why_not(head + std::string("\0", 1)) != "it is read");
  CHECK(why_not("accounts:\n- accessKey: RocketMQ\n  secretKey: " + huge + huge + huge + "\n") !=
        "it is read");
}

TEST_CASE("accounts: a file that changed is read again, and a broken one is not taken",
          "[access]") {
  test::temporary_directory directory;
  auto name = directory / "acl.yml";
  auto write = [&](std::string_view text) { std::ofstream(name) << text; };
  CHECK_FALSE(account_book::open(name));
  write(file);
  auto book = account_book::open(name);
  REQUIRE(book);
  auto& b = *book.value();
  auto first = b.now();
  CHECK(first->size() == 2);
  b.look();
  CHECK(b.now() == first);
  write("accounts: [");
  b.look();
  CHECK(b.now() == first);
  write("accounts:\n- accessKey: RocketMQ\n  secretKey: 12345678\n");
  b.look();
  CHECK(b.now()->size() == 1);
  std::remove(name.c_str());
  b.look();
  CHECK(b.now()->size() == 1);
}
