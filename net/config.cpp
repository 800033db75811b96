#include "net/config.hpp"

#include "net/config_table.hpp"
#include "net/placement.hpp"
#include "net/quantity.hpp"

#include <boost/property_tree/ini_parser.hpp>

#include <arpa/inet.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <tuple>

namespace troupe::net {

using storage::errc;
using storage::error;
using storage::result;

namespace {

constexpr std::size_t largest_file = 1 << 20;

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view blanks = " \t\r";
  auto from = text.find_first_not_of(blanks);
  if (from == std::string_view::npos)
    return {};
  return text.substr(from, text.find_last_not_of(blanks) - from + 1);
}

/// Cuts a comment off: one that starts the line, or one behind a blank.
std::string_view without_comment(std::string_view line) {
  for (std::size_t i = 0; i < line.size(); ++i)
    if ((line[i] == '#' || line[i] == ';') && (i == 0 || line[i - 1] == ' ' || line[i - 1] == '\t'))
      return line.substr(0, i);
  return line;
}

/// The file as the library wants it (no `#`, no CR), and where each name stands, which the library
/// does not tell. Line numbers are those of the original.
struct source {
  struct place {
    std::string section;
    std::string key; ///< empty for the section's own line
    int line = 0;
  };
  std::string file;
  std::string text;
  std::vector<place> places;

  source(std::string_view original, std::string name);
  int line_of(std::string_view section, std::string_view key) const;
  /// Refuses a section or a key that is given twice.
  result<void> check_duplicates() const;
  std::string place(int line) const { return file + (line > 0 ? ":" + std::to_string(line) : ""); }
  error wrong(int line, const std::string& what) const;
  error wrong(std::string_view section, std::string_view key, const std::string& what) const {
    return wrong(line_of(section, key), what);
  }
};

source::source(std::string_view original, std::string name) : file(std::move(name)) {
  std::string section;
  int number = 0;
  for (std::size_t from = 0; from < original.size();) {
    auto to = std::min(original.find('\n', from), original.size());
    auto line = trimmed(without_comment(original.substr(from, to - from)));
    ++number;
    if (line.starts_with('[')) {
      section = trimmed(line.substr(1, line.find(']') - 1));
      places.push_back({section, {}, number});
    } else if (auto mark = line.find('='); mark != std::string_view::npos) {
      places.push_back({section, std::string(trimmed(line.substr(0, mark))), number});
    }
    text.append(line).push_back('\n');
    from = to + 1;
  }
}

int source::line_of(std::string_view section, std::string_view key) const {
  for (auto& p : places)
    if (p.section == section && p.key == key)
      return p.line;
  return 0;
}

result<void> source::check_duplicates() const {
  for (auto& p : places)
    if (auto first = line_of(p.section, p.key); first != p.line)
      return wrong(p.line, (p.key.empty() ? "section [" + p.section + "]"
                                          : "key '" + p.key + "' of [" + p.section + "]") +
                               " is given twice; the first is in line " + std::to_string(first));
  return boost::outcome_v2::success();
}

error source::wrong(int line, const std::string& what) const {
  return {errc::invalid_argument, place(line) + ": " + what};
}

std::string in_quotes(std::string_view text) {
  return "'" + std::string(text) + "'";
}

/// "node" for "node a"; any other name is its own kind.
std::string_view kind_of(std::string_view section) {
  return section == "node" || section.starts_with("node ") ? "node" : section;
}

error unknown_section(const source& from, const std::string& section) {
  std::string all;
  for (auto name : section_names())
    all += " [" + std::string(name) + (name == "node" ? " NAME]" : "]");
  auto word = section.substr(0, section.find(' '));
  return from.wrong(section, {},
                    "unknown section [" + section + "]" + hint(word, section_names()) +
                        "; there are" + all);
}

error unknown_key(const source& from, const std::string& section, const std::string& key) {
  std::vector<std::string_view> here;
  std::string elsewhere;
  for (auto& s : settings()) {
    if (s.section == kind_of(section))
      here.push_back(s.key);
    else if (s.key == key)
      elsewhere = " (there is one in [" + std::string(s.section) + "])";
  }
  return from.wrong(section, key,
                    "unknown key " + in_quotes(key) + " in [" + section + "]" + hint(key, here) +
                        elsewhere);
}

result<std::string> node_name(const source& from, const std::string& section) {
  auto name = trimmed(std::string_view(section).substr(4));
  auto fine = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
  };
  if (name.empty())
    return from.wrong(section, {}, "a node needs a name: [node NAME]");
  if (name.size() > 64 || name.front() == '-' || !std::ranges::all_of(name, fine))
    return from.wrong(section, {},
                      "bad node name " + in_quotes(name) +
                          ": at most 64 letters, digits, '-', '_' and '.'");
  return std::string(name);
}

