#include "sim/gateway/gateway_door.hpp"
#include "sim/node/node_run.hpp"
#include "sim/store/storage_run.hpp"
#include "storage/logging.hpp"
#include "storage/mutant.hpp"
#include "tests/support/catch.hpp"

#include <array>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

using namespace troupe;
using namespace troupe::sim;

namespace {

/// Seeds that each mutant gets, fixed before it is run.
constexpr std::uint64_t first_seed = 1;
constexpr std::uint64_t budget = 2500;
constexpr std::uint64_t gateway_budget = 4000;
constexpr std::uint64_t spread_budget = 1000;
constexpr std::uint64_t storage_budget = 8000;

enum class simulation { node, gateway, spread, storage };

struct mutant {
  const char* name;
  const char* what;
  simulation found_by = simulation::node;
  std::uint64_t from = first_seed; ///< where the search begins: one in some thousand finds it
};

constexpr std::array<mutant, 68> mutants = {{
    {"ack-before-flush", "with synchronous flush a message is acknowledged before the flush"},
    {"flush-error-ignored", "a flush that fails counts as done"},
    {"flush-tried-again", "a flush that fails is tried again, and the success believed"},
    {"directory-not-synced", "the directory of a new log file is not synced"},
    {"queues-not-synced", "the checkpoint is written without the queues' syncs"},
    {"tail-not-synced", "what a dead process left is not synced before it is built on"},
    {"tail-not-rewritten", "the same, but it is synced: nothing after a failed flush",
     simulation::storage},
    {"abort-not-written", "the marker of a running node is missing", simulation::storage},
    {"crc-not-checked", "recovery does not compare CRCs", simulation::storage},
    {"blank-too-short", "the blank at the end of a log file is one byte short"},
    {"number-before-room", "a queue offset is taken before the record has its place"},
    {"position-dropped", "the last position of a piece that is replayed is lost"},
    {"keys-forgotten", "keys do not get into the index"},
    {"bound-ignored", "the dispatcher's bound is not enforced"},
    {"checkpoint-before-flush", "the checkpoint is written before the log is durable"},
    {"shown-before-flush", "with synchronous flush consumers see what is not flushed"},
    {"tail-not-cleared", "what lies behind the end that a recovery found is not zeroed",
     simulation::storage},
    {"last-file-deleted", "the log's last file may be deleted"},
    {"queues-not-waited-for", "log files go whose entries are not durable in the queues",
     simulation::storage},
    {"full-disk-ignored", "the writer is not told that the disk is full"},
    {"damage-served", "a record is served without its CRC being compared"},
    {"tombstone-not-saved", "a topic is deleted without a tombstone"},
    {"dead-dispatched", "records of a deleted topic get into its queues again"},
    {"progress-not-kept", "a group's offset is answered as stored, and is not"},
    {"progress-not-saved", "an orderly stop leaves the offsets of groups behind"},
    {"expired-not-told", "a consumer behind the log's begin is not told where to go on"},
    {"behind-not-told", "queues that are behind the log say that an offset is too large"},
    {"parked-not-woken", "a pull that waits is not answered when its message comes"},
    {"damage-not-told", "what cannot be read is left out without a word"},
    {"unreadable-skipped", "what cannot be read just now is left out as damaged"},
    {"failed-flush-acknowledged", "after a failed flush messages are told as stored"},
    {"flush-notice-dropped", "the queues do not hear how far the log is durable"},
    {"doubt-told-as-refused", "after a failed write messages in doubt are told as not stored"},
    {"slot-kept", "a client's pull keeps its turn after the answer", simulation::gateway},
    {"request-not-settled", "a request costs its client's credit for ever", simulation::gateway},
    {"progress-not-waited-for", "a group's offset is answered before it is stored",
     simulation::gateway, 10'801},
    {"queues-not-shortened", "queues and index keep what led to deleted log files"},
    {"full-answer-skips-one", "the message that did not fit into an answer is left out"},
    {"end-leads-on", "a consumer at the end of a queue is sent on, and on"},
    {"numbers-begin-again", "the queues of a topic made again begin at 0"},
    {"queues-not-compared", "a start does not compare the queues with the log",
     simulation::storage},
    {"numbers-not-kept", "queues that are built again forget the numbers they had given",
     simulation::storage},
    {"repeat-stored-again", "a message that its producer sends again is stored again"},
    {"sequences-not-replayed", "a start knows of producers what their file says, and no more"},
    {"doubt-answered-as-refusal", "a producer is told that what may be stored is not",
     simulation::gateway},
    {"flushed-said-once", "the flusher does not tell who is new how far the log is durable",
     simulation::spread},
    {"log-not-attached", "a new flusher is not told which log it flushes", simulation::spread},
    {"queues-not-met", "the dispatcher goes on with new queues where it was with the old ones",
     simulation::spread},
    {"window-not-given-back", "what has crossed a link goes on taking room", simulation::spread},
    {"order-not-kept", "what waits for room in a link crosses in another order",
     simulation::spread},
    {"queues-asked-once", "a dispatcher whose question the queues do not answer gives up",
     simulation::spread},
    {"log-asked-once", "a node that hears nothing of the log waits for ever", simulation::spread},
    {"old-writer-kept", "a session goes on with the writer of a link that is replaced",
     simulation::spread},
    {"file-said-once", "a file that was made for a writer out of reach is not told it again",
     simulation::spread},
    {"credit-said-once", "positions that were confirmed to a writer out of reach cost for ever",
     simulation::spread},
    {"topics-said-once", "a node that is found again is not told the topics", simulation::spread},
    {"deletions-not-asked", "queues apart from the log are opened without the deletions",
     simulation::spread},
    {"delivery-not-flushed", "what is counted as delivered is not durable"},
    {"delivered-too-early", "a message comes before its time"},
    {"progress-before-stored", "a message that could not be delivered is passed over"},
    {"doubt-taken-for-delivery", "a delivery in doubt counts as done"},
    {"deliveries-not-kept", "an orderly stop leaves behind how far messages are delivered"},
    {"word-before-message", "the word that a half is done is stored before its message"},
    {"commit-not-looked-for", "whether a message was committed before is not looked up"},
    {"rollback-forgotten", "that a message was rolled back is not written down"},
    {"question-not-counted", "a half that is asked about does not count how often"},
    {"first-half-named", "of a half that was written again the first one is ended"},
    {"cut-forgotten", "queues keep what the log lost with the end of a run", simulation::spread},
}};

/// Planted, and not caught, for the hidden test. A writer that is silent in the middle of a write:
/// in the simulation a write is one step, and nobody reads half of it. Of a store in several
/// processes: what another message mends soon after, what needs an answer to be late by more than a
/// second in the moment of a meeting, and what is found by one seed in more than a thousand.
constexpr std::array<mutant, 14> proposed = {{
    {"credit-of-the-fastest", "of several queue-managers the fastest gives the credit",
     simulation::spread},
    {"bounds-of-others", "a queue-manager speaks of queues that another one keeps",
     simulation::spread},
    {"log-checkpoint-ahead", "the checkpoint of the log alone is ahead of its flushes",
     simulation::spread},
    {"deletion-not-pulled-back", "a deletion reaches beyond the end that a new run has",
     simulation::spread},
    {"lost-end-passed-over", "what a log has lost with its end is passed over as damage",
     simulation::spread},
    {"reader-awaited", "what was asked of a reader that is gone is awaited", simulation::spread},
    {"removal-said-once", "new queues are not told which topics were deleted", simulation::spread},
    {"begin-said-once", "who is found again is not told where the log begins", simulation::spread},
    {"writer-asked-once", "a dispatcher whose question a writer does not answer gives up",
     simulation::spread},
    {"silence-taken-for-death", "a writer that waits for its disk is taken for dead"},
    {"end-not-said", "a dispatcher that is found again is not told where the log ends",
     simulation::spread},
    {"flush-of-another-run", "what was durable in another run of the log counts in this one",
     simulation::spread},
    {"positions-of-another-run", "the queues take positions of another run", simulation::spread},
    {"old-link-lives", "what an old connection still delivers gets through", simulation::spread},
}};

std::optional<std::string> run(simulation which, std::uint64_t seed) {
  open_door door;
  if (which == simulation::gateway)
    door = [](node_scene& scene) { return std::make_unique<gateway_door>(scene); };
  if (which == simulation::spread)
    return run_node(draw_spread_plan(seed, usual_classes(spread_fault_classes()))).failure;
  if (which != simulation::storage)
    return run_node(draw_plan(seed, usual_classes(fault_classes())), nullptr, door).failure;
  auto failure = run_storage(draw_scenario(seed, usual_classes(storage_fault_classes()))).failure;
  return failure ? std::optional(failure->what) : std::nullopt;
}

/// The first seed that fails, or 0.
std::uint64_t first_failure(simulation which, std::uint64_t from, std::uint64_t seeds,
                            std::string& what) {
  for (auto seed = from; seed < from + seeds; ++seed)
    if (auto failure = run(which, seed)) {
      what = *failure;
      return seed;
    }
  return 0;
}

std::uint64_t budget_of(simulation which) {
  switch (which) {
  case simulation::node:
    return budget;
  case simulation::gateway:
    return gateway_budget;
  case simulation::spread:
    return spread_budget;
  case simulation::storage:
    break;
  }
  return storage_budget;
}

/// Those that no seed finds. With TROUPE_MUTANT in the environment only the one of this name is
/// planted.
std::vector<std::string> missed(std::span<const mutant> list) {
  storage::set_log_sink([](std::string_view) {});
  const char* only = std::getenv("TROUPE_MUTANT");
  std::vector<std::string> survivors;
  for (auto& planted : list) {
    if (only != nullptr && planted.name != std::string_view(only))
      continue;
    storage::planted_mutant() = planted.name;
    std::string what;
    auto seed = first_failure(planted.found_by, planted.from, budget_of(planted.found_by), what);
    storage::planted_mutant() = {};
    std::printf("%-24s %5llu  %s\n", planted.name, static_cast<unsigned long long>(seed),
                what.c_str());
    std::fflush(stdout);
    if (seed == 0)
      survivors.push_back(std::string(planted.name) + ": " + planted.what);
  }
  return survivors;
}

} // namespace

TEST_CASE("mutants: the simulation catches every planted mistake", "[mutants]") {
  CHECK(missed(mutants) == std::vector<std::string>{});
}

TEST_CASE("mutants: those that are proposed are caught", "[.proposed]") {
  CHECK(missed(proposed) == std::vector<std::string>{});
}

TEST_CASE("mutants: without one the same seeds pass", "[mutants]") {
  storage::set_log_sink([](std::string_view) {});
  for (auto which :
       {simulation::node, simulation::gateway, simulation::spread, simulation::storage}) {
    std::string what;
    auto seed = first_failure(which, first_seed, budget_of(which), what);
    INFO("seed " << seed << ": " << what);
    CHECK(seed == 0);
  }
  constexpr std::uint64_t some = 50; // those that find what is planted are among them
  for (auto& planted : mutants) {
    if (planted.from == first_seed)
      continue;
    std::string what;
    CHECK(first_failure(planted.found_by, planted.from, some, what) == 0);
  }
}
