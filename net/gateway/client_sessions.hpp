#pragma once

#include "actors/client_credit.hpp"
#include "net/gateway/counter.hpp"

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace troupe::net {

/// Whose requests come by a connection: of the account that signed the first one that was allowed.
struct client_account {
  std::string name;    ///< empty: nobody signed any
  bool counts = false; ///< the connection is one of the account's
};

/// The clients that are connected, and the node's session that stands for each of them. What a
/// client sent before it went away is still stored: it stays known, and its session lives, until
/// then.
///
/// Owns each client's peer, what it has open in sends and pulls together, its session and the
/// requests that wait for the session, and the gateway's own session for what concerns no client.
class client_sessions {
public:
  using waiting_requests = std::vector<std::pair<ticket, client_request>>;
  /// Takes what waited for a session that is there now.
  using opened = std::function<void(const session_actor&, const waiting_requests&)>;

  /// `limits`: what each client may have open.
  client_sessions(gateway_actor::pointer self, node_actor node, const session_options& limits,
                  counter& answers, opened then)
      : self_(self), node_(std::move(node)), limits_(limits), counter_(answers),
        opened_(std::move(then)) {}
  client_sessions(const client_sessions&) = delete;
  client_sessions& operator=(const client_sessions&) = delete;

  // -- the gateway's own -------------------------------------------------------------------------
  /// Null while there is none.
  const session_actor& own() const noexcept { return own_; }
  /// Calls `then` when it is there, with the reason when it is not. Once, whoever asks meanwhile.
  void open_own(std::function<void(const caf::error&)> then);

  // -- those of clients --------------------------------------------------------------------------
  /// Requests came from the client. Its session may be null; the reference is good until it ends.
  const session_actor& enter(connection_id from, const storage::host& peer);
  /// Of all that are connected, in order.
  std::vector<std::pair<connection_id, storage::host>> peers() const;
  bool knows(connection_id from) const { return clients_.count(from) > 0; }
  /// The client's session, or null.
  const session_actor* find(connection_id from) const;
  /// The session that can be asked, or null after the request was refused.
  const session_actor* find_or_refuse(const ticket& who);
  /// Null for a client that is not known.
  const storage::host* peer_of(connection_id from) const;
  /// Of a client that is known; else null. Who charges it keeps it: a client may be forgotten while
  /// it has something open.
  std::shared_ptr<client_credit> credit_of(connection_id from) const;
  /// Of a client that is known; else null. Good until it ends.
  client_account* account_of(connection_id from);
  void wait(const ticket& who, const client_request& request);
  /// Opens the session that a request waits for.
  void open_if_wanted(connection_id from);

  /// A session that died is opened again at the next request.
  void session_ended(const caf::actor_addr& who);
  /// The client's connection is closed. True when it is forgotten now; else `departed` comes again.
  bool leave(connection_id from);
  /// All that the client wanted to be stored is answered.
  void all_written(connection_id from);

private:
  struct client {
    storage::host peer;
    std::shared_ptr<client_credit> credit;
    client_account account;
    session_actor session;
    bool opening = false;
    bool gone = false; ///< its connection is closed; what it sent is still carried out
    waiting_requests waiting;
  };

  void open(connection_id from);
  void session_open(connection_id from, const session_actor& session);
  void session_refused(connection_id from, const storage::error& why);
  void forget_if_done(connection_id from, const client& c);

  gateway_actor::pointer self_;
  node_actor node_;
  session_options limits_;
  counter& counter_;
  opened opened_;
  session_actor own_;
  bool own_opening_ = false;
  std::map<connection_id, client> clients_;
};

} // namespace troupe::net
