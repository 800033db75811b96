#include "storage/tables/producer_windows.hpp"

#include "storage/format/properties.hpp"
#include "tests/support/catch.hpp"

#include <algorithm>
#include <limits>
#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

using namespace troupe::storage;
using verdict = producer_windows::verdict;

namespace {

constexpr producer_id alice{1, 2};
constexpr producer_id bob{3, 4};

producer_sequence of(const producer_id& id, std::uint64_t number, std::uint64_t epoch = 1) {
  return {id, epoch, number};
}

sequence_place at(std::uint64_t number) {
  return {static_cast<log_offset>(100 * number), static_cast<queue_offset>(number)};
}

/// Stores all up to there, in order.
void store(producer_windows& windows, const producer_id& id, std::uint64_t last,
           std::uint64_t epoch = 1) {
  for (std::uint64_t number = 1; number <= last; ++number) {
    REQUIRE(windows.judge(of(id, number, epoch)).what == verdict::next);
    windows.note(of(id, number, epoch), at(number));
  }
}

void check_same(producer_windows& a, producer_windows& b, const producer_sequence& sequence) {
  auto left = a.judge(sequence);
  auto right = b.judge(sequence);
  CHECK(left.what == right.what);
  CHECK(left.last == right.last);
  CHECK(left.place.offset == right.place.offset);
  CHECK(left.place.position == right.place.position);
}

} // namespace

