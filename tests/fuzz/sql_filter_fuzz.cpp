#include "net/remoting/sql_filter.hpp"
#include "tests/fuzz/hostile.hpp"

#include <algorithm>
#include <string>
#include <string_view>

using namespace troupe;
using namespace troupe::remoting;
using fuzz::require;

namespace {

/// What becomes a remark, so a client's log and a header.
void check_refusal(const std::string& message) {
  require(!message.empty() && message.size() < 400, "a refusal is a sentence");
  require(std::all_of(message.begin(), message.end(), [](char c) { return c >= 0x20 && c < 0x7f; }),
          "a refusal can be printed");
}

} // namespace

/// Any bytes as an expression, and behind the first NUL as the properties of a message.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view all(reinterpret_cast<const char*>(data), size);
  auto expression = all.substr(0, all.find('\0'));
  auto properties = all.substr(std::min(expression.size() + 1, all.size()));
  auto filter = sql_filter::compile(expression);
  if (!filter) {
    check_refusal(filter.error().message);
    return 0;
  }
  bool passes = filter.value().matches(properties);
  require(filter.value().matches(properties) == passes, "a message passes or not");
  auto bracketed = "(" + std::string(expression) + "\n)";
  if (auto same = sql_filter::compile(bracketed))
    require(same.value().matches(properties) == passes, "brackets around all change nothing");
  if (auto opposite = sql_filter::compile("NOT " + bracketed))
    require(!(opposite.value().matches(properties) && passes),
            "no message passes an expression and its opposite");
  return 0;
}
