#pragma once

#include "actors/caf.hpp"

#include <chrono>

namespace troupe {

/// How long to wait for what an actor answers. Within a process every request is answered, at the
/// latest when the actor ends, and a time-out would only cost. What is lost on the way to another
/// process nobody answers: there the wait must have an end.
template <class Handle>
caf::duration patience(const caf::local_actor* self, const Handle& to,
                       std::chrono::milliseconds elsewhere) {
  return to && to.node() != self->node() ? caf::duration{elsewhere} : caf::duration{caf::infinite};
}

} // namespace troupe
