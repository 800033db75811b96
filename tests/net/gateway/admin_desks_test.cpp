// What operators ask: a desk each for topics, groups, progress and the node itself.

#include "net/gateway/admin_groups_desk.hpp"
#include "net/gateway/admin_progress_desk.hpp"
#include "net/gateway/admin_status_desk.hpp"
#include "net/gateway/admin_topics_desk.hpp"
#include "tests/net/gateway/desk_stand.hpp"
#include "tests/support/catch.hpp"

#include <regex>

using namespace troupe;
using namespace troupe::test;

namespace {

struct admin_stand : desk_stand {
  std::vector<topic_info> updated;
  std::vector<std::string> removed;
  group_list known;
  bool hold_lists = false;
  std::vector<caf::typed_response_promise<group_list>> lists; ///< that are held
  std::vector<group_settings> settings;
  std::vector<group_offset> offsets; ///< that were stored
  topic_description described;
  std::vector<pull_request> pulls;
  node_status status;

  explicit admin_stand(const net::gateway_options& with = {}) {
    options = with;
    described.info = {"t", 2, 2, 6};
    described.queues = {{.queue_id = 0, .min = 5, .max = 9, .last_store_ms = 77, .first = 5},
                        {.queue_id = 1, .min = 0, .max = 0, .last_store_ms = -1, .first = 0}};
    node.also = caf::message_handler{
        [this](update_atom, const topic_info& topic) {
          updated.push_back(topic);
          node.add_topic(topic.name);
          return topic;
        },
        [this](remove_atom, const std::string& topic) -> caf::result<tombstone> {
          removed.push_back(topic);
          if (topic != "t")
            return make_caf_error(errc::not_found, "no topic " + topic);
          return tombstone{topic, 0, {}};
        },
        [](list_atom) {
          return topic_list{{{"a", 1, 2, 6}, {"b", 3, 4, 4}}};
        },
        [this](bounds_atom, const std::string& topic) -> caf::result<topic_description> {
          if (topic != "t")
            return make_caf_error(errc::not_found, "no topic " + topic);
          return described;
        },
        [](search_atom, const std::string&, std::int32_t, std::int64_t) -> queue_offset {
          return 8;
        }}.or_else(caf::message_handler{[this](store_atom, const group_settings& what) {
                                          settings.push_back(what);
                                          return what;
                                        },
                                        [this](remove_atom, const group_settings& what, bool) {
                                          settings.push_back(what);
                                          return what;
                                        },
                                        [this](store_atom, const group_offset& what) {
                                          offsets.push_back(what);
                                          return what;
                                        },
                                        [this](const pull_request& asked) {
                                          pulls.push_back(asked);
                                          return pull_response{};
                                        },
                                        [this](status_atom) { return status; },
                                        [](fetch_atom, log_offset) { return record_batch{}; }});
    answer_lists();
    start();
    enter(1);
  }
  void beat(connection_id from, const std::string& client) {
    remoting::heartbeat h;
    h.client_id = client;
    h.consumers.push_back({"G", true, {{"t", "*", "TAG", 1}}});
    h.producer_groups = {"P"};
    if (!room().groups.heartbeat(from, h, 0))
      throw std::runtime_error("a heartbeat is refused");
  }
  void open_groups() { open<net::admin_groups_desk>(room().names, room().groups, room().listings); }
  void open_progress() {
    open<net::admin_progress_desk>(room().groups, room().tally, room().listings);
  }
  std::int32_t code_of(std::int32_t code, ext_list fields, std::string_view body = {}) {
    return ask(1, code, std::move(fields), body).header.code;
  }

private:
  void answer_lists() {
    node.also = node.also.or_else([this](list_atom, const std::string&) -> caf::result<group_list> {
      if (!hold_lists)
        return known;
      lists.emplace_back(node.current->make_response_promise<group_list>());
      return lists.back();
    });
  }
};

ext_list settings_of(const std::string& topic) {
  return {{"topic", topic},       {"defaultTopic", "TBW102"},
          {"readQueueNums", "3"}, {"writeQueueNums", "2"},
          {"perm", "6"},          {"topicFilterType", "SINGLE_TAG"},
          {"topicSysFlag", "0"},  {"order", "false"}};
}

bool has(const client_frame& answer, const std::string& text) {
  return answer.body.find(text) != std::string::npos;
}

} // namespace

