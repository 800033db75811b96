#include "net/actor_port/frame_check.hpp"

#include "tests/net/actor_port/frames.hpp"
#include "tests/support/catch.hpp"

#include <algorithm>
#include <vector>

using namespace troupe;
using namespace troupe::test;

namespace {

constexpr std::uint64_t front = 12;
constexpr std::uint64_t hidden = 13;
constexpr std::uint64_t get = 4711; ///< an atom
constexpr std::string_view kind = "abcdefgh";

struct noted final : net::frame_surroundings {
  bool exposed(std::uint64_t actor) override { return actor == front; }
  bool trusted() override { return trust; }
  bool claim(std::string_view node) override { return node != taken; }
  void dropped(std::string_view reason) override { reasons.emplace_back(reason); }

  std::string taken = program(kind, 1);
  bool trust = false;
  std::vector<std::string> reasons;
};

/// A connection, and what of its bytes the framework would read.
struct connection {
  connection() {
    auto own = program(kind, 0);
    std::ranges::copy(std::as_bytes(std::span(own)), rules.own_node.begin());
    rules.nobody = 99;
    rules.longest_message = 1000;
    rules.messages = {{"@<>+@atom+@str", {get}}, {"@<>+put_request", {}}};
  }

  /// False when the connection is cut.
  bool take(std::string bytes) {
    for (std::size_t at = 0; bytes.size() - at >= check.wanted();) {
      auto piece = std::as_writable_bytes(std::span(bytes)).subspan(at, check.wanted());
      if (!check.take(piece))
        return false;
      at += piece.size();
      passed.append(reinterpret_cast<const char*>(piece.data()), piece.size());
    }
    return true;
  }
  bool greet() { return take(greeting(program(kind, 7))); }

  net::frame_rules rules;
  noted around;
  net::frame_check check{rules, around};
  std::string passed;
};

bool is_cut(const std::string& bytes) {
  connection stranger;
  bool cut = !stranger.take(bytes);
  return cut && !stranger.check.offence().empty();
}

/// After a greeting.
bool is_cut_later(const std::string& bytes) {
  connection stranger;
  REQUIRE(stranger.greet());
  return !stranger.take(bytes);
}

const std::string good = content("@<>+@atom+@str", number_bytes(get) + "\3abc");

} // namespace

TEST_CASE("frame check: what a client sends passes unchanged", "[actor-port]") {
  connection client;
  auto self = program(kind, 7);
  auto own = program(kind, 0);
  auto all = greeting(self) + message_to(front, good) + bytes_of({.operation = heartbeat}) +
             bytes_of({.operation = monitor, .length = 64, .destination = front}) + self + own +
             bytes_of({.operation = down, .length = 70, .source = 5}) + self + own + "reason" +
             greeting(self) + message_to(front, content("@<>+put_request", "anything"));
  CHECK(client.take(all));
  CHECK(client.passed == all);
  CHECK(client.around.reasons.empty());
}

TEST_CASE("frame check: no header reaches code that trusts it", "[actor-port]") {
  CHECK(is_cut(bytes_of({.operation = handshake}))); // these two ended the process
  CHECK(is_cut(bytes_of({.operation = 0, .data = 3})));
  CHECK(is_cut(bytes_of({.operation = handshake, .length = 2u << 30})));
  CHECK(is_cut(bytes_of({.operation = handshake, .length = 31})));
  CHECK(is_cut(bytes_of({.operation = handshake, .length = 32, .data = 1})));
  CHECK(is_cut(bytes_of({.operation = handshake, .flags = 1, .length = 32})));
  for (auto operation : std::initializer_list<std::uint8_t>{0, 3, 7, 8, 255}) {
    CHECK(is_cut(bytes_of({.operation = operation, .length = 100, .destination = front})));
    CHECK(is_cut_later(bytes_of({.operation = operation, .length = 100, .destination = front})));
  }
  auto odd = bytes_of({.operation = heartbeat});
  odd[1] = 1;
  CHECK(is_cut_later(odd));
}

