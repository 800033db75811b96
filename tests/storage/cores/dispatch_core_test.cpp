#include "sim/random.hpp"
#include "storage/cores/dispatch_core.hpp"
#include "tests/support/catch.hpp"

#include <algorithm>
#include <deque>
#include <sstream>
#include <string>
#include <variant>
#include <vector>

using namespace troupe::storage;
using core_type = dispatch_core;

namespace {

std::string number(std::uint64_t n) {
  return "#" + std::to_string(n);
}
std::string range(std::int64_t from, std::int64_t to) {
  return std::to_string(from) + "-" + (to == core_type::unknown_end ? "?" : std::to_string(to));
}

std::string text_of(const core_type::meet_writer&) {
  return "meet writer";
}
std::string text_of(const core_type::meet_queues& a) {
  return "meet queues " + number(a.meeting);
}
std::string text_of(const core_type::ask_end& a) {
  return "ask end " + number(a.question);
}
std::string text_of(const core_type::read& a) {
  return "read " + number(a.question) + " " + range(a.from, a.to) + " by " +
         std::to_string(a.count);
}
std::string text_of(const core_type::pass& a) {
  return "pass " + range(a.what.from, a.what.to);
}
std::string text_of(const core_type::ended& a) {
  return "ended " + std::to_string(a.end);
}
std::string text_of(const core_type::credit& a) {
  return "credit " + std::to_string(a.end);
}
std::string text_of(const core_type::bar& a) {
  return std::string(a.reason.empty() ? "lift " : "bar ") + std::string(name_of(a.code)) +
         (a.to == core_type::bar::audience::writer ? " at the writer" : "");
}
std::string text_of(const core_type::warn& a) {
  return "warn of " + std::to_string(a.from);
}
std::string text_of(const core_type::arm&) {
  return "arm";
}

std::string text(const core_type::actions& then) {
  std::string all;
  for (auto& a : then)
    all += (all.empty() ? "" : ", ") + std::visit([](auto& one) { return text_of(one); }, a);
  return all;
}

/// The words name what is out of the usual.
core_type::actions change_roles(core_type& core, std::istringstream& words) {
  core_type::roles now{.writer = true, .queues = true, .readers = true};
  for (std::string word; words >> word;) {
    if (word == "no-writer")
      now.writer = false;
    else if (word == "writer-ended")
      now.writer_ended = true;
    else if (word == "no-queues")
      now.queues = false;
    else if (word == "no-readers")
      now.readers = false;
    else if (word == "other-writer")
      now.other_writer = true;
    else if (word == "other-queues")
      now.other_queues = true;
    else if (word == "asked-gone")
      now.asked_reader_gone = true;
    else
      FAIL("no such role: " << word);
  }
  return core.roles_changed(now);
}

struct line {
  std::string event;
  std::string answer;
};

std::string happen(core_type& core, const line& l) {
  std::istringstream words(l.event);
  std::string what;
  words >> what;
  if (what == "roles")
    return text(change_roles(core, words));
  std::int64_t n[4] = {0, 0, 0, 0}; // as each event wants them; the last is its time, or a run
  for (auto& one : n)
    words >> one;
  const auto first = static_cast<std::uint64_t>(n[0]);
  const auto at = [](std::int64_t ms) {
    return core_type::time_point(std::chrono::milliseconds(ms));
  };
  if (what == "arrived")
    return text(core.arrived({1, n[0], n[1], 1, nullptr}));
  if (what == "arrived-of")
    return text(core.arrived({first, n[1], n[2], 1, nullptr}));
  if (what == "applied")
    return text(core.applied(static_cast<std::uint32_t>(n[0]), n[1]));
  if (what == "resume")
    return text(core.resume(static_cast<std::uint32_t>(n[0]), n[1]));
  if (what == "end")
    return text(core.end_known(first, n[1]));
  if (what == "end-unanswered")
    return text(core.end_unanswered(first, false));
  if (what == "writer-is-dead")
    return text(core.end_unanswered(first, true));
  if (what == "replayed")
    return text(core.replayed(first, {0, n[1], n[2], 10, nullptr}, at(n[3])));
  if (what == "unreadable")
    return text(core.unreadable(first, {errc::unavailable, "away"}, at(n[1])));
  if (what == "retry")
    return text(core.retry());
  if (what == "writer-met")
    return text(core.writer_met(first, n[1]));
  if (what == "writer-silent")
    return text(core.writer_silent());
  if (what == "queues-silent")
    return text(core.queues_silent(first));
  if (what == "queues-met") // meeting, applied, how many, run
    return text(core.queues_met(first, {static_cast<std::uint64_t>(n[3] == 0 ? 1 : n[3]), n[1],
                                        static_cast<std::size_t>(n[2]), 0}));
  if (what == "queues-met-but") // meeting, applied, how many, how many are missing
    return text(core.queues_met(
        first, {1, n[1], static_cast<std::size_t>(n[2]), static_cast<std::uint32_t>(n[3])}));
  if (what == "next")
    return std::to_string(core.next());
  if (what == "confirmed")
    return std::to_string(core.applied());
  if (what == "held")
    return std::to_string(core.held());
  if (what == "replayed-positions")
    return std::to_string(core.replayed_positions());
  if (what == "pauses")
    return std::to_string(core.pauses());
  FAIL("no such event: " << what);
  return {};
}

struct row {
  const char* rule;
  std::vector<line> lines;
};

void check(core_type& core, const row& r) {
  for (auto& l : r.lines) {
    INFO(r.rule << ": " << l.event);
    CHECK(happen(core, l) == l.answer);
  }
}

/// All have met, and everything before 100 is written and in the queues.
void check(const std::vector<row>& rows) {
  for (auto& r : rows) {
    core_type core;
    check(core, {"all meet",
                 {{"roles other-writer other-queues", "meet writer, meet queues #1"},
                  {"queues-met 1 100 1 1", "arm"}, // it is not known yet what run that is
                  {"writer-met 1 100", "meet queues #2"},
                  {"queues-met 2 100", "credit 100, ask end #2"},
                  {"end 2 100", "ended 100"},
                  {"retry", ""}}});
    check(core, r);
  }
}

} // namespace

