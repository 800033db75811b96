#include "sim/random.hpp"
#include "storage/cores/flush_core.hpp"
#include "tests/support/catch.hpp"

#include <map>
#include <sstream>
#include <string>
#include <vector>

using namespace troupe::storage;
using outcome = flush_core::outcome;

namespace {

constexpr std::int64_t file_size = 100;

std::string text(const flush_core::actions& then) {
  std::string all;
  auto add = [&](const std::string& what) { all += (all.empty() ? "" : ", ") + what; };
  for (auto& a : then.answers)
    add(std::to_string(a.who) + (a.what == outcome::durable  ? " durable"
                                 : a.what == outcome::failed ? " failed"
                                                             : " other run"));
  if (then.tell)
    add("tell");
  if (then.wake == flush_core::wake_up::now)
    add("wake");
  if (then.wake == flush_core::wake_up::unhurried)
    add("rest");
  return all;
}

/// The files of the flush, a full one with a mark.
std::string text(const std::optional<flush_core::flush>& flush) {
  if (!flush)
    return "nothing";
  std::string all = std::to_string(flush->from.end) + " to " + std::to_string(flush->to.end) + ":";
  for (auto& file : flush->files(file_size))
    all += " " + std::to_string(file.start) + (file.full ? "!" : "");
  return all;
}

struct line {
  std::string event;
  std::string answer;
};

std::string happen(flush_core& core, const line& l) {
  std::istringstream words(l.event);
  std::string what;
  std::int64_t first = 0;
  std::int64_t second = 0;
  words >> what >> first >> second;
  if (what == "written")
    return text(core.written({first, first}));
  if (what == "wait")
    return text(core.wait(1, first, static_cast<std::uint64_t>(second)));
  if (what == "wait-other-run")
    return text(core.wait(9, first, static_cast<std::uint64_t>(second)));
  if (what == "new-run")
    return text(core.new_run(2, {first, first}, {second, first}));
  if (what == "go-on")
    return text(core.go_on());
  if (what == "writer-ended")
    return text(core.writer_ended());
  if (what == "begin")
    return text(core.begin_flush());
  if (what == "flushed")
    return text(core.flushed());
  if (what == "failed")
    return text(core.failed());
  if (what == "durable")
    return std::to_string(core.durable().end);
  if (what == "stop")
    core.stop(first);
  else
    FAIL("no such event: " << what);
  return "";
}

struct row {
  const char* rule;
  std::vector<line> lines;
};

void check(const std::vector<row>& rows, std::int64_t resting_bytes = 0) {
  for (auto& r : rows) {
    flush_core core{resting_bytes};
    core.new_run(1, {50, 50}, {50, 50});
    for (auto& l : r.lines) {
      INFO(r.rule << ": " << l.event);
      CHECK(happen(core, l) == l.answer);
    }
  }
}

} // namespace

TEST_CASE("flush core: what is written is flushed once for all that came meanwhile", "[storage]") {
  check({
      {"nothing is written", {{"go-on", ""}, {"begin", "nothing"}}},
      {"one flush for two writes",
       {{"written 60", "wake"},
        {"written 70", ""},
        {"begin", "50 to 70: 0"},
        {"flushed", "tell"},
        {"durable", "70"},
        {"begin", "nothing"}}},
      {"what comes during a flush has to wait for the next",
       {{"written 60", "wake"},
        {"begin", "50 to 60: 0"},
        {"written 70", "wake"},
        {"begin", "nothing"},
        {"flushed", "tell, wake"},
        {"durable", "60"},
        {"begin", "60 to 70: 0"},
        {"flushed", "tell"},
        {"durable", "70"}}},
      {"old news change nothing",
       {{"written 60", "wake"}, {"written 40", ""}, {"begin", "50 to 60: 0"}}},
      {"files in their order, and those that are full",
       {{"written 310", "wake"},
        {"begin", "50 to 310: 0! 100! 200! 300"},
        {"flushed", "tell"},
        {"written 400", "wake"},
        {"begin", "310 to 400: 300!"},
        {"flushed", "tell"},
        {"written 401", "wake"},
        {"begin", "400 to 401: 400"}}},
      {"a last flush up to where the writer stopped",
       {{"stop 80", ""},
        {"begin", "50 to 80: 0"},
        {"flushed", "tell"},
        {"stop 10", ""},
        {"begin", "nothing"}}},
  });
}

TEST_CASE("flush core: who waits is answered when it is durable", "[storage]") {
  check({
      {"it is durable already", {{"wait 50 1", "1 durable"}}},
      {"not before the flush that covers it",
       {{"written 60", "wake"},
        {"wait 60 1", ""},
        {"begin", "50 to 60: 0"},
        {"written 70", "wake"},
        {"wait 70 2", ""},
        {"flushed", "1 durable, tell"},
        {"begin", "60 to 70: 0"},
        {"flushed", "2 durable, tell"}}},
      {"in the order they came",
       {{"written 70", "wake"},
        {"wait 60 1", ""},
        {"wait 70 2", ""},
        {"wait 55 3", ""},
        {"begin", "50 to 70: 0"},
        {"flushed", "1 durable, 2 durable, 3 durable, tell"}}},
      {"who waits for what is not written yet",
       {{"wait 60 1", "wake"},
        {"begin", "nothing"},
        {"written 60", "wake"},
        {"begin", "50 to 60: 0"},
        {"flushed", "1 durable, tell"}}},
      {"who waits knows what is written when the writer has died without saying so",
       {{"wait 60 1", "wake"},
        {"begin", "nothing"},
        {"writer-ended", "wake"},
        {"begin", "50 to 60: 0"},
        {"flushed", "1 durable, tell"},
        {"wait 70 2", "wake"},
        {"begin", "60 to 70: 0"},
        {"flushed", "2 durable, tell"}}},
  });
}