// -- topics --------------------------------------------------------------------------------------

TEST_CASE("admin_topics_desk: so many new topics are made, and those that are there changed",
          "[gateway]") {
  net::gateway_options few;
  few.new_topics_per_address = 1;
  admin_stand t(few);
  t.open<net::admin_topics_desk>(t.room().names, t.room().tally);
  for (int i = 0; i < 3; ++i)
    CHECK(t.code_of(request_code::update_and_create_topic, settings_of("new")) ==
          response_code::success);
  auto refused = t.ask(1, request_code::update_and_create_topic, settings_of("newer"));
  CHECK(refused.header.code == response_code::system_busy);
  CHECK(refused.header.remark.find("address 127.0.0.1 has created 1 topics") == 0);
  CHECK(t.updated.size() == 3);
}

TEST_CASE("admin_topics_desk: a topic is changed, and known as it is then", "[gateway]") {
  admin_stand t;
  t.open<net::admin_topics_desk>(t.room().names, t.room().tally);
  CHECK(t.code_of(request_code::update_and_create_topic, settings_of("new")) ==
        response_code::success);
  REQUIRE(t.updated.size() == 1);
  CHECK(t.updated[0].read_queues == 3);
  auto normal = settings_of("new");
  normal.emplace_back("attributes", "+message.type=NORMAL");
  CHECK(t.code_of(request_code::update_and_create_topic, normal) == response_code::success);
  CHECK(t.room().names.find("new") != nullptr);
  CHECK_FALSE(t.updated[0].order);
  auto ordered = settings_of("new");
  ordered.back().second = "true";
  CHECK(t.code_of(request_code::update_and_create_topic, ordered) == response_code::success);
  CHECK(t.updated.back().order);
}

TEST_CASE("admin_topics_desk: what is RocketMQ's own, or cannot be, is refused", "[gateway]") {
  admin_stand t;
  t.open<net::admin_topics_desk>(t.room().names, t.room().tally);
  for (auto* name : {"TBW102", "bad name"}) {
    CHECK(t.code_of(request_code::update_and_create_topic, settings_of(name)) ==
          response_code::system_error);
    CHECK(t.code_of(request_code::delete_topic_in_broker, {{"topic", name}}) ==
          response_code::system_error);
    CHECK(t.code_of(request_code::delete_topic_in_namesrv, {{"topic", name}}) ==
          response_code::system_error);
  }
  for (auto code : {request_code::update_and_create_topic, request_code::delete_topic_in_broker}) {
    auto of_newer_client = t.request(code, settings_of("bad name"));
    of_newer_client.header.version = 479;
    CHECK(t.answers_to(t.send(1, {of_newer_client})[0]).at(0).header.code ==
          response_code::invalid_parameter);
  }
  auto typed = settings_of("new");
  typed.emplace_back("attributes", "+message.type=FIFO");
  CHECK(t.code_of(request_code::update_and_create_topic, typed) == response_code::system_error);
  CHECK(t.updated.empty());
  CHECK(t.removed.empty());
}

TEST_CASE("admin_topics_desk: a topic that is not here is deleted already", "[gateway]") {
  admin_stand t;
  t.open<net::admin_topics_desk>(t.room().names, t.room().tally);
  for (auto* name : {"t", "none"})
    CHECK(t.code_of(request_code::delete_topic_in_broker, {{"topic", name}}) ==
          response_code::success);
  CHECK(t.removed == std::vector<std::string>{"t", "none"});
  CHECK(t.code_of(request_code::delete_topic_in_namesrv, {{"topic", "t"}}) ==
        response_code::success);
  CHECK(t.removed.size() == 2); // the name service has none of its own
}

