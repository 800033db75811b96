#include "storage/format/system_topics.hpp"

#include "tests/support/catch.hpp"

using namespace troupe::storage;

TEST_CASE("system topics: RocketMQ's own are known", "[storage]") {
  for (auto* name : {"TBW102", "SCHEDULE_TOPIC_XXXX", "RMQ_SYS_TRANS_HALF_TOPIC", "rmq_sys_x",
                     "SELF_TEST_TOPIC", "BenchmarkTest", "RMQ_SYS_TRACE_TOPIC"})
    CHECK(is_system_topic(name));
  for (auto* name : {"T", "TBW1020", "%RETRY%G", "my_rmq_sys_topic", ""})
    CHECK_FALSE(is_system_topic(name));
}

TEST_CASE("system topics: some of them are filled by clients", "[storage]") {
  for (auto* name : {"SCHEDULE_TOPIC_XXXX", "RMQ_SYS_TRANS_HALF_TOPIC", "TBW102",
                     "RMQ_SYS_TRANS_OP_HALF_TOPIC", "OFFSET_MOVED_EVENT"})
    CHECK_FALSE(takes_messages(name));
  for (auto* name : {"BenchmarkTest", "RMQ_SYS_TRACE_TOPIC", "%RETRY%G", "%DLQ%G", "T"})
    CHECK(takes_messages(name));
}
