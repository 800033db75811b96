#pragma once

#include "actors/interfaces.hpp"

#include <functional>
#include <string>
#include <vector>

namespace troupe::net {

/// An actor that lets clients in, as the front and the gateway do.
struct watched_door {
  std::string role; ///< as log lines name it
  caf::strong_actor_ptr keeper;
  /// Ends what belonged to the dead keeper and puts another in its place. Called by the watch, and
  /// must not block.
  std::function<caf::strong_actor_ptr()> replace;
  /// The door stays shut. Called by the watch, and must not block.
  std::function<void()> shut;
};

/// Notices when the keeper of a door ends, says so in the log and replaces it; when that happens
/// too often, shuts the door with an error.
using door_watch_actor = caf::typed_actor<
    /// Answers when every keeper was told to end.
    handles<bool(stop_atom)>,
    /// Who keeps the door of this role now; null when nobody does.
    handles<caf::strong_actor_ptr(fetch_atom, std::string)>>;

door_watch_actor spawn_door_watch(caf::actor_system& system, std::vector<watched_door> doors);

} // namespace troupe::net
