#include "net/remoting/group_rules.hpp"

#include "tests/support/catch.hpp"

#include <string>

using namespace troupe::remoting;

TEST_CASE("group_rules: a group has what mqadmin gave it", "[remoting]") {
  auto rules = read_group_rules(
      R"({"brokerId":2,"consumeBroadcastEnable":false,"consumeEnable":false,)"
      R"("consumeFromMinEnable":false,"groupName":"G","notifyConsumerIdsChangedEnable":false,)"
      R"("retryMaxTimes":5,"retryQueueNums":3,"whichBrokerWhenConsumeSlowly":4})");
  CHECK(rules == group_rules{false, false, false, 3, 5, 2});
}

TEST_CASE("group_rules: what is missing or cannot be is as if nobody had said it", "[remoting]") {
  for (auto* settings :
       {"", "{}", "[]", "{\"retryMaxTimes\":", "7", R"({"consumeEnable":"no"})",
        R"({"retryQueueNums":-1})", R"({"retryQueueNums":1025})", R"({"retryMaxTimes":1e99})",
        R"({"retryMaxTimes":-1})", R"({"brokerId":[]})", R"({"brokerId":null})"}) {
    INFO(settings);
    CHECK(read_group_rules(settings) == group_rules{});
  }
  auto rules =
      read_group_rules(R"({"retryQueueNums":0,"retryMaxTimes":"x","consumeEnable":false})");
  CHECK(rules.retry_queues == 0);
  CHECK(rules.retry_times == 16);
  CHECK_FALSE(rules.consume);
}