TEST_CASE("frame check: nothing comes before the handshake", "[actor-port]") {
  CHECK(is_cut(message_to(front, good)));
  CHECK(is_cut(bytes_of({.operation = heartbeat})));
  CHECK(is_cut(bytes_of({.operation = monitor, .length = 64, .destination = front})));
}

TEST_CASE("frame check: lengths are bounded, and never empty where content is read",
          "[actor-port]") {
  auto head = [](std::uint64_t length) {
    return bytes_of({.operation = message,
                     .length = length,
                     .data = ordinary,
                     .source = 7,
                     .destination = front});
  };
  CHECK(is_cut_later(head(0)));
  CHECK(is_cut_later(head(3)));
  CHECK_FALSE(is_cut_later(head(1000)));
  CHECK(is_cut_later(head(1001)));
  CHECK(is_cut_later(head(2u << 30)));
  CHECK(is_cut_later(head(UINT32_MAX)));
  for (std::uint64_t length : {0, 63, 65})
    CHECK(is_cut_later(bytes_of({.operation = monitor, .length = length, .destination = front})));
  CHECK(is_cut_later(bytes_of({.operation = down, .length = 64, .source = 5})));
  CHECK(is_cut_later(bytes_of({.operation = down, .length = 1u << 20, .source = 5})));
  CHECK(is_cut_later(bytes_of({.operation = heartbeat, .length = 1})));
}

TEST_CASE("frame check: who speaks is a program of its own", "[actor-port]") {
  CHECK(is_cut(greeting(program(kind, 0))));           // this node
  CHECK(is_cut(greeting(program(kind, 1))));           // another client
  CHECK(is_cut(greeting(program("another kind", 7)))); // read by other rules
  auto no_process = program(kind, 7);
  std::fill_n(no_process.begin() + 8, 4, '\0');
  CHECK(is_cut(greeting(no_process)));
  CHECK(is_cut_later(greeting(program(kind, 8))));
  std::string again;
  for (int i = 0; i < 4; ++i)
    again += greeting(program(kind, 7));
  CHECK(is_cut_later(again));
}

TEST_CASE("frame check: notices speak for their sender and to this node", "[actor-port]") {
  auto head = bytes_of({.operation = monitor, .length = 64, .destination = front});
  auto self = program(kind, 7);
  auto own = program(kind, 0);
  auto other = program(kind, 8);
  CHECK_FALSE(is_cut_later(head + self + own));
  CHECK(is_cut_later(head + other + own));
  CHECK(is_cut_later(head + self + other));
  auto end = bytes_of({.operation = down, .length = 65, .source = 5});
  CHECK(is_cut_later(end + other + own + "x"));
}

TEST_CASE("frame check: only exposed actors are reached, and no answer is taken", "[actor-port]") {
  auto expect_redirected = [](const std::string& bytes, bool counted) {
    connection stranger;
    REQUIRE(stranger.greet());
    stranger.passed.clear();
    CHECK(stranger.take(bytes));
    CHECK(stranger.passed[3] == 1); // to a name
    CHECK(stranger.passed.substr(24, 8) == number_bytes(99));
    CHECK(stranger.around.reasons.size() == (counted ? 1 : 0));
  };
  expect_redirected(message_to(hidden, good), true);
  expect_redirected(message_to(front, good, 1ULL << 63 | ordinary | 5), false);
  // Said once, whatever the message is.
  expect_redirected(message_to(hidden, content("@<>+@exit", "reason")), true);
  // Every client's framework sends such to two servers of its own kind.
  for (auto& asked : {good, content("@<>+@atom+@atom+@str", number_bytes(get) + "x"),
                      content("@<>+@atom+@str+@strong_actor_ptr+@str", number_bytes(get))}) {
    auto named = message_to(4242, asked);
    named[3] = 1;
    expect_redirected(named, false);
  }
}

