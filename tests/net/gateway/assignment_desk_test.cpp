#include "net/gateway/assignment_desk.hpp"

#include "tests/net/gateway/desk_stand.hpp"
#include "tests/support/catch.hpp"

using namespace troupe;
using namespace troupe::test;

namespace {

struct assignment_stand : desk_stand {
  std::shared_ptr<net::group_desk> groups;

  assignment_stand() {
    start();
    groups = std::make_shared<net::group_desk>(room().services, room().names, room().book);
    room().table.add(groups->lines());
    open<net::assignment_desk>(room().names, *groups);
    enter(1);
    enter(2);
    join(1, "c1");
    join(2, "c2");
  }
  void join(connection_id from, const std::string& client) {
    send(from,
         {request(request_code::heart_beat, {},
                  R"({"clientID":")" + client +
                      R"(","consumerDataSet":[{"groupName":"G","subscriptionDataSet":[]}]})")});
  }
  client_frame query(const std::string& topic, const std::string& client) {
    return ask(1, request_code::query_assignment, {},
               R"({"clientId":")" + client +
                   R"(","consumerGroup":"G","messageModel":"CLUSTERING",)" +
                   R"("strategyName":"AVG","topic":")" + topic + "\"}");
  }
  std::int32_t set_mode(const std::string& topic, const std::string& mode) {
    return ask(1, request_code::set_message_request_mode, {},
               R"({"consumerGroup":"G","mode":")" + mode + R"(","popShareQueueNum":0,"topic":")" +
                   topic + "\"}")
        .header.code;
  }
};

} // namespace

TEST_CASE("assignment_desk: members pull their queues, until an operator has them pop",
          "[gateway]") {
  assignment_stand t;
  auto second = t.query("t", "c2").body;
  CHECK(second.find(R"("queueId":2)") != std::string::npos);
  CHECK(second.find(R"("queueId":3)") != std::string::npos);
  CHECK(second.find(R"("queueId":1)") == std::string::npos);
  CHECK(second.find(R"("mode":"PULL")") != std::string::npos);
  CHECK(t.set_mode("t", "POP") == response_code::success);
  CHECK(t.query("t", "c2").body ==
        R"({"messageQueueAssignments":[{"messageQueue":{"brokerName":"n1","queueId":-1,)"
        R"("topic":"t"},"mode":"POP"}]})");
}

TEST_CASE("assignment_desk: what cannot be is refused, and a topic that is not there is nobody's",
          "[gateway]") {
  assignment_stand t;
  CHECK(t.query("nowhere", "c1").body == "{}");
  CHECK(t.set_mode("nowhere", "POP") == response_code::topic_not_exist);
  CHECK(t.set_mode("%RETRY%G", "POP") == response_code::no_permission);
  CHECK(t.set_mode("t", "PUSH") != response_code::success);
}
