#pragma once

#include "net/config.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace troupe::net {

// The settings of cluster.ini that are no numbers, as text. A setter answers what is wrong with the
// value, so that the sentence goes on behind it, or nothing.

std::string set_cluster_name(cluster_config& c, node_config& n, std::string_view value);
std::string set_flush(cluster_config& c, node_config& n, std::string_view value);
std::string delete_when_text(const cluster_config& c, const node_config& n);
std::string set_delete_when(cluster_config& c, node_config& n, std::string_view value);
std::string delays_text(const cluster_config& c, const node_config& n);
std::string set_delays(cluster_config& c, node_config& n, std::string_view value);
std::string advertised_host_text(const cluster_config& c, const node_config& n);
std::string set_advertised_host(cluster_config& c, node_config& n, std::string_view value);
std::string set_directory(cluster_config& c, node_config& n, std::string_view value);
std::string roles_text(const cluster_config& c, const node_config& n);
std::string set_roles(cluster_config& c, node_config& n, std::string_view value);
std::string name_servers_text(const cluster_config& c, const node_config& n);
std::string set_name_servers(cluster_config& c, node_config& n, std::string_view value);
std::string node_name_servers_text(const cluster_config& c, const node_config& n);
std::string set_node_name_servers(cluster_config& c, node_config& n, std::string_view value);

std::string log_level_text(const cluster_config& c, const node_config& n);
std::string set_log_level(cluster_config& c, node_config& n, std::string_view value);

std::string admin_hosts_text(const cluster_config& c, const node_config& n);
std::string set_admin_hosts(cluster_config& c, node_config& n, std::string_view value);
std::string tls_mode_text(const cluster_config& c, const node_config& n);
std::string set_tls_mode(cluster_config& c, node_config& n, std::string_view value);

/// `off`, or the name of a file.
std::string tls_file_text(const std::string& name);
std::string read_tls_file(std::string& into, std::string_view value);
std::string read_address(std::string& into, std::string_view value);
std::string read_optional_port(std::optional<std::uint16_t>& into, std::string_view value);

template <auto Field>
std::string set_address(cluster_config&, node_config& n, std::string_view value) {
  return read_address(n.*Field, value);
}

template <auto Field>
std::string tls_text(const cluster_config& c, const node_config&) {
  return tls_file_text(c.tls.*Field);
}

template <auto Field>
std::string set_tls(cluster_config& c, node_config&, std::string_view value) {
  return read_tls_file(c.tls.*Field, value);
}

template <auto Field>
std::string gateway_file_text(const cluster_config& c, const node_config&) {
  return tls_file_text(c.gateway.*Field);
}

template <auto Field>
std::string set_gateway_file(cluster_config& c, node_config&, std::string_view value) {
  return value.empty() ? "must name a file, or be 'off'" : read_tls_file(c.gateway.*Field, value);
}

template <auto Field>
std::string set_optional_port(cluster_config&, node_config& n, std::string_view value) {
  return read_optional_port(n.*Field, value);
}

template <auto Field>
std::string optional_port_text(const cluster_config&, const node_config& n) {
  return n.*Field ? std::to_string(*(n.*Field)) : "off";
}

} // namespace troupe::net
