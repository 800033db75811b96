#include "cli/commands.hpp"
#include "cli/message_json.hpp"
#include "cli/remote.hpp"
#include "cli/system_config.hpp"
#include "net/dialer.hpp"
#include "net/quantity.hpp"
#include "net/stop_order.hpp"
#include "net/switchboard.hpp"
#include "net/tls/tls_context.hpp"
#include "storage/os/posix_file_system.hpp"
#include "storage/recovery/abort_marker.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <optional>
#include <thread>

#include <unistd.h>

namespace troupe::cli {

namespace {

using std::chrono::milliseconds;
using clock = std::chrono::steady_clock;
using storage::errc;
using storage::error;
using storage::result;

constexpr auto dial_patience = milliseconds(3000);
constexpr auto order_patience = milliseconds(5000);
constexpr auto look_again = milliseconds(1000);
/// A node that has reached its own deadline still says so.
constexpr auto last_word = milliseconds(5000);
constexpr auto end_patience = milliseconds(3000);

/// One node that is to be stopped.
struct target {
  std::string node; ///< empty: whichever is there
  std::string shown;
  std::optional<client::connect_options> at; ///< none: its actor port is off
  milliseconds deadline{0};
  std::string directory; ///< of its store; empty: not known
  bool has_store = true; ///< its directory says how the store was left
};

enum class stop_state {
  stopped, ///< it said how
  absent,  ///< nobody listens there
  refused, ///< it runs, and does not stop
  silent,  ///< it does not answer, or not any more
};

constexpr std::string_view name_of(stop_state state) {
  constexpr std::string_view names[] = {"stopped", "not running", "refused", "no answer"};
  return names[static_cast<std::size_t>(state)];
}

struct outcome {
  stop_state state = stop_state::silent;
  bool durable = false;
  std::string reason;
};

/// What is waited for, on a terminal's standard error in one line, elsewhere as a note now and
/// then.
class waiting_line {
public:
  explicit waiting_line(std::string who) : who_(std::move(who)), began_(clock::now()) {}
  ~waiting_line() {
    if (drawn_)
      std::fputs("\r\033[K", stderr);
  }
  waiting_line(const waiting_line&) = delete;
  waiting_line& operator=(const waiting_line&) = delete;

  milliseconds waited() const {
    return std::chrono::duration_cast<milliseconds>(clock::now() - began_);
  }
  void show(const std::string& for_what) {
    constexpr auto note_interval = milliseconds(5000);
    auto text = who_ + " stops for " + net::span_text(waited().count()) +
                (for_what.empty() ? std::string() : ", waits for " + for_what);
    if (::isatty(STDERR_FILENO) == 1) {
      std::fprintf(stderr, "\r\033[K%s", text.c_str());
      drawn_ = true;
    } else if (waited() - noted_ >= note_interval) {
      noted_ = waited();
      print_note(text);
    }
  }

private:
  std::string who_;
  clock::time_point began_;
  milliseconds noted_{0};
  bool drawn_ = false;
};

class stopper {
public:
  explicit stopper(std::unique_ptr<caf::actor_system_config> config)
      : config_(std::move(config)), system_(*config_), self_(system_) {}

  outcome stop(const target& which, waiting_line& line) {
    if (!which.at)
      return {stop_state::refused, false,
              "its actor-port is off: end its process with SIGTERM instead"};
    auto made = dial(*which.at);
    if (!made) {
      auto nobody = made.error().message.find("nobody listens") != std::string::npos;
      return {nobody ? stop_state::absent : stop_state::silent, false, made.error().message};
    }
    auto door = std::move(made).value();
    result<caf::strong_actor_ptr> desk = error{errc::unavailable, "it does not answer the order"};
    self_
        ->request(caf::actor_cast<front_actor>(door.published), order_patience, stop_atom_v,
                  protocol_version, which.at->cluster, which.node)
        .receive([&](const caf::strong_actor_ptr& who) { desk = who; },
                 [&](const caf::error& why) {
                   if (why != caf::sec::request_timeout)
                     desk = from_caf(why);
                 });
    if (!desk || !desk.value())
      return {is_refusal(desk) ? stop_state::refused : stop_state::silent, false,
              desk ? "it names nobody who reports" : desk.error().message};
    auto end = await(caf::actor_cast<stop_reports>(desk.value()), which, line);
    door.wire.reset(); // we know: it may end
    if (end.state == stop_state::stopped)
      await_end(*which.at);
    return end;
  }

private:
  static bool is_refusal(const result<caf::strong_actor_ptr>& desk) {
    return !desk && (desk.error().code == errc::invalid_argument ||
                     desk.error().code == errc::version_mismatch);
  }

  result<net::dialled> dial(const client::connect_options& at) {
    result<net::dialled> made = error{errc::unavailable, "no connection in time"};
    std::shared_ptr<const net::tls_context> tls;
    if (at.tls.given()) {
      TROUPE_TRY(tls, net::tls_context::load(at.tls, net::tls_use::client));
    }
    auto dialer = net::socket_dialers(system_, dial_patience, std::move(tls))();
    self_->request(dialer, caf::infinite, caf::connect_atom::value, at.host, at.port)
        .receive([&](net::dialled& there) { made = std::move(there); },
                 [&](const caf::error& why) { made = from_caf(why); });
    if (made && !made.value().published)
      return error{errc::unavailable, "no node answers there, or one that is stopping"};
    return made;
  }

