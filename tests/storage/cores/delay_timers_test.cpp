#include "sim/random.hpp"
#include "storage/cores/delay_core.hpp"
#include "storage/format/store_time.hpp"
#include "storage/format/timer_message.hpp"
#include "tests/support/catch.hpp"

#include <array>
#include <optional>
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

std::optional<look> look_at(const core::actions& todo, std::int32_t lane) {
  for (auto& one : todo.looks)
    if (one.lane == lane)
      return one;
  return std::nullopt;
}

core::moment at(std::int64_t ms) {
  return {noon + ms, ms};
}

} // namespace

TEST_CASE("delay timers: what has less left than a level lasts is kept until its time",
          "[storage]") {
  core c(levels("1s 5s"));
  c.work(at(0));
  // One of them has another hop to go, one is over its time, one has a little left.
  c.found(2, {{{0, noon, noon + 7000}, {1, noon, noon + 4900}, {2, noon, noon + 5300}}, 3, 3},
          at(5000));
  CHECK(c.work(at(5000)).deliveries == std::vector{delivery{2, {0, 1}}});
  c.delivered(2, {core::outcome::stored, core::outcome::stored}, at(5001));
  CHECK(c.progress(2) == 2);
  CHECK(c.window_of(2) == core::window{3, 0, {2}});
  CHECK(c.work(at(5299)).looks == std::vector{look{2, 3, true}});
  CHECK(c.sleep_ms(at(5299)) == 1);
  auto rest = core::rest_lane(2);
  CHECK(look_at(c.work(at(5300)), rest) == look{rest, 2, false});
  c.found(rest, {{{2, noon, noon + 5300}}, 3, 3}, at(5300));
  CHECK(c.work(at(5300)).deliveries == std::vector{delivery{rest, {2}}});
  c.delivered(rest, {core::outcome::later}, at(5301));
  CHECK(c.progress(2) == 2);
  CHECK(c.sleep_ms(at(5301)) == 100);
  c.work(at(5401));
  c.found(rest, {{{2, noon, noon + 5300}}, 3, 3}, at(5401));
  c.work(at(5401));
  c.delivered(rest, {core::outcome::stored}, at(5402));
  CHECK(c.progress(2) == 3);
  CHECK_FALSE(c.window_of(2));
}

TEST_CASE("delay timers: one with little left is found behind those that are due later",
          "[storage]") {
  core c(levels("5s 1s"));
  auto ahead = core::ahead_lane();
  c.begin_at(2, 4);
  CHECK(c.level_of(ahead) == 2);
  CHECK(look_at(c.work(at(0)), ahead) == look{ahead, 4, true});
  core::sight both{{{4, noon}, {5, noon, noon + 300}}, 6, 6};
  c.found(2, both, at(10)); // the walk waits for the first
  c.found(ahead, both, at(10));
  CHECK(look_at(c.work(at(10)), ahead) == look{ahead, 6, true});
  auto rest = core::rest_lane(2);
  CHECK_FALSE(look_at(c.work(at(299)), rest));
  CHECK(look_at(c.work(at(300)), rest) == look{rest, 5, false});
  c.found(rest, {{both.messages[1]}, 6, 6}, at(300));
  CHECK(c.work(at(300)).deliveries == std::vector{delivery{rest, {5}}});
  c.delivered(rest, {core::outcome::stored}, at(301));
  CHECK(c.progress(2) == 4);
  auto window = c.window_of(2);
  CHECK(window == core::window{4, 6, {}});
  // Whoever goes on from there delivers the first alone.
  core later(levels("5s 1s"));
  later.begin_with(2, *window);
  later.work(at(400));
  later.found(2, both, at(1000));
  CHECK(later.work(at(1000)).deliveries == std::vector{delivery{2, {4}}});
  later.delivered(2, {core::outcome::stored}, at(1001));
  CHECK(later.progress(2) == 6);
  CHECK_FALSE(later.window_of(2));
}

