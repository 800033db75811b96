#pragma once

#include "net/remoting/client_groups.hpp"

#include <cstddef>
#include <functional>
#include <utility>
#include <vector>

namespace troupe::net {

using remoting::connection_id;

/// The memory that the requests and unfinished frames of all connections may hold together.
///
/// Half of it is divided among as many connections as there may be: that much everybody may hold,
/// whatever others do. Of the other half a connection may hold no more than it leaves. A frame that
/// is larger is completed when it is the connection's turn: only one has it, and what that one's
/// frame holds is not counted.
///
/// Belongs to the sockets' thread.
class request_memory {
public:
  /// `room` is called when those who wait should try again.
  request_memory(std::size_t total_bytes, std::size_t connections, std::function<void()> room)
      : own_bytes_(total_bytes / 2 / connections), shared_bytes_(total_bytes / 2),
        room_(std::move(room)) {}

  /// A connection holds so much, and held so much before.
  void change(std::size_t before, std::size_t after);
  /// Whether a connection that holds so much may hold so much.
  bool allows(std::size_t before, std::size_t after) const noexcept;
  /// What a connection that holds nothing may hold now.
  std::size_t most_bytes() const noexcept { return own_bytes_ + free_bytes(); }
  /// What everybody may hold.
  std::size_t own_bytes() const noexcept { return own_bytes_; }

  /// True when the connection has the turn: it got it now, or had it.
  bool take_turn(connection_id who) noexcept;
  bool has_turn(connection_id who) const noexcept { return turn_ == who; }
  void end_turn(connection_id who);

  /// The connection tries again when there is room.
  void wait(connection_id who) { waiting_.push_back(who); }
  bool anyone_waits() const noexcept { return !waiting_.empty(); }
  /// Those who wait, first come first.
  std::vector<connection_id> take_waiting();

private:
  std::size_t shared_part(std::size_t bytes) const noexcept {
    return bytes > own_bytes_ ? bytes - own_bytes_ : 0;
  }
  std::size_t free_bytes() const noexcept {
    return used_bytes_ < shared_bytes_ ? shared_bytes_ - used_bytes_ : 0;
  }
  void wake();

  std::size_t own_bytes_;      ///< of each
  std::size_t shared_bytes_;   ///< of all
  std::size_t used_bytes_ = 0; ///< of what is shared
  std::function<void()> room_;
  connection_id turn_ = 0; ///< 0: nobody has it
  std::vector<connection_id> waiting_;
  bool waking_ = false;
};

} // namespace troupe::net
