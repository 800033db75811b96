#include "storage/logging.hpp"

#include "storage/log_repeats.hpp"
#include "tests/support/catch.hpp"

#include <array>
#include <string>

#include <fcntl.h>
#include <unistd.h>

using namespace troupe::storage;

namespace {

/// Standard error leads into a pipe as long as this lives.
class piped_stderr {
public:
  piped_stderr() : before_(::dup(STDERR_FILENO)) {
    REQUIRE(::pipe2(ends_.data(), O_CLOEXEC) == 0);
    REQUIRE(::dup2(ends_[1], STDERR_FILENO) == STDERR_FILENO);
    ::close(ends_[1]);
  }
  ~piped_stderr() {
    ::dup2(before_, STDERR_FILENO);
    ::close(before_);
    ::close(ends_[0]);
  }
  /// What is in the pipe; it must hold something.
  std::string take() const {
    std::string all(1 << 20, '\0');
    auto count = ::read(ends_[0], all.data(), all.size());
    all.resize(count > 0 ? static_cast<std::size_t>(count) : 0);
    return all;
  }

private:
  int before_;
  std::array<int, 2> ends_{};
};

} // namespace

TEST_CASE("logging: lines that nobody reads are left out and counted, and nobody waits",
          "[storage]") {
  std::string first, later;
  {
    piped_stderr pipe;
    for (int i = 0; i < 3000; ++i) // ten times what a pipe takes
      log_warning("test.line", {{"number", i}, {"text", std::string(200, 'x')}});
    first = pipe.take();
    log_warning("test.behind", {});
    later = pipe.take();
  }
  CHECK(first.find("test.line number=0") != std::string::npos);
  CHECK(first.ends_with('\n')); // whole lines
  CHECK(first.find("number=2999") == std::string::npos);
  CHECK(later.find("log.lines_left_out count=") == 0);
  CHECK(later.find("test.behind") != std::string::npos);
}

TEST_CASE("logging: a line is never longer than a pipe takes at once", "[storage]") {
  std::string line;
  {
    piped_stderr pipe;
    log_warning("test.long", {{"text", std::string(100'000, 'y')}});
    line = pipe.take();
  }
  CHECK(line.size() == 4096);
  CHECK(line.ends_with("y ...\n"));
}

TEST_CASE("logging: lines below the level are not said", "[storage]") {
  std::string said;
  {
    piped_stderr pipe;
    set_log_level(log_level::warning);
    log_info("test.info");
    log_warning("test.warning");
    set_log_level(log_level::info);
    log_info("test.later");
    said = pipe.take();
  }
  CHECK(said.find("test.info") == std::string::npos);
  CHECK(said.find("test.warning") != std::string::npos);
  CHECK(said.find("test.later") != std::string::npos);
}

TEST_CASE("logging: a line that comes again and again is said ten times a minute", "[storage]") {
  std::string said;
  {
    piped_stderr pipe;
    for (int i = 0; i < 30; ++i)
      log_warning("test.repeated", {{"reason", "same"}});
    log_warning("test.repeated", {{"reason", "another"}});
    said = pipe.take();
  }
  std::size_t same = 0;
  for (auto at = said.find("reason=same"); at != std::string::npos;
       at = said.find("reason=same", at + 1))
    ++same;
  CHECK(same == usual_log_repeats);
  CHECK(said.find("reason=another") != std::string::npos);
}

TEST_CASE("log repeats: what was counted is summed up when its minute is over", "[storage]") {
  log_repeats lines(2);
  log_repeats::time_point now{std::chrono::hours(1)};
  auto due = [&] { return lines.take_due(now); };
  CHECK(due().empty());
  CHECK(lines.admit("e", "e a=1", now));
  CHECK(lines.admit("e", "e a=1", now));
  for (int i = 0; i < 5; ++i)
    CHECK(!lines.admit("e", "e a=1", now));
  CHECK(lines.admit("e", "e a=2", now)); // another line
  now += std::chrono::seconds(59);
  CHECK(due().empty());
  CHECK(!lines.admit("e", "e a=1", now));
  now += std::chrono::seconds(2);
  auto summed = due();
  REQUIRE(summed.size() == 1);
  CHECK(summed[0].event == "e");
  CHECK(summed[0].times == 6);
  CHECK(lines.admit("e", "e a=1", now)); // a new minute
  now += std::chrono::minutes(2);
  CHECK(due().empty()); // nothing was held back
}

TEST_CASE("log repeats: lines that came once make room, those that come again do not",
          "[storage]") {
  const log_repeats::time_point now{std::chrono::hours(1)};
  auto numbered = [](std::size_t i) { return "e n=" + std::to_string(i); };
  log_repeats once(1);
  for (std::size_t i = 0; i < 10 * log_repeats::most; ++i)
    CHECK(once.admit("e", numbered(i), now));
  CHECK(once.admit("e", "e new", now));
  CHECK(!once.admit("e", "e new", now));

  log_repeats again(1);
  for (std::size_t i = 0; i < log_repeats::most; ++i) {
    CHECK(again.admit("e", numbered(i), now));
    CHECK(!again.admit("e", numbered(i), now));
  }
  CHECK(again.admit("e", "e new", now));
  CHECK(again.admit("e", "e new", now)); // there is no room to count it
  CHECK(!again.admit("e", numbered(0), now));
  again.set_limit(0);
  CHECK(again.admit("e", numbered(0), now));
}
