#include "sim/random.hpp"
#include "storage/cores/sync_rhythm.hpp"
#include "tests/support/catch.hpp"

#include <sstream>
#include <string>
#include <vector>

using namespace troupe::storage;
using namespace std::chrono_literals;

namespace {

using time_point = sync_rhythm::time_point;

std::string text(const sync_rhythm::actions& then) {
  std::string all;
  auto add = [&](bool is, const std::string& what) {
    if (is)
      all += (all.empty() ? "" : ", ") + what;
  };
  add(then.warn_of_try > 0, "warn " + std::to_string(then.warn_of_try));
  add(then.give_up, "give up");
  add(then.block, "block");
  add(then.unblock, "unblock");
  if (then.retry)
    add(true, "retry " + std::to_string(then.retry->count()));
  add(then.stopped, "stopped");
  add(then.log_unknown, "log unknown");
  add(then.sync, "sync");
  add(then.arm, "arm");
  return all;
}

errc error_of(const std::string& name) {
  for (auto code :
       {errc::no_space, errc::too_many_files, errc::io_error, errc::needs_repair,
        errc::write_stopped, errc::connection_lost, errc::maybe_stored, errc::unavailable})
    if (name_of(code) == name)
      return code;
  FAIL("no such error: " << name);
  return errc::none;
}

/// At a time, in milliseconds, something happens or is asked; and the answer.
struct line {
  int at_ms;
  std::string event;
  std::string answer;
};

std::string happen(sync_rhythm& rhythm, const line& l) {
  std::istringstream words(l.event);
  std::string what;
  std::string word;
  words >> what >> word;
  const time_point now{std::chrono::milliseconds(l.at_ms)};
  auto number = [&] { return std::stoi(word); };
  if (what == "applied")
    return text(rhythm.applied(number()));
  if (what == "worked")
    return text(rhythm.worked(word == "full", now));
  if (what == "apply-failed")
    return text(rhythm.apply_failed(error_of(word)));
  if (what == "write-failed")
    return text(rhythm.write_failed(error_of(word), now));
  if (what == "synced") {
    int disk_ms = 0;
    words >> disk_ms;
    return text(rhythm.synced(number(), std::chrono::milliseconds(disk_ms), now));
  }
  if (what == "sync-failed") {
    std::string where;
    words >> where;
    return text(rhythm.sync_failed(error_of(word), where == "elsewhere", now));
  }
  if (what == "stop-goes-on")
    return text(rhythm.stop_goes_on());
  if (what == "due")
    return rhythm.due(now) ? "yes" : "no";
  if (what == "wait") {
    auto wait = rhythm.wait(now);
    return wait ? std::to_string(wait->count()) : "for ever";
  }
  if (what == "retrying")
    return rhythm.retrying() ? "yes" : "no";
  if (what == "begun")
    rhythm.begun();
  else if (what == "stop")
    rhythm.stop();
  else if (what == "stale")
    rhythm.stale();
  else if (what == "soon")
    rhythm.soon(now);
  else if (what == "moved")
    rhythm.moved(number());
  else if (what == "not-counted")
    rhythm.not_counted(now);
  else if (what == "retrying-now")
    rhythm.retrying_now();
  else
    FAIL("no such event: " << what);
  return "";
}

struct row {
  const char* rule;
  std::vector<line> lines;
};

void check(const std::vector<row>& rows, sync_rhythm::rules rules = {}) {
  for (auto& r : rows) {
    sync_rhythm rhythm(rules);
    rhythm.opened(10, false);
    for (auto& l : r.lines) {
      INFO(r.rule << ": at " << l.at_ms << " " << l.event);
      CHECK(happen(rhythm, l) == l.answer);
    }
  }
}

} // namespace

