#include "net/remoting/sql_filter.hpp"

#include "storage/format/properties.hpp"
#include "tests/support/catch.hpp"

#include <rapidcheck.h>

#include <string>
#include <utility>
#include <vector>

using namespace troupe;
using namespace troupe::remoting;

namespace {

using pairs = std::vector<std::pair<std::string, std::string>>;

std::string properties(const pairs& all) {
  storage::properties_builder builder;
  for (auto& [name, value] : all)
    REQUIRE(builder.add(name, value));
  return builder.take();
}

bool passes(std::string_view expression, const pairs& message = {}) {
  auto filter = sql_filter::compile(expression);
  if (!filter)
    FAIL(expression << ": " << filter.error().message);
  return filter.value().matches(properties(message));
}

std::string refusal(std::string_view expression) {
  auto filter = sql_filter::compile(expression);
  return filter ? "none" : filter.error().message;
}

bool contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

} // namespace

TEST_CASE("sql_filter: comparisons of numbers, as a property has them", "[remoting]") {
  const pairs three{{"a", "3"}};
  CHECK(passes("a > 2", three));
  CHECK_FALSE(passes("a > 3", three));
  CHECK(passes("a >= 3", three));
  CHECK(passes("a < 4", three));
  CHECK_FALSE(passes("a < 3", three));
  CHECK(passes("a <= 3", three));
  CHECK(passes("a = 3", three));
  CHECK_FALSE(passes("a <> 3", three));
  CHECK(passes("a <> 4", three));
  CHECK(passes("3 = a", three));
  CHECK(passes("2 < a", three));
  CHECK(passes("a < 3.5 and a > 2.5", three));
  CHECK(passes("a = 3L", three));
  CHECK(passes("a > .5 and a < 5E1 and a < 5.", three));
  CHECK(passes("a > -1", three));
  CHECK(passes("a > +1", three));
  CHECK(passes("a = -3", {{"a", "-3"}}));
  CHECK(passes("a = 5000000000", {{"a", "5000000000"}}));
  CHECK(passes("a = 3", {{"a", "+3"}}));
}

TEST_CASE("sql_filter: what is no number of the other's kind makes no message pass", "[remoting]") {
  CHECK_FALSE(passes("a > 2", {{"a", "x"}}));
  CHECK_FALSE(passes("not (a > 2)", {{"a", "x"}}));
  CHECK_FALSE(passes("a > 2 or b = 1", {{"a", "x"}, {"b", "1"}}));
  CHECK(passes("b = 1 or a > 2", {{"a", "x"}, {"b", "1"}})); // it does not matter any more
  CHECK_FALSE(passes("a > 2", {{"a", "2.5"}}));              // Integer.valueOf throws
  CHECK(passes("a > 2.0", {{"a", "2.5"}}));
  CHECK_FALSE(passes("a > 2", {{"a", "3000000000"}})); // nor of so many bits
  CHECK(passes("a > 2000000000000", {{"a", "3000000000000"}}));
  CHECK(passes("a = 'x'", {{"a", "x"}}));
  CHECK_FALSE(passes("a = 1", {{"a", "x"}}));
  CHECK_FALSE(passes("a <> 1", {{"a", "x"}}));
}

TEST_CASE("sql_filter: two properties are ordered as numbers, and equal as texts", "[remoting]") {
  CHECK(passes("a < b", {{"a", "9"}, {"b", "10"}}));
  CHECK(passes("a < b", {{"a", " 1e1 "}, {"b", "10.5f"}}));
  CHECK_FALSE(passes("a < b", {{"a", "x"}, {"b", "y"}}));
  CHECK(passes("a <= b", {{"a", "-0.0"}, {"b", "0.0"}}));
  CHECK_FALSE(passes("a >= b", {{"a", "-0.0"}, {"b", "0.0"}}));
  CHECK(passes("a > b", {{"a", "NaN"}, {"b", "Infinity"}}));
  CHECK(passes("a > b", {{"a", "1e400"}, {"b", "1e308"}}));
  CHECK_FALSE(passes("a < b", {{"a", "inf"}, {"b", "0x1"}}));
  CHECK(passes("a = b", {{"a", "x"}, {"b", "x"}}));
  CHECK_FALSE(passes("a = b", {{"a", "1"}, {"b", "1.0"}}));
}

TEST_CASE("sql_filter: what a message lacks is unknown", "[remoting]") {
  CHECK_FALSE(passes("a > 1"));
  CHECK_FALSE(passes("not (a > 1)"));
  CHECK_FALSE(passes("a = 1"));
  CHECK_FALSE(passes("a <> 1"));
  CHECK(passes("a is null"));
  CHECK_FALSE(passes("a is not null"));
  CHECK(passes("a IS NOT NULL", {{"a", "x"}}));
  CHECK_FALSE(passes("a is null", {{"a", "x"}}));
  CHECK(passes("a > 1 or b is null"));
  CHECK_FALSE(passes("a > 1 and b is null"));
  CHECK_FALSE(passes("not (a > 1 and b is null)"));
  CHECK(passes("not (a > 1 and b is not null)"));
  CHECK_FALSE(passes("a in ('x')"));
  CHECK_FALSE(passes("a not in ('x')"));
  CHECK_FALSE(passes("a between 1 and 2"));
  CHECK_FALSE(passes("a not between 1 and 2"));
  // As Java has it.
  CHECK(passes("a = b"));
  CHECK_FALSE(passes("a <> b", {{"b", "x"}}));
  CHECK(passes("a <> b", {{"a", "x"}}));
}