TEST_CASE("flush core: a little that nobody waits for rests", "[storage]") {
  check(
      {
          {"as long as it is little",
           {{"written 60", "rest"},
            {"written 80", "rest"},
            {"written 81", "wake"},
            {"begin", "50 to 81: 0"},
            {"written 90", "rest"},
            {"flushed", "tell, rest"},
            {"begin", "81 to 90: 0"},
            {"flushed", "tell"}}},
          {"until somebody waits for it",
           {{"written 60", "rest"},
            {"wait 60 1", "wake"},
            {"begin", "50 to 60: 0"},
            {"flushed", "1 durable, tell"}}},
          {"not while somebody waits for what is still to be written",
           {{"wait 70 1", "wake"},
            {"begin", "nothing"},
            {"written 60", "wake"},
            {"begin", "50 to 60: 0"},
            {"flushed", "tell"},
            {"written 70", "wake"}}},
          {"not behind a failed flush", {{"failed", "tell"}, {"written 60", ""}}},
      },
      30);
}

TEST_CASE("flush core: a failed flush is final, until the log begins a new run", "[storage]") {
  check({
      {"who waits hears it, and who comes later",
       {{"written 60", "wake"},
        {"wait 60 1", ""},
        {"begin", "50 to 60: 0"},
        {"failed", "1 failed, tell"},
        {"wait 60 2", "2 failed"},
        {"wait 50 3", "3 durable"},
        {"written 70", ""},
        {"begin", "nothing"},
        {"failed", ""},
        {"durable", "50"}}},
      {"also without a flush", {{"failed", "tell"}, {"written 60", ""}, {"begin", "nothing"}}},
      {"nothing is known in another run",
       {{"written 60", "wake"},
        {"wait 60 1", ""},
        {"wait-other-run 10 2", "2 other run"},
        {"new-run 55 55", "1 other run"},
        {"go-on", ""},
        {"durable", "55"},
        {"begin", "nothing"},
        {"wait 10 3", "3 other run"}}},
      {"a new run flushes again",
       {{"failed", "tell"},
        {"new-run 90 80", ""},
        {"go-on", "wake"},
        {"begin", "80 to 90: 0"},
        {"flushed", "tell"},
        {"durable", "90"}}},
  });
}

namespace {

/// A flusher whose flushes take a while, and a model that knows what a disk has: what was written
/// when a sync began that went well.
class model {
public:
  explicit model(std::uint64_t seed)
      : random_(seed), core_(static_cast<std::int64_t>(random_.below(3) * 50)) {
    core_.new_run(1, {}, {});
  }

  void run() {
    for (int i = 0; i < 500; ++i)
      happen();
    if (flushing_)
      end(false);
    while (woken_) {
      begin();
      if (flushing_)
        end(false);
    }
    CHECK(answered_.size() == asked_.size());
    CHECK(core_.durable().end == on_disk_);
    CHECK((failed_ || on_disk_ == written_));
  }

private:
  void happen() {
    switch (random_.below(5)) {
    case 0:
      written_ += static_cast<std::int64_t>(random_.below(80));
      act(core_.written({written_, written_}));
      break;
    case 1: {
      const auto who = asked_.size() + 1;
      asked_[who] = written_ - std::min(written_, static_cast<std::int64_t>(random_.below(200)));
      act(core_.wait(1, asked_[who], who));
      break;
    }
    case 2:
      if (woken_)
        begin();
      break;
    case 3:
      if (flushing_)
        end(random_.one_in(40));
      break;
    default:
      break;
    }
    CHECK(core_.durable().end == on_disk_);
    if (!failed_ && !flushing_ && written_ > on_disk_)
      CHECK(woken_); // or it would be forgotten
  }

  void begin() {
    woken_ = false;
    auto flush = core_.begin_flush();
    if (!flush)
      return;
    CHECK_FALSE(flushing_);
    CHECK_FALSE(failed_);
    CHECK(flush->to.end == written_);
    auto at = on_disk_ - on_disk_ % file_size;
    for (auto& file : flush->files(file_size)) {
      CHECK(file.start == at);
      CHECK(file.full == (at + file_size <= written_));
      at += file_size;
    }
    CHECK(at >= written_);
    flushing_ = written_;
  }

  void end(bool fails) {
    failed_ |= fails;
    if (!fails)
      on_disk_ = *flushing_;
    flushing_.reset();
    act(fails ? core_.failed() : core_.flushed());
  }

  void act(const flush_core::actions& then) {
    for (auto& a : then.answers) {
      CHECK(answered_.emplace(a.who, a.what).second);
      CHECK(a.what == (asked_[a.who] <= on_disk_ ? outcome::durable : outcome::failed));
      CHECK((failed_ || a.what == outcome::durable));
    }
    woken_ |= then.wake != flush_core::wake_up::none;
    if (then.wake == flush_core::wake_up::unhurried)
      CHECK(asked_.size() == answered_.size());
  }

  troupe::sim::random_source random_;
  flush_core core_;
  std::int64_t written_ = 0;
  std::int64_t on_disk_ = 0;
  std::optional<std::int64_t> flushing_; ///< up to there, if a flush runs
  std::map<std::uint64_t, std::int64_t> asked_;
  std::map<std::uint64_t, outcome> answered_;
  bool woken_ = false;
  bool failed_ = false;
};

} // namespace

TEST_CASE("flush core: nobody is told too early, and nobody is forgotten", "[storage]") {
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    INFO("seed " << seed);
    model(seed).run();
  }
}
