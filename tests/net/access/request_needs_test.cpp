#include "net/access/request_needs.hpp"

#include "net/remoting/codes.hpp"
#include "tests/support/bytes.hpp"
#include "tests/support/catch.hpp"

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
