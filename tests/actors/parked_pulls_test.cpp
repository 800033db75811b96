#include "actors/parked_pulls.hpp"

#include "tests/support/catch.hpp"

#include <rapidcheck.h>

#include <algorithm>
#include <memory>

using namespace troupe;
using namespace std::chrono_literals;

namespace {

/// Cannot be copied, as little as what is owed to somebody should be.
struct waiting {
  explicit waiting(int n) : number(std::make_unique<int>(n)) {}
  std::unique_ptr<int> number;
};
using parked = parked_pulls<waiting>;
using numbers = std::vector<int>;

numbers of(const std::vector<waiting>& taken) {
  numbers found;
  for (auto& one : taken)
    found.push_back(*one.number);
  return found;
}

parked::time_point at(std::chrono::milliseconds when) {
  return parked::time_point{when};
}

/// The same as a list that is searched from its beginning.
struct model {
  struct entry {
    std::string topic;
    std::int32_t queue;
    parked::time_point deadline;
    int number;
  };
  std::vector<entry> entries; ///< as they came

  template <class Condition>
  numbers take(Condition wanted, bool by_deadline = false) {
    auto rest = std::stable_partition(entries.begin(), entries.end(), wanted);
    std::vector<entry> taken(entries.begin(), rest);
    entries.erase(entries.begin(), rest);
    std::stable_sort(taken.begin(), taken.end(), [by_deadline](auto& a, auto& b) {
      if (by_deadline)
        return a.deadline < b.deadline;
      return std::pair(a.topic, a.queue) < std::pair(b.topic, b.queue);
    });
    numbers found;
    for (auto& one : taken)
      found.push_back(one.number);
    return found;
  }
  std::optional<parked::time_point> next_deadline() const {
    auto next = std::ranges::min_element(entries, {}, &entry::deadline);
    return next == entries.end() ? std::nullopt : std::optional(next->deadline);
  }
};

} // namespace

TEST_CASE("parked_pulls: those of a queue are taken as they came, others wait on", "[actors]") {
  parked pulls;
  pulls.add("a", 0, at(30ms), waiting(1));
  pulls.add("a", 1, at(20ms), waiting(2));
  pulls.add("b", 0, at(10ms), waiting(3));
  pulls.add("a", 0, at(10ms), waiting(4));
  CHECK(pulls.size() == 4);
  CHECK(of(pulls.take("a", 0)) == numbers{1, 4});
  CHECK(pulls.take("a", 0).empty());
  CHECK(pulls.take("c", 0).empty());
  CHECK(pulls.size() == 2);
  CHECK(pulls.next_deadline() == at(10ms));
  CHECK(of(pulls.take_all()) == numbers{2, 3});
  CHECK(pulls.empty());
  CHECK_FALSE(pulls.next_deadline());
}

TEST_CASE("parked_pulls: who has waited for long enough is taken, the first first", "[actors]") {
  parked pulls;
  pulls.add("a", 0, at(30ms), waiting(1));
  pulls.add("a", 0, at(20ms), waiting(2));
  pulls.add("b", 0, at(20ms), waiting(3));
  pulls.add("a", 0, at(10ms), waiting(4));
  CHECK(pulls.take_expired(at(9ms)).empty());
  CHECK(of(pulls.take_expired(at(20ms))) == numbers{4, 2, 3});
  CHECK(pulls.next_deadline() == at(30ms));
  CHECK(of(pulls.take("a", 0)) == numbers{1});
  CHECK(pulls.take_expired(at(99ms)).empty());
}

TEST_CASE("parked_pulls: does as a list that is searched", "[actors]") {
  REQUIRE(rc::check([] {
    parked pulls;
    model list;
    auto count = *rc::gen::inRange(0, 200);
    for (int i = 0; i < count; ++i) {
      auto what = *rc::gen::inRange(0, 10);
      auto topic = *rc::gen::element<std::string>("a", "b", "c");
      auto queue = *rc::gen::inRange(0, 3);
      auto when = at(std::chrono::milliseconds(*rc::gen::inRange(0, 20)));
      if (what < 6) {
        pulls.add(topic, queue, when, waiting(i));
        list.entries.push_back({topic, queue, when, i});
      } else if (what < 8) {
        auto same = [&](const auto& e) { return e.topic == topic && e.queue == queue; };
        RC_ASSERT(of(pulls.take(topic, queue)) == list.take(same));
      } else if (what < 9) {
        auto late = [&](const auto& e) { return e.deadline <= when; };
        RC_ASSERT(of(pulls.take_expired(when)) == list.take(late, true));
      } else if (*rc::gen::inRange(0, 4) == 0) {
        RC_ASSERT(of(pulls.take_all()) == list.take([](const auto&) { return true; }));
      }
      RC_ASSERT(pulls.size() == list.entries.size());
      RC_ASSERT(pulls.empty() == list.entries.empty());
      RC_ASSERT(pulls.next_deadline() == list.next_deadline());
    }
  }));
}
