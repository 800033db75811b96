#include "net/admin/query_fields.hpp"
#include "tests/support/catch.hpp"

using namespace troupe::net;

namespace {

auto parse(std::string_view query) {
  return query_fields::parse(query, {"topic", "queue", "key"});
}

} // namespace

TEST_CASE("query: fields are decoded", "[admin]") {
  auto fields = parse("topic=%25RETRY%25a%7cb&queue=3&key=a+b");
  REQUIRE(fields);
  CHECK(fields.value().text("topic").value() == "%RETRY%a|b");
  CHECK(fields.value().number("queue", 0, 1023).value() == 3);
  CHECK(*fields.value().find("key") == "a b");
  CHECK(parse("").value().find("key") == nullptr);
}

TEST_CASE("query: what is spelt wrongly, twice or unknown is refused", "[admin]") {
  for (auto* bad : {"topic", "=x", "other=1", "topic=a&topic=b", "topic=%", "topic=%4", "topic=%zz",
                    "topic=%00", "topic=a%0ab", "&", "topic=a&&queue=1", "Topic=a"})
    CHECK_FALSE(parse(bad));
}

TEST_CASE("query: a field has a bound", "[admin]") {
  CHECK(parse("key=" + std::string(most_field_bytes, 'a')));
  CHECK_FALSE(parse("key=" + std::string(most_field_bytes + 1, 'a')));
  std::string escaped = "key=";
  for (std::size_t i = 0; i < most_field_bytes + 1; ++i)
    escaped += "%41";
  CHECK_FALSE(parse(escaped));
}

TEST_CASE("query: numbers are whole, decimal and within their limits", "[admin]") {
  for (auto* bad : {"", "-1", "1024", "1.0", "0x1", "+1", " 1", "1a", "99999999999999999999"}) {
    auto fields = parse("queue=" + std::string(bad));
    REQUIRE(fields);
    CHECK_FALSE(fields.value().number("queue", 0, 1023));
  }
  CHECK_FALSE(parse("").value().number("queue", 0, 1023));
  CHECK(parse("queue=1023").value().number("queue", 0, 1023).value() == 1023);
}

TEST_CASE("query: escapes of a path leave a plus as it is", "[admin]") {
  CHECK(decode_escapes("%25DLQ%25a+b").value() == "%DLQ%a+b");
  CHECK_FALSE(decode_escapes("a%0"));
  CHECK_FALSE(decode_escapes("a%1"));
}
