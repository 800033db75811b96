#include "cli/commands.hpp"
#include "cli/interruption.hpp"
#include "cli/message_json.hpp"
#include "cli/progress.hpp"
#include "cli/service_notice.hpp"
#include "cli/system_config.hpp"
#include "net/admin/status_view.hpp"
#include "net/server.hpp"
#include "storage/logging.hpp"
#include "storage/os/posix_file_system.hpp"

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>
#include <thread>
#include <utility>

#include <pthread.h>
#include <unistd.h>

namespace troupe::cli {

namespace {

using storage::result;

/// Who stops a whole process group may hit one process twice, as timeout(1) does.
constexpr auto echo_time = std::chrono::milliseconds(100);

/// A start that has not come on for so long is stuck, to whoever runs the node as a service.
constexpr auto start_patience = std::chrono::minutes(2);
/// How much longer than `stop-deadline` a stop may take until the process is gone.
constexpr auto stop_reserve = std::chrono::seconds(10);

/// Somebody sits at it: then SIGHUP says that the terminal was closed, else to read settings anew.
bool at_a_terminal() {
  return ::isatty(STDIN_FILENO) == 1 || ::isatty(STDOUT_FILENO) == 1 ||
         ::isatty(STDERR_FILENO) == 1;
}

/// SIGTERM and SIGINT end a node in order, and SIGHUP of its terminal. While it starts, or at the
/// second one, they end it at once: that is no worse than a crash, the abort marker stays, and the
/// next start recovers. The same one right behind the first is its echo and no second one.
class stop_signals {
public:
  /// Blocks them, before any other thread starts: they arrive nowhere but here.
  stop_signals() : signals_(signals_to_end()) {
    pthread_sigmask(SIG_BLOCK, &signals_, nullptr);
    std::thread([this] { take(); }).detach();
  }

  /// What SIGHUP does of a node without a terminal; on the thread of the signals.
  void on_hangup(std::function<void()> reload) { reload_ = std::move(reload); }

  /// From here on the first signal is kept for `wait`.
  void serving() noexcept {
    phase_ = phase::serving;
    if (ordered_)
      order();
  }
  /// Somebody ordered the stop by another way; what follows is the same. One that comes while the
  /// node starts is kept.
  void order() noexcept {
    ordered_ = true;
    auto expected = phase::serving;
    if (phase_.compare_exchange_strong(expected, phase::stopping))
      phase_.notify_one();
  }
  bool came() const noexcept { return phase_ == phase::stopping; }
  /// The signal; 0: it was ordered.
  int wait() const noexcept {
    phase_.wait(phase::serving);
    return signal_;
  }

private:
  enum class phase { starting, serving, stopping };

  [[noreturn]] void take() {
    std::chrono::steady_clock::time_point began;
    for (;;) {
      int signal = 0;
      sigwait(&signals_, &signal);
      if (signal == SIGHUP && !terminal_) {
        if (phase_ != phase::starting && reload_) // `serving` lets this thread see it
          reload_();
        continue;
      }
      auto now = std::chrono::steady_clock::now();
      auto first = signal_.exchange(signal);
      auto expected = phase::serving;
      if (phase_.compare_exchange_strong(expected, phase::stopping)) {
        began = now;
        phase_.notify_one();
      } else if (expected == phase::starting ||
                 (first != 0 && (signal != first || now - began > echo_time))) {
        end_at_once(expected);
      } else if (first == 0) { // behind an order
        began = now;
      }
    }
  }
  [[noreturn]] static void end_at_once(phase when) {
    print_note(when == phase::starting
                   ? "stopped by a signal while it started: the next start recovers"
                   : "stopped at the second signal, in the middle: the next start recovers");
    std::_Exit(static_cast<int>(exit_code::failed));
  }