TEST_CASE("admin_topics_desk: lists, settings and numbers", "[gateway]") {
  admin_stand t;
  t.open<net::admin_topics_desk>(t.room().names, t.room().tally);
  t.room().tally.put("t", {60, 600, 6});
  CHECK(has(t.ask(1, request_code::get_all_topic_list_from_nameserver, {}), R"(["a","b"])"));
  CHECK(has(t.ask(1, request_code::get_topics_by_cluster, {{"cluster", "troupe"}}), R"("b")"));
  CHECK(t.code_of(request_code::get_topics_by_cluster, {{"cluster", "other"}}) ==
        response_code::system_error);
  CHECK(has(t.ask(1, request_code::get_all_topic_config, {}), R"("writeQueueNums":4)"));
  CHECK(has(t.ask(1, request_code::get_topic_config, {{"topic", "a"}}), R"("writeQueueNums":2)"));
  CHECK(t.code_of(request_code::get_topic_config, {{"topic", "none"}}) ==
        response_code::topic_not_exist);
  auto stats = t.ask(1, request_code::get_topic_stats_info, {{"topic", "t"}});
  CHECK(has(stats, R"("maxOffset":9)"));
  CHECK(has(stats, R"("lastUpdateTimestamp":77)"));
  CHECK(t.code_of(request_code::get_topic_stats_info, {{"topic", "none"}}) ==
        response_code::topic_not_exist);
}

TEST_CASE("admin_topics_desk: a dashboard asks for RocketMQ's own topics in two steps",
          "[gateway]") {
  admin_stand t;
  t.open<net::admin_topics_desk>(t.room().names, t.room().tally);
  CHECK(t.ask(1, request_code::get_system_topic_list_from_ns, {}).body ==
        R"({"brokerAddr":"127.0.0.1:10911","topicList":["troupe","n1"]})");
  auto own = t.ask(1, request_code::get_system_topic_list_from_broker, {});
  CHECK(has(own, R"("TBW102")"));
  CHECK(has(own, R"("SCHEDULE_TOPIC_XXXX")"));
  for (auto code : {request_code::clean_unused_topic, request_code::clean_expired_consumequeue})
    CHECK(t.code_of(code, {}) == response_code::success);
  CHECK(t.removed.empty());
}

// -- groups --------------------------------------------------------------------------------------

TEST_CASE("admin_groups_desk: a few listings are made at a time", "[gateway]") {
  admin_stand t;
  t.open_groups();
  t.hold_lists = true;
  std::vector<net::client_request> nine;
  for (int i = 0; i < 9; ++i)
    nine.push_back(t.request(request_code::get_all_consumer_offset, {}));
  auto numbers = t.send(1, std::move(nine));
  REQUIRE(t.sent.size() == 1);
  CHECK(t.answers_to(numbers[8]).at(0).header.code == response_code::system_busy);
  t.hold_lists = false;
  t.world.inside(t.node.sessions.back(), [&] {
    for (auto& promise : t.lists)
      promise.deliver(group_list{});
  });
  t.world.drain();
  CHECK(t.sent.size() == 9);
  CHECK(t.code_of(request_code::get_all_consumer_offset, {}) == response_code::success);
}

TEST_CASE("admin_groups_desk: settings are kept as they came, and removed", "[gateway]") {
  admin_stand t;
  t.open_groups();
  std::string json = R"({"groupName":"G","consumeEnable":true})";
  CHECK(t.code_of(request_code::update_and_create_subscriptiongroup, {}, json) ==
        response_code::success);
  REQUIRE(t.settings.size() == 1);
  CHECK(t.settings[0].group == "G");
  CHECK(t.settings[0].json == json);
  CHECK(t.code_of(request_code::update_and_create_subscriptiongroup, {}, "{}") !=
        response_code::success);
  CHECK(t.code_of(request_code::delete_subscriptiongroup, {{"groupName", "G"}}) ==
        response_code::success);
  CHECK(t.settings.size() == 2);
  t.known.settings = {{"G", json}};
  CHECK(has(t.ask(1, request_code::get_all_subscriptiongroup_config, {}), "consumeEnable"));
}

