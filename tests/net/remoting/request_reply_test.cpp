#include "net/remoting/request_reply.hpp"

#include "net/remoting/codes.hpp"
#include "storage/format/properties.hpp"
#include "storage/options.hpp"
#include "tests/support/catch.hpp"

using namespace troupe;
using namespace troupe::remoting;
using storage::find_property;

namespace {

constexpr std::int32_t java_4_9_7 = 407;
constexpr std::int32_t java_5_3_3 = 479;

std::string added(std::string properties, std::int32_t version) {
  add_broker_properties(properties, version, "C");
  return properties;
}

} // namespace

TEST_CASE("request_reply: a request gets the cluster whose topic its reply goes to", "[remoting]") {
  CHECK(added("a\1b\2", java_4_9_7) == "a\1b\2");
  CHECK(added("", java_4_9_7).empty());
  auto request = added("REPLY_TO_CLIENT\1me", java_4_9_7);
  CHECK(request == "REPLY_TO_CLIENT\1me\2CLUSTER\1C\2");
  CHECK(added(request, java_4_9_7) == request);
  CHECK(find_property(added(request + "CLUSTER\1D\2", java_4_9_7), "CLUSTER") == "C");
  CHECK_FALSE(wants_reply("REPLY_TO_CLIENT\1\2REPLY_TO_CLIENT2\1x\2"));
  CHECK(reply_topic("C") == "C_REPLY_TOPIC");
}

TEST_CASE("request_reply: messages of RocketMQ 5's producers say where they were traced",
          "[remoting]") {
  auto message = added("a\1b\2", java_5_3_3);
  CHECK(find_property(message, "MSG_REGION") == "DefaultRegion");
  CHECK(find_property(message, "TRACE_ON") == "true");
  CHECK(find_property(message, "a") == "b");
  CHECK(find_property(message, "CLUSTER").empty());
  CHECK(added(message, java_5_3_3) == message); // of one that is tried again
  auto untraced = added("TRACE_ON\1false\2", java_5_3_3);
  CHECK(find_property(untraced, "TRACE_ON") == "false");
}

TEST_CASE("request_reply: properties that are full stay as they are", "[remoting]") {
  std::string full = "a\1" + std::string(storage::max_properties_bytes - 3, 'x') + "\2";
  REQUIRE(full.size() == storage::max_properties_bytes);
  CHECK(added(full, java_5_3_3) == full);
  std::string nearly = "a\1" + std::string(storage::max_properties_bytes - 3 - 6, 'x');
  CHECK(set_property(nearly, "b", "123"));
  CHECK(nearly.size() == storage::max_properties_bytes);
  CHECK(find_property(nearly, "b") == "123");
}

TEST_CASE("request_reply: a reply's header is read in both forms", "[remoting]") {
  command request;
  request.code = request_code::send_reply_message;
  write_fields(request, long_send_header{});
  CHECK(read_send_header(request));
  request.code = request_code::send_reply_message_v2;
  CHECK_FALSE(read_send_header(request));
  write_fields(request, send_header{});
  auto read = read_send_header(request);
  REQUIRE(read);
  CHECK_FALSE(read.value().batch);
}
