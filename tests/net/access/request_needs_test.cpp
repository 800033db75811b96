#include "net/access/request_needs.hpp"

#include "net/access/accounts.hpp"
#include "net/remoting/codes.hpp"
#include "tests/support/bytes.hpp"
#include "tests/support/catch.hpp"

#include <set>
#include <string>
#include <vector>

using namespace troupe;
using namespace troupe::access;
using namespace troupe::test;

namespace code = troupe::remoting::request_code;

namespace {

std::vector<need> needs(std::int32_t of, const std::string& topic, std::string_view body = {}) {
  remoting::command header;
  header.code = of;
  if (body.empty()) {
    header.ext.add("consumerGroup", "G");
    header.ext.add("topic", topic);
  }
  auto found = needs_of(header, as_bytes(body));
  REQUIRE(found);
  CHECK_FALSE(found.value().admin);
  CHECK_FALSE(found.value().open);
  return found.value().needs;
}

const std::vector<need> both{{false, "T", right::sub}, {true, "G", right::sub}};

} // namespace

TEST_CASE("request_needs: who pops needs the topic and the group, also for what came back",
          "[access]") {
  for (auto of : {code::pop_message, code::peek_message, code::notification, code::polling_info,
                  code::ack_message, code::change_message_invisibletime}) {
    CHECK(needs(of, "T") == both);
    CHECK(needs(of, "%RETRY%G_T") == both);
  }
  CHECK(needs(code::batch_ack_message, {}, R"({"acks":[{"c":"G","t":"T","r":"1"}]})") == both);
  CHECK(needs(code::query_assignment, {}, R"({"consumerGroup":"G","topic":"T"})") == both);
}

TEST_CASE("request_needs: somebody else's topic for retries is his group's", "[access]") {
  auto found = needs(code::pop_message, "%RETRY%H_T");
  REQUIRE(found.size() == 2);
  CHECK(found[0] == need{true, "H_T", right::sub});
}

TEST_CASE("request_needs: how groups consume, an admin says", "[access]") {
  remoting::command header;
  header.code = code::set_message_request_mode;
  CHECK(needs_of(header, {}).value().admin);
  header.code = code::batch_ack_message;
  CHECK(needs_of(header, as_bytes("[")).has_error());
}

namespace {

using ext_fields = std::vector<std::pair<const char*, const char*>>;

/// A request that its account may not send, and what it is told.
struct refused_row {
  std::int32_t of;
  ext_fields fields;
  const char* body;
  const char* missing;
};

const auto everywhere = storage::host::ipv4(0x0a000001, 7);

/// One with no rights, and two that have all but one kind.
std::shared_ptr<const accounts> denied() {
  auto read = accounts::parse("accounts:\n"
                              "- accessKey: nobody-a\n  secretKey: 12345678\n"
                              "- accessKey: reader-a\n  secretKey: 12345678\n"
                              "  defaultTopicPerm: PUB|SUB\n"
                              "- accessKey: member-a\n  secretKey: 12345678\n"
                              "  defaultGroupPerm: SUB\n",
                              "acl.yml");
  REQUIRE(read);
  return read.value();
}

std::string refusal(const std::string& key, std::int32_t of, const ext_fields& fields,
                    std::string_view body) {
  static const auto all = denied();
  remoting::command header;
  header.code = of;
  for (auto& [name, value] : fields)
    header.ext.add(name, value);
  header.ext.add("AccessKey", key);
  auto bytes = as_bytes(body);
  header.ext.add("Signature", signing_key::make("12345678").value().sign(header, bytes));
  return all->refusal(header, bytes, everywhere);
}

const ext_fields named{{"topic", "T"}, {"consumerGroup", "G"}};
const char* const beat =
    R"({"clientID":"c","producerDataSet":[],"consumerDataSet":[{"groupName":"G",)"
    R"("consumeType":"CONSUME_PASSIVELY","messageModel":"CLUSTERING",)"
    R"("consumeFromWhere":"CONSUME_FROM_LAST_OFFSET","unitMode":false,)"
    R"("subscriptionDataSet":[{"topic":"T","subString":"*"}]}]})";
const char* const locks =
    R"({"clientId":"c","consumerGroup":"G","mqSet":[{"topic":"T","brokerName":"b","queueId":0}]})";
const char* const acks = R"({"acks":[{"c":"G","t":"T","r":"1"}]})";
const char* const wanted_queues = R"({"consumerGroup":"G","topic":"T"})";

} // namespace

