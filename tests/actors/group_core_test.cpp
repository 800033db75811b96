#include "actors/group_core.hpp"

#include "tests/support/catch.hpp"

#include <random>

using namespace troupe;
using namespace std::chrono_literals;

namespace {

using strings = std::vector<std::string>;
using numbers = std::vector<std::int32_t>;
using time_point = group_core::time_point;

/// Events with their times, and everything that came of them so far.
struct core_stand {
  group_core core;
  time_point now{1h};
  group_core::question last = 0;
  std::map<group_core::question, storage::result<group_members>> answered;
  std::map<std::string, strings> told; ///< to door 9: the newest list of each group

  void take(group_core::actions out) {
    for (auto& [to, members] : out.answers)
      CHECK(answered.emplace(to, std::move(members)).second); // each once
    for (auto& [to, members] : out.notices)
      if (to == 9)
        told[members.group] = members.client_ids;
  }
  auto join(group_core::party session, const std::string& id, std::uint64_t known = 0,
            std::uint32_t wait_ms = 0, const std::string& group = "g") {
    group_core::actions out;
    auto members = core.join(session, {group, id, known, wait_ms}, ++last, now, out);
    take(std::move(out));
    return members;
  }
  std::uint64_t mark() { return join(1, "a").value()->mark; }
  numbers claim(group_core::party session, const std::string& id, const numbers& queues) {
    auto held = core.claim(session, {"g", id, "t", queues});
    return held ? held.value().queues : numbers{-1};
  }
  bool leave(group_core::party session, const std::string& id) {
    group_core::actions out;
    bool left = core.leave(session, {"g", id}, now, out);
    take(std::move(out));
    return left;
  }
  void report(group_core::party door, const strings& ids) {
    group_core::actions out;
    core.report(door, {"g", ids, 0}, now, out);
    take(std::move(out));
  }
  void watch() {
    group_core::actions out;
    core.watch(9, out);
    take(std::move(out));
  }
  void gone(group_core::party who) {
    group_core::actions out;
    core.gone(who, now, out);
    take(std::move(out));
  }
  void pass(std::chrono::milliseconds time) {
    now += time;
    group_core::actions out;
    core.tick(now, out);
    take(std::move(out));
  }
};

} // namespace

