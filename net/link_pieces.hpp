#pragma once

#include "actors/link_messages.hpp"

#include <cstdint>
#include <mutex>
#include <vector>

namespace troupe::net {

/// What one message may have on a link, above what sessions take and readers bring at a time. A
/// larger one is not sent.
inline constexpr std::uint64_t largest_message = std::uint64_t{80} << 20;

/// The message as pieces of this size, in order. The last one has the sender and the number of the
/// whole, so that an answer finds its way. None if it cannot leave the process.
std::vector<caf::mailbox_element_ptr>
in_pieces(caf::actor_system& system, caf::mailbox_element& what, std::uint64_t piece_bytes);

/// Puts the pieces together again that come to one place. Any thread may call.
class piece_joint {
public:
  enum class outcome : std::uint8_t {
    none, ///< the message was no piece
    open, ///< more is to come
    whole,
    broken, ///< it does not continue what came before, or is no message of ours
  };
  /// With the last piece `what` becomes the message that it was.
  outcome take(caf::actor_system& system, caf::mailbox_element_ptr& what);

private:
  std::mutex mutex_;
  std::vector<char> bytes_;
  std::uint64_t left_ = 0;
};

} // namespace troupe::net
