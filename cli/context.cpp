#include "cli/context.hpp"

#include "net/quantity.hpp"
#include "storage/clock.hpp"
#include "storage/logging.hpp"

#include <charconv>
#include <cstdio>
#include <iostream>

#include <unistd.h>

namespace troupe::cli {

storage::result<context::chosen_node> context::load() const {
  TROUPE_TRY(auto cluster, net::load_config(config_path));
  auto name = node_name.empty() ? std::nullopt : std::optional(node_name);
  TROUPE_TRY(auto node, net::select_node(cluster, name));
  return chosen_node{std::move(cluster), std::move(node)};
}

CLI::App* add_noun(CLI::App& app, const std::string& name, const std::string& what) {
  auto* noun = app.add_subcommand(name, what);
  noun->require_subcommand(1);
  return noun;
}

namespace {

/// Adds an option whose text `parse` turns into what `store` takes.
template <class Parse, class Store>
CLI::Option* add_parsed(CLI::App& app, const std::string& flag, const std::string& type,
                        const std::string& what, Parse parse, Store store) {
  auto* option = app.add_option_function<std::string>(
      flag,
      [flag, parse, store](const std::string& text) {
        auto value = parse(text);
        if (value.has_error())
          throw CLI::ValidationError(flag, value.error().message); // caught by CLI11's caller
        store(value.value());
      },
      what);
  return option->type_name(type);
}

} // namespace

CLI::Option* add_number(CLI::App& app, const std::string& flag, std::uint64_t& number,
                        const std::string& what, std::uint64_t least, std::uint64_t most) {
  auto parse = [least, most](const std::string& text) -> storage::result<std::uint64_t> {
    std::uint64_t value = 0;
    const auto* end = text.data() + text.size();
    auto [rest, failure] = std::from_chars(text.data(), end, value); // knows no sign
    if (failure == std::errc() && rest == end && value >= least && value <= most)
      return value;
    return storage::error{storage::errc::invalid_argument, "'" + text + "' is no whole number of " +
                                                               std::to_string(least) + " to " +
                                                               std::to_string(most)};
  };
  return add_parsed(app, flag, "NUMBER", what, parse,
                    [&number](std::uint64_t value) { number = value; });
}

CLI::Option* add_size(CLI::App& app, const std::string& flag, std::int64_t& bytes,
                      const std::string& what) {
  return add_parsed(app, flag, "SIZE", what, net::parse_size,
                    [&bytes](std::int64_t value) { bytes = value; });
}

CLI::Option* add_duration(CLI::App& app, const std::string& flag, std::int64_t& ms,
                          const std::string& what) {
  return add_parsed(app, flag, "TIME", what, net::parse_duration,
                    [&ms](std::int64_t value) { ms = value; });
}

CLI::Option* add_moment(CLI::App& app, const std::string& flag, std::optional<std::int64_t>& ms,
                        const std::string& what) {
  auto parse = [](const std::string& text) {
    return net::parse_moment(text, storage::system_wall_clock().now_ms());
  };
  return add_parsed(app, flag, "TIME", what, parse, [&ms](std::int64_t value) { ms = value; });
}

namespace {

bool notes_are_log_lines = false;

} // namespace

void log_as_json() {
  storage::set_log_format(storage::log_format::json);
  notes_are_log_lines = true;
}

void print_error(const storage::error& e) {
  std::fflush(stdout);
  if (notes_are_log_lines)
    return storage::log_error("failed",
                              {{"reason", e.message}, {"code", storage::name_of(e.code)}});
  std::fprintf(stderr, "troupe: %s (%s)\n", e.message.c_str(),
               std::string(storage::name_of(e.code)).c_str());
}

void print_note(std::string_view text) {
  std::fflush(stdout);
  if (notes_are_log_lines)
    return storage::log_info("note", {{"text", text}});
  std::fprintf(stderr, "troupe: %.*s\n", static_cast<int>(text.size()), text.data());
}

bool agreed(bool yes) {
  if (yes)
    return true;
  if (::isatty(STDIN_FILENO) == 0) {
    print_note("nothing was changed: give --yes to do it");
    return false;
  }
  std::cerr << "Do it? Type yes: " << std::flush;
  std::string answer;
  std::getline(std::cin, answer);
  if (answer == "yes")
    return true;
  print_note("nothing was changed");
  return false;
}

void print_line(std::string_view line) {
  std::fwrite(line.data(), 1, line.size(), stdout);
  std::fputc('\n', stdout);
}

} // namespace troupe::cli