TEST_CASE("dispatch core: what continues goes on", "[storage]") {
  check({
      {"one behind the other",
       {{"arrived 100 200", "pass 100-200"},
        {"arrived 200 210", "pass 200-210"},
        {"next", "210"},
        {"applied 0 150", "credit 150"},
        {"applied 0 210", "credit 210"}}},
      {"what is known is dropped",
       {{"arrived 0 100", ""},
        {"arrived 50 60", ""},
        {"arrived 100 200", "pass 100-200"},
        {"arrived 100 200", ""},
        {"held", "0"}}},
      {"what is of another run is dropped", {{"arrived-of 7 100 200", ""}, {"held", "0"}}},
      {"confirmations count in rising order only",
       {{"arrived 100 900", "pass 100-900"},
        {"applied 0 300", "credit 300"},
        {"applied 0 200", ""},
        {"applied 0 300", ""},
        {"applied 0 900", "credit 900"},
        {"confirmed", "900"}}},
  });
}

TEST_CASE("dispatch core: a gap is read again from the log", "[storage]") {
  check({
      {"up to what came, and then to the end that is known by now",
       {{"arrived 300 400", "ask end #2"},
        {"arrived 400 500", ""},
        {"end 2 450", "read #2 100-300 by 4096"},
        {"replayed 2 100 300", "pass 100-300"},
        {"held", "2"},
        {"applied 0 300", "credit 300, read #2 300-500 by 4096"},
        {"replayed 2 300 500", "pass 300-500"},
        {"held", "0"},
        {"arrived 500 600", ""},
        {"applied 0 500", "credit 500, read #2 500-600 by 4096"},
        {"replayed 2 500 600", "pass 500-600"},
        {"applied 0 600", "credit 600, ended 600"},
        {"arrived 600 700", "pass 600-700"},
        {"replayed-positions", "30"}}},
      {"in pieces, the next when the queues have the last",
       {{"arrived 300 400", "ask end #2"},
        {"end 2 400", "read #2 100-300 by 4096"},
        {"replayed 2 100 200", "pass 100-200"},
        {"retry", ""},
        {"applied 0 190", "credit 190"},
        {"applied 0 200", "credit 200, read #2 200-300 by 4096"},
        {"replayed 2 200 300", "pass 200-300"}}},
      {"one that overlaps too: the log has it all",
       {{"arrived 50 300", "ask end #2"},
        {"end 2 300", "read #2 100-300 by 4096"},
        {"replayed 2 100 300", "pass 100-300"},
        {"held", "0"},
        {"applied 0 300", "credit 300, ended 300"}}},
      {"nothing stays beside what was read",
       {{"arrived 120 130", "ask end #2"},
        {"arrived 140 190", ""},
        {"arrived 190 220", ""},
        {"end 2 400", "read #2 100-120 by 4096"},
        {"replayed 2 100 200", "pass 100-200"},
        {"held", "1"},
        {"arrived 150 200", ""},
        {"held", "1"},
        {"applied 0 200", "credit 200, read #2 200-400 by 4096"}}},
      {"a second gap behind the first",
       {{"arrived 200 300", "ask end #2"},
        {"arrived 400 500", ""},
        {"end 2 500", "read #2 100-200 by 4096"},
        {"replayed 2 100 200", "pass 100-200"},
        {"applied 0 200", "credit 200, read #2 200-500 by 4096"},
        {"replayed 2 200 300", "pass 200-300"},
        {"applied 0 300", "credit 300, read #2 300-400 by 4096"}}},
  });
}

