#pragma once

#include "actors/interfaces.hpp"

#include <chrono>

namespace troupe {

/// Whether this is an actor of another process: what is sent to it may be lost, and nobody is told.
template <class Handle>
bool is_elsewhere(const caf::local_actor* self, const Handle& who) {
  return who && who.node() != self->node();
}

/// What is sent to another process goes in pieces of about this size, as far as messages allow it:
/// a link is given up when one piece takes longer than its time-out.
inline constexpr std::uint64_t largest_piece = 256 * storage::kib;

/// How long to wait for what an actor answers. Within a process every request is answered, at the
/// latest when the actor ends, and a time-out would only cost. What is lost on the way to another
/// process nobody answers: there the wait must have an end.
template <class Handle>
caf::duration patience(const caf::local_actor* self, const Handle& to,
                       std::chrono::milliseconds elsewhere) {
  return is_elsewhere(self, to) ? caf::duration{elsewhere} : caf::duration{caf::infinite};
}

/// Whether a question that failed shows that the writer has ended. One in another process is silent
/// or out of reach, no more, as long as nobody says that it has.
inline bool shows_writer_ended(const caf::local_actor* self, const role_table& roles,
                               const storage::error& why) {
  if (why.code != errc::connection_lost)
    return false;
  return roles.writer ? !is_elsewhere(self, roles.writer) : roles.writer_ended;
}

} // namespace troupe