using boost::property_tree::ptree;

result<void> take_section(const source& from, const std::string& section, const ptree& keys,
                          cluster_config& config, node_config& node) {
  for (auto& entry : keys) {
    auto& key = entry.first;
    auto value = entry.second.get_value<std::string>();
    if (section == "caf") {
      config.caf.push_back({key, value, from.place(from.line_of(section, key))});
      continue;
    }
    auto s = std::ranges::find_if(settings(), [&](const setting& candidate) {
      return candidate.section == kind_of(section) && candidate.key == key;
    });
    if (s == settings().end())
      return unknown_key(from, section, key);
    if (auto done = assign(*s, config, node, value); !done)
      return from.wrong(section, key, key + " = " + done.error().message);
    auto& place = node.name.empty() ? config.places[section + "." + key] : node.places[key];
    place = from.place(from.line_of(section, key));
  }
  return boost::outcome_v2::success();
}

result<ptree> read_tree(const source& from) {
  ptree tree;
  std::istringstream text(from.text);
  try {
    boost::property_tree::read_ini(text, tree);
  } catch (const boost::property_tree::ini_parser_error& e) {
    return from.wrong(static_cast<int>(e.line()),
                      e.message() + "; a line is [section], key = value, or a comment");
  }
  return tree;
}

/// Rules between several settings.
result<void> check_together(const source& from, cluster_config& config) {
  auto& o = config.options.store;
  auto line_of_any = [&](std::initializer_list<std::string_view> keys) {
    int line = 0;
    for (auto key : keys)
      line = line != 0 ? line : from.line_of("store", key);
    return line;
  };
  if (o.max_message_size_bytes > o.log_file_size_bytes) {
    if (from.line_of("store", "max-message-size") != 0)
      return from.wrong(
          "store", "max-message-size",
          "max-message-size = " + size_text(static_cast<std::int64_t>(o.max_message_size_bytes)) +
              " is more than mapped-file-size-commit-log = " +
              size_text(static_cast<std::int64_t>(o.log_file_size_bytes)) +
              "; a message must fit into one file");
    o.max_message_size_bytes = static_cast<std::uint32_t>(o.log_file_size_bytes);
  }
  if (40 + 4ULL * o.index_slots + 20ULL * o.index_entries > 0x7fffffff)
    return from.wrong("store", "max-index-num",
                      "an index file of 40 + 4 * max-hash-slot-num + 20 * max-index-num bytes "
                      "would be 2GiB or more");
  if (o.disk_max_used_percent > o.disk_clean_forcibly_percent ||
      o.disk_clean_forcibly_percent > o.disk_warning_percent)
    return from.wrong(line_of_any({"disk-max-used-space-ratio", "disk-space-clean-forcibly-ratio",
                                   "disk-space-warning-level-ratio"}),
                      "disk-max-used-space-ratio (" + std::to_string(o.disk_max_used_percent) +
                          ") <= disk-space-clean-forcibly-ratio (" +
                          std::to_string(o.disk_clean_forcibly_percent) +
                          ") <= disk-space-warning-level-ratio (" +
                          std::to_string(o.disk_warning_percent) + ") must hold");
  return boost::outcome_v2::success();
}

/// All of [tls] or none, and not beside its opposite.
result<void> check_tls(const source& from, const cluster_config& config) {
  auto& tls = config.tls;
  if (!tls.given())
    return boost::outcome_v2::success();
  for (auto& [key, file] : {std::pair{"certificate", &tls.certificate}, std::pair{"key", &tls.key},
                            std::pair{"ca", &tls.ca}})
    if (file->empty())
      return from.wrong("tls", {},
                        "[tls] lacks " + std::string(key) +
                            ": it takes certificate, key and ca, all three or none");
  if (config.insecure)
    return from.wrong("actor-port", "insecure",
                      "insecure = on stands beside [tls], which encrypts every actor port: take "
                      "one of them out");
  return boost::outcome_v2::success();
}

