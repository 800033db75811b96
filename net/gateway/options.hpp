#pragma once

#include "storage/options.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace troupe::net {

/// Whether the ports for RocketMQ clients speak TLS: `permissive` to those who begin so, as their
/// servers do.
enum class tls_mode { off, permissive, required };

/// Where a name server is: another node's name-server-port, or a Java one.
struct name_server {
  std::string host; ///< a name, or an address
  std::uint16_t port = 9876;
  friend bool operator==(const name_server&, const name_server&) = default;
};

/// Settings of the door for RocketMQ clients: `[gateway]` of cluster.ini.
struct gateway_options {
  bool enabled = true;
  std::size_t connections = 1000;
  std::size_t connections_per_address = 0;    ///< 0: half of `connections`
  std::size_t connections_per_account = 0;    ///< these: 0: no limit
  std::size_t requests_per_address = 100'000; ///< open at a time
  std::size_t requests_per_account = 100'000;
  std::size_t new_topics_per_address = 5000; ///< that its requests create in an hour
  std::size_t new_topics_per_account = 5000;
  std::size_t new_groups_per_address = 5000; ///< with them topics for retries and dead letters
  std::size_t new_groups_per_account = 5000;
  /// Unanswered requests with what they cost the node, and unread answers; above it is not read.
  std::size_t connection_bytes = 32 * storage::mib;
  /// Unanswered requests and unfinished frames of all; no connection has more than is left of it.
  /// Also the most of unread answers that are copies.
  std::size_t total_bytes = 256 * storage::mib;
  /// Unread answers of all; above it the connection that has the most is closed.
  std::size_t unread_bytes = storage::gib;
  std::chrono::milliseconds idle_time{120'000}; ///< without a byte from the client
  std::chrono::milliseconds frame_time{30'000}; ///< to complete a frame, or to take an answer
  bool auto_create_topics = true;
  bool property_filter = true; ///< subscriptions by SQL92
  bool vip_channel = true;     ///< also listen two ports below the first, where old clients dial
  std::string accounts;        ///< file of those who may come in, and what for; empty: everybody
  tls_mode tls = tls_mode::off;
  std::string tls_certificate; ///< PEM files
  std::string tls_key;
  std::string tls_ca; ///< whose certificates clients have to show; empty: they need none
  std::vector<name_server> name_servers; ///< with which the node registers, beside its own
};

} // namespace troupe::net
