#pragma once

#include "actors/link_messages.hpp"
#include "net/dialer.hpp"
#include "net/link_end.hpp"

#include <chrono>
#include <functional>
#include <string>
#include <vector>

namespace troupe::net {

/// Another node of the store, and where its actor port is.
struct link_peer {
  std::string node;
  std::string host;
  std::uint16_t port = 0;
};

struct link_timings {
  /// Before the next dial; doubles with each one that fails.
  std::chrono::milliseconds first_pause{200};
  std::chrono::milliseconds longest_pause{2000};
  std::chrono::milliseconds dial{3000};
  std::chrono::milliseconds greeting{3000};
  /// How often each end asks whether the other one has the link, too, and how long that may be
  /// silent: longer than heartbeats let it be.
  std::chrono::milliseconds look{2000};
  std::chrono::milliseconds silence{5000};
};

struct switchboard_setup {
  std::string cluster;
  std::string node;
  std::uint64_t incarnation = 0;        ///< drawn at random by whoever starts the process
  std::vector<link_peer> peers;         ///< this node may be among them
  std::vector<std::string> agreed = {}; ///< settings that each end must have (net/placement.hpp)
  link_listener listener;
  /// Another actor for each dial; it ends when it has answered.
  std::function<link_dialer_actor()> make_dialer;
  /// Called with each actor before a peer is told of it. May be empty, as the next.
  std::function<void(const caf::strong_actor_ptr&)> expose = {};
  /// Called with the program of each peer whose hello is taken, before it is answered.
  std::function<void(const caf::node_id&)> trust = {};
  link_timings timings = {};
  link_limits limits = {};
};

/// Keeps the links between this node and the others of its store: dials those whose names are
/// larger, answers those whose names are smaller, and tells the listener of each link that comes or
/// goes. Handles of peers come straight from them, never by way of a third node, and what peers are
/// given are ports (net/link_end.hpp), which live as long as the link.
///
/// What it keeps is bounded by the configured peers: nothing is remembered of anybody else.
using switchboard_actor = peer_service::extend<
    /// In place of what was offered before. Links that are up are made anew.
    handles<void(role_offer)>, handles<link_report(status_atom)>,
    /// Ends every link, and the actor.
    handles<bool(stop_atom)>,
    /// The other end of a link to a peer does not take what waits for it.
    handles<void(failed_atom, std::uint64_t, std::uint64_t, std::string)>,
    /// For which peer and link, and how many bytes were sent in all: whether it has them.
    handles<void(fetch_atom, std::uint64_t, std::uint64_t, std::uint64_t)>,
    // Its own timers: for which peer.
    handles<void(retry_atom, std::uint64_t)>, handles<void(watch_atom, std::uint64_t)>>;

switchboard_actor spawn_switchboard(caf::actor_system& system, switchboard_setup setup);

} // namespace troupe::net
