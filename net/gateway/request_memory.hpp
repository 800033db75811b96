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
/// A connection is read as long as it holds no more than what is left for the others. So greedy
/// ones, however many, leave a share for one that comes later, and who holds nothing is never
/// stopped for what others hold. A frame that is larger than its connection's share is completed
/// when it is the connection's turn: only one has it, and what that one holds is not counted.
///
/// Belongs to the sockets' thread.
class request_memory {
public:
  /// `room` is called when those who wait should try again.
  request_memory(std::size_t total_bytes, std::function<void()> room)
      : total_bytes_(total_bytes), room_(std::move(room)) {}

  void hold(std::size_t bytes) noexcept { held_bytes_ += bytes; }
  void release(std::size_t bytes);

  std::size_t held_bytes() const noexcept { return held_bytes_; }
  /// What one connection may hold now.
  std::size_t share_bytes() const noexcept {
    return held_bytes_ < total_bytes_ ? total_bytes_ - held_bytes_ : 0;
  }

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
  void wake();

  std::size_t total_bytes_;
  std::function<void()> room_;
  std::size_t held_bytes_ = 0;
  connection_id turn_ = 0; ///< 0: nobody has it
  std::vector<connection_id> waiting_;
  bool waking_ = false;
};

} // namespace troupe::net
