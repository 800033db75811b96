#pragma once

#include "actors/caf.hpp"

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>

namespace troupe::net {

struct link_limits {
  /// Handed to the network, and not taken at the other end: beyond it messages wait here. What
  /// keeps a connection alive goes behind these at most.
  std::uint64_t open_bytes = std::uint64_t{4} << 20;
  /// A larger message crosses in pieces of this size: what keeps the connection alive must not wait
  /// until all of it is through, nor the link end because that takes too long.
  std::uint64_t piece_bytes = std::uint64_t{256} << 10;
  /// Waiting. The roles bound what they have under way by themselves; who has more than this is in
  /// trouble, and the link ends.
  std::uint64_t waiting_bytes = std::uint64_t{256} << 20;
};

/// What a message costs on its way, about: the bytes that it carries, and something for itself.
std::uint64_t link_cost(const caf::type_erased_tuple& content);

/// This process's end of one link. The peer is given ports, which stand before roles of this
/// process; the roles are given exits, which stand before ports of the peer. All that crosses goes
/// through one of each, answers too, and is counted at both: so each end knows how much of what it
/// has sent has not been taken, and lets no more than a window of it into the network.
///
/// Both are proxies, as the framework's own are, since an actor with a default handler would not be
/// transparent: it could not take answers, nor leave promises to the actor behind it. They live as
/// long as the link: once it is closed nothing comes through any more, so that what an old
/// connection still delivers finds nobody; and their end is seen by those who watch them.
///
/// Any thread may call.
class link_end : public std::enable_shared_from_this<link_end> {
public:
  struct callbacks {
    /// So many bytes have been taken in all, since the other end was told last a good part of the
    /// window: it has to be told.
    std::function<void(std::uint64_t)> took;
    /// The link is of no more use, for this reason.
    std::function<void(const std::string&)> failed;
    /// Messages wait, and so many bytes have been sent in all. The other end is to be asked whether
    /// it has them: what was sent to an actor that has ended meanwhile it does not count. What it
    /// answers, which comes behind all of them, goes to `peer_took`.
    std::function<void(std::uint64_t)> full = {};
  };

  link_end(caf::actor_system& system, const link_limits& limits, callbacks tell);
  ~link_end();

  /// Stands before an actor of this process.
  caf::strong_actor_ptr port_before(const caf::strong_actor_ptr& own);
  /// Stands before an actor of the peer.
  caf::strong_actor_ptr exit_before(const caf::strong_actor_ptr& theirs);

  /// The peer has taken so many bytes in all.
  void peer_took(std::uint64_t total);
  /// When this returns nothing comes through any more, in either direction.
  void close();

  std::uint64_t open_bytes() const;
  std::uint64_t waiting_bytes() const;

private:
  friend class link_port;
  friend class link_exit;
  using actor_map = std::map<caf::actor_id, caf::strong_actor_ptr>;

  struct waiting_message {
    caf::strong_actor_ptr to;
    caf::mailbox_element_ptr what;
    std::uint64_t cost = 0;
  };

  template <class Proxy>
  caf::strong_actor_ptr stand_before(actor_map& made, const caf::strong_actor_ptr& who,
                                     const caf::node_id& node);
  bool send(const caf::strong_actor_ptr& to, caf::mailbox_element_ptr& what);
  void send_waiting(std::unique_lock<std::mutex>& lock);
  void arrived(std::uint64_t cost);

  caf::actor_system& system_;
  const link_limits limits_;
  const callbacks tell_;
  mutable std::mutex mutex_; ///< of all that follows
  bool open_ = true;
  actor_map ports_; ///< by the actor behind
  actor_map exits_;
  std::deque<waiting_message> waiting_;
  bool sending_ = false; ///< somebody hands on what waits
  std::uint64_t waiting_bytes_ = 0;
  std::uint64_t sent_ = 0;  ///< bytes in all, as the next three
  std::uint64_t taken_ = 0; ///< by the peer
  std::uint64_t arrived_ = 0;
  std::uint64_t told_ = 0;  ///< to the peer of `arrived_`
  std::uint64_t asked_ = 0; ///< whether the peer has all of it
};

} // namespace troupe::net