TEST_CASE("dispatch core: only what is written is read", "[storage]") {
  check({
      {"as long as the writer is silent nothing is",
       {{"arrived 300 400", "ask end #2"},
        {"end-unanswered 2", "arm"},
        {"arrived 400 410", ""},
        {"retry", "ask end #2"},
        {"retry", ""},
        {"end 2 400", "read #2 100-300 by 4096"}}},
      {"without a writer all that is there",
       {{"arrived 300 400", "ask end #2"}, {"writer-is-dead 2", "read #2 100-300 by 4096"}}},
  });
  core_type core;
  check(core, {"without a writer, whom nobody has met, to the last record",
               {{"roles no-writer other-queues writer-ended", "meet queues #1"},
                {"queues-met 1 50 1 9", "ask end #1"},
                {"writer-is-dead 1", "read #1 50-? by 4096"},
                {"replayed 1 50 80", "pass 50-80"},
                {"applied 0 80", "read #1 80-? by 4096"},
                {"replayed 1 80 80", "ended 80"},
                {"next", "80"}}});
  CHECK(core.run() == 9);
}

TEST_CASE("dispatch core: a log that cannot be read", "[storage]") {
  const line gap{"arrived 300 400", "ask end #2"};
  const line reads{"end 2 400", "read #2 100-300 by 4096"};
  check({
      {"is asked for again after a pause, and barred when it takes long",
       {gap,
        reads,
        {"unreadable 2 1000", "warn of 100, arm"},
        {"retry", "read #2 100-300 by 4096"},
        {"unreadable 2 5999", "arm"},
        {"retry", "read #2 100-300 by 4096"},
        {"unreadable 2 6000", "bar unavailable, arm"},
        {"retry", "read #2 100-300 by 4096"},
        {"unreadable 2 9000", "arm"},
        {"pauses", "4"},
        {"retry", "read #2 100-300 by 4096"},
        {"replayed 2 100 300 9100", "lift unavailable, pass 100-300"}}},
      {"counts anew once it was read",
       {gap,
        reads,
        {"unreadable 2 1000", "warn of 100, arm"},
        {"retry", "read #2 100-300 by 4096"},
        {"replayed 2 100 200 1100", "pass 100-200"},
        {"applied 0 200", "credit 200, read #2 200-300 by 4096"},
        {"unreadable 2 6500", "warn of 200, arm"}}},
      {"has a hole",
       {gap,
        reads,
        {"replayed 2 100 100 1000", "warn of 100, arm"},
        {"retry", "read #2 100-300 by 4096"},
        {"replayed 2 100 100 6000", "bar needs_repair, arm"}}},
      {"is said to a writer that may have missed it",
       {gap,
        reads,
        {"unreadable 2 1000", "warn of 100, arm"},
        {"retry", "read #2 100-300 by 4096"},
        {"unreadable 2 6000", "bar unavailable, arm"},
        {"roles other-writer", "meet writer, read #2 100-300 by 4096"},
        {"writer-met 1 400", "credit 100, bar unavailable at the writer"},
        {"replayed 2 100 300 6100", "lift unavailable, pass 100-300"},
        {"roles other-writer", "meet writer"},
        {"writer-met 1 400",
         "credit 100, lift needs_repair at the writer, lift unavailable at the writer"}}},
      {"may be repaired in another run",
       {gap,
        reads,
        {"unreadable 2 0", "warn of 100, arm"},
        {"retry", "read #2 100-300 by 4096"},
        {"unreadable 2 5000", "bar unavailable, arm"},
        {"writer-met 3 250", "lift unavailable, meet queues #3"}}},
  });
}

