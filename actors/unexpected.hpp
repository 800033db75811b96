#pragma once

#include "actors/caf.hpp"
#include "storage/log_limit.hpp"
#include "storage/logging.hpp"

#include <string>

namespace troupe {

/// What the actor has no handler for is counted, said now and then, and answered with an error. The
/// framework's own way prints each such message whole, and strangers may send them.
template <class Actor>
void ignore_unexpected(Actor* self, std::string role) {
  self->set_default_handler(
      [role = std::move(role), limit = storage::log_limit{}](
          caf::scheduled_actor* actor, caf::message_view&) mutable -> caf::result<caf::message> {
        if (auto times = limit.occurred(actor->clock().now()))
          storage::log_warning("message.unexpected", {{"role", role}, {"messages", *times}});
        return caf::sec::unexpected_message;
      });
}

} // namespace troupe
