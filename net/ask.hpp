#pragma once

#include "actors/error.hpp"

namespace troupe::client {

/// Asks an actor from an ordinary thread and waits for the answer. Whoever is asked owns the
/// deadline.
template <class Result, class Handle, class... Arguments>
storage::result<Result> ask(caf::scoped_actor& self, const Handle& whom, Arguments&&... arguments) {
  storage::result<Result> result = storage::error{errc::unavailable, "no answer"};
  self->request(whom, caf::infinite, std::forward<Arguments>(arguments)...)
      .receive([&](Result& answer) { result = std::move(answer); },
               [&](const caf::error& why) { result = from_caf(why); });
  return result;
}

} // namespace troupe::client