TEST_CASE("request_needs: each request without the right is refused with what is missing",
          "[access]") {
  const std::vector<refused_row> by_topic{
      {code::send_message, {{"topic", "T"}}, "", "PUB"},
      {code::send_message_v2, {{"b", "T"}}, "", "PUB"},
      {code::send_batch_message, {{"b", "T"}}, "", "PUB"},
      {code::send_reply_message, {{"topic", "T"}}, "", "PUB"},
      {code::send_reply_message_v2, {{"b", "T"}}, "", "PUB"},
      {code::pull_message, named, "", "SUB"},
      {code::lite_pull_message, named, "", "SUB"},
      {code::query_consumer_offset, named, "", "SUB"},
      {code::update_consumer_offset, named, "", "SUB"},
      {code::query_message, {{"topic", "T"}}, "", "SUB"},
      {code::search_offset_by_timestamp, {{"topic", "T"}}, "", "PUB or SUB"},
      {code::get_max_offset, {{"topic", "T"}}, "", "PUB or SUB"},
      {code::get_min_offset, {{"topic", "T"}}, "", "PUB or SUB"},
      {32, {{"topic", "T"}}, "", "PUB or SUB"},
      {code::pop_message, named, "", "SUB"},
      {code::peek_message, named, "", "SUB"},
      {code::notification, named, "", "SUB"},
      {code::polling_info, named, "", "SUB"},
      {code::ack_message, named, "", "SUB"},
      {code::change_message_invisibletime, named, "", "SUB"},
      {code::heart_beat, {}, beat, "SUB"},
      {code::lock_batch_mq, {}, locks, "SUB"},
      {code::unlock_batch_mq, {}, locks, "SUB"},
      {code::batch_ack_message, {}, acks, "SUB"},
      {code::query_assignment, {}, wanted_queues, "SUB"},
  };
  for (auto& row : by_topic) {
    INFO(row.of);
    CHECK(refusal("member-a", row.of, row.fields, row.body) ==
          "access key 'member-a' has no right " + std::string(row.missing) + " for topic 'T'");
    CHECK_FALSE(refusal("nobody-a", row.of, row.fields, row.body).empty());
  }
}

TEST_CASE("request_needs: each request for a group takes the right to it", "[access]") {
  const std::vector<refused_row> by_group{
      {code::pull_message, named, "", ""},
      {code::lite_pull_message, named, "", ""},
      {code::query_consumer_offset, named, "", ""},
      {code::update_consumer_offset, named, "", ""},
      {code::consumer_send_msg_back, {{"group", "G"}}, "", ""},
      {code::get_consumer_list_by_group, {{"consumerGroup", "G"}}, "", ""},
      {code::unregister_client, {{"consumerGroup", "G"}}, "", ""},
      {code::send_message, {{"topic", "%RETRY%G"}}, "", ""},
      {code::pop_message, named, "", ""},
      {code::peek_message, named, "", ""},
      {code::notification, named, "", ""},
      {code::polling_info, named, "", ""},
      {code::ack_message, named, "", ""},
      {code::change_message_invisibletime, named, "", ""},
      {code::heart_beat, {}, beat, ""},
      {code::lock_batch_mq, {}, locks, ""},
      {code::unlock_batch_mq, {}, locks, ""},
      {code::batch_ack_message, {}, acks, ""},
      {code::query_assignment, {}, wanted_queues, ""},
  };
  for (auto& row : by_group) {
    INFO(row.of);
    CHECK(refusal("reader-a", row.of, row.fields, row.body) ==
          "access key 'reader-a' has no right SUB for group 'G'");
  }
}

TEST_CASE("request_needs: no code is open that is not meant to be", "[access]") {
  const ext_fields all{{"topic", "T"}, {"b", "T"}, {"group", "G"}, {"consumerGroup", "G"}};
  // 37 and 36 name a place in the log: their desks ask once they know what lies there.
  const std::set<std::int32_t> allowed{code::get_routeinfo_by_topic, code::get_broker_cluster_info,
                                       code::end_transaction, code::check_client_config};
  auto check = [&](std::int32_t first, std::int32_t last) {
    for (auto of = first; of <= last; ++of) {
      INFO(of);
      CHECK(refusal("nobody-a", of, all, "").empty() == (allowed.count(of) > 0));
    }
  };
  check(-1, 1000);
  check(200'000, 200'200);
}