TEST_CASE("dispatch core: one pause of a hundred is warned of", "[storage]") {
  core_type core;
  core.roles_changed({.writer = true, .queues = true, .readers = true});
  core.resume(0, 0);
  core.end_known(1, 100);
  int warnings = 0;
  for (int i = 0; i < 201; ++i) {
    for (auto& a : core.unreadable(1, {errc::unavailable, "away"}, {}))
      warnings += std::holds_alternative<core_type::warn>(a) ? 1 : 0;
    core.retry();
  }
  CHECK(warnings == 3);
  CHECK(core.pauses() == 201);
}

TEST_CASE("dispatch core: readers come and go", "[storage]") {
  check({
      {"without one it waits for one",
       {{"roles no-readers", ""},
        {"arrived 300 400", "ask end #2"},
        {"end 2 400", ""},
        {"roles", "read #2 100-300 by 4096"}}},
      {"one that is gone is not waited for",
       {{"arrived 300 400", "ask end #2"},
        {"end 2 400", "read #2 100-300 by 4096"},
        {"roles", ""},
        {"roles asked-gone", "read #3 100-300 by 4096"},
        {"replayed 2 100 300", ""},
        {"unreadable 2 0", ""},
        {"replayed 3 100 300", "pass 100-300"}}},
  });
}

TEST_CASE("dispatch core: queues say where it goes on", "[storage]") {
  check({
      {"those that know less are fed again",
       {{"arrived 100 200", "pass 100-200"},
        {"applied 0 200", "credit 200"},
        {"resume 0 50", "credit 50, ask end #3"},
        {"arrived 200 300", ""},
        {"end 2 200", ""}, // an older question
        {"end 3 300", "read #3 50-200 by 4096"},
        {"replayed 3 50 200", "pass 50-200"},
        {"applied 0 200", "credit 200, read #3 200-300 by 4096"}}},
      {"new ones are met first, and meanwhile all is held",
       {{"roles other-queues", "meet queues #3"},
        {"arrived 100 200", ""},
        {"applied 0 900", ""},
        {"queues-met 2 70", ""}, // an older meeting
        {"queues-met 3 150", "credit 150, ask end #3"},
        {"end 3 200", "read #3 150-200 by 4096"},
        {"replayed 3 150 200", "pass 150-200"},
        {"held", "0"}}},
      {"are asked until they answer, one timer at a time",
       {{"roles other-queues", "meet queues #3"},
        {"queues-silent 3", "arm"},
        {"roles other-queues", "meet queues #4"},
        {"queues-silent 3", ""},
        {"queues-silent 4", ""},
        {"retry", "meet queues #5"},
        {"queues-met 5 100", "credit 100, ask end #3"}}},
      {"are asked until they are in this run of the log",
       {{"writer-met 2 80", "meet queues #3"},
        {"queues-met 3 90 1 1", "arm"},
        {"retry", "meet queues #4"},
        {"arrived 100 200", ""},
        {"arrived-of 2 80 90", ""},
        {"queues-met 4 80 1 2", "credit 80, ask end #4"},
        {"end 4 90", "read #4 80-90 by 4096"}}},
      {"there may be none", {{"roles no-queues other-queues", ""}, {"arrived 100 200", ""}}},
      {"had a piece of the log already",
       {{"arrived 300 400", "ask end #2"},
        {"applied 0 300", "credit 300"},
        {"end 2 400", "read #2 100-300 by 4096"},
        {"replayed 2 100 300", "pass 100-300, read #2 300-400 by 4096"},
        {"applied 0 400", "credit 400"},
        {"replayed 2 300 400", "pass 300-400, ended 400"}}},
  });
}

