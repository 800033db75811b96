#pragma once

#include "actors/interfaces.hpp"

/// What the processes of one store say to each other about the links between them
/// (net/switchboard.hpp), and what a switchboard says at home.
namespace troupe {

/// A role that runs in the sender's process. At home `port` is the role itself; on the way it is
/// the port before it, which is good for one link.
struct offered_role {
  std::string role;
  caf::strong_actor_ptr port;
};

/// What one process may offer to another; a store has fewer roles.
inline constexpr std::size_t most_offered_roles = 64;

/// The one that dials asks for a link.
struct peer_hello {
  std::uint32_t version = 0;
  std::string cluster;
  std::string node; ///< who speaks
  std::string to;   ///< who is meant
  /// Drawn when the process starts: another number is another process under the same name.
  std::uint64_t incarnation = 0;
  std::uint64_t link = 0; ///< larger for each link that this process asks for
  std::vector<offered_role> roles;
  caf::strong_actor_ptr switchboard; ///< ends with the process, and so with all of its links
  /// What both ends must have alike in their cluster.ini, a line each.
  std::vector<std::string> agreed;
};

/// The link is there.
struct peer_welcome {
  std::string node;
  std::uint64_t incarnation = 0;
  std::uint64_t link = 0; ///< that of the hello
  std::vector<offered_role> roles;
  caf::strong_actor_ptr switchboard;
};

/// One end has given up the link; the one that dials may ask for another.
struct peer_goodbye {
  std::string node; ///< who speaks
  std::uint64_t incarnation = 0;
  std::uint64_t link = 0;
  std::string reason;
};

/// What the node offers has changed: it wants a new hello in place of this link.
struct greet_again {
  std::string node; ///< who speaks
  std::uint64_t incarnation = 0;
  std::uint64_t link = 0;
};

/// So much of what crossed the link has been taken at this end: the other one may send more.
struct link_taken {
  std::string node; ///< who speaks
  std::string to;
  std::uint64_t incarnation = 0; ///< of the one who speaks
  std::uint64_t link = 0;
  std::uint64_t bytes = 0; ///< since the link came up, as `net::link_cost` counts them
};

/// A part of a message that is large, in the order of its bytes (net/link_pieces.hpp).
struct link_piece {
  storage::slice bytes;
  std::uint64_t left = 0; ///< bytes of the message behind these; 0: it is whole
};

/// At home: what this node offers from now on.
struct role_offer {
  std::vector<offered_role> roles;
};

/// At home: these roles of the node may be talked to until its `peer_down`.
struct peer_up {
  std::string node;
  std::uint64_t incarnation = 0;
  std::uint64_t link = 0; ///< comparable within a pair of incarnations
  std::vector<offered_role> roles;
};

/// At home: the handles of the last `peer_up` are dead.
struct peer_down {
  std::string node;
  std::string reason;
};

/// How far this end has come with one peer.
enum class link_state : std::uint8_t { away, dialling, greeting, up };

constexpr std::string_view name_of(link_state state) noexcept {
  constexpr std::string_view names[] = {"away", "dialling", "greeting", "up"};
  return names[static_cast<std::size_t>(state)];
}

/// What a node says of itself.
struct link_report {
  std::vector<link_status> links;
  std::vector<role_status> roles; ///< that it plays; of a switchboard: none
};

template <class Inspector>
auto inspect(Inspector& f, offered_role& x) {
  return fields(f, "offered_role", x.role, x.port);
}
template <class Inspector>
auto inspect(Inspector& f, peer_hello& x) {
  return fields(f, "peer_hello", x.version, x.cluster, x.node, x.to, x.incarnation, x.link, x.roles,
                x.switchboard, x.agreed);
}
template <class Inspector>
auto inspect(Inspector& f, peer_welcome& x) {
  return fields(f, "peer_welcome", x.node, x.incarnation, x.link, x.roles, x.switchboard);
}
template <class Inspector>
auto inspect(Inspector& f, peer_goodbye& x) {
  return fields(f, "peer_goodbye", x.node, x.incarnation, x.link, x.reason);
}
template <class Inspector>
auto inspect(Inspector& f, greet_again& x) {
  return fields(f, "greet_again", x.node, x.incarnation, x.link);
}
template <class Inspector>
auto inspect(Inspector& f, link_taken& x) {
  return fields(f, "link_taken", x.node, x.to, x.incarnation, x.link, x.bytes);
}
template <class Inspector>
auto inspect(Inspector& f, link_piece& x) {
  slice_field bytes{x.bytes};
  return fields(f, "link_piece", bytes, x.left);
}
template <class Inspector>
auto inspect(Inspector& f, role_offer& x) {
  return fields(f, "role_offer", x.roles);
}
template <class Inspector>
auto inspect(Inspector& f, peer_up& x) {
  return fields(f, "peer_up", x.node, x.incarnation, x.link, x.roles);
}
template <class Inspector>
auto inspect(Inspector& f, peer_down& x) {
  return fields(f, "peer_down", x.node, x.reason);
}
template <class Inspector>
auto inspect(Inspector& f, link_report& x) {
  return fields(f, "link_report", x.links, x.roles);
}

} // namespace troupe

CAF_BEGIN_TYPE_ID_BLOCK(troupe_links, caf::id_block::troupe_roles::end)
CAF_ADD_TYPE_ID(troupe_links, (troupe::peer_hello))
CAF_ADD_TYPE_ID(troupe_links, (troupe::peer_welcome))
CAF_ADD_TYPE_ID(troupe_links, (troupe::peer_goodbye))
CAF_ADD_TYPE_ID(troupe_links, (troupe::greet_again))
CAF_ADD_TYPE_ID(troupe_links, (troupe::role_offer))
CAF_ADD_TYPE_ID(troupe_links, (troupe::peer_up))
CAF_ADD_TYPE_ID(troupe_links, (troupe::peer_down))
CAF_ADD_TYPE_ID(troupe_links, (troupe::link_report))
CAF_ADD_TYPE_ID(troupe_links, (troupe::link_taken))
CAF_ADD_TYPE_ID(troupe_links, (troupe::link_piece))
CAF_END_TYPE_ID_BLOCK(troupe_links)

namespace troupe {

/// What one switchboard answers to another.
using peer_service =
    caf::typed_actor<handles<peer_welcome(peer_hello)>, handles<void(peer_goodbye)>,
                     handles<void(greet_again)>, handles<void(link_taken)>,
                     /// Whether this link of the node (its name, incarnation and the link's number)
                     /// is up here.
                     handles<bool(watch_atom, std::string, std::uint64_t, std::uint64_t)>>;

/// Who is told of links. Of each node: up, down, up, down.
using link_listener = caf::typed_actor<handles<void(peer_up)>, handles<void(peer_down)>>;

} // namespace troupe