TEST_CASE("producer sequence: the property says what it was made of", "[storage]") {
  producer_sequence one{{0x0123456789abcdef, 0xfedcba9876543210}, 1'800'000'000'000'000, 42};
  CHECK(one.property() == "TROUPE_SEQ\1"
                          "0123456789abcdeffedcba9876543210-1800000000000000-42\2");
  CHECK(producer_sequence::parse(one.property()) == one);
  CHECK(producer_sequence::parse(one.property() + "KEYS\1a\2") == one);
  CHECK(find_property(one.property() + "KEYS\1a\2", property::keys) == "a");
  constexpr auto most = std::numeric_limits<std::uint64_t>::max();
  producer_sequence largest{{most, most}, most, most};
  CHECK(producer_sequence::parse(largest.property()) == largest);
  CHECK(producer_id::parse(one.producer.text()) == one.producer);
}

TEST_CASE("producer sequence: what is not as it is written is none", "[storage]") {
  const std::string id = "0123456789abcdeffedcba9876543210";
  for (auto& value : {"", "-1-1", "x-1-1", "1-1"})
    CHECK_FALSE(producer_sequence::parse("TROUPE_SEQ\1" + std::string(value) + "\2"));
  for (auto& rest : {"", "-", "-1", "-1-", "--1", "-1-0", "-1--1", "-1-1x", "-x-1", "-1-1-1",
                     "-1-18446744073709551616", "-1- 1"})
    CHECK_FALSE(producer_sequence::parse("TROUPE_SEQ\1" + id + rest + "\2"));
  CHECK_FALSE(producer_sequence::parse("KEYS\1a\2TROUPE_SEQ\1" + id + "-1-1\2")); // not the first
  CHECK_FALSE(producer_sequence::parse(""));
  CHECK_FALSE(producer_sequence::parse("TROUPE_SEQ"));
  CHECK(producer_sequence::parse("TROUPE_SEQ\1" + id + "-1-1")); // the last end may be missing
}

TEST_CASE("producer windows: what each number is answered", "[storage]") {
  producer_windows windows;
  CHECK(windows.judge(of(alice, 1)).what == verdict::next);
  CHECK(windows.judge(of(alice, 2)).what == verdict::unknown);
  CHECK(windows.size() == 0); // asking makes nobody known
  store(windows, alice, 5, 7);
  struct {
    std::uint64_t epoch;
    std::uint64_t number;
    verdict expected;
  } table[] = {
      {7, 1, verdict::repeated}, {7, 5, verdict::repeated}, {7, 6, verdict::next},
      {7, 7, verdict::early},    {6, 1, verdict::stale},    {6, 6, verdict::stale},
      {8, 1, verdict::next},     {8, 2, verdict::early},    {8, 6, verdict::early},
  };
  for (auto& row : table) {
    INFO("epoch " << row.epoch << ", number " << row.number);
    CHECK(windows.judge(of(alice, row.number, row.epoch)).what == row.expected);
  }
  CHECK(windows.judge(of(alice, 7, 7)).last == 5); // so number 6 is the one to send first
  auto place = windows.judge(of(alice, 3, 7)).place;
  CHECK(place.offset == 300);
  CHECK(place.position == 3);
  CHECK(windows.judge(of(bob, 1)).what == verdict::next);
  // A new epoch takes the place of the one before.
  windows.note(of(alice, 1, 8), at(50));
  CHECK(windows.judge(of(alice, 1, 8)).place.offset == 5000);
  CHECK(windows.judge(of(alice, 3, 8)).what == verdict::early);
  CHECK(windows.judge(of(alice, 6, 7)).what == verdict::stale);
}

TEST_CASE("producer windows: places are known of the newest messages", "[storage]") {
  constexpr auto kept = producer_windows::places_kept;
  producer_windows windows;
  store(windows, alice, 3 * kept);
  for (std::uint64_t number = 1; number <= 3 * kept; ++number) {
    auto judged = windows.judge(of(alice, number));
    CHECK(judged.what == verdict::repeated);
    CHECK(judged.place.offset == (number > 2 * kept ? at(number).offset : -1));
  }
}

TEST_CASE("producer windows: the one that was silent for longest is forgotten", "[storage]") {
  producer_windows windows(3);
  for (std::uint64_t n = 1; n <= 3; ++n)
    store(windows, {n, n}, 2);
  CHECK(windows.judge(of({1, 1}, 2)).what == verdict::repeated); // a repeat counts as a word
  store(windows, {4, 4}, 2);
  CHECK(windows.size() == 3);
  CHECK(windows.judge(of({2, 2}, 3)).what == verdict::unknown);
  for (std::uint64_t n : {1, 3, 4})
    CHECK(windows.judge(of({n, n}, 3)).what == verdict::next);
}

TEST_CASE("producer windows: under random sends each message is stored once, in order",
          "[storage]") {
  for (unsigned seed = 1; seed <= 200; ++seed) {
    std::mt19937 random(seed);
    auto below = [&](std::uint64_t n) { return random() % n; };
    producer_windows windows;
    std::map<std::uint64_t, std::vector<std::pair<std::uint64_t, std::uint64_t>>> stored;
    std::map<std::uint64_t, std::uint64_t> newest_epoch;
    for (int i = 0; i < 400; ++i) {
      auto who = below(3);
      auto& log = stored[who];
      auto epoch = newest_epoch[who] + (below(20) == 0 ? 1 : 0) - (below(20) == 0 ? 1 : 0);
      if (epoch > 1000)
        continue; // below 0
      auto sequence = of({who, who}, 1 + below(log.size() + 3), epoch);
      auto judged = windows.judge(sequence);
      auto same = std::pair{epoch, sequence.number};
      auto before = std::find(log.begin(), log.end(), same) != log.end();
      auto last = log.empty() || log.back().first != epoch ? 0 : log.back().second;
      auto older = !log.empty() && epoch < log.back().first;
      INFO("seed " << seed << ", epoch " << epoch << ", number " << sequence.number);
      REQUIRE((judged.what == verdict::stale) == older);
      REQUIRE((judged.what == verdict::repeated) == (before && !older));
      REQUIRE((judged.what == verdict::next) == (!older && sequence.number == last + 1));
      if (judged.what == verdict::next) {
        windows.note(sequence, at(sequence.number));
        log.push_back(same);
        newest_epoch[who] = epoch;
      }
      if (below(40) == 0) { // and over a restart
        auto again = producer_windows::decode(windows.encode(i));
        REQUIRE(again);
        CHECK(again.value().true_to == i);
        windows = std::move(again.value().windows);
      }
    }
  }
}

TEST_CASE("producer windows: bytes of them are the same windows", "[storage]") {
  producer_windows windows(3);
  CHECK(producer_windows::decode(windows.encode(0)).value().windows.size() == 0);
  store(windows, alice, 200, 9);
  store(windows, bob, 1);
  store(windows, {5, 5}, 7);
  (void)windows.judge(of(alice, 200, 9)); // bob is the one that was silent for longest
  auto read = producer_windows::decode(windows.encode(4711), 3);
  REQUIRE(read);
  CHECK(read.value().true_to == 4711);
  auto& again = read.value().windows;
  for (std::uint64_t number = 1; number <= 202; ++number)
    check_same(windows, again, of(alice, number, 9));
  for (std::uint64_t number = 1; number <= 9; ++number)
    check_same(windows, again, of({5, 5}, number));
  again.note(of({6, 6}, 1), at(1));
  CHECK(again.judge(of(bob, 2)).what == verdict::unknown);
}

TEST_CASE("producer windows: damaged bytes are refused", "[storage]") {
  producer_windows windows;
  store(windows, alice, 70);
  store(windows, bob, 2);
  auto bytes = windows.encode(1000);
  for (std::size_t size = 0; size < bytes.size(); ++size)
    CHECK_FALSE(producer_windows::decode(byte_view(bytes).first(size)));
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    auto copy = bytes;
    copy[i] ^= std::byte{0x10};
    CHECK_FALSE(producer_windows::decode(copy));
  }
  bytes.resize(bytes.size() + 16);
  CHECK_FALSE(producer_windows::decode(bytes));
}