TEST_CASE("admin_groups_desk: so many new groups are made, and those that are there changed",
          "[gateway]") {
  net::gateway_options few;
  few.new_groups_per_address = 1;
  admin_stand t(few);
  t.open_groups();
  auto update = [&](const std::string& group) {
    return t.code_of(request_code::update_and_create_subscriptiongroup, {},
                     R"({"groupName":")" + group + R"("})");
  };
  CHECK(update("G") == response_code::success);
  t.known.settings = {{"G", "{}"}};
  CHECK(update("G") == response_code::success);
  t.known.settings.clear();
  CHECK(update("H") == response_code::system_busy);
  t.node.add_topic("%RETRY%I"); // it has consumed
  t.run([&] { t.room().names.refresh([] {}); });
  CHECK(update("I") == response_code::success);
  CHECK(t.settings.size() == 3);
}

TEST_CASE("admin_groups_desk: every group is listed, whoever made it", "[gateway]") {
  admin_stand t;
  t.open_groups();
  t.beat(1, "a"); // of group G
  t.known.offsets = {{"was_here", "t", 0, 3}};
  t.known.settings = {{"given", R"({"groupName":"given","retryMaxTimes":3})"}};
  auto all = t.ask(1, request_code::get_all_subscriptiongroup_config, {});
  for (auto* group : {"G", "was_here", "given", "TOOLS_CONSUMER", "CID_RMQ_SYS_TRANS"})
    CHECK(has(all, '"' + std::string(group) + R"(":{)"));
  CHECK(has(all, R"("retryMaxTimes":3})"));
  auto one = [&](const char* group) {
    return t.ask(1, request_code::get_subscriptiongroup_config, {{"group", group}});
  };
  CHECK(has(one("G"), R"("retryMaxTimes":16)"));
  CHECK(has(one("given"), R"("retryMaxTimes":3)"));
  CHECK(one("none").header.code == response_code::group_not_exist);
}

TEST_CASE("admin_groups_desk: what a group consumes, and who produces", "[gateway]") {
  admin_stand t;
  t.open_groups();
  t.beat(1, "a");
  t.known.offsets = {{"G", "t", 0, 3}, {"G", "t", 1, 3}, {"G", "u", 0, 1}, {"H", "v", 0, 1}};
  CHECK(has(t.ask(1, request_code::query_topics_by_consumer, {{"group", "G"}}),
            R"("topicList":["t","u"]})"));
  auto subscription = [&](const char* topic) {
    return t.ask(1, request_code::query_subscription_by_consumer,
                 {{"group", "G"}, {"topic", topic}});
  };
  CHECK(has(subscription("t"), R"("subString":"*")"));
  CHECK(subscription("u").body == R"({"group":"G","topic":"u"})");
  CHECK(has(t.ask(1, request_code::get_all_producer_info, {}), R"({"data":{"P":[{"clientId":"a")"));
}

TEST_CASE("admin_groups_desk: a topic has the groups that consume it, and those that did",
          "[gateway]") {
  admin_stand t;
  t.open_groups();
  t.beat(1, "a");
  t.known.offsets = {{"old", "t", 0, 3}, {"elsewhere", "u", 0, 3}};
  auto groups = t.ask(1, request_code::query_topic_consume_by_who, {{"topic", "t"}});
  CHECK(has(groups, R"(["G","old"])"));
  CHECK(has(t.ask(1, request_code::get_all_consumer_offset, {}), "elsewhere"));
}

TEST_CASE("admin_groups_desk: the clients of a group, and where they are", "[gateway]") {
  admin_stand t;
  t.open_groups();
  CHECK(t.code_of(request_code::get_consumer_connection_list, {{"consumerGroup", "G"}}) ==
        response_code::consumer_not_online);
  CHECK(t.code_of(request_code::get_producer_connection_list, {{"producerGroup", "P"}}) ==
        response_code::system_error);
  t.beat(1, "a");
  t.beat(7, "gone"); // its connection is not known any more
  for (auto answer :
       {t.ask(1, request_code::get_consumer_connection_list, {{"consumerGroup", "G"}}),
        t.ask(1, request_code::get_producer_connection_list, {{"producerGroup", "P"}})}) {
    CHECK(has(answer, R"("clientId":"a")"));
    CHECK(has(answer, "127.0.0.1:5000"));
    CHECK_FALSE(has(answer, "gone"));
  }
}

// -- progress ------------------------------------------------------------------------------------

TEST_CASE("admin_progress_desk: how far a group is in each queue", "[gateway]") {
  admin_stand t;
  t.open_progress();
  t.known.offsets = {{"G", "t", 0, 7}, {"G", "deleted", 0, 1}};
  pull_response found;
  found.next = 8;
  found.records.assign(60, storage::slice::copy_of_text("record"));
  t.room().tally.got({"t", "G", 0, 0}, found);
  auto answer = t.ask(1, request_code::get_consume_stats, {{"consumerGroup", "G"}});
  CHECK(answer.header.code == response_code::success);
  CHECK(has(answer, R"("brokerOffset":9)"));
  CHECK(has(answer, R"("consumerOffset":7)"));
  CHECK(has(answer, R"("pullOffset":8)"));
  CHECK(has(answer, R"("consumeTps":1)"));
  CHECK_FALSE(has(answer, "deleted"));
  REQUIRE(t.pulls.size() == 1); // the time of the last one that it consumed
  CHECK(t.pulls[0].from == 6);
  CHECK(t.code_of(request_code::get_consume_stats, {{"consumerGroup", ""}}) ==
        response_code::system_error);
}

TEST_CASE("admin_progress_desk: a group that is here is asked for what it consumes", "[gateway]") {
  admin_stand t;
  t.open_progress();
  t.known.offsets = {{"G", "t", 0, 7}};
  remoting::heartbeat h;
  h.client_id = "a";
  h.consumers.push_back({"G", true, {{"other", "*", "TAG", 1}}});
  REQUIRE(t.room().groups.heartbeat(1, h, 0));
  CHECK_FALSE(
      has(t.ask(1, request_code::get_consume_stats, {{"consumerGroup", "G"}}), "brokerOffset\":9"));
  CHECK(has(t.ask(1, request_code::get_consume_stats, {{"consumerGroup", "G"}, {"topic", "t"}}),
            "brokerOffset\":9"));
}

TEST_CASE("admin_progress_desk: members are told to go back, and never forward unforced",
          "[gateway]") {
  admin_stand t;
  t.open_progress();
  t.known.offsets = {{"G", "t", 0, 6}};
  ext_list fields{{"topic", "t"}, {"group", "G"}, {"timestamp", "1000"}, {"isForce", "false"}};
  auto reset = [&] { return t.ask(1, request_code::invoke_broker_to_reset_offset, fields); };
  CHECK(reset().header.code == response_code::consumer_not_online);
  t.beat(1, "a");
  t.beat(2, "b");
  t.sent.clear();
  auto answer = reset();
  REQUIRE(answer.header.code == response_code::success);
  CHECK(has(answer, R"("queueId":0,"topic":"t"}:6)"));
  CHECK(has(answer, R"("queueId":1,"topic":"t"}:8)"));
  std::vector<connection_id> told;
  for (auto& frame : t.sent)
    if (frame.header.code == request_code::reset_consumer_client_offset &&
        !frame.header.is_answer()) {
      told.push_back(frame.to);
      CHECK(frame.body == answer.body);
    }
  CHECK(told == std::vector<connection_id>{1, 2});
  fields[3].second = "true";
  CHECK(has(reset(), R"("queueId":0,"topic":"t"}:8)"));
  fields.insert(fields.end(), {{"queueId", "5"}, {"offset", "1"}});
  CHECK(reset().header.code == response_code::system_error);
}

TEST_CASE("admin_progress_desk: a group is given the progress of another", "[gateway]") {
  admin_stand t;
  t.open_progress();
  t.known.offsets = {{"G", "t", 0, 6}, {"G", "u", 1, 7}, {"H", "t", 0, 1}};
  auto clone = [&](const char* topic) {
    t.offsets.clear();
    return t.code_of(request_code::clone_group_offset,
                     {{"srcGroup", "G"}, {"destGroup", "K"}, {"topic", topic}});
  };
  CHECK(clone("t") == response_code::success);
  REQUIRE(t.offsets.size() == 1);
  CHECK(t.offsets[0].group == "K");
  CHECK(t.offsets[0].offset == 6);
  CHECK(clone("") == response_code::success);
  CHECK(t.offsets.size() == 2);
}

// -- the node ------------------------------------------------------------------------------------

TEST_CASE("admin_status_desk: rates are told under the names that were counted", "[gateway]") {
  admin_stand t;
  t.open<net::admin_status_desk>(t.room().tally);
  auto ask = [&](const std::string& key) {
    return t.ask(1, request_code::view_broker_stats_data,
                 {{"statsName", "TOPIC_PUT_NUMS"}, {"statsKey", key}});
  };
  CHECK(ask("t").header.code == response_code::system_error);
  t.room().tally.put("t", {60, 600, 6});
  CHECK(has(ask("t"), R"("sum":60)"));
  CHECK(has(ask("t"), R"("avgpt":10.00)"));
  CHECK(ask("u").header.code == response_code::system_error);
  auto sum = [&](const char* name, const char* key) {
    return t.ask(1, request_code::view_broker_stats_data, {{"statsName", name}, {"statsKey", key}});
  };
  CHECK(has(sum("TOPIC_PUT_SIZE", "t"), R"("sum":600)"));
  CHECK(has(sum("BROKER_PUT_NUMS", "troupe"), R"("sum":60)")); // by the cluster's name
  CHECK(sum("SNDBCK_PUT_NUMS", "t@G").header.code == response_code::system_error);
  t.room().tally.sent_back("t", "G");
  CHECK(has(sum("SNDBCK_PUT_NUMS", "t@G"), R"("sum":1)"));
}

TEST_CASE("admin_status_desk: what the node is and how it runs", "[gateway]") {
  admin_stand t;
  t.room().setup.node_settings.store.directory = "/the/store";
  t.open<net::admin_status_desk>(t.room().tally);
  t.status.writer.end = 1234;
  t.room().tally.put("t", {3, 300, 1});
  t.room().tally.unknown_request(9999);
  auto runtime = t.ask(1, request_code::get_broker_runtime_info, {});
  CHECK(has(runtime, R"("commitLogMaxOffset":"1234")"));
  CHECK(has(runtime, R"("msgPutTotalTodayNow":"3")"));
  CHECK(has(runtime, R"("earliestMessageTimeStamp":"-1")"));
  CHECK(has(runtime, R"("putMessageAverageSize":"100.00")"));
  CHECK(has(runtime, R"("putTps":"0.00 0.00 0.00")")); // this second is not over
  CHECK(has(runtime, R"("unknownRequests":"9999:1")"));
  auto config = t.ask(1, request_code::get_broker_config, {});
  CHECK(has(config, "storePathRootDir=/the/store"));
  CHECK(has(config, "listenPort=10911"));
  auto change = [&](const char* properties) {
    return t.ask(1, request_code::update_broker_config, {}, properties).header;
  };
  CHECK(change("transactionTimeOut=1001\nflushDiskType=SYNC_FLUSH\n").code ==
        response_code::no_permission);
  CHECK(change("transactionTimeOut=1001\nflushDiskType=SYNC_FLUSH\n")
            .remark.find("transactionTimeOut, flushDiskType") != std::string::npos);
  CHECK(change("").code == response_code::success);
}

TEST_CASE("admin_status_desk: an exporter can parse all that it reads", "[gateway]") {
  admin_stand t;
  t.room().setup.node_settings.store.directory = "/";
  t.open<net::admin_status_desk>(t.room().tally);
  auto body = t.ask(1, request_code::get_broker_runtime_info, {}).body;
  auto value = [&](const std::string& name) {
    std::smatch found;
    if (!std::regex_search(body, found, std::regex('"' + name + R"re(":"([^"]*)")re")))
      throw std::runtime_error(name + " is missing");
    return found[1].str();
  };
  for (auto* number : {"msgPutTotalTodayNow",
                       "msgGetTotalTodayNow",
                       "msgPutTotalTodayMorning",
                       "msgGetTotalTodayMorning",
                       "msgPutTotalYesterdayMorning",
                       "msgGetTotalYesterdayMorning",
                       "sendThreadPoolQueueHeadWaitTimeMills",
                       "queryThreadPoolQueueHeadWaitTimeMills",
                       "pullThreadPoolQueueHeadWaitTimeMills",
                       "queryThreadPoolQueueSize",
                       "pullThreadPoolQueueSize",
                       "sendThreadPoolQueueSize",
                       "sendThreadPoolQueueCapacity",
                       "pullThreadPoolQueueCapacity",
                       "queryThreadPoolQueueCapacity",
                       "bootTimestamp",
                       "commitLogMinOffset",
                       "commitLogMaxOffset",
                       "dispatchMaxBuffer",
                       "brokerVersion",
                       "pageCacheLockTimeMills",
                       "getMessageEntireTimeMax",
                       "putMessageTimesTotal",
                       "startAcceptSendRequestTimeStamp",
                       "putMessageEntireTimeMax",
                       "earliestMessageTimeStamp",
                       "remainTransientStoreBufferNumbs",
                       "dispatchBehindBytes",
                       "putMessageSizeTotal"}) {
    INFO(number);
    CHECK(std::regex_match(value(number), std::regex("-?[0-9]+")));
  }
  for (auto* number : {"consumeQueueDiskRatio", "commitLogDiskRatio", "putMessageAverageSize",
                       "putLatency99", "putLatency999"})
    CHECK(std::regex_match(value(number), std::regex(R"([0-9]+\.[0-9]+)")));
  for (auto* rates : {"putTps", "getMissTps", "getTransferedTps", "getTransferredTps",
                      "getTotalTps", "getFoundTps"})
    CHECK(std::regex_match(value(rates), std::regex(R"(([0-9]+\.[0-9]+ ?){3})")));
  CHECK(std::regex_match(value("commitLogDirCapacity"),
                         std::regex(R"(Total : [0-9]+\.[0-9] [KMGTPE]iB, )"
                                    R"(Free : [0-9]+\.[0-9] [KMGTPE]iB\.)")));
  CHECK(std::regex_match(value("remainHowManyDataToFlush"), std::regex(R"([0-9.]+ [KMGTPE]?i?B)")));
  CHECK(std::regex_match(value("putMessageDistributeTime"),
                         std::regex(R"((\[[^\]]+\]:[0-9]+ ){13})")));
  t.room().setup.node_settings.store.directory = "/is not here";
  body = t.ask(1, request_code::get_broker_runtime_info, {}).body;
  CHECK(value("commitLogDirCapacity") == "Total : 0 B, Free : 0 B.");
}