TEST_CASE("dispatch core: a writer is asked until it answers", "[storage]") {
  check({
      {"one timer at a time",
       {{"roles other-writer", "meet writer"},
        {"writer-silent", "arm"},
        {"roles other-writer", "meet writer"},
        {"writer-silent", ""},
        {"retry", "meet writer"},
        {"writer-met 1 150",
         "credit 100, lift needs_repair at the writer, lift unavailable at the writer, ask end #2"},
        {"end 2 150", "read #2 100-150 by 4096"},
        {"writer-silent", ""},
        {"retry", ""}}},
      {"none is met as long as none is there",
       {{"roles no-writer other-writer", ""}, {"applied 0 100", ""}}},
      {"no credit is given before",
       {{"arrived 100 200", "pass 100-200"},
        {"roles other-writer", "meet writer"},
        {"applied 0 200", ""},
        {"writer-met 1 200", "credit 200, lift needs_repair at the writer, lift unavailable at "
                             "the writer, ask end #2"}}},
  });
}

TEST_CASE("dispatch core: of several queue-managers the slowest gives the credit", "[storage]") {
  check({
      {"when all have spoken",
       {{"roles other-queues", "meet queues #3"},
        {"queues-met 3 100 2", "credit 100, ask end #3"},
        {"end 3 100", "ended 100"},
        {"arrived 100 200", "pass 100-200"},
        {"applied 0 200", ""},
        {"applied 1 150", "credit 150"},
        {"applied 1 200", "credit 200"}}},
      {"whatever the place of one that resumes",
       {{"roles other-queues", "meet queues #3"},
        {"queues-met 3 100 2", "credit 100, ask end #3"},
        {"end 3 100", "ended 100"},
        {"arrived 100 200", "pass 100-200"},
        {"applied 0 200", ""},
        {"resume 0 190", "credit 100, ask end #4"},
        {"end 4 200", "read #4 190-200 by 4096"},
        {"replayed 4 190 200", "pass 190-200"},
        {"applied 1 170", "credit 170"},
        {"resume 1 150", "credit 150, ask end #5"},
        {"end 5 200", "read #5 150-200 by 4096"},
        {"replayed 5 150 200", "pass 150-200"},
        {"applied 1 200", "credit 190"},
        {"applied 0 200", "credit 200, ended 200"}}},
      {"when it is known who they are, though one resumes before",
       {{"roles other-queues", "meet queues #3"},
        {"resume 1 80", "ask end #3"},
        {"queues-silent 3", "arm"},
        {"end 3 100", "read #3 80-100 by 4096"},
        {"replayed 3 80 100", "pass 80-100"},
        {"applied 1 100", ""},
        {"retry", "meet queues #4"},
        {"queues-met 4 90 2", "credit 90, ask end #4"}}},
      {"and the next piece is read when all have the last",
       {{"roles other-queues", "meet queues #3"},
        {"queues-met 3 100 2", "credit 100, ask end #3"},
        {"end 3 200", "read #3 100-200 by 4096"},
        {"replayed 3 100 150", "pass 100-150"},
        {"applied 1 150", ""},
        {"applied 0 150", "credit 150, read #3 150-200 by 4096"}}},
      {"and none if one is not there",
       {{"roles other-queues", "meet queues #3"},
        {"queues-met-but 3 100 2 1", "ask end #3"},
        {"end 3 200", "read #3 100-200 by 4096"},
        {"replayed 3 100 150", "pass 100-150"},
        {"applied 1 150", ""},
        {"applied 0 150", "read #3 150-200 by 4096"}}},
  });
}

namespace {

/// A log with a record at each offset, a writer with a bound on what is on its way, and
/// queue-managers, each with its own place. Batches get lost on the way from the writer, or come
/// late, twice and in another order; answers take a while or fail; all are started again.
class model {
public:
  explicit model(std::uint64_t seed) : random_(seed), in_order_(random_.one_in(2)), core_(piece) {
    managers_.resize(random_.between(1, 3));
    roles_.other_writer = roles_.other_queues = true;
    change_roles();
  }

  void run() {
    for (int i = 0; i < 400; ++i)
      random_.one_in(25) ? mishap() : step(true);
    roles_.readers = true;
    roles_.other_writer = true; // or nothing shows that the last ones were lost
    change_roles();
    settle();
    append(1); // shows what is missing
    settle();
    CHECK(core_.next() == written_);
    CHECK(credited_ == written_);
    for (auto& m : managers_)
      CHECK(m.at == written_);
  }

private:
  static constexpr std::int64_t bound = 30;
  static constexpr std::uint32_t piece = 7;

