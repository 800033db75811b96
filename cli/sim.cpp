#include "cli/child_pool.hpp"
#include "cli/commands.hpp"
#include "cli/message_json.hpp"
#include "cli/sim_kind.hpp"
#include "storage/logging.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <deque>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <sstream>
#include <thread>

#include <unistd.h>

namespace troupe::cli {

namespace {

using storage::result;

/// Seeds that a child process runs before it reports: a process for each would cost more.
constexpr std::uint64_t piece_seeds = 16;
constexpr std::uint64_t most_seeds = 1'000'000'000'000; ///< of one command: years

struct arguments {
  std::string what = "node";
  std::uint64_t first = 0; ///< 0: a fresh one
  std::uint64_t count = 0; ///< 0: 1000, or as many as fit into the time
  double minutes = 0;
  std::string faults = "all";
  unsigned jobs = 0; ///< 0: one a core
  bool trace = false;
};

/// The classes of "a,b"; "all" and "none" are words of their own.
result<std::set<std::string>> classes_of(const sim_kind& kind, const std::string& text) {
  std::set<std::string> chosen;
  std::istringstream words(text);
  for (std::string word; std::getline(words, word, ',');) {
    if (word == "none")
      continue;
    if (word == "all") {
      chosen.insert(kind.by_default.begin(), kind.by_default.end());
      continue;
    }
    if (std::find(kind.classes.begin(), kind.classes.end(), word) == kind.classes.end()) {
      std::string names;
      for (auto& name : kind.classes)
        names.append(names.empty() ? "" : ", ").append(name);
      return storage::error{storage::errc::invalid_argument,
                            "--faults: '" + word + "' is no class of faults of --what " +
                                kind.name + "; there are " + names + ", all and none"};
    }
    chosen.insert(word);
  }
  return chosen;
}

std::uint64_t fresh_seed() {
  std::random_device device;
  return 1 + device() % 1'000'000'000;
}

/// Seeds that are run one behind the other, in a process of their own.
struct seed_range {
  std::uint64_t first = 0;
  std::uint64_t count = 0;
};

/// What came of the seeds of one range.
struct range_outcome {
  std::uint64_t messages = 0;
  std::uint64_t restarts = 0;
  std::uint64_t failed_seed = 0; ///< 0: none
  std::string failure;
};

std::string encode(const range_outcome& outcome) {
  return std::to_string(outcome.messages) + " " + std::to_string(outcome.restarts) + " " +
         std::to_string(outcome.failed_seed) + " " + outcome.failure;
}

range_outcome decode(const std::string& text) {
  range_outcome outcome;
  std::istringstream words(text);
  words >> outcome.messages >> outcome.restarts >> outcome.failed_seed;
  std::getline(words >> std::ws, outcome.failure, '\0');
  return outcome;
}

/// The runs of one command, and what came of them.
class simulation {
public:
  simulation(const context& ctx, const arguments& args, const sim_kind& kind,
             std::set<std::string> classes)
      : ctx_(ctx), args_(args), kind_(kind), classes_(std::move(classes)),
        first_(args.first > 0 ? args.first : fresh_seed()),
        jobs_(args.jobs > 0 ? args.jobs : std::max(1U, std::thread::hardware_concurrency())) {}

  exit_code run() {
    storage::set_log_sink([](std::string_view) {}); // what nodes of a simulation say is no news
    if (args_.trace)
      return trace();
    auto limit = args_.count > 0 ? args_.count : (args_.minutes > 0 ? UINT64_MAX : 1000);
    child_pool children(jobs_);
    std::deque<seed_range> waiting; ///< of a range whose process died, one by one
    for (;;) {
      while (!children.full() && failed_seed_ == 0) {
        if (waiting.empty() && (begun_ == limit || time_is_over()))
          break;
        if (waiting.empty()) {
          auto count = std::min({piece_seeds, limit - begun_, 1 + (limit - 1) / jobs_});
          waiting.push_back({first_ + begun_, count});
          begun_ += count;
        }
        start(children, waiting.front());
        waiting.pop_front();
      }
      if (children.empty())
        break;
      take(children.wait(), waiting);
      show_progress();
    }
    if (failed_seed_ == 0) {
      report();
      return exit_code::done;
    }
    report_failure();
    return exit_code::failed;
  }

private:
  double seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - began_).count();
  }
  bool time_is_over() const { return args_.minutes > 0 && seconds() >= args_.minutes * 60; }

