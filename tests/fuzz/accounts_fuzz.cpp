#include "net/access/accounts.hpp"
#include "net/remoting/codes.hpp"
#include "tests/fuzz/hostile.hpp"

#include <algorithm>
#include <string>
#include <string_view>

using namespace troupe;
using fuzz::require;

namespace {

constexpr std::size_t longest_refusal = 1000;

/// What becomes a line of the log.
void check_refusal(const std::string& message) {
  require(std::string_view(message).starts_with("acl.yml"), "a refusal names the file");
  require(message.size() < longest_refusal, "a refusal is a sentence");
}

/// Whoever has no account and comes from nowhere that is trusted.
std::string refusal_of_stranger(const access::accounts& all, std::int32_t code) {
  remoting::command header;
  header.code = code;
  header.ext.add("topic", "T");
  header.ext.add("AccessKey", "stranger that no file names \x01");
  return all.refusal(header, {}, storage::host::ipv4(0x7f000001, 7));
}

} // namespace

/// Any text is a file of accounts, of which the answers do not change, or it is refused with its
/// name.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  auto read = access::accounts::parse(text, "acl.yml");
  if (read.has_error()) {
    check_refusal(read.error().message);
    return 0;
  }
  auto& all = *read.value();
  require(all.size() <= size, "an account takes a byte at least");
  auto refused = refusal_of_stranger(all, remoting::request_code::update_and_create_topic);
  require(refusal_of_stranger(all, remoting::request_code::send_message) == refused,
          "a stranger may do all, because his address is trusted, or nothing");
  require(refusal_of_stranger(all, remoting::request_code::get_routeinfo_by_topic).empty(),
          "a route is anybody's");
  auto again = access::accounts::parse(text, "acl.yml");
  require(again && again.value()->size() == all.size(), "the same text is the same accounts");
  return 0;
}
