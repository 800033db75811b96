#pragma once

#include "net/gateway/gateway.hpp"
#include "net/remoting/codes.hpp"
#include "net/remoting/headers.hpp"
#include "net/remoting/heartbeat.hpp"
#include "tests/support/actor_stand.hpp"

#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace troupe::test {

namespace request_code = remoting::request_code;
namespace response_code = remoting::response_code;
using net::connection_id;

/// The ext fields of a request, by name.
using ext_list = std::vector<std::pair<std::string, std::string>>;

/// What the gateway sent to a client: the answer to a request, or a word of its own.
struct client_frame {
  connection_id to = 0;
  remoting::command header;
  std::string body;

  std::int64_t number(std::string_view field) const;
};

/// The frames that the gateway sent to a client with one message.
std::vector<client_frame> frames_of(const net::outgoing& message);
/// A request with this number.
net::client_request make_request(std::int32_t code, std::int32_t opaque, ext_list fields,
                                 std::string_view body);

/// The gateway in virtual time: requests in, frames out. Behind it is a real node, or one that the
/// test plays.
class gateway_stand {
public:
  explicit gateway_stand(std::uint64_t seed = 1) : node(seed) {}

  std::deque<client_frame> sent; ///< all, in order
  std::size_t settled = 0;       ///< requests that were answered or, being one way, settled
  bool deaf = false;             ///< clients take no answers: their receipts are kept
  std::vector<std::shared_ptr<void>> receipts;
  net::gateway_options options;
  std::shared_ptr<const access::account_book> accounts; ///< null: nobody is asked
  test_node node; ///< its end is the gateway's, too: behind what that uses
  net::gateway_actor gateway;

  sim::world& world() { return node.stand.world; }
  /// Starts the node and a gateway before it.
  void start();
  /// Starts a gateway before a node that is played.
  void start_before(const node_actor& played);

  /// A request of its own number; nothing has happened yet when these return.
  net::client_request request(std::int32_t code, ext_list fields, std::string_view body = {});
  void arrive(connection_id from, std::vector<net::client_request> requests);

  /// Sends one request and runs until it is answered.
  client_frame ask(connection_id from, std::int32_t code, ext_list fields,
                   std::string_view body = {});
  /// The frames with this number: one for each request that is answered once.
  std::vector<client_frame> answers_to(std::int32_t opaque) const;
  /// Sends and runs until everything at this moment is done; answers the requests' numbers.
  std::vector<std::int32_t> send(connection_id from, std::vector<net::client_request> requests);

private:
  std::int32_t next_opaque_ = 1'000'000; ///< far from those that the gateway chooses itself
};

// -- requests as clients make them ---------------------------------------------------------------

ext_list send_fields(const std::string& topic, std::int32_t queue = 0,
                     const std::string& properties = {});
ext_list pull_fields(const std::string& group, const std::string& topic, std::int64_t offset,
                     const std::string& tags = "*", std::int64_t suspend_ms = 0);
/// Body of a heartbeat that names these groups, each subscribed to the topic.
std::string heartbeat_of(const std::string& client, const std::vector<std::string>& groups,
                         const std::string& topic, const std::string& tags = "*");

} // namespace troupe::test
