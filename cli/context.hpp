#pragma once

#include "net/config.hpp"
#include "storage/error.hpp"

#include <CLI/CLI.hpp>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace troupe::cli {

/// How the program ends.
enum class exit_code : int { done = 0, failed = 1, usage = 2 };

enum class output_mode { text, json };

/// What every command knows, and what the chosen one will do. A noun's file has one function
/// `void add_NOUN(CLI::App& app, context& ctx)` that adds its verbs; each verb's callback stores
/// its work with `ctx.then(...)`, which runs after the whole command line was understood.
struct context {
  using action = std::function<storage::result<exit_code>()>;

  std::string config_path = "./cluster.ini";
  std::string node_name; ///< empty: the only one, or the first
  /// host:port of a node to ask, or several; empty: take it from the configuration
  std::string connect;
  net::tls_files tls; ///< of this program; not given: take them from the configuration
  output_mode output = output_mode::text;
  action work;

  void then(action a) { work = std::move(a); }
  bool json() const noexcept { return output == output_mode::json; }

  /// Reads the configuration and finds the node in it.
  struct chosen_node {
    net::cluster_config cluster;
    net::node_config node;
  };
  storage::result<chosen_node> load() const;
};

/// A noun that wants a verb.
CLI::App* add_noun(CLI::App& app, const std::string& name, const std::string& what);

/// A whole number of that range. CLI11 takes one that is negative or too large for another.
CLI::Option* add_number(CLI::App& app, const std::string& flag, std::uint64_t& number,
                        const std::string& what, std::uint64_t least, std::uint64_t most);

/// Options written as in cluster.ini: "64KiB", "5s". Anything else is a usage error.
CLI::Option* add_size(CLI::App& app, const std::string& flag, std::int64_t& bytes,
                      const std::string& what);
CLI::Option* add_duration(CLI::App& app, const std::string& flag, std::int64_t& ms,
                          const std::string& what);
/// RFC 3339 or "-10m", as milliseconds since 1970.
CLI::Option* add_moment(CLI::App& app, const std::string& flag, std::optional<std::int64_t>& ms,
                        const std::string& what);

/// What a check of an option's text answers: nothing, or what is wrong with it.
template <class T>
std::string problem_of(const storage::result<T>& read) {
  return read ? std::string{} : read.error().message;
}

/// Log lines are JSON from here on, and what the two functions below say becomes such lines.
void log_as_json();

/// "troupe: <what> (<code>)" on standard error.
void print_error(const storage::error& e);
/// "troupe: <text>" on standard error: something to know that ends nothing.
void print_note(std::string_view text);
/// Before something that cannot be undone: true when `--yes` was given or a person at the terminal
/// agrees. Without either it says what to do.
bool agreed(bool yes);
/// A line on standard output. That it came through is checked when the program ends.
void print_line(std::string_view line);

} // namespace troupe::cli