TEST_CASE("sync rhythm: when a sync is wanted and when it may begin", "[storage]") {
  check({
      {"nothing is new", {{0, "worked", ""}, {0, "wait", "for ever"}, {0, "due", "no"}}},
      {"what was applied is synced",
       {{0, "applied 20", ""}, {0, "worked", "arm"}, {0, "due", "yes"}, {0, "wait", "1"}}},
      {"so is a checkpoint that is no longer true",
       {{0, "stale", ""},
        {0, "due", "yes"},
        {0, "begun", ""},
        {0, "due", "no"},
        {1, "synced 10 0", ""},
        {5000, "due", "no"}}},
      {"one at a time",
       {{0, "applied 20", ""},
        {0, "begun", ""},
        {0, "applied 30", ""},
        {0, "worked", "arm"},
        {9000, "due", "no"},
        {9000, "wait", "for ever"},
        {9000, "synced 20 0", "arm"},
        {9999, "due", "no"},
        {10'000, "due", "yes"}}},
      {"queues that were emptied want none before they have more again",
       {{0, "moved 0", ""},
        {0, "applied 5", ""},
        {0, "worked", ""},
        {0, "due", "no"},
        {0, "applied 11", ""},
        {0, "due", "yes"}}},
      {"what cannot be counted is tried again later",
       {{0, "applied 20", ""}, {0, "not-counted", ""}, {999, "due", "no"}, {1000, "due", "yes"}}},
  });
  check({{"read-only queues are never synced",
          {{0, "applied 20", ""},
           {0, "stale", ""},
           {0, "due", "no"},
           {0, "wait", "for ever"},
           {0, "stop", ""},
           {0, "stop-goes-on", "stopped"}}}},
        {.read_only = true});
}

TEST_CASE("sync rhythm: the disk rests after a sync", "[storage]") {
  check({
      {"at least the interval",
       {{0, "applied 20", ""},
        {0, "begun", ""},
        {0, "applied 30", ""},
        {100, "synced 20 125", "arm"},
        {100, "wait", "1000"},
        {1099, "due", "no"},
        {1100, "due", "yes"}}},
      {"eight times as long as it was busy",
       {{0, "applied 20", ""},
        {0, "begun", ""},
        {0, "applied 30", ""},
        {2000, "synced 20 2000", "arm"},
        {2000, "wait", "16000"},
        {17'999, "due", "no"},
        {18'000, "due", "yes"}}},
      {"and no longer than 30 seconds",
       {{0, "applied 20", ""},
        {0, "begun", ""},
        {0, "applied 30", ""},
        {9000, "synced 20 9000", "arm"},
        {38'999, "due", "no"},
        {39'000, "due", "yes"}}},
      {"not when somebody waits for it",
       {{0, "applied 20", ""},
        {0, "begun", ""},
        {0, "applied 30", ""},
        {9000, "synced 20 9000", "arm"},
        {9100, "soon", ""},
        {9100, "wait", "1"},
        {9100, "due", "yes"}}},
      {"nor when the memory for what is not written is used up",
       {{0, "applied 20", ""},
        {0, "begun", ""},
        {0, "applied 30", ""},
        {9000, "synced 20 9000", "arm"},
        {9100, "worked", "arm"},
        {9100, "due", "no"},
        {9100, "worked full", "arm"},
        {9100, "due", "yes"}}},
  });
}

TEST_CASE("sync rhythm: a disk that refuses is tried again, then holds up writing", "[storage]") {
  check({
      {"applying",
       {{0, "apply-failed no_space", "warn 1, retry 100"},
        {0, "retrying", "yes"},
        {100, "retrying-now", ""},
        {100, "retrying", "no"},
        {100, "apply-failed no_space", "warn 2, retry 100"},
        {200, "apply-failed io_error", "warn 3, block, retry 1000"},
        {1200, "apply-failed io_error", "block, retry 1000"},
        {2200, "applied 20", "unblock"},
        {2200, "apply-failed no_space", "warn 1, retry 100"}}},
      {"writing out",
       {{0, "applied 20", ""},
        {0, "write-failed no_space", "warn 1, retry 100"},
        {0, "wait", "100"},
        {100, "write-failed no_space", "warn 2, retry 100"},
        {200, "write-failed no_space", "warn 3, block, retry 1000"},
        {200, "wait", "1000"},
        {1200, "begun", ""},
        {1300, "synced 20 0", "unblock"}}},
      {"each way has to get through",
       {{0, "applied 20", ""},
        {0, "write-failed no_space", "warn 1, retry 100"},
        {0, "write-failed no_space", "warn 2, retry 100"},
        {0, "write-failed no_space", "warn 3, block, retry 1000"},
        {0, "applied 30", ""},
        {0, "apply-failed no_space", "retry 100"},
        {1000, "begun", ""},
        {1000, "synced 30 0", ""},
        {1000, "applied 40", "unblock"}}},
      {"what must not be written is never written",
       {{0, "apply-failed needs_repair", "warn 1, give up"},
        {0, "applied 20", ""},
        {9000, "due", "no"},
        {9000, "stop", ""},
        {9000, "stop-goes-on", ""}}},
  });
}

TEST_CASE("sync rhythm: a sync that fails is final, unless that says nothing of the disk",
          "[storage]") {
  check({
      {"nobody there",
       {{0, "applied 20", ""},
        {0, "begun", ""},
        {50, "sync-failed unavailable", "arm"},
        {1049, "due", "no"},
        {1050, "due", "yes"}}},
      {"it died",
       {{0, "stale", ""},
        {0, "begun", ""},
        {50, "sync-failed connection_lost", "arm"},
        {1050, "due", "yes"}}},
      {"it is slow",
       {{0, "stale", ""},
        {0, "begun", ""},
        {50, "sync-failed maybe_stored", "arm"},
        {1050, "due", "yes"}}},
      {"no room for the checkpoint",
       {{0, "applied 20", ""},
        {0, "begun", ""},
        {50, "sync-failed no_space", "warn 4, block, retry 1000, arm"},
        {1049, "due", "no"},
        {1050, "due", "yes"},
        {1050, "begun", ""},
        {1060, "synced 20 0", "unblock"}}},
      {"what was written is in doubt",
       {{0, "applied 20", ""},
        {0, "begun", ""},
        {50, "sync-failed io_error", "give up"},
        {0, "applied 30", ""},
        {0, "soon", ""},
        {90'000, "due", "no"}}},
  });
}

TEST_CASE("sync rhythm: a stop syncs what is left, without a rest", "[storage]") {
  check({
      {"nothing is left", {{0, "stop", ""}, {0, "stop-goes-on", "stopped"}}},
      {"something is",
       {{0, "applied 20", ""},
        {0, "stop", ""},
        {0, "stop-goes-on", "sync"},
        {0, "begun", ""},
        {0, "synced 20 9000", "stopped"}}},
      {"one runs, and more has come",
       {{0, "applied 20", ""},
        {0, "begun", ""},
        {0, "applied 30", ""},
        {0, "stop", ""},
        {0, "stop-goes-on", ""},
        {9000, "synced 20 9000", "sync"},
        {9000, "begun", ""},
        {9500, "synced 30 0", "stopped"}}},
      {"what failed too often is final now",
       {{0, "applied 20", ""},
        {0, "stop", ""},
        {0, "stop-goes-on", "sync"},
        {0, "write-failed no_space", "warn 1, retry 100"},
        {0, "write-failed no_space", "warn 2, retry 100"},
        {0, "write-failed no_space", "warn 3, give up"},
        {9000, "due", "no"}}},
      {"a queue-flusher that is away is not waited for",
       {{0, "applied 20", ""},
        {0, "stop", ""},
        {0, "stop-goes-on", "sync"},
        {0, "begun", ""},
        {0, "sync-failed unavailable", "give up"}}},
      {"nor a log's flusher in another process, which stops too",
       {{0, "applied 20", ""},
        {0, "stop", ""},
        {0, "stop-goes-on", "sync"},
        {0, "begun", ""},
        {0, "sync-failed unavailable elsewhere", "log unknown"}}},
  });
}

namespace {

/// A queue-manager that does what the rhythm says, with a disk that works or not, and a model that
/// knows nothing of how the rhythm decides.
class model {
public:
  explicit model(std::uint64_t seed) : random_(seed) { rhythm_.opened(0, random_.one_in(4)); }

  void run() {
    for (int i = 0; i < 400; ++i) {
      pass(random_.one_in(20) ? random_.below(40'000) : random_.below(300));
      happen();
    }
    quiet_ = true;
    if (running_)
      end_sync();
    if (rhythm_.given_up()) {
      pass(200'000);
      CHECK(syncs_ == syncs_when_given_up_);
      return;
    }
    const auto last = now_;
    act(rhythm_.applied(++applied_));
    act(rhythm_.worked(false, at(now_)));
    while (rhythm_.durable() < applied_ && now_ < last + 40'000)
      pass(10);
    CHECK(rhythm_.durable() == applied_);
    // The interval or the rest, and what failed before may have put it off by a moment.
    CHECK(now_ - last <= std::max<std::int64_t>(30'000, 1000) + 1000 + 20);
    CHECK_FALSE(rhythm_.blocked());
  }

private:
  static time_point at(std::int64_t ms) { return time_point(std::chrono::milliseconds(ms)); }

  void happen() {
    switch (random_.below(9)) {
    case 0:
      act(rhythm_.apply_failed(random_.one_in(200) ? errc::needs_repair : errc::no_space));
      break;
    case 1:
      rhythm_.stale();
      arm();
      break;
    case 2:
      rhythm_.soon(at(now_));
      rested_ = 0;
      arm();
      break;
    case 3:
      if (running_)
        end_sync();
      break;
    case 4:
      act(rhythm_.worked(random_.one_in(5), at(now_)));
      rested_ = 0; // it may have been full
      break;
    default:
      act(rhythm_.applied(applied_ += static_cast<std::int64_t>(random_.below(3))));
      act(rhythm_.worked(false, at(now_)));
    }
  }

  void pass(std::uint64_t ms) {
    for (const auto end = now_ + static_cast<std::int64_t>(ms); now_ < end; ++now_) {
      if (quiet_ && running_)
        end_sync();
      if (timer_ && now_ >= *timer_) {
        timer_.reset();
        if (rhythm_.due(at(now_)))
          sync();
        if (rhythm_.may_sync())
          arm();
      }
    }
  }

  void sync() {
    if (!rhythm_.may_sync())
      return;
    if (!quiet_ && random_.one_in(4)) {
      act(rhythm_.write_failed(errc::no_space, at(now_)));
      return;
    }
    CHECK_FALSE(running_);
    CHECK(now_ >= rested_);
    CHECK_FALSE(final_);
    rhythm_.begun();
    running_ = true;
    noted_ = applied_;
    ++syncs_;
  }

  void end_sync() {
    running_ = false;
    const auto before = rhythm_.durable();
    if (quiet_ || random_.percent(70)) {
      const auto busy = static_cast<std::int64_t>(random_.below(quiet_ ? 1 : 6000));
      rested_ = now_ + std::max<std::int64_t>(1000, std::min<std::int64_t>(8 * busy, 30'000));
      act(rhythm_.synced(noted_, std::chrono::milliseconds(busy), at(now_)));
      CHECK(rhythm_.durable() == std::max(before, noted_));
      return;
    }
    rested_ = 0;
    auto why = random_.one_in(30)  ? errc::io_error
               : random_.one_in(2) ? errc::unavailable
                                   : errc::no_space;
    final_ |= why == errc::io_error;
    act(rhythm_.sync_failed(why, random_.one_in(2), at(now_)));
    CHECK(rhythm_.durable() == before);
    CHECK(rhythm_.given_up() >= final_);
  }

  void act(const sync_rhythm::actions& then) {
    if (then.give_up)
      syncs_when_given_up_ = syncs_;
    if (then.sync)
      sync();
    if (then.arm)
      arm();
  }

  void arm() {
    auto wait = rhythm_.wait(at(now_));
    if (!wait)
      return;
    const auto then = now_ + wait->count();
    timer_ = timer_ ? std::min(*timer_, then) : then;
  }

  troupe::sim::random_source random_;
  sync_rhythm rhythm_{sync_rhythm::rules{}};
  std::int64_t now_ = 0;
  std::int64_t applied_ = 0;
  std::int64_t noted_ = 0;
  std::int64_t rested_ = 0; ///< no sync before
  std::optional<std::int64_t> timer_;
  int syncs_ = 0;
  int syncs_when_given_up_ = 0;
  bool running_ = false;
  bool final_ = false; ///< no sync any more
  bool quiet_ = false; ///< nothing fails any more
};

} // namespace

TEST_CASE("sync rhythm: whatever happens, one sync at a time, with rests, and none is forgotten",
          "[storage]") {
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    INFO("seed " << seed);
    model(seed).run();
  }
}
