#include "cli/commands.hpp"
#include "cli/completion.hpp"
#include "cli/context.hpp"
#include "cli/environment.hpp"
#include "cli/process.hpp"
#include "cli/usage.hpp"
#include "cli/version.hpp"
#include "net/client.hpp"

#include <cerrno>
#include <cstdio>
#include <span>
#include <string>
#include <tuple>

namespace troupe::cli {

namespace {

void add_global_options(CLI::App& app, context& ctx) {
  app.set_version_flag("--version", version_text());
  app.set_help_flag("-h,--help", "Print this help and exit");
  app.add_option("--config", ctx.config_path,
                 "The cluster's settings and nodes (else TROUPE_CONFIG)")
      ->capture_default_str()
      ->type_name("FILE");
  app.add_option("--node", ctx.node_name,
                 "The node to run or to ask (default: the first with a door)")
      ->type_name("NAME");
  app.add_option("--connect", ctx.connect,
                 "The node to ask, without any configuration; of several doors of "
                 "a store, with commas between, the first that lets us in (else TROUPE_CONNECT)")
      ->type_name("HOST:PORT[,...]")
      ->check([](const std::string& text) { return problem_of(client::parse_address(text)); });
  for (auto& [flag, name, what] :
       {std::tuple{"--tls-certificate", &ctx.tls.certificate, "To show to a node with [tls]"},
        std::tuple{"--tls-key", &ctx.tls.key, "Its key"},
        std::tuple{"--tls-ca", &ctx.tls.ca, "The authority of the node's certificate"}})
    app.add_option(flag, *name, what)->type_name("FILE");
  auto set_output = [&ctx](const std::string& mode) {
    if (mode != "text" && mode != "json")
      throw CLI::ValidationError("--output", "'" + mode + "' is neither text nor json");
    ctx.output = mode == "json" ? output_mode::json : output_mode::text;
  };
  app.add_option_function<std::string>("--output", set_output,
                                       "text for people, json for programs (default: text)")
      ->type_name("MODE");
}

/// Prints help or version, or what is wrong with the command line.
exit_code explain(const CLI::App& app, const CLI::ParseError& e, std::span<char* const> typed) {
  if (e.get_exit_code() == static_cast<int>(CLI::ExitCodes::Success)) {
    app.exit(e);
    return exit_code::done;
  }
  if (e.get_name() == "RequiredError" && print_missing_verb(app))
    return exit_code::usage;
  if (!app.remaining(true).empty())
    print_unknown_words(app, typed);
  if (e.get_exit_code() != static_cast<int>(CLI::ExitCodes::ExtrasError))
    app.exit(e);
  return exit_code::usage;
}

int run(int argc, char** argv) {
  prepare_process();
  CLI::App app("Troupe: a node that stores and serves messages as the Apache RocketMQ store does.",
               "troupe");
  context ctx;
  app.fallthrough(); // global options may stand behind the verb; subcommands inherit this
  app.require_subcommand(1);
  add_global_options(app, ctx);
  add_serve(app, ctx);
  add_config(app, ctx);
  add_doctor(app, ctx);
  add_topic(app, ctx);
  add_produce(app, ctx);
  add_consume(app, ctx);
  add_message(app, ctx);
  add_group(app, ctx);
  add_clients(app, ctx);
  add_status(app, ctx);
  add_top(app, ctx);
  add_stop(app, ctx);
  add_store(app, ctx);
  add_bench(app, ctx);
  add_sim(app, ctx);
  add_completion(app, ctx);
  add_debug(app, ctx);
  show_global_options(app);
  const std::span<char* const> typed(argv, static_cast<std::size_t>(argc));
  if (typed.size() > 1 && typed[1] == completion_word)
    return static_cast<int>(complete(app, ctx, typed.subspan(2)));

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return static_cast<int>(explain(app, e, typed));
  }
  if (auto problem = take_environment(app, ctx); !problem.empty()) {
    print_note(problem);
    return static_cast<int>(exit_code::usage);
  }
  auto done = ctx.work();
  if (done.has_error()) {
    print_error(done.error());
    return static_cast<int>(exit_code::failed);
  }
  if ((std::fflush(stdout) != 0 || std::ferror(stdout) != 0) && !reader_is_gone()) {
    print_error(storage::system_error(errno, "cannot write the output"));
    return static_cast<int>(exit_code::failed);
  }
  return static_cast<int>(done.value());
}

} // namespace

} // namespace troupe::cli

// What escapes gets to the handlers of `prepare_process`, which say what was missing.
int main(int argc, char** argv) { // NOLINT(bugprone-exception-escape)
  return troupe::cli::run(argc, argv);
}
