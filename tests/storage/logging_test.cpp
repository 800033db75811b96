#include "storage/logging.hpp"
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
