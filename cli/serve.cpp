#include "cli/commands.hpp"
#include "cli/message_json.hpp"
#include "cli/progress.hpp"
#include "cli/remote.hpp"
#include "net/server.hpp"
#include "storage/logging.hpp"
#include "storage/posix_file_system.hpp"

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <thread>

#include <pthread.h>
#include <unistd.h>

namespace troupe::cli {

namespace {

using storage::result;

/// Blocked before any thread starts, so that they arrive nowhere but in `wait_for_stop`.
sigset_t block_stop_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  return signals;
}

void print_ready(const context& ctx, const net::node_config& node, std::uint16_t port) {
  if (ctx.json()) {
    std::string line = "{\"ready\":true,\"node\":";
    append_json_string(line, node.name);
    line += ",\"host\":";
    append_json_string(line, node.host);
    line += ",\"actorPort\":" + std::to_string(port) + ",\"directory\":";
    append_json_string(line, node.directory);
    print_line(line + ",\"pid\":" + std::to_string(::getpid()) + "}");
  } else {
    print_line("ready: node " + node.name + " at " + node.host + ":" + std::to_string(port) +
               ", data in " + node.directory + ", process " + std::to_string(::getpid()));
  }
  std::fflush(stdout);
}

/// A second signal means now: the marker stays, so the next start recovers.
void end_at_second_signal(sigset_t signals) {
  std::thread([signals] {
    int signal = 0;
    sigwait(&signals, &signal);
    print_note("stopped at the second signal, in the middle: the next start recovers");
    std::_Exit(static_cast<int>(exit_code::failed));
  }).detach();
}

result<exit_code> serve(const context& ctx) {
  auto signals = block_stop_signals();
  TROUPE_TRY(auto chosen, ctx.load());
  TROUPE_TRY(auto config, make_system_config(chosen.cluster.caf));
  caf::actor_system system{*config};
  byte_progress shown("checking the log");
  TROUPE_TRY(auto node,
             net::server::start(system, chosen.cluster, chosen.node, storage::posix_file_system(),
                                {[&](auto done, auto total) { shown.show(done, total); }}));
  shown.clear();
  TROUPE_TRY(auto address, node->publish());
  print_ready(ctx, chosen.node, address.actor_port);
  int signal = 0;
  sigwait(&signals, &signal);
  storage::log_info("node.stopping", {{"signal", signal}});
  end_at_second_signal(signals);
  auto stopped = node->stop();
  if (!stopped) {
    // Actors may hang on a dead disk: leaving without waiting for them is the only end.
    print_error(stopped.error());
    print_note("not everything was flushed: the next start recovers");
    std::fflush(stdout);
    std::_Exit(static_cast<int>(exit_code::failed));
  }
  storage::log_info("node.stopped");
  return exit_code::done;
}

} // namespace

void add_serve(CLI::App& app, context& ctx) {
  auto* verb = app.add_subcommand("serve", "Run a node in the foreground until SIGTERM or SIGINT");
  verb->callback([&ctx] { ctx.then([&ctx] { return serve(ctx); }); });
}

} // namespace troupe::cli
