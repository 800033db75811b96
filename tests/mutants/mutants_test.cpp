#include "sim/node_run.hpp"
#include "storage/logging.hpp"
#include "storage/mutant.hpp"
#include "tests/support/catch.hpp"

#include <array>
#include <cstdio>

using namespace troupe;
using namespace troupe::sim;

namespace {

/// Seeds that each mutant gets, fixed before it is run.
constexpr std::uint64_t first_seed = 1;
constexpr std::uint64_t budget = 1500;

struct mutant {
  const char* name;
  const char* what;
};

constexpr std::array<mutant, 15> mutants = {{
    {"ack-before-flush", "with synchronous flush a message is acknowledged before the flush"},
    {"flush-error-ignored", "a flush that fails counts as done"},
    {"flush-tried-again", "a flush that fails is tried again, and the success believed"},
    {"directory-not-synced", "the directory of a new log file is not synced"},
    {"queues-not-synced", "the checkpoint is written without the queues' syncs"},
    {"tail-not-synced", "what a dead process left is not synced before it is built on"},
    {"tail-not-rewritten", "the same, but it is synced: nothing after a failed flush"},
    {"abort-not-written", "the marker of a running node is missing"},
    {"crc-not-checked", "recovery does not compare CRCs"},
    {"blank-too-short", "the blank at the end of a log file is one byte short"},
    {"number-before-room", "a queue offset is taken before the record has its place"},
    {"position-dropped", "the last position of a piece that is replayed is lost"},
    {"keys-forgotten", "keys do not get into the index"},
    {"bound-ignored", "the dispatcher's bound is not enforced"},
    {"checkpoint-before-flush", "the checkpoint is written before the log is durable"},
}};

std::set<std::string> every_class() {
  return {fault_classes().begin(), fault_classes().end()};
}

/// The first seed that fails, or 0.
std::uint64_t first_failure(std::uint64_t seeds, std::string& what) {
  for (auto seed = first_seed; seed < first_seed + seeds; ++seed)
    if (auto outcome = run_node(draw_plan(seed, every_class())); outcome.failure) {
      what = *outcome.failure;
      return seed;
    }
  return 0;
}

} // namespace

TEST_CASE("mutants: the simulation catches every planted mistake", "[mutants]") {
  storage::set_log_sink([](std::string_view) {});
  for (auto& planted : mutants) {
    storage::planted_mutant() = planted.name;
    std::string what;
    auto seed = first_failure(budget, what);
    storage::planted_mutant() = {};
    std::printf("%-24s %5llu  %s\n", planted.name, static_cast<unsigned long long>(seed),
                what.c_str());
    INFO(planted.name << ": " << planted.what);
    CHECK(seed != 0);
  }
}

TEST_CASE("mutants: without one the same seeds pass", "[mutants]") {
  storage::set_log_sink([](std::string_view) {});
  std::string what;
  auto seed = first_failure(budget, what);
  INFO("seed " << seed << ": " << what);
  CHECK(seed == 0);
}
