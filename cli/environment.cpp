#include "cli/environment.hpp"

#include "net/client.hpp"

#include <cstdlib>
#include <string_view>

#include <unistd.h>

namespace troupe::cli {

namespace {

/// An empty one is as good as none.
std::string_view variable(const char* name) {
  auto* value = std::getenv(name); // NOLINT(concurrency-mt-unsafe): nobody sets one
  return value == nullptr ? std::string_view() : std::string_view(value);
}

} // namespace

std::string take_environment(const CLI::App& app, context& ctx) {
  auto given = [&app](const char* option) { return app.count(option) > 0; };
  if (auto path = variable("TROUPE_CONFIG"); !path.empty() && !given("--config"))
    ctx.config_path = path;
  auto address = variable("TROUPE_CONNECT");
  // Who names a configuration or a node of it means that one.
  if (address.empty() || given("--connect") || given("--config") || given("--node"))
    return {};
  if (auto parsed = client::parse_address(address); !parsed)
    return "TROUPE_CONNECT: " + parsed.error().message;
  ctx.connect = address;
  return {};
}

bool colours_wanted() {
  return variable("NO_COLOR").empty() && variable("TERM") != "dumb" && !variable("TERM").empty() &&
         ::isatty(STDOUT_FILENO) == 1;
}

} // namespace troupe::cli
