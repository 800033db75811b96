#include "sim/random.hpp"
#include "storage/cores/apply_core.hpp"
#include "tests/support/catch.hpp"

#include <algorithm>
#include <deque>
#include <sstream>
#include <string>
#include <vector>

using namespace troupe::storage;

namespace {

const char* text(apply_core::step step) {
  return step == apply_core::step::skip    ? "skip"
         : step == apply_core::step::apply ? "apply"
                                           : "read again";
}

struct line {
  std::string event;
  std::string answer;
};

std::string happen(apply_core& core, const line& l) {
  std::istringstream words(l.event);
  std::string what;
  std::int64_t first = 0;
  std::int64_t second = 0;
  words >> what >> first >> second;
  if (what == "judge")
    return text(core.judge(first, second));
  if (what == "begin")
    return std::to_string(core.begin(first, second));
  if (what == "found-gap")
    return core.found_gap() == apply_core::gap::build_again ? "build again" : "damaged";
  if (what == "applied")
    return std::to_string(core.applied());
  if (what == "compares")
    return core.compares(first) ? "yes" : "no";
  if (what == "ahead")
    return core.ahead() ? "yes" : "no";
  if (what == "got-to")
    core.got_to(static_cast<std::size_t>(first));
  else if (what == "finished")
    core.finished(first);
  else if (what == "recount")
    core.recount();
  else if (what == "emptied")
    core.emptied(first);
  else if (what == "compared")
    core.compared(first);
  else if (what == "stop-comparing")
    core.stop_comparing();
  else
    FAIL("no such event: " << what);
  return "";
}

struct row {
  const char* rule;
  std::vector<line> lines;
};

/// Everything before 100 is in the queues.
void check(const std::vector<row>& rows, std::int64_t compare_until = 0, bool rebuilt = false,
           bool read_only = false) {
  for (auto& r : rows) {
    apply_core core;
    core.opened(100, compare_until, rebuilt, read_only);
    for (auto& l : r.lines) {
      INFO(r.rule << ": " << l.event);
      CHECK(happen(core, l) == l.answer);
    }
  }
}

} // namespace

TEST_CASE("apply core: where a batch lies", "[storage]") {
  using place = apply_core::place;
  CHECK(apply_core::place_of(100, 200, 100) == place::continues);
  CHECK(apply_core::place_of(99, 200, 100) == place::overlaps);
  CHECK(apply_core::place_of(99, 101, 100) == place::overlaps);
  CHECK(apply_core::place_of(50, 100, 100) == place::known);
  CHECK(apply_core::place_of(100, 100, 100) == place::known);
  CHECK(apply_core::place_of(101, 200, 100) == place::gap);
}

TEST_CASE("apply core: batches go in one behind the other", "[storage]") {
  check({
      {"one that continues",
       {{"judge 100 200", "apply"},
        {"begin 100 200", "0"},
        {"got-to 3", ""},
        {"finished 200", ""},
        {"applied", "200"},
        {"judge 200 210", "apply"}}},
      {"one that overlaps", {{"judge 50 150", "apply"}, {"begin 50 150", "0"}}},
      {"one that is known", {{"judge 50 100", "skip"}, {"judge 0 10", "skip"}}},
      {"one that leaves a gap", {{"judge 101 200", "read again"}, {"applied", "100"}}},
  });
}

TEST_CASE("apply core: a batch that is half applied goes on where it stopped", "[storage]") {
  check({
      {"it is the same",
       {{"ahead", "no"},
        {"begin 100 200", "0"},
        {"got-to 2", ""},
        {"ahead", "yes"},
        {"applied", "100"},
        {"judge 100 200", "apply"},
        {"begin 100 200", "2"},
        {"got-to 5", ""},
        {"finished 200", ""},
        {"ahead", "no"},
        {"begin 200 300", "0"}}},
      {"it is another one",
       {{"begin 90 200", "0"}, {"got-to 2", ""}, {"begin 100 150", "0"}, {"ahead", "yes"}}},
      {"its positions are others now",
       {{"begin 100 200", "0"},
        {"got-to 2", ""},
        {"recount", ""},
        {"ahead", "yes"},
        {"begin 100 200", "0"}}},
  });
}

TEST_CASE("apply core: a message without its predecessors", "[storage]") {
  const row again{"the queues lack them",
                  {{"begin 100 200", "0"},
                   {"got-to 2", ""},
                   {"found-gap", "build again"},
                   {"emptied 30", ""},
                   {"ahead", "no"},
                   {"applied", "30"},
                   {"judge 100 200", "read again"},
                   {"begin 30 200", "0"}}};
  check({again,
         {"the log lacks them: the queues were built again",
          {{"emptied 30", ""}, {"begin 30 200", "0"}, {"found-gap", "damaged"}}}});
  const std::vector<row> damaged{{"nothing may be done, or has not helped",
                                  {{"begin 100 200", "0"},
                                   {"got-to 2", ""},
                                   {"found-gap", "damaged"},
                                   {"ahead", "yes"},
                                   {"applied", "100"},
                                   {"begin 100 200", "0"}}}};
  check(damaged, 0, true, false);
  check(damaged, 0, false, true);
}

