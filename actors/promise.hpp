#pragma once

#include "actors/error.hpp"

#include <memory>
#include <string>
#include <utility>

namespace troupe {

/// An answer that an actor owes to whoever sent the message it is working on. Copies share it, and
/// the first answer counts. It cannot be forgotten: when the last copy goes unanswered, which is
/// what happens when the actor ends, however it ends, the one who asked is told at once. With the
/// framework's own promises he would wait for ever. For the state of an actor and its handlers.
template <class Result>
class kept_promise {
public:
  kept_promise() = default;

  /// For the message that `self` is handling.
  template <class Actor>
  explicit kept_promise(Actor* self)
      : owed_(
            std::make_shared<owed>(self->template make_response_promise<Result>(), self->name())) {}

  bool pending() const { return owed_ != nullptr && owed_->promise.pending(); }

  void deliver(Result answer) const {
    if (pending())
      owed_->promise.deliver(std::move(answer));
  }
  void deliver(caf::error why) const {
    if (pending())
      owed_->promise.deliver(std::move(why));
  }

  /// Lets another actor answer; if it is none or ends, that is the answer.
  template <class Handle, class... Arguments>
  void delegate(const Handle& to, Arguments&&... arguments) const {
    if (pending())
      owed_->promise.delegate(to, std::forward<Arguments>(arguments)...);
  }

  /// What the handler of the message returns: the answer comes later.
  operator caf::result<Result>() const { return caf::delegated<Result>{}; }

private:
  struct owed {
    owed(caf::typed_response_promise<Result> p, const char* name)
        : promise(std::move(p)), who(name) {}
    owed(const owed&) = delete;
    owed& operator=(const owed&) = delete;
    ~owed() {
      if (promise.pending())
        promise.deliver(make_caf_error(errc::connection_lost,
                                       "the " + who +
                                           " ended before it answered; the request may have "
                                           "taken effect"));
    }

    caf::typed_response_promise<Result> promise;
    std::string who;
  };
  std::shared_ptr<owed> owed_;
};

} // namespace troupe