TEST_CASE("group_core: what a question that waits is answered with", "[actors]") {
  struct row {
    const char* event;
    std::function<void(core_stand&)> happens;
    strings members; ///< of the answer; empty: it waits on
  };
  const row table[] = {
      {"nothing", [](core_stand&) {}, {}},
      {"another one joins", [](core_stand& s) { (void)s.join(2, "b"); }, {"a", "b"}},
      {"one of another group joins", [](core_stand& s) { (void)s.join(2, "b", 0, 0, "h"); }, {}},
      {"a door has one", [](core_stand& s) { s.report(8, {"x"}); }, {"a", "x"}},
      {"a door has the same one", [](core_stand& s) { s.report(8, {"a"}); }, {}},
      {"its time is not over", [](core_stand& s) { s.pass(9'999ms); }, {}},
      {"its time is over", [](core_stand& s) { s.pass(10s); }, {"a"}},
      {"it asks again", [](core_stand& s) { (void)s.join(1, "a", 1); }, {"a"}},
      {"another session takes its name", [](core_stand& s) { (void)s.join(3, "a", 1); }, {"a"}},
      {"another session ends", [](core_stand& s) { s.gone(3); }, {}},
  };
  for (auto& [event, happens, members] : table) {
    INFO(event);
    core_stand s;
    auto mark = s.mark();
    REQUIRE_FALSE(s.join(1, "a", mark, 10'000).value());
    auto question = s.last;
    happens(s);
    auto found = s.answered.find(question);
    REQUIRE((found == s.answered.end()) == members.empty());
    if (!members.empty())
      CHECK(found->second.value().client_ids == members);
  }
}

TEST_CASE("group_core: a question of one that is no member any more is an error", "[actors]") {
  for (auto how : {0, 1}) {
    core_stand s;
    REQUIRE_FALSE(s.join(1, "a", s.mark(), 10'000).value());
    auto question = s.last;
    if (how == 0)
      s.gone(1);
    else
      CHECK(s.leave(1, "a"));
    CHECK(s.answered.at(question).error().code == errc::not_found);
    CHECK(s.core.bytes() == 0);
    CHECK_FALSE(s.core.has_members());
  }
}

TEST_CASE("group_core: who is silent is no member any more, who waits is heard of", "[actors]") {
  core_stand s;
  s.watch();
  (void)s.join(2, "b");
  auto mark = s.mark();
  for (auto half = 0; half < 4; ++half) {
    REQUIRE_FALSE(s.join(1, "a", mark, 60'000).value());
    s.pass(member_silence / 2);
    mark = s.mark();
  }
  CHECK(s.told["g"] == strings{"a"});
  s.pass(member_silence - 1ms);
  CHECK(s.told["g"] == strings{"a"});
  s.pass(1ms);
  CHECK(s.told["g"].empty());
}

TEST_CASE("group_core: a door is told of the members that came by others", "[actors]") {
  core_stand s;
  (void)s.join(1, "a");
  s.watch();
  CHECK(s.told["g"] == strings{"a"});
  s.report(9, {"mine"});
  CHECK(s.told["g"] == strings{"a"});
  s.report(8, {"x"});
  CHECK(s.told["g"] == strings{"a", "x"});
  s.gone(8);
  CHECK(s.told["g"] == strings{"a"});
}

namespace {

/// What must be true, kept in the simplest way beside the core: each step does the same to both.
class group_model {
public:
  explicit group_model(unsigned seed) : random_(seed) { s.watch(); }

  void step() {
    auto& id = ids_[below(3)];
    group_core::party session = 1 + below(4);
    switch (below(6)) {
    case 0:
      (void)s.join(session, id);
      members_[id] = session;
      heard_[id] = s.now;
      break;
    case 1:
      claim(session, id);
      break;
    case 2:
      CHECK(s.leave(session, id) == is_member(session, id));
      if (is_member(session, id))
        forget(id);
      break;
    case 3:
      gone(session);
      break;
    case 4:
      s.pass(std::chrono::milliseconds(below(20'000)));
      for (auto& each : ids_)
        if (members_.count(each) > 0 && heard_[each] + member_silence <= s.now)
          forget(each);
      break;
    default:
      s.report(8, below(2) == 0 ? strings{} : strings{"x"});
    }
    auto told = s.told["g"];
    std::erase(told, "x");
    strings now;
    for (auto& [each, by] : members_)
      now.push_back(each);
    REQUIRE(told == now);
  }
  void gone(group_core::party session) {
    s.gone(session);
    for (auto& each : ids_)
      if (is_member(session, each))
        forget(each);
  }

  core_stand s;

private:
  unsigned below(unsigned n) { return static_cast<unsigned>(random_() % n); }
  bool is_member(group_core::party session, const std::string& id) const {
    auto found = members_.find(id);
    return found != members_.end() && found->second == session;
  }
  void forget(const std::string& id) {
    members_.erase(id);
    std::erase_if(holders_, [&](auto& held) { return held.second == id; });
  }
  void claim(group_core::party session, const std::string& id) {
    numbers wanted;
    for (std::int32_t q = 0; q < 5; ++q)
      if (below(2) == 0)
        wanted.push_back(q);
    auto held = s.claim(session, id, wanted);
    if (!is_member(session, id)) {
      CHECK(held == numbers{-1});
      return;
    }
    std::erase_if(holders_, [&](auto& one) { return one.second == id; });
    numbers mine;
    for (auto q : wanted)
      if (holders_.try_emplace(q, id).first->second == id)
        mine.push_back(q);
    CHECK(held == mine);
  }

  const strings ids_{"a", "b", "c"};
  std::mt19937 random_;
  std::map<std::string, group_core::party> members_; ///< by which session
  std::map<std::int32_t, std::string> holders_;
  std::map<std::string, time_point> heard_;
};

} // namespace

TEST_CASE("group_core: whatever happens, a queue has one holder, who is a member", "[actors]") {
  for (unsigned seed = 1; seed <= 200; ++seed) {
    INFO("seed " << seed);
    group_model model(seed);
    for (int step = 0; step < 200; ++step)
      model.step();
    for (group_core::party session = 1; session <= 4; ++session)
      model.gone(session);
    CHECK(model.s.core.bytes() == 0);
  }
}

TEST_CASE("groups: who gives no client id only asks who is a member", "[group]") {
  core_stand t;
  auto nobody = t.join(1, "");
  REQUIRE(nobody);
  CHECK(nobody.value()->client_ids.empty());
  CHECK(!t.core.has_members());
  CHECK(t.core.bytes() == 0);
  REQUIRE(t.join(1, "a"));
  auto asked = t.join(2, "", 0, 1000); // answered at once, whatever it would wait
  REQUIRE(asked);
  REQUIRE(asked.value());
  CHECK(asked.value()->client_ids == strings{"a"});
  CHECK(!t.join(2, "", 0, 0, "no group's name"));
}
