#include "net/actor_port/frame_check.hpp"
#include "storage/big_endian.hpp"
#include "tests/fuzz/hostile.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

using namespace troupe;
using fuzz::require;

namespace {

constexpr std::uint64_t front = 12;
constexpr std::uint64_t nobody = 99;

struct surroundings final : net::frame_surroundings {
  bool exposed(std::uint64_t actor) override { return actor == front; }
  bool trusted() override { return false; }
  bool claim(std::string_view node) override {
    require(node.size() == net::frame_rules::node_bytes, "a program's id has its length");
    return true;
  }
  void dropped(std::string_view) override {}
};

/// What the framework relies on in a header that it is handed.
void check_header(std::span<const std::byte> h, bool greeted) {
  auto operation = std::to_integer<int>(h[0]);
  auto length = storage::big_endian::load<std::uint32_t>(&h[4]);
  auto whom = storage::big_endian::load<std::uint64_t>(&h[24]);
  require(operation == 1 || operation == 2 || operation == 4 || operation == 5 || operation == 6,
          "only operations of clients pass");
  require(operation == 1 || greeted, "nothing passes before the handshake");
  require(operation == 6 ? length == 0 : length > 0, "a payload is there where one is read");
  require(operation != 1 || length == net::frame_rules::node_bytes, "a handshake has its length");
  require(length <= 64u << 10, "no payload is longer than the limits");
  if (operation == 2)
    require(h[3] == std::byte{1} ? whom == nobody : whom == front,
            "a message reaches who is exposed, or nobody");
}

} // namespace

/// A hostile stream at the actor port: what passes is what the framework can be trusted with.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  net::frame_rules rules;
  std::ranges::copy(std::as_bytes(std::span("default", 8)), rules.own_node.begin());
  rules.nobody = nobody;
  rules.longest_message = 4096;
  rules.messages = {{"@<>+@atom+@str", {4711}}, {"@<>+put_request", {}}};
  surroundings around;
  net::frame_check check(rules, around);
  auto given = std::as_bytes(std::span(data, size));
  std::vector<std::byte> bytes(given.begin(), given.end());
  for (std::size_t at = 0; size - at >= check.wanted();) {
    auto piece = std::span(bytes).subspan(at, check.wanted());
    bool header = !check.inside_frame();
    bool greeted = check.greeted();
    if (!check.take(piece)) {
      require(!check.offence().empty(), "whoever is cut is told why");
      return 0;
    }
    if (header)
      check_header(piece, greeted);
    require(check.wanted() > 0 && check.wanted() <= 64u << 10, "what comes next is bounded");
    at += piece.size();
  }
  return 0;
}