TEST_CASE("delay timers: damaged ones, lost ones, and a clock that is set back", "[storage]") {
  core c(levels("1s 5s"));
  auto rest = core::rest_lane(2);
  c.begin_with(2, {9, 0, {3, 5, 7}});
  CHECK(c.progress(2) == 3);
  CHECK(look_at(c.work(at(0)), rest) == look{rest, 3, false});
  c.found(rest, {{{5, noon - 5000, noon + 100}}, 6, 9}, at(0)); // 3 cannot be read
  CHECK(c.progress(2) == 5);
  CHECK(look_at(c.work(at(0)), rest) == look{rest, 7, false});
  c.found(rest, {}, at(0)); // says nothing
  CHECK(c.progress(2) == 5);
  c.work(at(500));
  c.moved(rest, 6, at(500)); // the place is gone, and 7 with the queue's end
  CHECK(c.progress(2) == 5);
  // An hour back: it can wait in a level.
  core back(levels("1s 5s"));
  back.work(at(0));
  back.found(2, {{{0, noon, noon + 5300}}, 1, 1}, at(5000));
  core::moment earlier{noon - 3'600'000, 5100};
  CHECK(look_at(back.work(earlier), rest) == look{rest, 0, false});
  back.found(rest, {{{0, noon, noon + 5300}}, 1, 1}, earlier);
  CHECK(back.work(earlier).deliveries == std::vector{delivery{rest, {0}}});
}

TEST_CASE("delay timers: no more are kept than there is room for", "[storage]") {
  core c(levels("1s 5s"));
  c.work(at(0));
  core::sight many;
  auto most = static_cast<std::int64_t>(delay_rest::most);
  for (std::int64_t i = 0; i <= most; ++i)
    many.messages.push_back({i, noon, noon + 5500});
  many.next = many.end = most + 1;
  c.found(2, many, at(5000));
  CHECK(c.window_of(2)->next == most);
  CHECK(c.window_of(2)->open.size() == delay_rest::most);
  CHECK_FALSE(look_at(c.work(at(5010)), 2));
  CHECK(look_at(c.work(at(5020)), 2) == look{2, most, true});
}

namespace {

/// Queues, a writer that puts off, a file of progress, and a core that is not spared.
class model {
public:
  explicit model(std::uint64_t seed)
      : random_(seed), clock_(random_.one_in(3)), refuses_(random_.one_in(2)) {
    begin();
  }

  void step() {
    switch (random_.below(10)) {
    case 0:
    case 1:
      return put();
    case 2:
      return pass(static_cast<std::int64_t>(random_.below(900)));
    case 3:
      save();
      return;
    case 4:
      return clock_ && random_.one_in(4) ? set_clock() : pass(1);
    case 5:
      return random_.one_in(8) ? restart() : pass(1);
    default:
      return answer();
    }
  }

