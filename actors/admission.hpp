#pragma once

#include "actors/log_messages.hpp"

#include <cstdint>
#include <map>
#include <string>
#include <tuple>

namespace troupe {

/// Why nothing may be written to the log, by whom. No actor and no clock; the writer owns it.
class write_bars {
public:
  /// One with a reason stays until the same source lifts it, by the same code and number.
  void note(const write_bar& bar);
  void lift(bar_source source, errc code) { bars_.erase({code, source, 0}); }

  bool empty() const noexcept { return bars_.empty(); }
  const write_bar* find(bar_source source, errc code) const;
  /// The one that is told to producers: what needs a restart before what may pass. Null without
  /// any.
  const write_bar* gravest() const;

private:
  std::map<std::tuple<errc, bar_source, std::uint32_t>, write_bar> bars_;
};

/// What the writer knows of a request whose turn it is.
struct admission_case {
  std::uint64_t count = 0;    ///< messages
  bool deleted = false;       ///< its topic was
  bool ready = true;          ///< the queues are recovered, and it is known who plays which role
  bool too_late = false;      ///< its producer does not wait any more
  bool has_room = false;      ///< was given some already
  std::uint64_t capacity = 0; ///< positions that may be on their way to the queues,
  std::uint64_t used = 0;     ///< and those that are
  std::uint64_t dirty = 0;    ///< bytes that are not flushed,
  std::uint64_t dirty_budget = 0; ///< beyond which nothing is added
};

enum class admission {
  take,  ///< with room for its positions
  wait,  ///< for room, and all behind it too
  refuse ///< surely not stored
};

/// Accept, delay or refuse: the order of the reasons is that of their weight. `topic` is named to
/// the producer; `why` is set when it is refused.
admission admit(const admission_case& request, const write_bars& bars, const std::string& topic,
                storage::error& why);

} // namespace troupe