  sigset_t signals_;
  bool terminal_ = at_a_terminal();
  std::function<void()> reload_;
  std::atomic<phase> phase_{phase::starting};
  std::atomic<int> signal_{0};
  std::atomic<bool> ordered_{false};
};

std::string name_of_signal(int number) {
  if (number == 0)
    return "none, it was ordered";
  auto* name = ::sigabbrev_np(number);
  return name == nullptr ? std::to_string(number) : std::string("SIG") + name;
}

void print_ready(const context& ctx, const net::node_config& node, const net::server::address& at) {
  if (ctx.json()) {
    std::string line = "{\"ready\":true,\"node\":";
    append_json_string(line, node.name);
    line += ",\"host\":";
    append_json_string(line, node.host);
    line += ",\"actorHost\":";
    append_json_string(line, node.actor_host);
    line += ",\"actorPort\":" + std::to_string(at.actor_port) +
            ",\"remotingPort\":" + std::to_string(at.remoting_port) +
            ",\"nameServerPort\":" + std::to_string(at.name_server_port) +
            ",\"adminPort\":" + std::to_string(at.admin_port) + ",\"directory\":";
    append_json_string(line, node.directory);
    print_line(line + ",\"pid\":" + std::to_string(::getpid()) + "}");
  } else {
    std::string doors;
    if (at.remoting_port != 0)
      doors = ", RocketMQ clients at " + std::to_string(at.remoting_port);
    if (at.name_server_port != 0)
      doors += ", name server at " + std::to_string(at.name_server_port);
    if (at.admin_port != 0)
      doors += ", status at http://" + node.admin_host + ":" + std::to_string(at.admin_port);
    if (at.actor_port != 0)
      doors = " at " + node.actor_host + ":" + std::to_string(at.actor_port) + doors;
    print_line("ready: node " + node.name + doors + ", data in " + node.directory + ", process " +
               std::to_string(::getpid()));
  }
  std::fflush(stdout);
}

/// Nothing at that door asks who comes.
void warn_of_open_door(const context::chosen_node& chosen, const net::server::address& at) {
  auto& node = chosen.node;
  if (at.actor_port == 0 || net::is_loopback(node.actor_host) || chosen.cluster.tls.given())
    return;
  storage::log_warning("actor_port.open", {{"host", node.actor_host}, {"port", at.actor_port}});
  print_note("the actor port is open beyond this machine, without encryption: whoever reaches " +
             node.actor_host + ":" + std::to_string(at.actor_port) +
             " may read, write and delete everything (insecure = on)");
}

/// Without either of the two whoever is on the way there reads or forges what clients say.
void warn_of_open_gateway(const context::chosen_node& chosen, const net::server::address& at) {
  auto& node = chosen.node;
  auto& gateway = chosen.cluster.gateway;
  bool encrypted = gateway.tls == net::tls_mode::required;
  bool asks = !gateway.accounts.empty();
  if (at.remoting_port == 0 || net::is_loopback(node.host) || (encrypted && asks))
    return;
  storage::log_warning(
      "gateway.open",
      {{"host", node.host}, {"port", at.remoting_port}, {"tls", encrypted}, {"accounts", asks}});
  auto place = node.host + ":" + std::to_string(at.remoting_port);
  print_note("the ports for RocketMQ clients are open beyond this machine" +
             std::string(encrypted ? "" : ", without encryption (tls = required)") +
             (asks ? "" : ", to everybody (accounts)") + ": whoever reaches " + place +
             " may read" + (asks ? " what clients send" : ", write and delete everything") +
             "; see [gateway] and docs/operating.md");
}

/// Actors may hang, on a dead disk or because others could not be made: leaving without waiting for
/// them is the only end.
[[noreturn]] void leave_at_once(const storage::error& why) {
  print_error(why);
  std::fflush(stdout);
  std::_Exit(static_cast<int>(exit_code::failed));
}

/// A node of a store in several processes serves when it has found the others that it needs, which
/// may take as long as it likes. False when it is told to stop before.
bool wait_for_others(net::server& node, const stop_signals& signals, service_notice& notice) {
  constexpr auto look = std::chrono::milliseconds(50);
  auto ready = node.ready();
  while (ready.wait_for(look) != std::future_status::ready) {
    if (signals.came())
      return false;
    notice.starting("waiting for the other processes of the store", start_patience);
  }
  if (auto outcome = ready.get(); !outcome) {
    (void)node.stop();
    leave_at_once(outcome.error());
  }
  return true;
}

/// The node's own actor answers whatever hangs: a disk that does not answer is no reason to kill a
/// process that says so.
bool is_alive(caf::actor_system& system, const node_actor& node, std::chrono::microseconds wait) {
  bool alive = false;
  caf::scoped_actor self{system};
  self->request(node, wait, status_atom_v)
      .receive([&alive](const node_status&) { alive = true; }, [](const caf::error&) {});
  return alive;
}

result<exit_code> stop(net::server& node, int signal, bool alone) {
  storage::log_info("node.stopping", {{"signal", name_of_signal(signal)}});
  auto stopped = node.stop();
  if (!stopped) {
    print_note("not everything was flushed: the next start recovers");
    leave_at_once(stopped.error());
  }
  storage::log_info("node.stopped");
  // All is durable and closed. What belonged to links may be held by the framework, which would
  // wait for it.
  if (!alone) {
    std::fflush(stdout);
    std::_Exit(static_cast<int>(exit_code::done));
  }
  return exit_code::done;
}

void use(const net::log_options& log) {
  storage::set_log_level(log.level);
  storage::set_log_repeats(log.repeats);
}

/// [log] alone; everything else counts from the next start on.
void read_log_settings_anew(const std::string& path) {
  auto cluster = net::load_config(path);
  if (!cluster)
    return storage::log_error("config.kept", {{"reason", cluster.error().message}});
  use(cluster.value().log);
  storage::log_warning("config.read", {{"file", path}});
}

result<exit_code> serve(const context& ctx) {
  std::signal(SIGXFSZ, SIG_IGN); // a write beyond the limit on file sizes fails like any other
  service_notice notice;
  static stop_signals signals; // its thread lives as long as the process
  TROUPE_TRY(auto chosen, ctx.load());
  use(chosen.cluster.log);
  signals.on_hangup([path = ctx.config_path] { read_log_settings_anew(path); });
  if (ctx.node_name.empty() && chosen.node.roles && chosen.cluster.nodes.size() > 1)
    return storage::error{errc::invalid_argument,
                          "which node? The nodes of " + ctx.config_path +
                              " are one store in several processes; give --node NAME"};
  TROUPE_TRY(auto config, make_system_config(chosen.cluster.caf));
  caf::actor_system system{*config};
  byte_progress shown("checking the log");
  auto started = net::server::start(
      system, chosen.cluster, chosen.node, storage::posix_file_system(),
      {[&](auto done, auto total) {
        shown.show(done, total);
        notice.starting("checking the log: " + percent_text(done, total), start_patience);
      }},
      [] { signals.order(); });
  if (!started)
    leave_at_once(started.error());
  auto node = std::move(started).value();
  shown.clear();
  signals.serving();
  bool alone = !chosen.node.roles;
  auto stop_when_told = [&] {
    auto signal = signals.wait();
    notice.stopping(chosen.cluster.options.stop_deadline + stop_reserve);
    return stop(*node, signal, alone);
  };
  if (!wait_for_others(*node, signals, notice))
    return stop_when_told();
  auto published = node->publish();
  if (!published) {
    (void)node->stop(); // what was opened is closed in order
    leave_at_once(published.error());
  }
  auto address = published.value();
  auto synchronous = chosen.cluster.options.store.flush == storage::flush_policy::sync;
  print_note(net::durability_text(synchronous));
  warn_of_open_door(chosen, address);
  warn_of_open_gateway(chosen, address);
  print_ready(ctx, chosen.node, address);
  notice.ready("serving, data in " + chosen.node.directory);
  if (auto every = notice.watchdog())
    notice.watch(
        [&system, who = node->node(), wait = *every / 3] { return is_alive(system, who, wait); });
  return stop_when_told();
}

/// From here on everything on standard error has that form, notes and errors of ours too.
void add_log_format(CLI::App& verb) {
  auto choose = [](const std::string& name) {
    if (name != "text" && name != "json")
      throw CLI::ValidationError("--log-format", "'" + name + "' is neither text nor json");
    if (name == "json")
      log_as_json();
  };
  verb.add_option_function<std::string>("--log-format", choose,
                                        "text or json, a line each, on standard error "
                                        "(default: text)")
      ->type_name("FORMAT");
}

} // namespace

void add_serve(CLI::App& app, context& ctx) {
  auto* verb = app.add_subcommand("serve", "Run a node in the foreground until SIGTERM or SIGINT");
  add_log_format(*verb);
  verb->footer("The keys of FILE, each with its default and range:\n\n" + net::config_help());
  verb->callback([&ctx] { ctx.then([&ctx] { return serve(ctx); }); });
}

} // namespace troupe::cli
