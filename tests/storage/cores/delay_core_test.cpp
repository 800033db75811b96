#include "sim/random.hpp"
#include "storage/cores/delay_core.hpp"
#include "storage/format/store_time.hpp"
#include "tests/support/catch.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <vector>

using namespace troupe::storage;

namespace {

using core = delay_core;
using look = core::look;
using delivery = core::delivery;

constexpr std::int64_t noon = 1'700'000'000'000;

delay_levels levels(const char* text) {
  return delay_levels::parse(text).value();
}

/// The look or delivery of one level, of all that are to be made.
std::optional<look> look_at(const core::actions& todo, std::int32_t level) {
  for (auto& one : todo.looks)
    if (one.lane == level)
      return one;
  return std::nullopt;
}

core::moment at(std::int64_t ms) {
  return {noon + ms, ms};
}

} // namespace

TEST_CASE("delay core: a message is delivered when it is due, those behind it later", "[storage]") {
  core c(levels("1s 5s"));
  c.begin_at(1, 7);
  auto first = c.work(at(0));
  CHECK(look_at(first, 1) == look{1, 7, true});
  CHECK(look_at(first, 2) == look{2, 0, true});
  CHECK(look_at(first, 3) == look{3, 0, false}); // of other settings
  CHECK(c.work(at(0)).looks.empty());
  c.found(1, {{{7, noon}, {8, noon + 400}}, 9, 9}, at(500));
  CHECK(c.work(at(500)).looks.empty());
  CHECK(c.sleep_ms(at(500)) == 500);
  CHECK(c.work(at(999)).looks.empty());
  CHECK(look_at(c.work(at(1000)), 1) == look{1, 7, true});
  c.found(1, {{{7, noon}, {8, noon + 400}}, 9, 9}, at(1000));
  CHECK(c.work(at(1000)).deliveries == std::vector{delivery{1, {7}}});
  CHECK(c.progress(1) == 7);
  CHECK(c.delivering(1));
  c.delivered(1, {core::outcome::stored}, at(1001));
  CHECK(c.progress(1) == 8);
  CHECK(look_at(c.work(at(1001)), 1) == look{1, 8, true});
}

TEST_CASE("delay core: what is refused comes again, what is stored behind it does not",
          "[storage]") {
  core c(levels("1s"));
  c.work(at(0));
  std::vector<core::waiting> all{{0, noon}, {1, noon}, {2, noon}, {3, noon}};
  c.found(1, {all, 4, 4}, at(2000));
  CHECK(c.work(at(2000)).deliveries == std::vector{delivery{1, {0, 1, 2, 3}}});
  c.delivered(
      1, {core::outcome::never, core::outcome::later, core::outcome::stored, core::outcome::later},
      at(2000));
  CHECK(c.progress(1) == 1);
  CHECK(c.sleep_ms(at(2000)) == 100);
  CHECK(look_at(c.work(at(2100)), 1) == look{1, 1, true});
  c.found(1, {{all.begin() + 1, all.end()}, 4, 4}, at(2100));
  CHECK(c.work(at(2100)).deliveries == std::vector{delivery{1, {1, 3}}});
  c.delivered(1, {}, at(2100)); // nothing is known
  CHECK(c.sleep_ms(at(2100)) == 200);
  c.work(at(2300));
  c.found(1, {{all.begin() + 1, all.end()}, 4, 4}, at(2300));
  c.work(at(2300));
  c.delivered(1, {core::outcome::stored, core::outcome::stored}, at(2300));
  CHECK(c.progress(1) == 4);
}