TEST_CASE("apply core: what the queues know already is compared first", "[storage]") {
  check(
      {
          {"up to there",
           {{"compares 100", "yes"},
            {"compares 150", "no"},
            {"ahead", "yes"},
            {"compared 149", ""},
            {"compares 100", "yes"},
            {"compared 150", ""},
            {"compares 100", "no"},
            {"ahead", "no"}}},
          {"where the log cannot be read they are believed",
           {{"stop-comparing", ""},
            {"applied", "150"},
            {"compares 100", "no"},
            {"ahead", "no"},
            {"judge 160 170", "read again"}}},
          {"empty queues have nothing to compare",
           {{"emptied 0", ""}, {"compares 0", "no"}, {"applied", "0"}}},
      },
      150);
}

namespace {

/// A log with a record at each offset, one queue that holds the offsets it was given, batches that
/// get lost and come twice, and writes that fail half-way.
class model {
public:
  explicit model(std::uint64_t seed) : random_(seed) { core_.opened(0, 0, false, false); }

  void run() {
    for (int i = 0; i < 300; ++i) {
      if (random_.one_in(2)) {
        const auto from = sent_ - std::min(sent_, number(random_.one_in(4) ? 8 : 1));
        end_ += number(6);
        if (end_ > from && !random_.one_in(6)) // else it is lost
          waiting_.push_back({from, end_});
        sent_ = end_;
      }
      if (random_.one_in(40)) { // a file is lost
        queue_.resize(queue_.size() - std::min<std::size_t>(queue_.size(), 3));
      }
      work(true);
    }
    waiting_.push_back({end_, end_ + 1}); // shows that something is missing, whatever it is
    ++end_;
    while (core_.applied() < end_)
      work(false);
    CHECK(static_cast<std::int64_t>(queue_.size()) == end_);
  }

private:
  struct range {
    std::int64_t from = 0;
    std::int64_t to = 0;
  };
  std::int64_t number(std::uint64_t below) {
    return static_cast<std::int64_t>(random_.below(below));
  }

  void work(bool fails) {
    while (!waiting_.empty()) {
      const auto batch = waiting_.front();
      switch (core_.judge(batch.from, batch.to)) {
      case apply_core::step::skip:
        CHECK(batch.to <= core_.applied());
        break;
      case apply_core::step::read_again:
        CHECK(batch.from > core_.applied());
        read_again();
        continue;
      case apply_core::step::apply:
        if (fails && random_.one_in(5)) {
          apply(batch, batch.from + number(static_cast<std::uint64_t>(batch.to - batch.from)));
          return;
        }
        if (!apply(batch, batch.to))
          continue;
        core_.finished(batch.to);
        CHECK(core_.applied() == batch.to);
      }
      waiting_.pop_front();
    }
  }

  void read_again() {
    waiting_.clear();
    for (auto at = core_.applied(); at < end_; at += 5)
      waiting_.push_back({at, std::min(at + 5, end_)});
  }

  /// False if the queue was emptied.
  bool apply(const range& batch, std::int64_t until) {
    const auto done = core_.begin(batch.from, batch.to);
    for (auto at = batch.from + static_cast<std::int64_t>(done); at < until; ++at) {
      const auto next = static_cast<std::int64_t>(queue_.size());
      if (at > next) { // nothing is ever left out but by a loss
        CHECK(core_.found_gap() ==
              (core_.rebuilt() ? apply_core::gap::damaged : apply_core::gap::build_again));
        queue_.clear();
        core_.emptied(0);
        core_.opened(0, 0, false, false); // as after a restart: it may be lost again
        read_again();
        return false;
      }
      if (at == next)
        queue_.push_back(at);
      core_.got_to(static_cast<std::size_t>(at + 1 - batch.from));
    }
    return true;
  }

  troupe::sim::random_source random_;
  apply_core core_;
  std::vector<std::int64_t> queue_;
  std::deque<range> waiting_;
  std::int64_t sent_ = 0; ///< batches that were sent end here
  std::int64_t end_ = 0;  ///< of the log
};

} // namespace

TEST_CASE("apply core: whatever is lost or fails, the queue is the log", "[storage]") {
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    INFO("seed " << seed);
    model(seed).run();
  }
}