/// Who wants TLS gives its files, and the other way round: nobody believes that a port is encrypted
/// when it is not.
result<void> check_gateway_tls(const source& from, const cluster_config& config) {
  auto& gateway = config.gateway;
  if (gateway.tls == tls_mode::off) {
    for (auto& [key, file] :
         {std::pair{"tls-certificate", &gateway.tls_certificate},
          std::pair{"tls-key", &gateway.tls_key}, std::pair{"tls-ca", &gateway.tls_ca}})
      if (!file->empty())
        return from.wrong("gateway", key,
                          std::string(key) + " is given, but tls is off: say tls = permissive or "
                                             "required in [gateway], or take it out");
    return boost::outcome_v2::success();
  }
  if (gateway.tls_certificate.empty() || gateway.tls_key.empty())
    return from.wrong("gateway", "tls",
                      "tls in [gateway] takes tls-certificate and tls-key (docs/operating.md)");
  return boost::outcome_v2::success();
}

/// Where clients are sent must be one address, not the sign for all of a machine's.
result<void> check_advertised(const source& from, const cluster_config& config) {
  for (auto& n : config.nodes)
    if (n.has_door() && n.advertised() == every_address)
      return from.wrong("node " + n.name, "host",
                        "host = " + std::string(every_address) + " of [node " + n.name +
                            "] listens at every address of this machine, but routes and message "
                            "ids name one: give it as advertised-host");
  return boost::outcome_v2::success();
}

/// No two listeners of one machine share a port. A node without the door has none for RocketMQ
/// clients, whatever its defaults.
result<void> check_ports(const source& from, const cluster_config& config) {
  using listener = std::tuple<const char*, std::string, std::uint16_t>;
  constexpr std::uint16_t no_port = 0; // or any free one, which is nobody's yet
  /// Machine, address there and port: nodes of several machines may stand in one file.
  std::vector<std::tuple<std::string, std::string, std::uint16_t>> taken;
  for (auto& n : config.nodes)
    for (auto& [key, host, port] :
         {listener{"actor-port", n.actor_host, n.actor_port.value_or(no_port)},
          // One that was not asked for gives way when the node starts.
          listener{"admin-port", n.admin_host,
                   n.places.contains("admin-port") ? n.admin_port.value_or(no_port) : no_port},
          listener{"remoting-port", n.host, n.has_door() ? n.remoting_port : no_port},
          listener{"name-server-port", n.host,
                   n.has_door() ? n.name_server_port.value_or(no_port) : no_port}}) {
      auto clashes = [&, &host = host, &port = port](const auto& other) {
        auto& [machine, address, number] = other;
        return machine == n.advertised() && number == port &&
               (address == host || address == every_address || host == every_address);
      };
      if (port != no_port && std::any_of(taken.begin(), taken.end(), clashes)) {
        auto section = "node " + n.name;
        auto line = from.line_of(section, key);
        return from.wrong(line != 0 ? line : from.line_of(section, {}),
                          std::string(key) + " = " + std::to_string(port) + " of [" + section +
                              "] is taken by another port of " + n.advertised());
      }
      taken.emplace_back(n.advertised(), host, port);
    }
  return boost::outcome_v2::success();
}

/// Section by section as the file has them: the library drops those without keys, but a node may
/// well have none.
result<void> take_tree(const source& from, const ptree& tree, cluster_config& config) {
  for (auto& [name, child] : tree)
    if (from.line_of(name, {}) == 0)
      return from.wrong({}, name, "key " + in_quotes(name) + " stands before any [section]");
  for (auto& [section, key, line] : from.places) {
    if (!key.empty())
      continue;
    if (std::ranges::find(section_names(), kind_of(section)) == section_names().end())
      return unknown_section(from, section);
    node_config node;
    if (kind_of(section) == "node") {
      TROUPE_TRY(node.name, node_name(from, section));
      node.places[""] = from.place(line);
    }
    if (auto keys = tree.find(section); keys != tree.not_found()) {
      TROUPE_TRY(take_section(from, section, keys->second, config, node));
    }
    if (!node.name.empty())
      config.nodes.push_back(std::move(node));
  }
  return boost::outcome_v2::success();
}

} // namespace

