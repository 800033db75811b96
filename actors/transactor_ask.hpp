#pragma once

#include "actors/patience.hpp"
#include "actors/transactor.hpp"

#include <utility>

/// For the parts of the transactor alone.
namespace troupe {

inline bool is_stored(const put_response& response) {
  return response.results.size() == 1 && response.results.front().code == errc::none &&
         response.results.front().offset >= 0;
}
/// For certain not.
inline bool is_refused(const put_response& response) {
  if (response.results.empty())
    return false;
  auto code = response.results.front().code;
  return code != errc::none && code != errc::maybe_stored && code != errc::connection_lost;
}

template <class Answer, class Handle, class... Arguments>
void transactor_state::ask(const Handle& to, milliseconds elsewhere,
                           std::function<void(Answer&)> then, failed fail, Arguments... arguments) {
  if (!to)
    return fail(not_reachable<Handle>(roles_));
  self_->request(to, patience(self_, to, elsewhere), std::move(arguments)...)
      .then(
          [this, life = life_, then = std::move(then)](Answer& answer) {
            if (life == life_)
              then(answer);
          },
          [this, life = life_, fail = std::move(fail)](const caf::error& why) {
            if (life == life_)
              fail(from_caf(why));
          });
}

} // namespace troupe
