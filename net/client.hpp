#pragma once

#include "actors/link_messages.hpp"
#include "net/tls/tls_files.hpp"
#include "storage/format/message_batch.hpp"

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

/// For programs that use a Troupe node: connect, then talk to the `store_service` as if the node
/// were an actor of the program itself.
namespace troupe::client {

/// Where a node lets client actors in.
struct door_address {
  std::string host;
  std::uint16_t port = 0;
};

using tls_files = net::tls_files;

struct connect_options {
  std::string host = "127.0.0.1";
  std::uint16_t port = 10915; ///< the node's actor port
  /// More doors of the same store. They are tried in turn, first the one that served last, until
  /// one lets us in.
  std::vector<door_address> others;
  std::string cluster; ///< empty: whichever answers
  std::string name;    ///< of this program, for the node's log
  /// For a node whose cluster.ini has [tls]: certificate and key of this program, and the authority
  /// of all. They are read when it connects, and again when it does so anew; what is wrong with
  /// them is the answer of `hello_atom`.
  tls_files tls;
  /// How long a request waits while there is no connection; then it ends as `unavailable`, not
  /// sent.
  std::chrono::milliseconds patience{5000};
  /// Time for the node to answer a request that was sent; then it ends as `maybe_stored`.
  std::chrono::milliseconds deadline{30'000};
};

/// Options for "host:port", or for several doors with commas between: "host:port,host:port".
storage::result<connect_options> parse_address(std::string_view addresses);

/// A connection that is an actor: it offers everything that a session on the node offers, dials
/// again when the node went away, there or at another door, and ends every request with an answer
/// or an error: those that were sent on a connection that broke end as `connection_lost` (they may
/// have taken effect), and are not sent again.
using connection_actor = store_service::extend<
    /// Which node it is and what it grants, once connected; or why that fails at every door.
    handles<welcome(hello_atom)>,
    /// Ends the connection and this actor.
    handles<void(stop_atom)>, handles<void(retry_atom)>>;

/// Starts to connect; the system needs `configure`.
connection_actor connect(caf::actor_system& system, const connect_options& options);

/// Registers Troupe's messages and what connections need. Call before the system is made. What was
/// set in `config` before, such as `scheduler.max-threads`, stays as it is.
void configure(caf::actor_system_config& config);

/// Where a program's own block of message types begins:
/// `CAF_BEGIN_TYPE_ID_BLOCK(my_types, ::troupe::client::first_free_type_id)`. Those before are
/// Troupe's, in this release and in later ones of the same protocol.
inline constexpr caf::type_id_t first_free_type_id = caf::first_custom_type_id + 200;
static_assert(caf::id_block::troupe_links::end <= first_free_type_id);

/// Messages of one topic on their way into the request that carries them. Keep it: each round of
/// queues goes on where the last one ended.
class batch {
public:
  /// For messages that name their queue; others are refused.
  explicit batch(std::string topic) : topic_(std::move(topic)) {}
  /// Chooses a queue of the topic, as answered by `create_atom` or `list_atom`, for messages that
  /// name none.
  explicit batch(const topic_info& topic) : topic_(topic.name), queues_(topic.write_queues) {}

  /// As a message's queue: all queues in turn; or, if it has keys, always the same for its first
  /// key, so that the messages of one key stay in order. Java's SelectMessageQueueByHash chooses
  /// the same one.
  static constexpr std::int32_t any_queue = -1;

  struct message {
    std::int32_t queue_id = any_queue;
    std::string_view body = {}; ///< any bytes
    std::string_view tag = {};
    std::string_view keys = {};       ///< separated by blanks
    std::string_view properties = {}; ///< more, encoded by storage::properties_builder
    std::int32_t flag = 0;
  };
  /// Copies the message. A unique key is added, by which it can be found.
  storage::result<void> add(const message& m);

  std::uint32_t count() const noexcept { return builder_.count(); }
  std::size_t bytes() const noexcept { return builder_.bytes(); }
  /// The request to send; the batch is empty afterwards.
  put_request take(bool wait = true);

private:
  storage::result<std::int32_t> queue_of(const message& m);

  std::string topic_;
  std::int32_t queues_ = 0; ///< 0: unknown
  std::int32_t turn_ = 0;
  storage::message_batch_builder builder_;
};

} // namespace troupe::client