result<cluster_config> parse_config(std::string_view text, const std::string& file) {
  constexpr std::string_view byte_order_mark = "\xef\xbb\xbf"; // some editors begin a file so
  if (text.starts_with(byte_order_mark))
    text.remove_prefix(byte_order_mark.size());
  source from(text, file);
  if (text.find('\0') != std::string_view::npos)
    return from.wrong(0, "holds a zero byte; this is no configuration file");
  TROUPE_TRY(from.check_duplicates());
  TROUPE_TRY(auto tree, read_tree(from));
  cluster_config config;
  TROUPE_TRY(take_tree(from, tree, config));
  TROUPE_TRY(check_together(from, config));
  TROUPE_TRY(check_tls(from, config));
  TROUPE_TRY(check_gateway_tls(from, config));
  if (config.nodes.empty()) {
    config.nodes.emplace_back();
    config.nodes.back().name = "node";
  }
  TROUPE_TRY(place_roles(config));
  TROUPE_TRY(check_advertised(from, config));
  TROUPE_TRY(check_ports(from, config));
  return config;
}

std::string node_config::place_of(std::string_view key) const {
  auto found = places.find(key);
  if (found == places.end())
    found = places.find(std::string_view());
  return found == places.end() ? std::string() : found->second;
}

result<cluster_config> load_config(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::string text(largest_file + 1, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (in.bad() || (in.fail() && !in.eof()))
    return storage::system_error(errno, "cannot read the configuration " + path);
  if (static_cast<std::size_t>(in.gcount()) > largest_file)
    return error{errc::too_large, path + " is over 1MiB; this is no configuration file"};
  text.resize(static_cast<std::size_t>(in.gcount()));
  TROUPE_TRY(auto config, parse_config(text, path));
  // Whoever asks the node from elsewhere must be able to use what it says of its directory.
  std::error_code failed;
  auto file = std::filesystem::absolute(path, failed);
  if (failed)
    return storage::system_error(failed.value(), "cannot find the directory of " + path);
  auto beside_file = [&](std::string& name) {
    name = (file.parent_path() / name).lexically_normal().string();
  };
  for (auto& n : config.nodes)
    beside_file(n.directory);
  if (config.tls.given())
    for (auto* name : {&config.tls.certificate, &config.tls.key, &config.tls.ca})
      beside_file(*name);
  auto& gateway = config.gateway;
  for (auto* name :
       {&gateway.accounts, &gateway.tls_certificate, &gateway.tls_key, &gateway.tls_ca})
    if (!name->empty())
      beside_file(*name);
  return config;
}

result<node_config> select_node(const cluster_config& config,
                                const std::optional<std::string>& name) {
  std::vector<std::string_view> names;
  std::string all;
  for (auto& n : config.nodes) {
    if (name ? n.name == *name : n.has_door())
      return n;
    names.push_back(n.name);
    all += " " + n.name;
  }
  if (!name && !config.nodes.empty())
    return config.nodes.front();
  return error{errc::not_found, "no node " + in_quotes(name.value_or("")) +
                                    " in the configuration" + hint(name.value_or(""), names) +
                                    "; there are" + all};
}

node_options options_of(const cluster_config& config, const node_config& node) {
  auto found = std::ranges::find_if(config.nodes, &node_config::has_door);
  auto& door = node.has_door() || found == config.nodes.end() ? node : *found;
  auto options = config.options;
  options.store.directory = node.directory;
  in_addr address{};
  if (::inet_pton(AF_INET, door.advertised().c_str(), &address) == 1)
    options.store.store_host_ipv4 = ntohl(address.s_addr);
  options.store.store_port = door.remoting_port;
  return options;
}

result<void> check_actor_host(const cluster_config& config, const node_config& node) {
  if (!node.actor_port || is_loopback(node.actor_host) || config.tls.given() || config.insecure)
    return boost::outcome_v2::success();
  auto place = node.place_of("actor-host");
  return error{errc::invalid_argument,
               (place.empty() ? std::string() : place + ": ") + "actor-host = " + node.actor_host +
                   " of [node " + node.name +
                   "] is open beyond this machine, and nothing there is encrypted or asks who "
                   "comes: make certificates and name them in [tls] (docs/operating.md), leave it "
                   "at 127.0.0.1, or say insecure = on in [actor-port] if whoever reaches it may "
                   "do everything"};
}

bool is_loopback(const std::string& host) {
  return host.starts_with("127.");
}

std::string config_help() {
  const cluster_config defaults;
  const node_config node;
  std::string out;
  std::string_view section;
  for (auto& s : settings()) {
    if (s.section != section) {
      section = s.section;
      out += (out.empty() ? "[" : "\n[") + std::string(section) +
             (section == "node" ? " NAME]\n" : "]\n");
    }
    out += "  " + std::string(s.key) + " = " + written(s, defaults, node) + "\n      " +
           std::string(s.about) + range_text(s) + "\n";
  }
  return out;
}

} // namespace troupe::net
