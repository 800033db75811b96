#pragma once

#include "actors/caf.hpp"

#include <cstdint>
#include <string>

namespace troupe::client {

/// Opens one connection and ends. A connection that it began is never left half open, so that a
/// program may end at any moment of it.
using dialer_actor = caf::typed_actor<
    /// The actor that is published at this host and port.
    handles<caf::strong_actor_ptr(caf::connect_atom, std::string, std::uint16_t)>>;

/// Answers, whatever happens, within a few seconds. It blocks: spawn it detached.
dialer_actor::behavior_type dialer(dialer_actor::pointer self);

} // namespace troupe::client