TEST_CASE("sql_filter: BETWEEN, IN and the tests of texts", "[remoting]") {
  for (auto [value, inside] : {std::pair{"1", false}, {"2", true}, {"5", true}, {"6", false}}) {
    const pairs message{{"a", value}};
    CHECK(passes("a between 2 and 5", message) == inside);
    CHECK(passes("a not between 2 and 5", message) == !inside);
    CHECK(passes("a BETWEEN -2 AND 1 or a BETWEEN 6 AND 9", message) == !inside);
  }
  CHECK_FALSE(passes("a between 2 and 5", {{"a", "x"}}));
  CHECK(passes("2 between a and b", {{"a", "1"}, {"b", "3"}}));
  const pairs hangzhou{{"region", "hangzhou"}, {"TAGS", "TagA"}};
  CHECK(passes("TAGS is not null and TAGS in ('TagA', 'TagB')", hangzhou));
  CHECK_FALSE(passes("TAGS in ('taga')", hangzhou));
  CHECK(passes("TAGS not in ('TagC')", hangzhou));
  CHECK_FALSE(passes("TAGS not in ('TagC','TagA')", hangzhou));
  CHECK(passes("region contains 'gzh'", hangzhou));
  CHECK_FALSE(passes("region not contains 'gzh'", hangzhou));
  CHECK(passes("region not contains 'x'", hangzhou));
  CHECK(passes("region STARTSWITH 'hang' and region endswith 'zhou'", hangzhou));
  CHECK_FALSE(passes("region not startswith 'hang'", hangzhou));
  CHECK_FALSE(passes("region not endswith 'u'", hangzhou));
  CHECK(passes("region not endswith 'longer than it'", hangzhou));
  CHECK_FALSE(passes("region contains ''", hangzhou));
  CHECK_FALSE(passes("region not contains ''", hangzhou));
  CHECK_FALSE(passes("missing not contains 'x'", hangzhou));
  CHECK(passes("a = 'it''s'", {{"a", "it's"}}));
  CHECK(passes("a = ''", {{"a", "x"}}) == false);
}

TEST_CASE("sql_filter: what binds closer", "[remoting]") {
  CHECK(passes("TRUE OR TRUE AND FALSE"));
  CHECK_FALSE(passes("(TRUE OR TRUE) AND FALSE"));
  CHECK(passes("NOT FALSE AND TRUE"));
  CHECK_FALSE(passes("NOT (FALSE OR TRUE)"));
  CHECK(passes("NOT NOT TRUE"));
  CHECK(passes("a > 1 = TRUE", {{"a", "2"}}));
  CHECK(passes("a = 1 is not null", {{"a", "2"}}));
  CHECK(passes("FALSE = FALSE"));
  CHECK_FALSE(passes("NULL"));
  CHECK(passes("NULL IS NULL"));
  // A property alone is a text, and that is not true.
  CHECK_FALSE(passes("a", {{"a", "true"}}));
  CHECK(passes("not a", {{"a", "true"}}));
  CHECK_FALSE(passes("not a"));
  CHECK(passes("a = TRUE", {{"a", "tRue"}}));
  CHECK_FALSE(passes("TRUE = a", {{"a", "true"}})); // Java throws there
  CHECK_FALSE(passes("-a > 1", {{"a", "-5"}}));     // nor has a text a sign
  CHECK(passes("a/* a comment */ = -- another\n 1", {{"a", "1"}}));
  CHECK(passes("$a_1 = 1", {{"$a_1", "1"}}));
}

TEST_CASE("sql_filter: of a property that is there twice the last value counts", "[remoting]") {
  auto filter = sql_filter::compile("a = 2");
  REQUIRE(filter);
  CHECK(filter.value().matches("a\0011\002a\0012\002"));
  CHECK_FALSE(filter.value().matches("a\0012\002a\0011"));
  CHECK_FALSE(filter.value().matches("rubbish\002\002\001"));
}

