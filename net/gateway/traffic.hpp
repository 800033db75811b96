#pragma once

#include "net/gateway/request_share.hpp"
#include "net/remoting/client_groups.hpp"
#include "net/remoting/command.hpp"
#include "storage/format/record.hpp"
#include "storage/os/slice.hpp"

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

/// What the thread of the sockets and the gateway's actor hand each other.
namespace troupe::net {

using remoting::connection_id;

/// A request as it came.
struct client_request {
  remoting::command header;
  storage::slice body;
  std::size_t bytes = 0; ///< what it costs, counted for the connection until it is settled
};

/// Requests of one client that arrived together, in order.
struct arrived {
  connection_id from = 0;
  storage::host peer;
  std::vector<client_request> requests;
  /// When they were read from the socket: their clients wait since then. 0: now.
  std::chrono::steady_clock::time_point received{};
};

/// The client's connection is closed.
struct departed {
  connection_id from = 0;
};

/// What went over the sockets since they were opened.
struct socket_bytes {
  std::uint64_t received = 0;
  std::uint64_t sent = 0;
};

/// The client has taken the body of an answer, or never will.
struct taken {
  connection_id from = 0;
  bool pull = true; ///< the answer to one; else to a question
};

/// Bytes for a client: a frame without its body, and the body in slices. Settles a request; one
/// without an answer is settled by an empty head.
struct outgoing {
  connection_id to = 0;
  std::string head;
  std::vector<storage::slice> body;
  std::size_t settled_bytes = 0;
  /// Let go on the sockets' thread when the client has taken the body, or never will.
  std::shared_ptr<void> receipt = {};
  /// If there is one: whose requests the client's are from now on, beside its address'.
  std::shared_ptr<request_share> account = {};
  bool last = false; ///< the connection is closed when the client has taken it
};

} // namespace troupe::net
