#include "sim/store/storage_run.hpp"
#include "tests/support/catch.hpp"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <sstream>

namespace {

using namespace troupe::sim;

std::uint64_t number_from(const char* variable, std::uint64_t otherwise) {
  auto* text = std::getenv(variable);
  return text != nullptr ? std::strtoull(text, nullptr, 0) : otherwise;
}

/// Runs the scenario; a failure is shown in its shortest form.
run_outcome check_run(const storage_scenario& scenario) {
  auto outcome = run_storage(scenario);
  if (outcome.failure) {
    auto shorter = shorten(scenario);
    auto again = run_storage(shorter).failure.value_or(*outcome.failure);
    FAIL_CHECK("seed " << scenario.seed << " " << to_string(scenario.knobs) << "\n"
                       << outcome.failure->what << "\nin short:\n"
                       << to_string(again, shorter));
  }
  return outcome;
}

life life_of(std::vector<step> steps, ending end, survival how, std::uint64_t seed) {
  return {std::move(steps), {}, end, how, seed};
}

/// A process with a few steps, and two more that only recover.
storage_scenario small_scenario(std::uint64_t number, survival how) {
  using enum step_kind;
  static const std::vector<std::vector<step_kind>> loads{
      {append, flush, append},
      {append, dispatch, begin_sync, flush, finish_sync, append},
      {append, append, append, flush, append},
      {append, dispatch, begin_sync, append, finish_sync, clean},
  };
  storage_scenario scenario;
  scenario.seed = number;
  scenario.knobs.log_file_size_bytes = 4096;
  scenario.knobs.queue_file_size_bytes = 60;
  scenario.knobs.index_entries = 5;
  scenario.knobs.tail_entries = 2;
  std::vector<step> steps;
  for (auto what : loads[number % loads.size()])
    steps.push_back({what, 977 * number + steps.size()});
  scenario.lives = {life_of(std::move(steps), ending::power_cut, how, number),
                    life_of({{append, 5}, {flush, 6}}, ending::power_cut, how, number + 1),
                    life_of({}, ending::kill, how, 0)};
  return scenario;
}

} // namespace

TEST_CASE("storage_run: seeds that once failed do not fail again", "[sim]") {
  std::ifstream corpus(TROUPE_SIM_SEEDS);
  REQUIRE(corpus);
  std::size_t count = 0;
  for (std::string line; std::getline(corpus, line);) {
    if (line.empty() || line[0] == '#')
      continue;
    check_run(draw_scenario(std::stoull(line)));
    ++count;
  }
  CHECK(count > 0);
}

TEST_CASE("storage_run: every promise is kept, whatever the disk does", "[sim]") {
  auto first = number_from("TROUPE_SEED", 1);
  auto count = number_from("TROUPE_SEEDS", 2000);
  std::uint64_t recoveries = 0;
  std::uint64_t records = 0;
  for (auto seed = first; seed < first + count; ++seed) {
    auto outcome = check_run(draw_scenario(seed));
    recoveries += outcome.recoveries;
    records += outcome.records;
  }
  CHECK(recoveries > count);
  CHECK(records > 5 * recoveries); // the runs are about something
}

TEST_CASE("storage_run: damaged files cost what they held, and nothing else", "[sim]") {
  std::size_t damaged = 0;
  for (std::uint64_t seed = 1; seed <= 3000; ++seed) {
    auto scenario = draw_scenario(seed, {"rot", "process", "power", "retention"});
    if (!scenario.rots())
      continue;
    check_run(scenario);
    ++damaged;
  }
  CHECK(damaged > 300);
}

TEST_CASE("storage_run: the same seed gives the same run", "[sim]") {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    CAPTURE(seed);
    auto scenario = draw_scenario(seed);
    CHECK(run_storage(scenario).trace == run_storage(scenario).trace);
    CHECK(run_storage(scenario).trace != run_storage(draw_scenario(seed + 1)).trace);
  }
}

TEST_CASE("storage_run: a process may die before each of its calls", "[sim]") {
  std::uint64_t runs = 0;
  for (std::uint64_t number = 0; number < 4; ++number) {
    for (int how = 0; how < survival_count; ++how) {
      auto scenario = small_scenario(number, static_cast<survival>(how));
      for (std::size_t dying = 0; dying < 2; ++dying) {
        for (std::uint64_t call = 1; call < 400; ++call) {
          auto tried = scenario;
          tried.lives[dying].faults = {{.what = fault_kind::crash, .call = call}};
          auto outcome = check_run(tried);
          ++runs;
          auto without = tried;
          without.lives.resize(dying + 1);
          if (run_storage(without).calls < call)
            break; // died of nothing any more
        }
      }
    }
  }
  CHECK(runs > 1000);
}

TEST_CASE("storage_run: a disk that lies unnoticed is found out", "[sim]") {
  std::size_t found = 0;
  // Three among many: most lies do no harm, and which do changes with every call of the store.
  for (std::uint64_t seed = 1; seed <= 2000 && found < 3; ++seed) {
    auto scenario = draw_scenario(seed);
    if (scenario.honest_disk())
      continue;
    scenario.believe_disk = true;
    if (!run_storage(scenario).failure)
      continue;
    ++found;
    auto shorter = shorten(scenario);
    CAPTURE(to_string(shorter));
    CHECK(run_storage(shorter).failure.has_value());
    CHECK(shorter.step_count() <= scenario.step_count());
    shorter.believe_disk = false;
    CHECK_FALSE(shorter.honest_disk()); // without the lie nothing is wrong
  }
  CHECK(found == 3);
}

TEST_CASE("storage_run: shortening keeps what is needed and nothing else", "[sim]") {
  auto scenario = draw_scenario(3);
  scenario.lives.resize(2);
  auto& steps = scenario.lives[1].steps;
  steps.assign(40, {step_kind::append, 1});
  steps[17] = steps[31] = {step_kind::clean, 2};
  scenario.lives[1].faults.assign(9, {.what = fault_kind::write_back});
  scenario.lives[1].faults[4].what = fault_kind::no_space;
  auto fake = [](const storage_scenario& tried) {
    run_outcome outcome;
    for (std::size_t i = 0; i < tried.lives.size(); ++i) {
      auto cleans = std::ranges::count(tried.lives[i].steps, step_kind::clean, &step::what);
      auto full = std::ranges::count(tried.lives[i].faults, fault_kind::no_space, &fault::what);
      if (cleans == 2 && full == 1)
        outcome.failure = run_failure{i, {}, "two cleanings of a full disk"};
    }
    return outcome;
  };
  auto shorter = shorten(scenario, fake);
  REQUIRE(shorter.lives.size() == 1);
  CHECK(shorter.lives[0].steps.size() == 2);
  CHECK(shorter.lives[0].faults.size() == 1);
}