TEST_CASE("sql_filter: a broken expression is refused with the place", "[remoting]") {
  CHECK(contains(refusal("a >"), "Encountered \"<EOF>\" at line 1, column 4"));
  CHECK(contains(refusal(""), "Encountered \"<EOF>\" at line 1, column 1"));
  CHECK(contains(refusal("a =\n b )"), "Encountered \")\" at line 2, column 4"));
  CHECK(contains(refusal("(a = 1"), "')'"));
  CHECK(contains(refusal("a in (1)"), "a text in ''"));
  CHECK(contains(refusal("a in ('x' 'y')"), "',' or ')'"));
  CHECK(contains(refusal("1 in ('x')"), "must be a property"));
  CHECK(contains(refusal("a is 1"), "NULL or NOT NULL"));
  CHECK(contains(refusal("a between 1"), "AND"));
  CHECK(contains(refusal("a between 2 and 1"), "less than or equal"));
  CHECK(contains(refusal("a between 'x' and 'y'"), "cannot be compared"));
  CHECK(contains(refusal("a > 'x'"), "Value \"'x'\" at line 1, column 5 cannot be compared"));
  CHECK(contains(refusal("not a > 1"), "cannot be compared"));
  CHECK(contains(refusal("a = NULL"), "write IS NULL"));
  CHECK(contains(refusal("TRUE = 'x'"), "cannot be compared"));
  CHECK(contains(refusal("5"), "Expression will not result in a boolean value"));
  CHECK(contains(refusal("'x' and a = 1"), "Expression will not result in a boolean value"));
  CHECK(contains(refusal("a != 1"), "Lexical error at line 1, column 3: \"!\""));
  CHECK(contains(refusal("a = \"x\""), "Lexical error"));
  CHECK(contains(refusal("a = '\xc3"), "no closing quote"));
  CHECK(contains(refusal("\xc3 = 1"), "\"\\xc3\""));
  CHECK(contains(refusal("a = 1 LIKE 'x'"), "Encountered \"LIKE\"")); // which Java overlooks
  CHECK(contains(refusal("a > 05"), "Encountered \"5\""));
  CHECK(contains(refusal("a = 9223372036854775808"), "64 bits"));
  CHECK(contains(refusal("a > 0.0"), "or 0"));
  CHECK(contains(refusal("a > 1e400"), "64 bits"));
}

TEST_CASE("sql_filter: an expression has bounds", "[remoting]") {
  auto nested = [](std::size_t depth) {
    return std::string(depth, '(') + "a = 1" + std::string(depth, ')');
  };
  CHECK(refusal(nested(most_sql_depth - 1)) == "none");
  CHECK(contains(refusal(nested(most_sql_depth)), "nested deeper"));
  CHECK(contains(refusal(std::string(5000, '-')), "nested deeper"));
  auto list = [](std::size_t texts) {
    std::string all = "a in ('0'";
    for (std::size_t i = 1; i < texts; ++i)
      all += ",''";
    return all + ")";
  };
  CHECK(refusal(list(most_sql_parts - 2)) == "none"); // and IN and its property
  CHECK(contains(refusal(list(most_sql_parts - 1)), "operators and values"));
  CHECK(contains(refusal("a = '" + std::string(most_sql_bytes, 'x') + "'"), "bytes; at most"));
  std::string names = "n0 = 1";
  for (std::size_t i = 1; i < most_sql_names; ++i)
    names += " or n" + std::to_string(i) + " = 1";
  CHECK(passes(names, {{"n0", "2"}, {"n63", "1"}}));
  CHECK(contains(refusal(names + " or one_more = 1"), "properties"));
  std::string chain = "a = 1";
  while (chain.size() + 9 < most_sql_bytes / 8)
    chain += " or a = 2";
  CHECK(passes(chain, {{"a", "2"}}));
}

TEST_CASE("sql_filter: any numbers compare as numbers do", "[remoting]") {
  CHECK(rc::check("orders and ranges", [](std::int32_t a, std::int32_t b, std::int32_t c) {
    const pairs message{{"a", std::to_string(a)}, {"b", std::to_string(b)}};
    auto limit = std::to_string(c);
    RC_ASSERT(passes("a < b", message) == (a < b));
    RC_ASSERT(passes("a >= " + limit, message) == (a >= c));
    RC_ASSERT(passes("not a = " + limit, message) == false); // NOT binds to `a`
    RC_ASSERT(passes("not (a = " + limit + ")", message) == (a != c));
    RC_ASSERT(passes(limit + " between a and b", message) == (c >= a && c <= b));
    RC_ASSERT(passes(limit + " not between a and b", message) == (c < a || c > b));
  }));
}

TEST_CASE("sql_filter: AND, OR and NOT keep De Morgan's rules over the unknown", "[remoting]") {
  // True, false and unknown.
  static const std::vector<std::string> atoms{"t = 1", "t = 2", "missing = 1"};
  CHECK(rc::check("De Morgan", [] {
    auto a = *rc::gen::elementOf(atoms);
    auto b = *rc::gen::elementOf(atoms);
    const pairs message{{"t", "1"}};
    auto same = [&](const std::string& x, const std::string& y) {
      return passes(x, message) == passes(y, message) &&
             passes("not (" + x + ")", message) == passes("not (" + y + ")", message);
    };
    RC_ASSERT(same("not (" + a + " and " + b + ")", "(not (" + a + ")) or (not (" + b + "))"));
    RC_ASSERT(same("not (" + a + " or " + b + ")", "(not (" + a + ")) and (not (" + b + "))"));
  }));
}
