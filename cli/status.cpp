#include "cli/commands.hpp"
#include "cli/interruption.hpp"
#include "cli/message_json.hpp"
#include "cli/status_source.hpp"
#include "cli/status_text.hpp"
#include "net/admin/status_json.hpp"
#include "net/quantity.hpp"
#include "storage/clock.hpp"

#include <charconv>
#include <cstdio>
#include <optional>

#include <unistd.h>

namespace troupe::cli {

namespace {

using std::chrono::milliseconds;
using storage::result;

/// Gathering takes a second where a part does not answer.
constexpr auto answer_patience = milliseconds(10'000);
constexpr auto watch_patience = milliseconds(3000);

std::string note_line(const std::string& note) {
  return note.empty() ? "" : "note      " + note + "\n";
}

result<exit_code> status_once(const context& ctx) {
  TROUPE_TRY(auto source, status_source::open(ctx, answer_patience));
  TROUPE_TRY(auto answer, source->ask());
  if (!answer.note.empty())
    print_note(answer.note);
  if (ctx.json())
    print_line(net::status_json(answer.status));
  else
    std::fputs(status_text(answer.status).c_str(), stdout);
  return exit_code::done;
}

/// Shows one state after the other: in place on a terminal, else as blocks.
class status_screen {
public:
  explicit status_screen(bool json) : json_(json), terminal_(::isatty(STDOUT_FILENO) == 1) {}

  /// False when nobody can read any more.
  bool show(const result<status_source::answer>& outcome) {
    auto now = storage::system_wall_clock().now_ms();
    std::string block;
    if (outcome) {
      away_since_ = 0;
      last_answer_ = now;
      block = json_ ? net::status_json(outcome.value().status) + "\n"
                    : note_line(outcome.value().note) + status_text(outcome.value().status);
    } else {
      if (away_since_ == 0)
        away_since_ = now;
      block =
          json_ ? away_json(now, outcome.error().message) : away_text(now, outcome.error().message);
    }
    print(now, block);
    return std::ferror(stdout) == 0;
  }

private:
  void print(std::int64_t now, const std::string& block) {
    if (json_)
      std::fputs(block.c_str(), stdout);
    else if (terminal_) // from the upper left corner; what stood below is cleared
      std::printf("\033[H\033[J%s\n%s", net::moment_text(now).c_str(), block.c_str());
    else
      std::printf("%s%s\n%s", began_ ? "\n" : "", net::moment_text(now).c_str(), block.c_str());
    began_ = true;
    std::fflush(stdout);
  }
  std::string away_text(std::int64_t now, const std::string& why) const {
    return "not reachable since " + net::moment_text(away_since_) + " (" +
           net::span_text(now - away_since_) + "): " + why + "\n" +
           (last_answer_ != 0 ? "last answer at " + net::moment_text(last_answer_) + "\n" : "");
  }
  std::string away_json(std::int64_t now, const std::string& why) const {
    std::string line =
        R"({"reachable":false,"sinceMs":)" + std::to_string(now - away_since_) + ",\"reason\":";
    append_json_string(line, why);
    return line + "}\n";
  }

  bool json_;
  bool terminal_;
  bool began_ = false;
  std::int64_t away_since_ = 0;  ///< 0: it is there
  std::int64_t last_answer_ = 0; ///< 0: there was none
};

result<exit_code> watch(const context& ctx, milliseconds interval) {
  constexpr auto slice = milliseconds(50);
  interruption end;
  TROUPE_TRY(auto source, status_source::open(ctx, watch_patience));
  end.listen();
  status_screen screen(ctx.json());
  while (!interruption::happened()) {
    auto next = std::chrono::steady_clock::now() + interval;
    auto outcome = source->ask();
    if (interruption::happened() || !screen.show(outcome))
      break;
    while (!interruption::happened() && std::chrono::steady_clock::now() < next)
      ::usleep(std::chrono::microseconds(slice).count());
  }
  return exit_code::done;
}

/// Seconds, also with a point. Without a value CLI11 hands on "true".
std::optional<milliseconds> interval_of(const std::string& text) {
  constexpr double least = 0.1;
  constexpr double most = 3600;
  constexpr auto usual = milliseconds(2000);
  if (text.empty() || text == "true")
    return usual;
  double seconds = 0;
  auto [rest, failure] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (failure != std::errc() || rest != text.data() + text.size() || !(seconds >= least) ||
      !(seconds <= most))
    return std::nullopt;
  return std::chrono::round<milliseconds>(std::chrono::duration<double>(seconds));
}

} // namespace

void add_status(CLI::App& app, context& ctx) {
  auto* verb = app.add_subcommand("status", "Show how a node and its store are doing");
  auto interval = std::make_shared<std::optional<milliseconds>>();
  verb->add_option_function<std::string>(
          "--watch",
          [interval](const std::string& text) {
            *interval = interval_of(text);
            if (!*interval)
              throw CLI::ValidationError("--watch",
                                         "'" + text + "' is no number of seconds of 0.1 to 3600");
          },
          "Show it again every so many seconds (2) until Ctrl-C")
      ->type_name("[SECONDS]")
      ->expected(0, 1);
  verb->callback([&ctx, interval] {
    ctx.then([&ctx, interval] { return *interval ? watch(ctx, **interval) : status_once(ctx); });
  });
}

} // namespace troupe::cli