TEST_CASE("delay core: damaged messages, other bounds and levels that are no more", "[storage]") {
  core c(levels("1s"));
  c.work(at(0));
  c.found(1, {{}, 3, 5}, at(0)); // 0 to 2 are damaged
  CHECK(c.progress(1) == 3);
  CHECK(look_at(c.work(at(0)), 1) == look{1, 3, true});
  c.moved(1, 40, at(0));
  CHECK(look_at(c.work(at(0)), 1) == look{1, 40, true});
  c.moved(1, 40, at(0)); // again and again
  CHECK(c.work(at(0)).looks.empty());
  CHECK(look_at(c.work(at(500)), 1) == look{1, 40, true});
  c.found(2, {{{0, noon}}, 1, 1}, at(1000)); // as long as the highest level
  CHECK(c.work(at(1000)).deliveries == std::vector{delivery{2, {0}}});
  c.delivered(2, {core::outcome::stored}, at(1000));
  c.work(at(1000));
  c.found(2, {{}, 1, 1}, at(1000));
  CHECK_FALSE(look_at(c.work(at(90'000)), 2));
  c.look_again();
  CHECK(look_at(c.work(at(90'000)), 2) == look{2, 1, false});
}

TEST_CASE("delay core: nothing leads it behind the end of a queue", "[storage]") {
  core c(levels("1s"));
  c.work(at(0));
  c.found(1, {{}, 6, 0}, at(0));
  CHECK(c.progress(1) == 0);
  CHECK(c.work(at(0)).looks.empty()); // it rests
}

TEST_CASE("delay core: a clock that is set back holds nobody for longer than his delay",
          "[storage]") {
  core c(levels("10s"));
  c.work(at(0));
  c.found(1, {{{0, noon + 3'600'000}}, 1, 3}, at(0)); // stored an hour later than it is now
  CHECK(c.work(at(9'999)).looks.empty());
  CHECK(c.sleep_ms(at(9'999)) == 1);
  CHECK(look_at(c.work(at(10'000)), 1));
  // Those that were there at the time are due as well, and what came since is not.
  c.found(1, {{{0, noon + 3'600'000}, {2, noon + 3'600'000}, {3, noon + 3'600'000}}, 4, 4},
          at(10'000));
  CHECK(c.work(at(10'000)).deliveries == std::vector{delivery{1, {0, 2}}});
}

namespace {

/// Queues, a writer and a file of progress that are always right, and a core that is not spared.
class model {
public:
  explicit model(std::uint64_t seed) : random_(seed), in_order_(random_.one_in(2)) { begin(); }

  void step() {
    switch (random_.below(12)) {
    case 0:
    case 1:
      return put();
    case 2:
    case 3:
      return pass(static_cast<std::int64_t>(random_.below(1500)));
    case 4:
      return set_clock();
    case 5:
      saved_ = progress();
      return;
    case 6:
      return random_.one_in(8) ? restart() : pass(1);
    default:
      return answer();
    }
  }

  /// Everything is delivered in the end.
  void finish() {
    calm_ = true;
    for (int i = 0; i < 400; ++i) {
      pass(100);
      while (!looks_.empty() || !deliveries_.empty())
        answer();
    }
    for (auto& queue : queues_)
      for (auto& message : queue) {
        REQUIRE(message.times > 0);
        if (!crashed_)
          REQUIRE(message.times == 1);
      }
  }

private:
  static constexpr std::array<std::int64_t, 3> delays = {1000, 2000, 7000};
  struct sent {
    std::int64_t stored_ms = 0;
    std::int64_t put_at = 0; ///< true time, with all that the clock was set forward
    int times = 0;
  };
  using place = std::array<std::int64_t, 3>;

  core::moment now() const { return {wall_, steady_}; }
  std::int64_t passed() const { return steady_ + forward_; }
  place progress() const { return {core_->progress(1), core_->progress(2), core_->progress(3)}; }

  void begin() {
    core_.emplace(levels("1s 2s 7s"));
    looks_.clear();
    deliveries_.clear();
    for (std::int32_t level = 1; level <= 3; ++level)
      core_->begin_at(level, saved_[static_cast<std::size_t>(level) - 1]);
    newest_.fill(-1);
    work();
  }

  void work() {
    auto todo = core_->work(now());
    for (auto& one : todo.looks)
      if (one.lane <= 3)
        looks_.push_back(one);
    for (auto& one : todo.deliveries)
      deliveries_.push_back(one);
  }

  void put() {
    auto level = random_.below(3);
    auto stored = time_.at(wall_);
    time_.note(stored);
    queues_[level].push_back({stored, passed(), 0});
  }

  void pass(std::int64_t ms) {
    auto to = steady_ + ms;
    while (steady_ < to) {
      auto sleep = core_->sleep_ms(now());
      auto span = std::min(to - steady_, sleep.value_or(ms));
      steady_ += span;
      wall_ += span;
      work();
    }
  }

  void set_clock() {
    if (!random_.one_in(4))
      return;
    auto by = static_cast<std::int64_t>(random_.below(random_.one_in(2) ? 3'000 : 4'000'000));
    if (random_.one_in(2)) {
      wall_ += by;
      forward_ += by;
    } else {
      wall_ -= by;
    }
    work();
  }

  void restart() {
    if (random_.one_in(2)) { // in order: what is under way ends, and is saved
      core_->stop();
      while (!deliveries_.empty())
        answer_delivery();
      saved_ = progress();
      crashed_ = crashed_ || !in_order_; // what is stored behind one that is refused is forgotten
    } else {
      crashed_ = true;
    }
    begin();
  }

  void answer() {
    if (!deliveries_.empty() && (looks_.empty() || random_.one_in(2)))
      answer_delivery();
    else if (!looks_.empty())
      answer_look();
  }

  void answer_look() {
    auto i = random_.below(looks_.size());
    auto what = looks_[i];
    auto& queue = queues_[static_cast<std::size_t>(what.lane) - 1];
    auto end = static_cast<std::int64_t>(queue.size());
    REQUIRE(what.from <= end);
    if (what.from == end && what.wait && !calm_ && !random_.one_in(5))
      return; // it waits
    looks_.erase(looks_.begin() + static_cast<std::ptrdiff_t>(i));
    if (!calm_ && random_.one_in(10)) {
      core_->look_failed(what.lane, now());
      return work();
    }
    core::sight seen{{}, what.from, end};
    auto most = 1 + static_cast<std::int64_t>(random_.below(5));
    for (; seen.next < std::min(end, what.from + most); ++seen.next)
      seen.messages.push_back({seen.next, queue[static_cast<std::size_t>(seen.next)].stored_ms});
    core_->found(what.lane, seen, now());
    work();
  }

  void answer_delivery() {
    auto what = deliveries_.back();
    deliveries_.pop_back();
    auto level = static_cast<std::size_t>(what.lane) - 1;
    std::vector<core::outcome> outcomes;
    bool refused = false;
    for (auto position : what.positions) {
      refused = (refused && in_order_) || (!calm_ && random_.one_in(4));
      outcomes.push_back(refused ? core::outcome::later : core::outcome::stored);
      if (refused)
        continue;
      auto& message = queues_[level][static_cast<std::size_t>(position)];
      ++message.times;
      REQUIRE(passed() - message.put_at >= delays[level]);
      if (in_order_)
        REQUIRE(position > newest_[level]);
      newest_[level] = position;
    }
    core_->delivered(what.lane, outcomes, now());
    work();
  }

  troupe::sim::random_source random_;
  bool in_order_; ///< what is behind a message that is refused is refused as well
  bool calm_ = false;
  bool crashed_ = false;
  std::int64_t wall_ = noon;
  std::int64_t steady_ = 0;
  std::int64_t forward_ = 0; ///< that the clock was set
  store_time time_;
  std::array<std::vector<sent>, 3> queues_;
  std::array<std::int64_t, 3> newest_{}; ///< stored in this life
  place saved_{};
  std::optional<core> core_;
  std::vector<look> looks_;
  std::vector<delivery> deliveries_;
};

} // namespace

TEST_CASE("delay core: through restarts, refusals and clocks that are set nothing is lost or early",
          "[storage]") {
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    INFO("seed " << seed);
    model m(seed);
    for (int i = 0; i < 600; ++i)
      m.step();
    m.finish();
  }
}
