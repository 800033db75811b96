#include "cli/commands.hpp"
#include "cli/context.hpp"
#include "net/client.hpp"
#include "net/quantity.hpp"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <new>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <malloc.h>

namespace troupe::cli {

namespace {

void add_global_options(CLI::App& app, context& ctx) {
  app.set_version_flag("--version", "troupe " TROUPE_VERSION);
  app.set_help_flag("-h,--help", "Print this help and exit");
  app.add_option("--config", ctx.config_path, "The cluster's settings and nodes")
      ->capture_default_str()
      ->type_name("FILE");
  app.add_option("--node", ctx.node_name, "The node to run or to ask (default: the first)")
      ->type_name("NAME");
  app.add_option("--connect", ctx.connect, "The node to ask, without any configuration")
      ->type_name("HOST:PORT")
      ->check([](const std::string& text) { return problem_of(client::parse_address(text)); });
  auto set_output = [&ctx](const std::string& mode) {
    if (mode != "text" && mode != "json")
      throw CLI::ValidationError("--output", "'" + mode + "' is neither text nor json");
    ctx.output = mode == "json" ? output_mode::json : output_mode::text;
  };
  app.add_option_function<std::string>("--output", set_output,
                                       "text for people, json for programs (default: text)")
      ->type_name("MODE");
}

/// Blocks of messages come and go all the time: without this the allocator gives each back to the
/// system, and every page of the next one is a fault and 4 KiB of zeros.
void keep_freed_memory() {
  constexpr int kept_bytes = 16 << 20;
  ::mallopt(M_MMAP_THRESHOLD, kept_bytes);
  ::mallopt(M_TRIM_THRESHOLD, kept_bytes);
  ::mallopt(M_ARENA_MAX, 4);
}

std::terminate_handler usual_terminate = nullptr;

/// Libraries throw when they get no memory or no thread, also where nobody can catch it. That is no
/// bug of ours: it ends with a message. Whatever else comes here is one, and aborts as usual.
[[noreturn]] void end_without_resources() noexcept {
  const char* what = nullptr;
  try {
    if (std::current_exception())
      throw;
  } catch (const std::bad_alloc&) {
    what = "memory";
  } catch (const std::system_error& e) {
    if (e.code() == std::errc::resource_unavailable_try_again)
      what = "threads or memory";
  } catch (...) {
  }
  if (what == nullptr) {
    usual_terminate();
    std::abort();
  }
  std::fprintf(stderr,
               "troupe: the system gives no more %s; raise the limits of this process "
               "(ulimit -v, ulimit -u) and start it again\n",
               what);
  std::_Exit(static_cast<int>(exit_code::failed));
}

/// Where a verb was wanted and another word came: names it and the nearest verb.
bool print_unknown_verb(const CLI::App& app) {
  const auto* noun = &app;
  std::string said = "troupe ";
  while (!noun->get_subcommands().empty()) {
    noun = noun->get_subcommands().front();
    said += noun->get_name() + " ";
  }
  auto words = app.remaining(true);
  if (noun->get_require_subcommand_min() == 0 || words.empty() || words.front().starts_with('-'))
    return false;
  std::vector<std::string_view> verbs;
  for (auto* verb : noun->get_subcommands([](const CLI::App*) { return true; }))
    verbs.push_back(verb->get_name());
  print_note("there is no '" + said + words.front() + "'" + net::hint(words.front(), verbs, said) +
             "; --help shows them all");
  return true;
}

int run(int argc, char** argv) {
  keep_freed_memory();
  usual_terminate = std::set_terminate(end_without_resources);
  CLI::App app("Troupe: a node that stores and serves messages as the Apache RocketMQ store does.",
               "troupe");
  context ctx;
  app.fallthrough(); // global options may stand behind the verb; subcommands inherit this
  app.require_subcommand(1);
  add_global_options(app, ctx);
  add_serve(app, ctx);
  add_topic(app, ctx);
  add_produce(app, ctx);
  add_consume(app, ctx);
  add_message(app, ctx);
  add_status(app, ctx);
  add_store(app, ctx);
  add_bench(app, ctx);
  add_sim(app, ctx);

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    if (e.get_name() == "RequiredError" && print_unknown_verb(app))
      return static_cast<int>(exit_code::usage);
    auto code = app.exit(e); // prints help, version or what is wrong
    return static_cast<int>(code == 0 ? exit_code::done : exit_code::usage);
  }
  auto done = ctx.work();
  if (done.has_error()) {
    print_error(done.error());
    return static_cast<int>(exit_code::failed);
  }
  if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) {
    print_error(storage::system_error(errno, "cannot write the output"));
    return static_cast<int>(exit_code::failed);
  }
  return static_cast<int>(done.value());
}

} // namespace

} // namespace troupe::cli

// What escapes gets to `end_without_resources`, which says what was missing.
int main(int argc, char** argv) { // NOLINT(bugprone-exception-escape)
  return troupe::cli::run(argc, argv);
}
