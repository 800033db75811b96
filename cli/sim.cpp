#include "cli/commands.hpp"
#include "cli/message_json.hpp"
#include "sim/node_run.hpp"
#include "storage/logging.hpp"

#include <chrono>
#include <cstdio>
#include <memory>
#include <random>
#include <set>
#include <sstream>

#include <unistd.h>

namespace troupe::cli {

namespace {

using storage::result;

struct arguments {
  std::uint64_t first = 0; ///< 0: a fresh one
  std::uint64_t count = 0; ///< 0: 1000, or as many as fit into the time
  double minutes = 0;
  std::string faults = "all";
  bool trace = false;
};

/// The classes of "a,b"; "all" and "none" are words of their own.
result<std::set<std::string>> classes_of(const std::string& text) {
  auto& known = sim::fault_classes();
  if (text == "all")
    return std::set<std::string>(known.begin(), known.end());
  std::set<std::string> chosen;
  std::istringstream words(text == "none" ? "" : text);
  for (std::string word; std::getline(words, word, ',');) {
    if (std::find(known.begin(), known.end(), word) == known.end()) {
      std::string names;
      for (auto& name : known)
        names += (names.empty() ? "" : ", ") + name;
      return storage::error{storage::errc::invalid_argument,
                            "--faults: '" + word + "' is no class of faults; there are " + names +
                                ", all and none"};
    }
    chosen.insert(word);
  }
  return chosen;
}

std::uint64_t fresh_seed() {
  std::random_device device;
  return 1 + device() % 1'000'000'000;
}

/// The runs of one command, and what came of them.
class simulation {
public:
  simulation(const context& ctx, const arguments& args, std::set<std::string> classes)
      : ctx_(ctx), args_(args), classes_(std::move(classes)),
        first_(args.first > 0 ? args.first : fresh_seed()) {}

  exit_code run() {
    storage::set_log_sink([](std::string_view) {}); // what nodes of a simulation say is no news
    if (args_.trace)
      return trace();
    auto limit = args_.count > 0 ? args_.count : (args_.minutes > 0 ? UINT64_MAX : 1000);
    for (seed_ = first_; done_ < limit && !time_is_over(); ++seed_) {
      auto outcome = sim::run_node(sim::draw_plan(seed_, classes_));
      ++done_;
      messages_ += outcome.messages;
      restarts_ += outcome.restarts;
      if (outcome.failure) {
        report_failure(*outcome.failure);
        return exit_code::failed;
      }
      show_progress();
    }
    report();
    return exit_code::done;
  }

private:
  double seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - began_).count();
  }
  bool time_is_over() const { return args_.minutes > 0 && seconds() >= args_.minutes * 60; }

  exit_code trace() {
    auto plan = sim::draw_plan(first_, classes_);
    auto say = [](const std::string& line) { print_line(line); };
    storage::set_log_sink([](std::string_view line) { print_line("  " + std::string(line)); });
    say(to_string(plan));
    auto outcome = sim::run_node(plan, say);
    char hash[32];
    std::snprintf(hash, sizeof hash, "%016llx", static_cast<unsigned long long>(outcome.trace));
    say("trace " + std::string(hash) + ", " + std::to_string(outcome.steps) + " steps, " +
        std::to_string(outcome.messages) + " messages compared");
    if (outcome.failure)
      say("broken: " + *outcome.failure);
    return outcome.failure ? exit_code::failed : exit_code::done;
  }

  void show_progress() {
    if (::isatty(STDERR_FILENO) == 0 || seconds() - shown_ < 0.2)
      return;
    shown_ = seconds();
    std::fprintf(stderr, "\r\033[K%llu seeds, %.0f a minute",
                 static_cast<unsigned long long>(done_), 60 * static_cast<double>(done_) / shown_);
  }

  void clear_progress() const {
    if (shown_ > 0)
      std::fprintf(stderr, "\r\033[K");
  }

  void report() const {
    clear_progress();
    auto rate = 60 * static_cast<double>(done_) / seconds();
    if (ctx_.json())
      print_line("{\"first\":" + std::to_string(first_) + ",\"seeds\":" + std::to_string(done_) +
                 ",\"failed\":0,\"messages\":" + std::to_string(messages_) + ",\"restarts\":" +
                 std::to_string(restarts_) + ",\"seconds\":" + std::to_string(seconds()) + "}");
    else
      print_line("seeds " + std::to_string(first_) + " to " + std::to_string(first_ + done_ - 1) +
                 ": every promise kept; " + std::to_string(restarts_) + " restarts, " +
                 std::to_string(messages_) + " messages compared, " +
                 std::to_string(static_cast<std::uint64_t>(rate)) + " seeds a minute");
  }

  void report_failure(const std::string& what) {
    clear_progress();
    auto command =
        "troupe sim --seed " + std::to_string(seed_) + " --faults " + args_.faults + " --trace";
    if (ctx_.json()) {
      std::string quoted;
      append_json_string(quoted, what);
      print_line("{\"seed\":" + std::to_string(seed_) + ",\"failed\":1,\"what\":" + quoted +
                 ",\"replay\":\"" + command + "\"}");
      return;
    }
    print_line("seed " + std::to_string(seed_) + ": " + what);
    print_line("replay it: " + command);
    auto plan = sim::shorten(sim::draw_plan(seed_, classes_));
    print_line("the shortest plan that still fails: " + to_string(plan));
    for (auto& event : plan.events)
      print_line("  " + to_string(event));
    if (auto again = sim::run_node(plan); again.failure)
      print_line("  -> " + *again.failure);
  }

  const context& ctx_;
  const arguments& args_;
  std::set<std::string> classes_;
  std::uint64_t first_;
  std::uint64_t seed_ = 0;
  std::uint64_t done_ = 0;
  std::uint64_t messages_ = 0;
  std::uint64_t restarts_ = 0;
  double shown_ = 0;
  std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
};

} // namespace

void add_sim(CLI::App& app, context& ctx) {
  auto args = std::make_shared<arguments>();
  auto* verb = app.add_subcommand(
      "sim", "Run nodes with faults in a simulated world, and check every promise");
  verb->add_option("--seed", args->first, "The first seed (default: a fresh one)")
      ->check(CLI::Range(std::uint64_t{1}, UINT64_MAX - 1));
  verb->add_option("--seeds", args->count, "How many seeds (default: 1000)");
  verb->add_option("--minutes", args->minutes, "Or for how long")->check(CLI::Range(0.0, 1e6));
  verb->add_option("--faults", args->faults, "Classes joined by commas, all or none")
      ->check([](const std::string& text) { return problem_of(classes_of(text)); })
      ->capture_default_str();
  verb->add_flag("--trace", args->trace, "Show what happens in the run of one seed");
  verb->callback([&ctx, args] {
    ctx.then([&ctx, args]() -> result<exit_code> {
      TROUPE_TRY(auto classes, classes_of(args->faults));
      return simulation(ctx, *args, std::move(classes)).run();
    });
  });
}

} // namespace troupe::cli