TEST_CASE("frame check: messages that are none of a client's arrive empty", "[actor-port]") {
  auto link = number_bytes(1234) + std::string(20, '\1');
  for (auto& bad : {content("@<>+@exit", "reason"), content("@<>+@down", "x"),
                    content("@<>+@atom+@strong_actor_ptr", link), content("@<>", ""),
                    content("@<>+@atom+@str", number_bytes(get + 1)), // another atom
                    content("@<>+@atom+@str", "short"), content("@<>+put_request+@str", "x")}) {
    connection stranger;
    REQUIRE(stranger.greet());
    stranger.passed.clear();
    CHECK(stranger.take(message_to(front, bad)));
    CHECK(stranger.passed.substr(33, 2) == "\xff\xff");
    CHECK(stranger.around.reasons.size() == 1);
  }
}

TEST_CASE("frame check: content that cannot be one ends the connection", "[actor-port]") {
  CHECK(is_cut_later(message_to(front, good, 2ULL << 60))); // of a stream
  CHECK(is_cut_later(message_to(front, good, 3ULL << 60)));
  auto later = good;
  later[0] = 1;
  CHECK(is_cut_later(message_to(front, later)));
  auto numbered = good;
  numbered[2] = 1;
  CHECK(is_cut_later(message_to(front, numbered)));
  CHECK(is_cut_later(message_to(front, std::string("\0\0\0\x50", 4) + "@<>+@str")));
  CHECK(is_cut_later(message_to(front, std::string(3, '\0') + "\xff\xff\xff\xff")));
  CHECK(is_cut_later(message_to(0, good)));
}

TEST_CASE("frame check: senders of one connection are bounded", "[actor-port]") {
  connection stranger;
  REQUIRE(stranger.greet());
  std::uint64_t from = 1;
  while (from < 10'000 && stranger.take(message_to(front, good, ordinary, from)))
    ++from;
  CHECK(from == 4097);
}

TEST_CASE("frame check: another node of the store may say more, and be answered", "[actor-port]") {
  connection peer;
  REQUIRE(peer.greet());
  peer.passed.clear();
  auto role = content("@<>+position_list", "anything");
  auto answer = message_to(hidden, role, 1ULL << 63 | ordinary | 5);
  CHECK(peer.take(message_to(front, role)));
  CHECK(peer.passed.substr(33, 2) == "\xff\xff");
  peer.around.trust = true;
  peer.passed.clear();
  CHECK(peer.take(message_to(front, role) + answer));
  CHECK(peer.passed == message_to(front, role) + answer);
  // Still not to actors that are not exposed, nor with later receivers.
  peer.passed.clear();
  CHECK(peer.take(message_to(hidden, role)));
  CHECK(peer.passed.substr(24, 8) == number_bytes(99));
  for (std::uint64_t from = 1; from < 10'000; ++from) // as many senders as it has actors
    REQUIRE(peer.take(message_to(front, good, ordinary, from)));
  auto later = role;
  later[0] = 1;
  CHECK_FALSE(peer.take(message_to(front, later)));
}

TEST_CASE("frame check: a peer may leave to us what it was asked, and we relay nothing",
          "[actor-port]") {
  auto routed = [](const std::string& to, const std::string& body) {
    auto bytes = message_to(front, program(kind, 8) + to + body);
    bytes[0] = 3;
    return bytes;
  };
  auto passes = [](const std::string& bytes, bool trust = true) {
    connection peer;
    REQUIRE(peer.greet());
    peer.around.trust = trust;
    peer.passed.clear();
    return peer.take(bytes) && peer.passed == bytes;
  };
  auto here = program(kind, 0);
  CHECK(passes(routed(here, good)));
  CHECK_FALSE(passes(routed(here, good), false));
  CHECK_FALSE(passes(routed(program(kind, 9), good)));
  CHECK_FALSE(passes(routed(here, "")));
  auto later = good;
  later[0] = 1;
  CHECK_FALSE(passes(routed(here, later)));
}
