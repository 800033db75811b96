#include "net/gateway/name_link.hpp"

#include <algorithm>

namespace troupe::net {

/// When the next registration is to go out: at once in a new connection, for its server may have
/// forgotten us.
std::optional<name_link::time> name_link::due() const {
  if (!known_)
    return std::nullopt;
  if (!last_)
    return time{};
  if (!said_ || news_)
    return *last_ + least_period;
  return *last_ + period;
}

name_link::deed name_link::next(time now) {
  switch (state_) {
  case state::away:
    if (leaving_)
      state_ = state::done;
    else if (now >= until_ && known_) {
      state_ = state::connecting;
      until_ = now + connect_patience;
      return deed::connect;
    }
    return deed::none;
  case state::connecting:
    if (!leaving_ && now < until_)
      return deed::none;
    lost(now);
    return deed::close;
  case state::idle:
  case state::asking:
    if (leaving_) {
      if (!said_) {
        state_ = state::done;
        return deed::close;
      }
      state_ = state::parting;
      until_ = now + farewell_patience;
      return deed::say_farewell;
    }
    if (state_ == state::asking) {
      if (now < until_)
        return deed::none;
      lost(now);
      return deed::close;
    }
    if (auto when = due(); when && now >= *when) {
      state_ = state::asking;
      until_ = now + answer_patience;
      news_ = false;
      said_ = true;
      last_ = now;
      return deed::say_all;
    }
    return deed::none;
  case state::parting:
    if (now < until_)
      return deed::none;
    state_ = state::done;
    return deed::close;
  case state::done:
    break;
  }
  return deed::none;
}

std::optional<name_link::time> name_link::wakes() const {
  switch (state_) {
  case state::away:
    return known_ || leaving_ ? std::optional(until_) : std::nullopt;
  case state::idle:
    return due();
  case state::connecting:
  case state::asking:
  case state::parting:
    return until_;
  case state::done:
    break;
  }
  return std::nullopt;
}

void name_link::connected(time) {
  if (state_ != state::connecting)
    return;
  state_ = state::idle;
  said_ = false;
}

void name_link::lost(time now) {
  if (state_ == state::away || state_ == state::done)
    return;
  state_ = leaving_ ? state::done : state::away;
  until_ = now + pause_;
  pause_ = std::min<std::chrono::milliseconds>(2 * pause_, longest_pause);
}

void name_link::answered(bool good) {
  if (state_ == state::parting)
    state_ = state::done;
  if (state_ != state::asking)
    return;
  state_ = state::idle;
  if (good)
    pause_ = first_pause;
}

} // namespace troupe::net