  void start(child_pool& children, const seed_range& range) {
    running_[range.first] = range.count;
    children.start(range.first, [this, range] {
      range_outcome outcome;
      for (auto seed = range.first; seed < range.first + range.count; ++seed) {
        auto done = kind_.run(seed, classes_, nullptr);
        outcome.messages += done.messages;
        outcome.restarts += done.restarts;
        if (done.failure) {
          outcome.failed_seed = seed;
          outcome.failure = *done.failure;
          break;
        }
      }
      return encode(outcome);
    });
  }

  void take(const child_pool::ended& ended, std::deque<seed_range>& waiting) {
    seed_range range{ended.id, running_[ended.id]};
    running_.erase(ended.id);
    range_outcome outcome;
    if (ended.answer) {
      outcome = decode(*ended.answer);
    } else if (range.count > 1) { // which of them was it?
      for (std::uint64_t i = 0; i < range.count; ++i)
        waiting.push_back({range.first + i, 1});
      return;
    } else {
      outcome.failed_seed = range.first;
      outcome.failure = ended.how;
    }
    done_ += range.count;
    messages_ += outcome.messages;
    restarts_ += outcome.restarts;
    // Several may fail at once; the first of them is the one to look at.
    if (outcome.failed_seed != 0 && (failed_seed_ == 0 || outcome.failed_seed < failed_seed_)) {
      failed_seed_ = outcome.failed_seed;
      failure_ = outcome.failure;
    }
  }

  exit_code trace() {
    auto say = [](const std::string& line) { print_line(line); };
    storage::set_log_sink([](std::string_view line) { print_line("  " + std::string(line)); });
    auto outcome = kind_.run(first_, classes_, say);
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

  void report_failure() const {
    clear_progress();
    auto command = std::string("troupe sim --what ") + kind_.name + " --seed " +
                   std::to_string(failed_seed_) + " --faults " + args_.faults + " --trace";
    if (ctx_.json()) {
      std::string quoted;
      append_json_string(quoted, failure_);
      print_line("{\"seed\":" + std::to_string(failed_seed_) + ",\"failed\":1,\"what\":" + quoted +
                 ",\"replay\":\"" + command + "\"}");
      return;
    }
    print_line("seed " + std::to_string(failed_seed_) + ": " + failure_);
    print_line("replay it: " + command);
    kind_.shorten(failed_seed_, classes_, [](const std::string& line) { print_line(line); });
  }

  const context& ctx_;
  const arguments& args_;
  const sim_kind& kind_;
  std::set<std::string> classes_;
  std::uint64_t first_;
  unsigned jobs_;
  std::map<std::uint64_t, std::uint64_t> running_; ///< first seed and number of each range
  std::uint64_t begun_ = 0;
  std::uint64_t done_ = 0;
  std::uint64_t messages_ = 0;
  std::uint64_t restarts_ = 0;
  std::uint64_t failed_seed_ = 0; ///< 0: none
  std::string failure_;
  double shown_ = 0;
  std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
};

} // namespace

void add_sim(CLI::App& app, context& ctx) {
  auto args = std::make_shared<arguments>();
  auto* verb = app.add_subcommand(
      "sim", "Run nodes with faults in a simulated world, and check every promise");
  verb->add_option(
          "--what", args->what,
          "node: whole nodes and clients; gateway: with RocketMQ's port; spread: nodes in several "
          "processes; storage: a store alone")
      ->check(CLI::IsMember({"node", "gateway", "spread", "storage"}))
      ->capture_default_str();
  add_number(*verb, "--seed", args->first, "The first seed (default: a fresh one)", 1,
             UINT64_MAX - 1);
  add_number(*verb, "--seeds", args->count, "How many seeds (default: 1000)", 1, most_seeds);
  verb->add_option("--minutes", args->minutes, "Or for how long")
      ->check(CLI::Range(0.0, 1e6))
      ->check([](const std::string& text) { // "nan" is in every range
        return text == "nan" ? "no number" : "";
      });
  verb->add_option("--faults", args->faults, "Classes joined by commas, all or none")
      ->capture_default_str();
  verb->add_option("--jobs", args->jobs, "Processes at a time (default: one a core)")
      ->check(CLI::Range(1U, 1024U));
  verb->add_flag("--trace", args->trace, "Show what happens in the run of one seed");
  verb->callback([&ctx, args] {
    ctx.then([&ctx, args]() -> result<exit_code> {
      auto* kind = find_sim_kind(args->what);
      TROUPE_TRY(auto classes, classes_of(*kind, args->faults));
      return simulation(ctx, *args, *kind, std::move(classes)).run();
    });
  });
}

} // namespace troupe::cli