  struct manager {
    std::int64_t at = 0;   ///< everything before is in its queues,
    std::int64_t most = 0; ///< or was: whatever is built again comes from the log
    std::deque<core_type::batch> inbox;
    std::deque<std::int64_t> said; ///< where it is, on the way to the dispatcher
  };

  std::int64_t number(std::int64_t below) {
    return static_cast<std::int64_t>(random_.below(static_cast<std::uint64_t>(below)));
  }
  std::int64_t slowest() const { return std::ranges::min(managers_, {}, &manager::at).at; }

  // -- what happens --

  void step(bool fails) {
    switch (random_.below(6)) {
    case 0:
      if (fails)
        append(1 + number(6));
      break;
    case 1:
      deliver(fails);
      break;
    case 2:
      if (!open_.empty()) {
        auto at = open_.begin() + number(static_cast<std::int64_t>(open_.size()));
        auto question = *at;
        open_.erase(at);
        std::visit([&](auto& asked) { answer(asked, fails && random_.one_in(4)); }, question);
      }
      break;
    case 3:
      if (armed_ > 0) {
        --armed_;
        act(core_.retry());
      }
      break;
    case 4:
      apply(any_manager());
      break;
    default:
      hear(any_manager());
    }
  }

  void settle() {
    for (int i = 0; i < 20'000; ++i)
      step(false);
    CHECK(open_.empty());
    CHECK(armed_ == 0);
  }

  void mishap() {
    switch (random_.below(5)) {
    case 0: // the writer was out of reach
      on_way_.clear();
      credited_ = credited_before_; // the last one was lost
      roles_.other_writer = true;
      change_roles();
      break;
    case 1: // another writer: what was not confirmed is lost, or some of it
      ++run_;
      written_ -= number(1 + written_ - credited_);
      credited_ = credited_before_ = std::min(credited_, written_);
      all_had_ = std::min(all_had_, written_);
      on_way_.clear();
      start_queues();
      roles_.other_writer = true;
      change_roles();
      break;
    case 2:
      start_queues();
      break;
    case 3: // readers go, or come
      roles_.readers = !roles_.readers;
      roles_.asked_reader_gone = !roles_.readers;
      std::erase_if(open_,
                    [](auto& asked) { return std::holds_alternative<core_type::read>(asked); });
      change_roles();
      break;
    default: { // queues are built again
      auto& m = any_manager();
      m.inbox.clear();
      m.at -= number(1 + m.at);
      m.said.push_back(-1 - m.at);
    }
    }
  }

  /// As many as there were, or others: what they have to begin with is durable.
  void start_queues() {
    auto least = slowest();
    managers_.resize(random_.between(1, 3), {least, least, {}, {}});
    for (auto& m : managers_) {
      m.inbox.clear();
      m.said.clear();
      m.at = m.most = std::min(m.at - number(1 + m.at), written_);
    }
    note_what_all_had();
    roles_.other_queues = true;
    change_roles();
  }
  void note_what_all_had() {
    all_had_ = std::max(all_had_, std::ranges::min(managers_, {}, &manager::most).most);
  }

  void change_roles() {
    auto now = roles_;
    roles_.other_writer = roles_.other_queues = roles_.asked_reader_gone = false;
    roles_.writer = roles_.queues = true;
    now.writer = now.queues = true;
    act(core_.roles_changed(now));
  }

  void append(std::int64_t count) {
    if (written_ + count > credited_ + bound)
      return;
    on_way_.push_back({run_, written_, written_ + count, static_cast<std::size_t>(count), nullptr});
    written_ += count;
  }

  void deliver(bool fails) {
    if (on_way_.empty())
      return;
    auto at = on_way_.begin();
    if (!in_order_)
      at += number(static_cast<std::int64_t>(on_way_.size()));
    auto batch = *at;
    if (in_order_ || !random_.one_in(5))
      on_way_.erase(at); // else it comes twice
    if (fails && random_.one_in(6))
      return;
    act(core_.arrived(batch));
    if (in_order_) // what is held is not confirmed
      CHECK(core_.held() <= static_cast<std::size_t>(bound));
  }

  // -- queues --

  manager& any_manager() { return managers_[random_.below(managers_.size())]; }

  void apply(manager& m) {
    if (m.inbox.empty())
      return;
    auto batch = m.inbox.front();
    m.inbox.pop_front();
    if (batch.run != run_)
      return;
    if (batch.from > m.at) { // it was built again, or one of the others was
      m.inbox.clear();
      m.said.push_back(-1 - m.at);
      return;
    }
    m.at = std::max(m.at, batch.to);
    m.most = std::max(m.most, m.at);
    note_what_all_had();
    m.said.push_back(m.at);
  }

  void hear(manager& m) {
    if (m.said.empty())
      return;
    auto end = m.said.front();
    m.said.pop_front();
    auto share = static_cast<std::uint32_t>(&m - managers_.data());
    act(end < 0 ? core_.resume(share, -1 - end) : core_.applied(share, end));
  }

  // -- answers --

  void answer(const core_type::meet_writer&, bool fails) {
    act(fails ? core_.writer_silent() : core_.writer_met(run_, written_));
  }
  void answer(const core_type::meet_queues& asked, bool fails) {
    act(fails ? core_.queues_silent(asked.meeting)
              : core_.queues_met(asked.meeting, {run_, slowest(), managers_.size(), 0}));
  }
  void answer(const core_type::ask_end& asked, bool fails) {
    act(fails ? core_.end_unanswered(asked.question, false)
              : core_.end_known(asked.question, written_));
  }
  void answer(const core_type::read& asked, bool fails) {
    auto to = std::min({asked.to, written_, asked.from + number(asked.count) + 1});
    if (fails && random_.one_in(2))
      act(core_.unreadable(asked.question, {errc::unavailable, "away"}, {}));
    else if (fails || asked.from >= written_)
      act(core_.replayed(asked.question, {0, asked.from, asked.from, 0, nullptr}, {}));
    else
      act(core_.replayed(asked.question,
                         {0, asked.from, to, static_cast<std::size_t>(to - asked.from), nullptr},
                         {}));
  }
  template <class Other>
  void answer(const Other&, bool) {}

  // -- what is to be done --

  void act(const core_type::actions& then) {
    for (auto& a : then)
      std::visit([&](auto& what) { act(what); }, a);
  }
  void act(const core_type::meet_writer& what) { open_.emplace_back(what); }
  void act(const core_type::meet_queues& what) { open_.emplace_back(what); }
  void act(const core_type::ask_end& what) { ask(what); }
  void act(const core_type::read& what) {
    CHECK(what.from < what.to);
    CHECK(what.count == piece);
    if (core_.run() == run_)
      CHECK(what.to <= written_);
    ask(what);
  }
  /// One at a time.
  template <class Question>
  void ask(const Question& what) {
    for (auto& other : open_) {
      if (auto* end = std::get_if<core_type::ask_end>(&other))
        CHECK(end->question != what.question);
      if (auto* read = std::get_if<core_type::read>(&other))
        CHECK(read->question != what.question);
    }
    open_.emplace_back(what);
  }
  void act(const core_type::pass& what) {
    CHECK(what.what.from < what.what.to);
    for (auto& m : managers_)
      m.inbox.push_back(what.what);
  }
  void act(const core_type::ended& what) {
    if (core_.run() == run_)
      CHECK(what.end <= written_);
  }
  void act(const core_type::credit& what) {
    if (core_.run() != run_)
      return;
    CHECK(what.end <= all_had_);
    credited_before_ = credited_;
    credited_ = std::max(credited_, what.end);
  }
  void act(const core_type::bar&) {}
  void act(const core_type::warn&) {}
  void act(const core_type::arm&) { CHECK(++armed_ < 20); }

  troupe::sim::random_source random_;
  bool in_order_ = true; ///< batches come in order, or not at all
  core_type core_;
  core_type::roles roles_{.writer = true, .queues = true, .readers = true};
  std::uint64_t run_ = 1;
  std::int64_t written_ = 0;
  std::int64_t credited_ = 0;
  std::int64_t credited_before_ = 0;
  std::int64_t all_had_ = 0; ///< everything before was in the queues of all at some time
  std::deque<core_type::batch> on_way_;
  std::vector<manager> managers_;
  std::vector<core_type::action> open_; ///< questions
  int armed_ = 0;
};

} // namespace

TEST_CASE("dispatch core: whatever is lost, late or fails, all queues get all of the log",
          "[storage]") {
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    INFO("seed " << seed);
    model(seed).run();
  }
}
