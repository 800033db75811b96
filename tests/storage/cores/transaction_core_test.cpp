#include "sim/random.hpp"
#include "storage/cores/transaction_core.hpp"
#include "tests/support/catch.hpp"

#include <algorithm>
#include <array>
#include <functional>
#include <optional>
#include <vector>

using namespace troupe::storage;
using core = transaction_core;

namespace {

constexpr std::int64_t noon = 1'700'000'000'000;

core::settings limits_of(std::size_t pending = 1000, std::size_t ahead = 1000) {
  return {6000, 30'000, pending, ahead};
}

core::half half_at(std::int64_t at, std::int64_t stored = noon) {
  return {at, at, stored, 0, false};
}

core::half again_at(std::int64_t at, std::int64_t first, std::int64_t stored = noon) {
  return {at, first, stored, 0, true};
}

/// A core that has seen both queues to their ends.
struct seen {
  core it{limits_of()};
  core::moment now{noon, 0};

  explicit seen(const std::vector<core::half>& halves, const std::vector<std::int64_t>& done = {}) {
    auto todo = it.work(now);
    REQUIRE(todo.looks.size() == 2);
    auto end = halves.empty() ? 0 : halves.back().at + 1;
    it.found(halves, end, end, now);
    auto ops = static_cast<std::int64_t>(done.size());
    it.found_done(done, ops, ops, now);
  }
  std::vector<std::int64_t> due(std::int64_t steady) {
    now = {noon + steady, steady};
    return it.work(now).checks;
  }
};

using places = std::vector<std::int64_t>;

} // namespace

TEST_CASE(
    "transaction core: a half waits where it was written again, also when the word came first",
    "[storage]") {
  seen s({half_at(0)});
  REQUIRE(s.due(6000) == places{0});
  s.it.found_done({0}, 1, 1, s.now); // read before the writer's answer came
  s.it.checked(0, core::outcome::again, 1, s.now);
  auto mine = s.it.claim_for(0);
  CHECK(mine.what == core::answer::go);
  CHECK(mine.at == 1);
}

TEST_CASE("transaction core: a producer is asked after its time, and again after another",
          "[storage]") {
  seen s({half_at(0), half_at(1)}, {1});
  CHECK(s.due(5999).empty());
  CHECK(s.due(6000) == places{0});
  CHECK(s.it.claim_for(0).what == core::answer::wait);
  s.it.checked(0, core::outcome::again, 2, s.now);
  CHECK(s.it.progress(core::queue::half) == 2);
  CHECK(s.it.claim_for(0).at == 2);
  s.it.release(0);
  s.it.found({again_at(2, 0, s.now.wall_ms)}, 3, 3, s.now);
  CHECK(s.due(35'999).empty());
  CHECK(s.due(36'000) == places{2});
}

TEST_CASE("transaction core: one that says so is left alone for longer", "[storage]") {
  auto patient = half_at(0);
  patient.immunity_ms = 60'000;
  seen s({patient, half_at(1)});
  CHECK(s.due(6000) == places{1});
  s.it.checked(1, core::outcome::done, 0, s.now);
  CHECK(s.due(59'999).empty());
  CHECK(s.due(60'000) == places{0});
}

TEST_CASE("transaction core: whatever the clock says, a half waits no longer than its time",
          "[storage]") {
  seen s({half_at(0, noon + 3'600'000), half_at(1, -5), half_at(2, 0)});
  CHECK(s.due(0) == places{1, 2});
  for (auto at : {1, 2})
    s.it.checked(at, core::outcome::done, 0, s.now);
  s.now = {noon - 86'400'000, 5999};
  CHECK(s.it.work(s.now).checks.empty());
  s.now.steady_ms = 6000;
  CHECK(s.it.work(s.now).checks == places{0});
}

TEST_CASE("transaction core: a half is resolved once", "[storage]") {
  seen s({half_at(0), half_at(1)}, {0});
  CHECK(s.it.claim_for(0).what == core::answer::done);
  auto mine = s.it.claim_for(1);
  CHECK(mine.what == core::answer::go);
  CHECK(mine.at == 1);
  CHECK(s.it.claim_for(1).what == core::answer::wait);
  CHECK(s.due(6000).empty()); // nobody asks meanwhile
  s.it.release(1);
  CHECK(s.it.claim_for(1).what == core::answer::go);
  s.it.resolved(1);
  CHECK(s.it.claim_for(1).what == core::answer::done);
  CHECK(s.it.progress(core::queue::half) == 2);
}

TEST_CASE("transaction core: one that is not read yet is resolved, and known when it is read",
          "[storage]") {
  seen s({});
  CHECK(s.it.claim_for(0).what == core::answer::go);
  s.it.resolved(0);
  CHECK(s.it.claim_for(0).what == core::answer::done);
  s.it.found({half_at(0)}, 1, 1, s.now);
  CHECK(s.it.pending() == 0);
  CHECK(s.it.progress(core::queue::half) == 1);
}

TEST_CASE("transaction core: before all is known nobody resolves", "[storage]") {
  core it{limits_of()};
  core::moment now{noon, 0};
  it.begin_at(5, 3);
  CHECK(it.work(now).looks ==
        std::vector<core::look>{{core::queue::op, 3}, {core::queue::half, 5}});
  CHECK(it.claim_for(7).what == core::answer::wait);
  it.found({half_at(5), half_at(6), again_at(7, 5)}, 8, 8, now);
  CHECK(it.claim_for(7).what == core::answer::wait);
  it.found_done({6}, 4, 4, now);
  CHECK(it.claim_for(6).what == core::answer::done);
  auto mine = it.claim_for(5);
  CHECK(mine.what == core::answer::go);
  CHECK(mine.at == 7); // written again; the power went before the word about the first
  CHECK(it.work(now).doubles == places{5});
  it.doubled(5, false, now);
  CHECK(it.work(now).doubles.empty());
  now.steady_ms = 1000;
  CHECK(it.work(now).doubles == places{5});
  it.doubled(5, true, now);
  CHECK(it.progress(core::queue::half) == 7);
}

TEST_CASE("transaction core: progress of the op queue stays behind halves that are open",
          "[storage]") {
  core it{limits_of()};
  core::moment now{noon, 0};
  it.found({half_at(0), half_at(1), half_at(2)}, 3, 3, now);
  it.found_done({1}, 1, 2, now);
  it.found_done({2}, 2, 2, now);
  CHECK(it.progress(core::queue::op) == 0);
  CHECK(it.claim_for(0).what == core::answer::go);
  it.resolved(0);
  CHECK(it.progress(core::queue::half) == 3);
  CHECK(it.progress(core::queue::op) == 2);
}

TEST_CASE("transaction core: what nobody can read is passed", "[storage]") {
  core it{limits_of()};
  core::moment now{noon, 0};
  it.found({half_at(2)}, 5, 5, now);
  it.found_done({2}, 1, 1, now);
  CHECK(it.progress(core::queue::half) == 5);
}

TEST_CASE("transaction core: nothing leads it behind the end of a queue", "[storage]") {
  core it{limits_of()};
  core::moment now{noon, 0};
  it.found({}, 1'000'000'000, 0, now);
  it.found_done({}, 7, 0, now);
  CHECK(it.progress(core::queue::half) == 0);
  CHECK(it.progress(core::queue::op) == 0);
}

TEST_CASE("transaction core: beyond its bound it reads no further, and is of use", "[storage]") {
  core it{limits_of(2, 2)};
  core::moment now{noon, 0};
  it.work(now);
  it.found({half_at(0), half_at(1)}, 2, 9, now);
  it.found_done({}, 0, 0, now);
  now.steady_ms = 1000;
  CHECK(it.work(now).looks == std::vector<core::look>{{core::queue::op, 0}});
  for (auto at : {5, 6}) {
    CHECK(it.claim_for(at).what == core::answer::go);
    it.resolved(at);
  }
  CHECK(it.claim_for(7).what == core::answer::later);
  CHECK(it.claim_for(0).what == core::answer::go);
  it.resolved(0);
  CHECK(it.work(now).looks == std::vector<core::look>{{core::queue::half, 2}});
}

TEST_CASE("transaction core: a queue that is elsewhere", "[storage]") {
  seen s({half_at(0)});
  s.it.moved(core::queue::half, 10, s.now);
  CHECK(s.it.progress(core::queue::half) == 10);
  CHECK(s.due(6000).empty());
}

namespace {

/// A log with what a transactor writes to it, producers, and a power that goes at any time.
class model {
public:
  explicit model(std::uint64_t seed) : random_(seed) { begin(); }

  void step() {
    switch (random_.below(12)) {
    case 0:
    case 1:
      return send();
    case 2:
    case 3:
    case 4:
      return end_one();
    case 5:
      return pass(static_cast<std::int64_t>(random_.below(random_.one_in(4) ? 40'000 : 2000)));
    case 6:
      return set_clock();
    case 7:
      return random_.one_in(8) ? crash() : save();
    default:
      return answer_look();
    }
  }

  void finish() {
    calm_ = true;
    for (int i = 0; i < 400; ++i) {
      while (!looks_.empty())
        answer_look();
      pass(15'000);
      for (auto& [number, first] : asked_)
        if (transactions_[number].wish != decision::none)
          end(number, first);
      asked_.clear();
    }
    REQUIRE(core_->pending() == 0);
    for (std::size_t i = 0; i < transactions_.size(); ++i) {
      INFO("transaction " << i);
      auto& t = transactions_[i];
      auto visible = count(kind::message, i);
      if (count(kind::half, i) == 0)
        CHECK(visible == 0); // it never was
      else if (t.wish != decision::commit)
        CHECK(visible == 0);
      else if (count(kind::given_up, i) == 0)
        CHECK(visible == 1);
      else
        CHECK(visible <= 1);
      if (t.wish == decision::none && count(kind::half, i) > 0)
        CHECK(count(kind::given_up, i) >= 1);
    }
  }

private:
  enum class kind { half, op, message, given_up };
  enum class decision { commit, rollback, none };
  struct record {
    kind what = kind::half;
    std::size_t transaction = 0;
    std::int64_t number = 0; ///< in its queue; of an op, the half that is done
    std::int64_t first = 0;
    std::int64_t stored_ms = 0;
    int checks = 0;
  };
  struct transaction {
    decision wish = decision::none;
    std::vector<std::int64_t> known; ///< numbers that its producer has heard of
  };

  core::moment now() const { return {wall_, steady_}; }
  std::size_t count(kind what, std::size_t which) const {
    return static_cast<std::size_t>(std::count_if(log_.begin(), log_.end(), [&](const record& r) {
      return r.what == what && r.transaction == which;
    }));
  }
  /// Where its records lie in the log: a look must not go through all of it, for there are
  /// millions.
  std::vector<std::size_t>& places(kind what) { return places_[static_cast<std::size_t>(what)]; }
  std::int64_t end_of(kind what) { return static_cast<std::int64_t>(places(what).size()); }
  void append(const record& r) {
    places(r.what).push_back(log_.size());
    log_.push_back(r);
  }
  void cut(std::size_t size) {
    log_.resize(size);
    for (auto& all : places_)
      while (!all.empty() && all.back() >= size)
        all.pop_back();
  }
  /// A half's number is its place in its queue.
  const record* half(std::int64_t number) {
    auto& all = places(kind::half);
    auto at = static_cast<std::size_t>(number);
    return number < 0 || at >= all.size() ? nullptr : &log_[all[at]];
  }

  void begin() {
    core_.emplace(limits_of(20, 10));
    core_->begin_at(saved_half_, saved_op_);
    looks_.clear();
    known_end_ = log_.size();
    work();
  }
  void save() {
    durable_ = log_.size();
    saved_half_ = core_->progress(core::queue::half);
    saved_op_ = core_->progress(core::queue::op);
  }
  /// The log loses what is not durable, or less.
  void crash() {
    if (random_.one_in(2) && log_.size() > durable_)
      cut(durable_ + random_.below(log_.size() - durable_ + 1));
    durable_ = log_.size(); // as a start makes it
    for (auto& t : transactions_)
      std::erase_if(t.known, [&](std::int64_t at) { return half(at) == nullptr; });
    asked_.clear();
    begin();
  }

  void send() {
    auto number = transactions_.size();
    auto what = static_cast<decision>(random_.below(3));
    auto at = end_of(kind::half);
    transactions_.push_back({what, {at}});
    append({kind::half, number, at, at, wall_, 0});
    work();
  }
  void end_one() {
    if (transactions_.empty())
      return;
    auto newest = std::min<std::size_t>(transactions_.size(), 30);
    auto number = transactions_.size() - 1 - random_.below(newest);
    auto& t = transactions_[number];
    if (t.wish == decision::none || t.known.empty())
      return;
    auto* told = half(t.known[random_.below(t.known.size())]);
    end(number, told->first);
  }
  /// As the actor carries it out; the power may go between the two records.
  void end(std::size_t number, std::int64_t first) {
    auto mine = core_->claim_for(first);
    if (mine.what != core::answer::go)
      return;
    auto* current = half(mine.at);
    REQUIRE(current != nullptr);
    REQUIRE(current->transaction == number);
    if (!calm_ && random_.one_in(6)) { // refused
      core_->release(first);
      return work();
    }
    auto at = static_cast<std::size_t>(current - log_.data());
    bool may_be_there = at < known_end_ || current->checks > 0;
    bool there = may_be_there && count(kind::message, number) > 0;
    if (transactions_[number].wish == decision::commit && !there) {
      append({kind::message, number, 0, 0, wall_, 0});
      REQUIRE(count(kind::message, number) == 1);
    }
    if (!calm_ && random_.one_in(20))
      return crash();
    append({kind::op, number, mine.at, 0, wall_, 0});
    if (!calm_ && random_.one_in(20))
      return crash();
    core_->resolved(first);
    work();
  }

  void pass(std::int64_t ms) {
    auto to = steady_ + ms;
    while (steady_ < to) {
      auto sleep = core_->sleep_ms(now());
      auto span = std::min(to - steady_, sleep.value_or(ms));
      steady_ += span;
      wall_ += span;
      work();
      if (calm_)
        while (!looks_.empty())
          answer_look();
    }
  }
  void set_clock() {
    if (!random_.one_in(4))
      return;
    auto by = static_cast<std::int64_t>(random_.below(4'000'000));
    wall_ += random_.one_in(2) ? by : -by;
    work();
  }

  void work() {
    auto todo = core_->work(now());
    looks_.insert(looks_.end(), todo.looks.begin(), todo.looks.end());
    for (auto at : todo.doubles)
      if (!say_done(at))
        return;
    for (auto at : todo.checks)
      if (!check(at))
        return;
  }
  bool say_done(std::int64_t at) {
    bool stored = calm_ || !random_.one_in(4);
    if (stored)
      append({kind::op, half(at)->transaction, at, 0, wall_, 0});
    if (!calm_ && random_.one_in(20)) {
      crash();
      return false;
    }
    core_->doubled(at, stored, now());
    return true;
  }
  /// False when the core is another one now.
  bool check(std::int64_t at) {
    auto one = *half(at);
    if (!calm_ && random_.one_in(5)) {
      core_->checked(at, core::outcome::later, 0, now());
      return true;
    }
    auto place = end_of(kind::half);
    bool again = one.checks < 3;
    if (again)
      append({kind::half, one.transaction, place, one.first, wall_, one.checks + 1});
    else
      append({kind::given_up, one.transaction, 0, 0, wall_, 0});
    if (!calm_ && random_.one_in(20)) {
      crash();
      return false;
    }
    append({kind::op, one.transaction, at, 0, wall_, 0});
    if (!calm_ && random_.one_in(20)) {
      crash();
      return false;
    }
    core_->checked(at, again ? core::outcome::again : core::outcome::done, place, now());
    if (again && (calm_ || random_.one_in(2))) {
      transactions_[one.transaction].known.push_back(place);
      asked_.emplace_back(one.transaction, one.first);
    }
    return true;
  }

  void answer_look() {
    if (looks_.empty())
      return;
    auto i = random_.below(looks_.size());
    auto what = looks_[i];
    looks_.erase(looks_.begin() + static_cast<std::ptrdiff_t>(i));
    if (!calm_ && random_.one_in(10)) {
      core_->look_failed(what.which, now());
      return work();
    }
    auto wanted = what.which == core::queue::half ? kind::half : kind::op;
    auto end = end_of(wanted);
    auto most = 1 + static_cast<std::int64_t>(random_.below(6));
    auto next = std::min(end, what.from + most);
    REQUIRE(what.from <= end);
    std::vector<core::half> halves;
    std::vector<std::int64_t> done;
    for (auto at = what.from; at < next; ++at) {
      auto& r = log_[places(wanted)[static_cast<std::size_t>(at)]];
      halves.push_back({at, r.first, r.stored_ms, 0, r.checks > 0});
      done.push_back(r.number);
    }
    if (wanted == kind::half)
      core_->found(halves, next, end, now());
    else
      core_->found_done(done, next, end, now());
    work();
  }

  troupe::sim::random_source random_;
  bool calm_ = false;
  std::int64_t wall_ = noon;
  std::int64_t steady_ = 0;
  std::vector<record> log_;
  std::array<std::vector<std::size_t>, 4> places_; ///< by kind
  std::size_t durable_ = 0;
  std::size_t known_end_ = 0;
  std::int64_t saved_half_ = 0;
  std::int64_t saved_op_ = 0;
  std::optional<core> core_;
  std::vector<core::look> looks_;
  std::vector<transaction> transactions_;
  std::vector<std::pair<std::size_t, std::int64_t>> asked_;
};

} // namespace

TEST_CASE("transaction core: through restarts, power cuts, refusals and clocks that are set a "
          "committed message is seen once, and no other",
          "[storage]") {
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    INFO("seed " << seed);
    model m(seed);
    for (int i = 0; i < 600; ++i)
      m.step();
    m.finish();
  }
}

TEST_CASE("transaction core: what became of one that is done one at a time looks up", "[storage]") {
  seen s({half_at(0), half_at(1)}, {0});
  CHECK(s.it.claim_for(0).what == core::answer::done);
  REQUIRE(s.it.hold(0));
  CHECK(s.it.is_busy());
  CHECK_FALSE(s.it.hold(0));
  CHECK(s.it.claim_for(0).what == core::answer::wait);
  s.it.resolved(0);
  CHECK_FALSE(s.it.is_busy());
  CHECK(s.it.progress(core::queue::half) == 1);
  CHECK(s.it.claim_for(0).what == core::answer::done);
}
