#include "net/config_texts.hpp"

#include "net/quantity.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <vector>

namespace troupe::net {

namespace {

constexpr std::string_view same_as_host = "host";

constexpr std::string_view all_roles = "all";

constexpr std::string_view as_the_gateway = "gateway";
constexpr std::size_t most_name_servers = 16;

/// An address of one machine, or all of this one's: not one of many (multicast, broadcast).
bool is_address(const std::string& host) {
  in_addr address{};
  return ::inet_pton(AF_INET, host.c_str(), &address) == 1 && ntohl(address.s_addr) < 0xe0000000U;
}

/// Cuts `value` at each mark and gives the trimmed pieces to `take`, until one answers a complaint.
template <class Take>
std::string each_piece(std::string_view value, std::string_view marks, Take take) {
  for (std::size_t from = 0; from <= value.size();) {
    auto to = std::min(value.find_first_of(marks, from), value.size());
    auto piece = value.substr(from, to - from);
    while (piece.starts_with(' '))
      piece.remove_prefix(1);
    while (piece.ends_with(' '))
      piece.remove_suffix(1);
    if (auto complaint = take(piece); !complaint.empty())
      return complaint;
    from = to + 1;
  }
  return {};
}

bool is_host_name(std::string_view host) {
  constexpr std::string_view letters =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";
  return !host.empty() && host.size() <= 253 &&
         host.find_first_not_of(letters) == std::string_view::npos;
}

std::string read_name_servers(std::vector<name_server>& into, std::string_view value) {
  std::vector<name_server> servers;
  if (value != "off") {
    auto complaint = each_piece(value, ";,", [&](std::string_view piece) -> std::string {
      auto colon = piece.rfind(':');
      auto port = parse_count(colon == piece.npos ? std::string_view() : piece.substr(colon + 1));
      if (!port || port.value() < 1 || port.value() > 65535 ||
          !is_host_name(piece.substr(0, colon)))
        return "is neither 'off' nor name servers such as 'ns1:9876; ns2:9876', parted by ';'";
      name_server server{std::string(piece.substr(0, colon)),
                         static_cast<std::uint16_t>(port.value())};
      if (std::find(servers.begin(), servers.end(), server) != servers.end())
        return "names " + std::string(piece) + " twice";
      servers.push_back(std::move(server));
      return servers.size() > most_name_servers
                 ? "names more than " + std::to_string(most_name_servers) + " name servers"
                 : std::string();
    });
    if (!complaint.empty())
      return complaint;
  }
  into = std::move(servers);
  return {};
}

std::string text_of(const std::vector<name_server>& servers) {
  std::string out;
  for (auto& server : servers)
    out += (out.empty() ? "" : ";") + server.host + ':' + std::to_string(server.port);
  return out.empty() ? "off" : out;
}

} // namespace

std::string set_cluster_name(cluster_config& c, node_config&, std::string_view value) {
  if (value.empty() || value.size() > 100)
    return "must have 1 to 100 characters";
  c.cluster_name = value;
  return {};
}

std::string set_flush(cluster_config& c, node_config&, std::string_view value) {
  constexpr std::array<std::string_view, 2> names = {"async", "sync"};
  if (value != names[0] && value != names[1])
    return "is neither 'async' nor 'sync'" + hint(value, names);
  c.options.store.flush =
      value == names[0] ? storage::flush_policy::async : storage::flush_policy::sync;
  return {};
}

std::string set_delete_when(cluster_config& c, node_config&, std::string_view value) {
  std::vector<int> hours;
  auto complaint = each_piece(value, ";,", [&](std::string_view piece) -> std::string {
    auto h = parse_count(piece);
    if (!h || h.value() < 0 || h.value() > 23)
      return "must be hours of the day, 00 to 23, parted by ';'";
    hours.push_back(static_cast<int>(h.value()));
    return {};
  });
  if (complaint.empty())
    c.options.store.delete_when_hours = std::move(hours);
  return complaint;
}

std::string delete_when_text(const cluster_config& c, const node_config&) {
  std::string out;
  for (auto h : c.options.store.delete_when_hours)
    out += (out.empty() ? "" : ";") + std::string(h < 10 ? "0" : "") + std::to_string(h);
  return out;
}

std::string set_delays(cluster_config& c, node_config&, std::string_view value) {
  auto levels = storage::delay_levels::parse(value);
  if (!levels)
    return levels.error().message;
  c.options.store.delays = std::move(levels.value());
  return {};
}

std::string delays_text(const cluster_config& c, const node_config&) {
  return c.options.store.delays.text();
}

std::string advertised_host_text(const cluster_config&, const node_config& n) {
  return n.advertised_host.empty() ? std::string(same_as_host) : n.advertised_host;
}

std::string set_advertised_host(cluster_config&, node_config& n, std::string_view value) {
  if (value == same_as_host) {
    n.advertised_host.clear();
    return {};
  }
  std::string host(value);
  if (!is_address(host) || host == every_address)
    return "is not the IPv4 address of one machine, such as 192.168.1.10 (message ids hold the "
           "address itself)";
  n.advertised_host = std::move(host);
  return {};
}

std::string set_directory(cluster_config&, node_config& n, std::string_view value) {
  if (value.empty())
    return "must name a directory";
  n.directory = value;
  return {};
}

std::string set_roles(cluster_config&, node_config& n, std::string_view value) {
  std::vector<std::string_view> names = {all_roles};
  for (auto role : every_role)
    names.push_back(name_of(role));
  if (value == all_roles) {
    n.roles.reset();
    return {};
  }
  role_set roles;
  auto complaint = each_piece(value, ",", [&](std::string_view piece) -> std::string {
    if (piece == all_roles)
      return "must be 'all' alone, for it stands for every role";
    auto role = role_of(piece);
    if (!role)
      return "names an unknown role '" + std::string(piece) + "'" + hint(piece, names) +
             "; there are all, or some of " + to_text(role_set::every());
    if (roles.has(*role))
      return "names the role '" + std::string(piece) + "' twice";
    roles.add(*role);
    return {};
  });
  if (complaint.empty())
    n.roles = roles;
  return complaint;
}

std::string roles_text(const cluster_config&, const node_config& n) {
  return n.roles ? to_text(*n.roles) : std::string(all_roles);
}

std::string admin_hosts_text(const cluster_config&, const node_config& n) {
  std::string out;
  for (auto& host : n.admin_hosts)
    out += (out.empty() ? "" : ";") + host;
  return out.empty() ? "off" : out;
}

std::string set_admin_hosts(cluster_config&, node_config& n, std::string_view value) {
  constexpr std::size_t most = 64;
  std::vector<std::string> hosts;
  if (value != "off") {
    auto complaint = each_piece(value, ";,", [&](std::string_view piece) -> std::string {
      if (!is_host_name(piece))
        return "is neither 'off' nor names such as 'broker1; broker1.example.org', parted by ';'";
      hosts.emplace_back(piece);
      return hosts.size() > most ? "names more than " + std::to_string(most) + " hosts"
                                 : std::string();
    });
    if (!complaint.empty())
      return complaint;
  }
  n.admin_hosts = std::move(hosts);
  return {};
}

std::string tls_mode_text(const cluster_config& c, const node_config&) {
  switch (c.gateway.tls) {
  case tls_mode::off:
    break;
  case tls_mode::permissive:
    return "permissive";
  case tls_mode::required:
    return "required";
  }
  return "off";
}

std::string set_tls_mode(cluster_config& c, node_config&, std::string_view value) {
  for (auto [word, mode] :
       {std::pair{"off", tls_mode::off}, std::pair{"permissive", tls_mode::permissive},
        std::pair{"required", tls_mode::required}})
    if (value == word) {
      c.gateway.tls = mode;
      return {};
    }
  return "is none of off, permissive, required";
}

std::string name_servers_text(const cluster_config& c, const node_config&) {
  return text_of(c.gateway.name_servers);
}

std::string set_name_servers(cluster_config& c, node_config&, std::string_view value) {
  return read_name_servers(c.gateway.name_servers, value);
}

std::string node_name_servers_text(const cluster_config&, const node_config& n) {
  return n.name_servers ? text_of(*n.name_servers) : std::string(as_the_gateway);
}

std::string set_node_name_servers(cluster_config&, node_config& n, std::string_view value) {
  n.name_servers.reset();
  return value == as_the_gateway ? std::string()
                                 : read_name_servers(n.name_servers.emplace(), value);
}

std::string tls_file_text(const std::string& name) {
  return name.empty() ? "off" : name;
}

std::string read_tls_file(std::string& into, std::string_view value) {
  if (value.empty())
    return "must name a file in PEM form, or be 'off'";
  into = value == "off" ? std::string_view() : value;
  return {};
}

std::string read_address(std::string& into, std::string_view value) {
  std::string host(value == "localhost" ? "127.0.0.1" : value);
  if (!is_address(host))
    return "is not an IPv4 address such as 127.0.0.1 (message ids hold the address itself)";
  into = std::move(host);
  return {};
}

std::string read_optional_port(std::optional<std::uint16_t>& into, std::string_view value) {
  if (value == "off") {
    into.reset();
    return {};
  }
  auto port = parse_count(value);
  if (!port || port.value() < 0 || port.value() > 65535)
    return "is neither 'off' nor a port: 0 to 65535";
  into = static_cast<std::uint16_t>(port.value());
  return {};
}

std::string log_level_text(const cluster_config& c, const node_config&) {
  switch (c.log.level) {
  case storage::log_level::info:
    return "info";
  case storage::log_level::warning:
    return "warning";
  case storage::log_level::error:
    break;
  }
  return "error";
}

std::string set_log_level(cluster_config& c, node_config&, std::string_view value) {
  if (value == "info")
    c.log.level = storage::log_level::info;
  else if (value == "warning")
    c.log.level = storage::log_level::warning;
  else if (value == "error")
    c.log.level = storage::log_level::error;
  else
    return "is none of info, warning, error";
  return {};
}

} // namespace troupe::net
