#include "cli/commands.hpp"
#include "cli/environment.hpp"
#include "cli/interruption.hpp"
#include "cli/message_json.hpp"
#include "cli/top_text.hpp"
#include "net/quantity.hpp"
#include "storage/clock.hpp"

#include <chrono>
#include <cstdio>
#include <memory>
#include <optional>

#include <poll.h>
#include <termios.h>
#include <unistd.h>

namespace troupe::cli {

namespace {

using std::chrono::milliseconds;
using storage::result;

struct arguments {
  std::int64_t interval_ms = 2000;
  std::uint64_t rounds = 0; ///< 0: until it is ended
  std::uint64_t groups = 10;
};

/// A terminal that hands on each key at once, as long as this lives.
class keyboard {
public:
  keyboard() {
    if (::isatty(STDIN_FILENO) == 0 || ::isatty(STDOUT_FILENO) == 0 ||
        ::tcgetattr(STDIN_FILENO, &before_) != 0)
      return;
    auto now = before_;
    now.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO); // Ctrl-C stays a signal
    changed_ = ::tcsetattr(STDIN_FILENO, TCSANOW, &now) == 0;
  }
  ~keyboard() {
    if (changed_)
      ::tcsetattr(STDIN_FILENO, TCSANOW, &before_);
  }
  keyboard(const keyboard&) = delete;
  keyboard& operator=(const keyboard&) = delete;

  /// Waits so long, and less when `q` or a signal comes: then true.
  bool quit_within(milliseconds time) const {
    constexpr auto slice = milliseconds(50); // a signal may come right before the call
    auto end = std::chrono::steady_clock::now() + time;
    while (!interruption::happened() && std::chrono::steady_clock::now() < end) {
      pollfd input{STDIN_FILENO, POLLIN, 0};
      char key = 0;
      if (!changed_)
        ::usleep(std::chrono::microseconds(slice).count());
      else if (::poll(&input, 1, static_cast<int>(slice.count())) == 1 &&
               ::read(STDIN_FILENO, &key, 1) == 1 && (key == 'q' || key == 'Q'))
        return true;
    }
    return interruption::happened();
  }

private:
  termios before_{};
  bool changed_ = false;
};

result<top_sample> look(const context& ctx, std::unique_ptr<remote>& node, bool groups) {
  if (!node) {
    TROUPE_TRY(node, remote::open(ctx));
  }
  top_sample sample;
  TROUPE_TRY(sample.status, node->ask<node_status>(status_atom_v));
  if (groups) {
    TROUPE_TRY(sample.groups, progress_of_groups(*node, {}));
  }
  sample.at_ms =
      std::chrono::duration_cast<milliseconds>(std::chrono::steady_clock::now().time_since_epoch())
          .count();
  return sample;
}

/// In place on a terminal, else one block after the other.
void show(const context& ctx, const std::string& block, bool terminal, bool first) {
  auto now = net::moment_text(storage::system_wall_clock().now_ms());
  if (ctx.json())
    std::printf("%s\n", block.c_str());
  else if (terminal) // from the upper left corner; what stood below is cleared
    std::printf("\033[H\033[J%s   q ends\n%s", now.c_str(), block.c_str());
  else
    std::printf("%s%s\n%s", first ? "" : "\n", now.c_str(), block.c_str());
  std::fflush(stdout);
}

std::string away(const context& ctx, const storage::error& why) {
  if (!ctx.json())
    return "not reachable: " + why.message + "\n";
  std::string line = R"({"reachable":false,"reason":)";
  append_json_string(line, why.message);
  return line + "}";
}

result<exit_code> top(const context& ctx, const arguments& args) {
  interruption end;
  std::unique_ptr<remote> node;
  TROUPE_TRY(node, remote::open(ctx)); // who is not there at first is told so, and left
  end.listen();
  const keyboard keys;
  bool terminal = ::isatty(STDOUT_FILENO) == 1;
  auto colours = colours_wanted();
  std::optional<top_sample> before;
  for (std::uint64_t round = 0;; ++round) {
    auto sample = look(ctx, node, args.groups > 0);
    if (interruption::happened())
      break;
    auto* last = before ? &*before : nullptr;
    if (!sample) {
      show(ctx, away(ctx, sample.error()), terminal, round == 0);
      before.reset();
      node.reset();
    } else {
      show(ctx,
           ctx.json() ? top_json(last, sample.value(), args.groups)
                      : top_text(last, sample.value(), args.groups, colours),
           terminal, round == 0);
      before = std::move(sample).value();
    }
    if (std::ferror(stdout) != 0 || round + 1 == args.rounds ||
        keys.quit_within(milliseconds(args.interval_ms)))
      break;
  }
  return exit_code::done;
}

} // namespace

void add_top(CLI::App& app, context& ctx) {
  auto args = std::make_shared<arguments>();
  auto* verb = app.add_subcommand(
      "top", "Show rates, roles and the groups furthest behind again and again; q or Ctrl-C ends");
  add_duration(*verb, "--interval", args->interval_ms, "Time between two looks (default: 2s)")
      ->check([](const std::string& text) {
        auto ms = net::parse_duration(text);
        return ms && (ms.value() < 100 || ms.value() > 3600 * 1000) ? std::string("100ms to 1h")
                                                                    : std::string();
      });
  add_number(*verb, "--rounds", args->rounds, "End after so many looks (default: never)", 1,
             1'000'000'000);
  add_number(*verb, "--groups", args->groups,
             "Groups to show (default: 10); 0: do not ask for any, which costs the node least", 0,
             1000);
  verb->callback([&ctx, args] { ctx.then([&ctx, args] { return top(ctx, *args); }); });
}

} // namespace troupe::cli