  outcome await(const stop_reports& desk, const target& which, waiting_line& line) {
    for (;;) {
      std::optional<outcome> end;
      self_->request(desk, look_again, fetch_atom_v)
          .receive(
              [&](const stop_report& report) {
                end = {stop_state::stopped, report.left_over.empty(), report.left_over};
              },
              [&](const caf::error& why) {
                if (why != caf::sec::request_timeout)
                  end = {stop_state::silent, false,
                         "the connection is lost: its process has ended, or stands still"};
              });
      if (end)
        return *end;
      if (line.waited() > which.deadline + last_word)
        return {stop_state::silent, false, "it took the order and says nothing more"};
      std::string for_what;
      self_->request(desk, look_again, status_atom_v)
          .receive([&](const std::string& what) { for_what = what; }, [](const caf::error&) {});
      line.show(for_what);
    }
  }

  /// The next who starts there needs the port.
  void await_end(const client::connect_options& at) {
    constexpr auto pause = milliseconds(20);
    auto deadline = clock::now() + end_patience;
    while (clock::now() < deadline) {
      auto made = dial(at);
      if (!made && made.error().message.find("nobody listens") != std::string::npos)
        return;
      std::this_thread::sleep_for(pause);
    }
  }

  std::unique_ptr<caf::actor_system_config> config_;
  caf::actor_system system_;
  caf::scoped_actor self_;
};

target target_of(const net::cluster_config& cluster, const net::node_config& node) {
  target one{node.name, "node " + node.name, std::nullopt, cluster.options.stop_deadline,
             node.directory};
  one.has_store = !node.roles || !(*node.roles & log_seat).empty();
  if (auto at = address_of(cluster, node))
    one.at = at.value();
  return one;
}

result<std::vector<target>> targets_of(const context& ctx, bool all) {
  std::vector<target> targets;
  if (!ctx.connect.empty()) {
    TROUPE_TRY(auto at, address_of(ctx));
    targets.push_back({"", "the node at " + ctx.connect, at, node_options{}.stop_deadline, ""});
    return targets;
  }
  TROUPE_TRY(auto chosen, ctx.load());
  if (!all) {
    if (ctx.node_name.empty() && chosen.cluster.nodes.size() > 1)
      return error{errc::invalid_argument, "which node? Give --node NAME, or --all to stop them in "
                                           "the order in which nothing is lost"};
    targets.push_back(target_of(chosen.cluster, chosen.node));
    return targets;
  }
  TROUPE_TRY(auto placed, net::place_roles(chosen.cluster));
  for (auto& name : net::stop_order(placed))
    for (auto& node : chosen.cluster.nodes)
      if (node.name == name)
        targets.push_back(target_of(chosen.cluster, node));
  return targets;
}

/// A node that does not run has said nothing; when the others have stopped, its store shows how
/// that was left.
bool left_in_order(const target& which) {
  if (!which.has_store)
    return true;
  auto& files = storage::posix_file_system();
  return !which.directory.empty() && files.list(which.directory) &&
         !storage::abort_marker_exists(files, which.directory);
}

void print_outcome(const context& ctx, const target& which, const outcome& end,
                   milliseconds waited) {
  if (ctx.json()) {
    std::string line = "{\"node\":";
    append_json_string(line, which.node.empty() ? which.shown : which.node);
    line += ",\"state\":";
    append_json_string(line, name_of(end.state));
    auto known = end.state == stop_state::stopped;
    line += std::string(",\"durable\":") +
            (!known        ? "null"
             : end.durable ? "true"
                           : "false") +
            ",\"waitedMs\":" + std::to_string(waited.count()) + ",\"reason\":";
    append_json_string(line, end.reason);
    print_line(line + "}");
  } else {
    auto text = which.shown + ": " + std::string(name_of(end.state)) + " after " +
                net::span_text(waited.count());
    if (end.state == stop_state::stopped)
      text += end.durable ? "; what it had is durable" : "; not everything is durable";
    print_line(text + (end.reason.empty() ? "" : ": " + end.reason));
  }
  std::fflush(stdout);
}

result<exit_code> stop(const context& ctx, bool all) {
  TROUPE_TRY(auto targets, targets_of(ctx, all));
  TROUPE_TRY(auto config, make_system_config({}));
  stopper orders(std::move(config));
  std::vector<target> absent;
  bool durable = true;
  for (auto& which : targets) {
    outcome end;
    milliseconds waited{0};
    {
      waiting_line line(which.shown);
      end = orders.stop(which, line);
      waited = line.waited();
    }
    if (end.state == stop_state::absent)
      absent.push_back(which);
    else
      durable = durable && end.durable;
    print_outcome(ctx, which, end, waited);
  }
  if (durable && std::ranges::all_of(absent, left_in_order))
    return exit_code::done;
  print_note("not everything is known to be durable: see the lines above");
  return exit_code::failed;
}

} // namespace

void add_stop(CLI::App& app, context& ctx) {
  auto* verb = app.add_subcommand("stop", "Stop a running node in order, or all of a store");
  auto all = std::make_shared<bool>(false);
  verb->add_flag("--all", *all,
                 "Every node of the configuration, one after the other: first those that let "
                 "clients in, then the writer's, last those that it needs");
  verb->callback([&ctx, all] {
    if (*all && (!ctx.node_name.empty() || !ctx.connect.empty()))
      throw CLI::ValidationError("--all", "goes with neither --node nor --connect");
    ctx.then([&ctx, all] { return stop(ctx, *all); });
  });
}

} // namespace troupe::cli
