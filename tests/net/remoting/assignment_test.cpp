#include "net/remoting/assignment.hpp"

#include "tests/support/bytes.hpp"
#include "tests/support/catch.hpp"

using namespace troupe;
using namespace troupe::remoting;
using namespace troupe::test;

namespace {

using queue_list = std::vector<broker_queue>;

queue_list queues(std::int32_t count) {
  queue_list all;
  for (std::int32_t i = 0; i < count; ++i)
    all.push_back({"b", i});
  return all;
}

std::vector<std::int32_t> ids(const std::optional<queue_list>& assigned) {
  REQUIRE(assigned);
  std::vector<std::int32_t> all;
  for (auto& queue : *assigned)
    all.push_back(queue.queue_id);
  return all;
}

std::vector<std::int32_t> pulled(const std::string& client, std::int32_t count,
                                 const std::string& strategy = "AVG") {
  return ids(
      assign({"T", "G", client, strategy, false}, false, 0, queues(count), {"c0", "c1", "c2"}));
}

using numbers = std::vector<std::int32_t>;

} // namespace

TEST_CASE("assignment: members that pull divide the queues as Java's clients do", "[remoting]") {
  CHECK(pulled("c0", 8) == numbers{0, 1, 2});
  CHECK(pulled("c1", 8) == numbers{3, 4, 5});
  CHECK(pulled("c2", 8) == numbers{6, 7});
  CHECK(pulled("c1", 2) == numbers{1});
  CHECK(pulled("c2", 2).empty());
  CHECK(pulled("c1", 8, "AVG_BY_CIRCLE") == numbers{1, 4, 7});
  CHECK(pulled("stranger", 8).empty());
}

TEST_CASE("assignment: a member that cannot be served keeps what it has", "[remoting]") {
  assignment_query query{"T", "G", "c0", "AVG", false};
  CHECK_FALSE(assign(query, false, 0, queues(4), {}));
  CHECK_FALSE(assign(query, false, 0, {}, {"c0"}));
  query.strategy = "MACHINE_ROOM";
  CHECK_FALSE(assign(query, false, 0, queues(4), {"c0"}));
  query.broadcast = true;
  CHECK(ids(assign(query, false, 0, queues(2), {"c0"})) == numbers{0, 1});
  CHECK(write_assignment("T", true, std::nullopt) == "{}");
}

TEST_CASE("assignment: members that pop share all queues of a broker, or some", "[remoting]") {
  assignment_query query{"T", "G", "c2", "AVG", false};
  std::vector<std::string> members{"c0", "c1", "c2", "c3"};
  queue_list two{{"a", 0}, {"a", 1}, {"b", 0}};
  CHECK(*assign(query, true, 0, two, members) == queue_list{{"a", -1}, {"b", -1}});
  CHECK(*assign(query, true, 3, two, members) == queue_list{{"a", -1}, {"b", -1}});
  CHECK(ids(assign(query, true, 1, queues(8), members)) == numbers{4, 5, 6, 7});
  CHECK(ids(assign(query, true, 2, queues(8), members)) == numbers{4, 5, 6, 7, 0, 1});
  CHECK(ids(assign(query, true, 1, queues(3), members)) == numbers{2});
  query.client_id = "c3";
  CHECK(ids(assign(query, true, 1, queues(3), members)) == numbers{0});
}

TEST_CASE("assignment: questions and answers are as captured", "[remoting]") {
  auto query = read_assignment_query(as_bytes(
      std::string_view(R"({"clientId":"192.0.2.2@32287#5449777207938","consumerGroup":"POPG3",)"
                       R"("messageModel":"CLUSTERING","strategyName":"AVG","topic":"CT1"})")));
  REQUIRE(query);
  CHECK(query.value().client_id == "192.0.2.2@32287#5449777207938");
  CHECK_FALSE(query.value().broadcast);
  CHECK(write_assignment("CT1", true, queue_list{{"broker-a", -1}}) ==
        R"({"messageQueueAssignments":[{"messageQueue":{"brokerName":"broker-a","queueId":-1,)"
        R"("topic":"CT1"},"mode":"POP"}]})");
}

TEST_CASE("assignment: modes are kept as Java keeps them", "[remoting]") {
  auto mode = read_request_mode(as_bytes(std::string_view(
      R"({"consumerGroup":"POPG1","mode":"POP","popShareQueueNum":8,"topic":"CT1"})")));
  REQUIRE(mode);
  request_modes modes;
  REQUIRE(modes.set(mode.value()));
  CHECK(modes.write() ==
        R"({"messageRequestModeMap":{"CT1":{"POPG1":{"consumerGroup":"POPG1","mode":"POP",)"
        R"("popShareQueueNum":8,"topic":"CT1"}}}})");
  auto read = request_modes::read(modes.write());
  REQUIRE(read);
  auto* found = read.value().find("CT1", "POPG1");
  REQUIRE(found != nullptr);
  CHECK(found->pop);
  CHECK(found->share == 8);
  CHECK(read.value().find("CT1", "other") == nullptr);
  CHECK(request_modes::read("{}"));
  CHECK(request_modes::read("[]").has_error());
  CHECK(request_modes::read(R"({"messageRequestModeMap":{"T":1}})").has_error());
  CHECK(request_modes::read(R"({"messageRequestModeMap":{"T":{"G":{"topic":"T"}}}})").has_error());
  CHECK(read_request_mode(
            as_bytes(std::string_view(R"({"consumerGroup":"G","mode":"PUSH","topic":"T"})")))
            .has_error());
}

TEST_CASE("assignment: so many modes are kept, and a known one changes", "[remoting]") {
  request_modes modes;
  for (std::size_t i = 0; i < request_modes::most; ++i)
    REQUIRE(modes.set({"T", "G" + std::to_string(i), true, 0}));
  CHECK(modes.set({"T", "more", true, 0}).has_error());
  REQUIRE(modes.set({"T", "G0", false, 0}));
  CHECK_FALSE(modes.find("T", "G0")->pop);
}