  void finish() {
    calm_ = true;
    calm_from_ = wall_ + 5000; // refused ones rest
    for (int i = 0; i < 60'000 && open_ > 0; ++i)
      pass(100);
    REQUIRE(open_ == 0);
    for (auto& message : sent_)
      if (!crashed_)
        REQUIRE(message.times == 1);
  }

private:
  struct sent {
    std::int64_t deliver_ms = 0; ///< 0: an ordinary one of the shortest level
    int hops = 0;
    int times = 0;
  };
  struct stored {
    std::size_t number = 0;
    std::int64_t stored_ms = 0;
  };

  core::moment now() const { return {wall_, steady_}; }

  void begin() {
    core_.emplace(levels_);
    looks_.clear();
    deliveries_.clear();
    for (std::size_t i = 0; i < saved_.size(); ++i)
      if (saved_[i].second)
        core_->begin_with(static_cast<std::int32_t>(i) + 1, *saved_[i].second);
      else
        core_->begin_at(static_cast<std::int32_t>(i) + 1, saved_[i].first);
    work();
  }

  void save() {
    for (std::size_t i = 0; i < saved_.size(); ++i) {
      auto level = static_cast<std::int32_t>(i) + 1;
      saved_[i] = {core_->progress(level), core_->window_of(level)};
    }
  }

  void work() {
    auto todo = core_->work(now());
    for (auto& one : todo.looks)
      if (core_->level_of(one.lane) <= levels_.highest())
        looks_.push_back(one);
    for (auto& one : todo.deliveries)
      deliveries_.push_back(one);
  }

  void lay(std::int32_t level, std::size_t number) {
    auto stored_ms = time_.at(wall_);
    time_.note(stored_ms);
    queues_[static_cast<std::size_t>(level) - 1].push_back({number, stored_ms});
  }

  void put() {
    auto left = static_cast<std::int64_t>(random_.below(random_.one_in(2) ? 1500 : 30'000)) + 1;
    bool timed = !random_.one_in(4);
    sent_.push_back({timed ? wall_ + left : 0, 0, 0});
    ++open_;
    lay(timed ? level_until(wall_ + left, wall_, levels_) : 1, sent_.size() - 1);
  }

  void pass(std::int64_t ms) {
    auto to = steady_ + ms;
    while (steady_ < to) {
      if (calm_)
        while (answer_one())
          ;
      auto span = std::min(to - steady_, core_->sleep_ms(now()).value_or(ms));
      steady_ += span;
      wall_ += span;
      work();
    }
  }

  void set_clock() {
    auto by = static_cast<std::int64_t>(random_.below(random_.one_in(2) ? 3'000 : 400'000));
    wall_ += random_.one_in(2) ? by : -by;
    work();
  }

  void restart() {
    if (random_.one_in(2)) {
      core_->stop();
      while (!deliveries_.empty())
        answer_delivery();
      save();
      crashed_ = crashed_ || refuses_;
    } else {
      crashed_ = true;
    }
    begin();
  }

  void answer() { answer_one(); }
  bool answer_one() {
    bool look = deliveries_.empty() || random_.one_in(2);
    if (look && answer_look())
      return true;
    if (deliveries_.empty())
      return false;
    answer_delivery();
    return true;
  }

  bool answer_look() {
    if (looks_.empty())
      return false;
    auto first = random_.below(looks_.size());
    for (std::size_t tries = 0; tries < looks_.size(); ++tries) {
      auto i = (first + tries) % looks_.size();
      auto what = looks_[i];
      auto& queue = queues_[static_cast<std::size_t>(core_->level_of(what.lane)) - 1];
      auto end = static_cast<std::int64_t>(queue.size());
      REQUIRE(what.from <= end);
      if (what.from == end && what.wait)
        continue;
      looks_.erase(looks_.begin() + static_cast<std::ptrdiff_t>(i));
      core::sight seen{{}, what.from, end};
      auto most = 1 + static_cast<std::int64_t>(random_.below(5));
      for (; seen.next < std::min(end, what.from + most); ++seen.next) {
        auto& one = queue[static_cast<std::size_t>(seen.next)];
        seen.messages.push_back({seen.next, one.stored_ms, sent_[one.number].deliver_ms});
      }
      core_->found(what.lane, seen, now());
      work();
      return true;
    }
    return false;
  }

  void answer_delivery() {
    auto what = deliveries_.back();
    deliveries_.pop_back();
    auto& queue = queues_[static_cast<std::size_t>(core_->level_of(what.lane)) - 1];
    std::vector<core::outcome> outcomes;
    for (auto position : what.positions) {
      bool refused = refuses_ && !calm_ && random_.one_in(5);
      outcomes.push_back(refused ? core::outcome::later : core::outcome::stored);
      if (!refused)
        take(queue[static_cast<std::size_t>(position)].number);
    }
    core_->delivered(what.lane, outcomes, now());
    work();
  }

  /// As the writer does: it waits in another level, or it has come.
  void take(std::size_t number) {
    auto& message = sent_[number];
    auto left = message.deliver_ms - wall_;
    if (message.deliver_ms > 0 && left > 0) {
      REQUIRE((clock_ || ++message.hops < 20)); // it does not go round and round
      return lay(level_until(message.deliver_ms, wall_, levels_), number);
    }
    if (message.times++ == 0)
      --open_;
    if (calm_ && !clock_ && message.deliver_ms > calm_from_)
      REQUIRE(left >= -100);
  }

  troupe::sim::random_source random_;
  bool clock_;   ///< is set
  bool refuses_; ///< so what is stored behind one that is refused comes again after a stop
  bool calm_ = false;
  std::int64_t calm_from_ = 0;
  bool crashed_ = false;
  delay_levels levels_ = levels("1s 2s 7s");
  std::int64_t wall_ = noon;
  std::int64_t steady_ = 0;
  store_time time_;
  std::vector<sent> sent_;
  std::size_t open_ = 0;
  std::array<std::vector<stored>, 3> queues_;
  std::array<std::pair<std::int64_t, std::optional<core::window>>, 3> saved_{};
  std::optional<core> core_;
  std::vector<look> looks_;
  std::vector<delivery> deliveries_;
};

} // namespace

TEST_CASE(
    "delay timers: through restarts, refusals and clocks that are set all come, once, on time",
    "[storage]") {
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    INFO("seed " << seed);
    model m(seed);
    for (int i = 0; i < 500; ++i)
      m.step();
    m.finish();
  }
}
