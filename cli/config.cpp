#include "cli/commands.hpp"
#include "cli/message_json.hpp"
#include "cli/system_config.hpp"
#include "net/config_table.hpp"
#include "net/quantity.hpp"

#include <algorithm>
#include <cerrno>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <unistd.h>

namespace troupe::cli {

namespace {

using net::cluster_config;
using net::node_config;
using net::setting;
using storage::result;

struct arguments {
  std::string key;
  bool given = false;
};

/// "store.flush", as `explain` takes it.
std::string full_name(const setting& s) {
  return std::string(s.section) + "." + std::string(s.key);
}

/// The settings that are meant: of one section when it is named, else all of that name.
std::vector<const setting*> find_settings(const std::string& key) {
  std::vector<const setting*> found;
  for (auto& s : net::settings())
    if (key == s.key || key == full_name(s))
      found.push_back(&s);
  return found;
}

std::string problem_of_key(const std::string& key) {
  if (!find_settings(key).empty())
    return {};
  bool with_section = key.find('.') != std::string::npos;
  std::vector<std::string> names;
  for (auto& s : net::settings())
    names.push_back(with_section ? full_name(s) : std::string(s.key));
  const std::vector<std::string_view> candidates(names.begin(), names.end());
  return "there is no setting '" + key + "'" + net::hint(key, candidates) +
         "; 'troupe config show' lists all";
}

/// The nodes that are shown: the one that was named, or all.
result<std::vector<node_config>> nodes_of(const context& ctx, const cluster_config& cluster) {
  if (ctx.node_name.empty())
    return cluster.nodes;
  TROUPE_TRY(auto node, net::select_node(cluster, ctx.node_name));
  return std::vector{std::move(node)};
}

/// One setting with its value in the file.
struct shown_value {
  const setting* what = nullptr;
  std::string node;   ///< of which; empty for those that all share
  std::string value;  ///< as it is written
  std::string usual;  ///< the default
  std::string source; ///< file:line; empty: the default counts
};

shown_value value_of(const setting& s, const cluster_config& cluster, const node_config& node) {
  shown_value shown{&s, {}, net::written(s, cluster, node), {}, {}};
  shown.usual = net::written(s, cluster_config(), node_config());
  if (s.section != "node") {
    if (auto at = cluster.places.find(full_name(s)); at != cluster.places.end())
      shown.source = at->second;
    return shown;
  }
  shown.node = node.name;
  if (auto at = node.places.find(s.key); at != node.places.end())
    shown.source = at->second;
  return shown;
}

std::vector<shown_value> values_of(const setting& s, const cluster_config& cluster,
                                   const std::vector<node_config>& nodes) {
  std::vector<shown_value> all;
  if (s.section != "node")
    return {value_of(s, cluster, {})};
  for (auto& node : nodes)
    all.push_back(value_of(s, cluster, node));
  return all;
}

std::string source_text(const shown_value& shown) {
  if (!shown.source.empty())
    return shown.source;
  // A few follow others: max-message-size shrinks to the size of a file of the log.
  return shown.value == shown.usual ? "default" : "follows other settings";
}

std::string value_json(const shown_value& shown) {
  std::string line = "{\"section\":";
  auto member = [&line](const char* name, std::string_view text) {
    line += std::string(",\"") + name + "\":";
    append_json_string(line, text);
  };
  append_json_string(line, shown.what->section);
  member("key", shown.what->key);
  if (!shown.node.empty())
    member("node", shown.node);
  member("value", shown.value);
  member("default", shown.usual);
  member("source", source_text(shown));
  member("about", std::string(shown.what->about) + net::range_text(*shown.what));
  return line + "}";
}

std::string padded(std::string text, std::size_t width) {
  text.resize(std::max(width, text.size()), ' ');
  return text;
}

void print_value(const shown_value& shown, bool json) {
  if (json)
    return print_line(value_json(shown));
  constexpr std::size_t source_column = 52;
  print_line(padded("  " + std::string(shown.what->key) + " = " + shown.value, source_column) +
             "  # " + source_text(shown));
}

result<exit_code> show(const context& ctx, const arguments& args) {
  TROUPE_TRY(auto cluster, net::load_config(ctx.config_path));
  TROUPE_TRY(auto nodes, nodes_of(ctx, cluster));
  std::string section;
  auto print = [&](const shown_value& shown) {
    if (args.given && shown.source.empty())
      return;
    auto name = std::string(shown.what->section) + (shown.node.empty() ? "" : " " + shown.node);
    if (!ctx.json() && name != section)
      print_line((section.empty() ? "[" : "\n[") + name + "]");
    section = name;
    print_value(shown, ctx.json());
  };
  for (auto& s : net::settings())
    if (s.section != "node")
      print(value_of(s, cluster, {}));
  for (auto& node : nodes)
    for (auto& s : net::settings())
      if (s.section == "node")
        print(value_of(s, cluster, node));
  if (!ctx.json() && !cluster.caf.empty())
    print_line("\n[caf]");
  for (auto& line : cluster.caf) {
    if (!ctx.json()) {
      print_line(padded("  " + line.key + " = " + line.value, 52) + "  # " + line.place);
      continue;
    }
    std::string json = "{\"section\":\"caf\",\"key\":";
    append_json_string(json, line.key);
    append_json_string(json += ",\"value\":", line.value);
    append_json_string(json += ",\"source\":", line.place);
    print_line(json + "}");
  }
  return exit_code::done;
}

result<exit_code> explain(const context& ctx, const arguments& args) {
  // What a key is for can be asked without any file.
  auto loaded = net::load_config(ctx.config_path);
  std::vector<node_config> nodes;
  if (loaded) {
    TROUPE_TRY(nodes, nodes_of(ctx, loaded.value()));
  } else if (ctx.json() || ::access(ctx.config_path.c_str(), F_OK) == 0) {
    print_note(loaded.error().message + "; the defaults are shown");
  }
  bool first = true;
  for (auto* s : find_settings(args.key)) {
    auto values = loaded ? values_of(*s, loaded.value(), nodes)
                         : std::vector{value_of(*s, cluster_config(), node_config())};
    if (ctx.json()) {
      for (auto& shown : values)
        print_line(value_json(shown));
      continue;
    }
    auto in = std::string(s->section) + (s->section == "node" ? " NAME" : "");
    print_line((first ? "[" : "\n[") + in + "] " + std::string(s->key) + net::range_text(*s));
    print_line(std::string(s->about));
    print_line("default: " + net::written(*s, cluster_config(), node_config()));
    if (loaded)
      for (auto& shown : values)
        print_line("here:    " + shown.value + " (" +
                   (shown.node.empty() ? "" : "node " + shown.node + ", ") + source_text(shown) +
                   ")");
    first = false;
  }
  return exit_code::done;
}

/// A file that a setting names, which a start would open.
result<void> check_readable(const std::string& key, const std::string& path) {
  if (path.empty() || ::access(path.c_str(), R_OK) == 0)
    return boost::outcome_v2::success();
  return storage::system_error(errno, "cannot read " + path + ", which " + key + " names");
}

result<void> check_files(const cluster_config& cluster) {
  auto& gateway = cluster.gateway;
  for (auto& [key, path] :
       {std::pair{"certificate of [tls]", &cluster.tls.certificate},
        std::pair{"key of [tls]", &cluster.tls.key}, std::pair{"ca of [tls]", &cluster.tls.ca},
        std::pair{"accounts", &gateway.accounts},
        std::pair{"tls-certificate", &gateway.tls_certificate},
        std::pair{"tls-key", &gateway.tls_key}, std::pair{"tls-ca", &gateway.tls_ca}}) {
    TROUPE_TRY(check_readable(key, *path));
  }
  return boost::outcome_v2::success();
}

/// What a start of its nodes would refuse in the file.
result<exit_code> check(const context& ctx) {
  TROUPE_TRY(auto cluster, net::load_config(ctx.config_path));
  TROUPE_TRY(auto nodes, nodes_of(ctx, cluster));
  TROUPE_TRY(make_system_config(cluster.caf));
  TROUPE_TRY(check_files(cluster));
  auto given = cluster.places.size() + cluster.caf.size();
  for (auto& node : nodes) {
    TROUPE_TRY(net::check_actor_host(cluster, node));
    // Under "" is the section itself.
    given += node.places.size() - node.places.count(std::string());
  }
  if (!ctx.json()) {
    print_line(ctx.config_path + " is in order: " + std::to_string(given) + " settings, " +
               std::to_string(nodes.size()) + (nodes.size() == 1 ? " node" : " nodes"));
    return exit_code::done;
  }
  std::string line = "{\"file\":";
  append_json_string(line, ctx.config_path);
  print_line(line + ",\"settings\":" + std::to_string(given) +
             ",\"nodes\":" + std::to_string(nodes.size()) + "}");
  return exit_code::done;
}

} // namespace

void add_config(CLI::App& app, context& ctx) {
  auto args = std::make_shared<arguments>();
  auto* noun = add_noun(app, "config", "Check, show and explain the settings of a cluster.ini");

  auto* check_verb = noun->add_subcommand("check", "Say whether a node would start with the file");
  check_verb->callback([&ctx] { ctx.then([&ctx] { return check(ctx); }); });

  auto* show_verb =
      noun->add_subcommand("show", "Print every setting with its value and where that comes from");
  show_verb->add_flag("--given", args->given, "Only those that the file gives");
  show_verb->callback([&ctx, args] { ctx.then([&ctx, args] { return show(ctx, *args); }); });

  auto* explain_verb =
      noun->add_subcommand("explain", "Say what a setting does, its default and its value here");
  explain_verb->add_option("KEY", args->key, "As in the file, or with its section: store.flush")
      ->required()
      ->check(problem_of_key);
  explain_verb->callback([&ctx, args] { ctx.then([&ctx, args] { return explain(ctx, *args); }); });
}

} // namespace troupe::cli
