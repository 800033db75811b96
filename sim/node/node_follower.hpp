#pragma once

#include "sim/node/node_scene.hpp"

#include <memory>
#include <string>
#include <vector>

namespace troupe::sim {

struct follower_state;

/// A consumer as users write it, through all that goes wrong: in every queue it goes on where the
/// last answer says (`next`), stores its progress as a group's offset, and now and then forgets
/// where it was and begins again at the progress that is stored. What it is shown must come in
/// order and only once, what it was told as stored must be stored, and in the end it must have been
/// shown everything that is there.
///
/// Runs by itself as an actor outside the node, on one connection; its methods are for between two
/// steps.
class node_follower {
public:
  /// With `told_begin` a group without progress is told where the queue begins.
  node_follower(node_scene& scene, store_service service, const std::string& group,
                bool told_begin);
  ~node_follower();
  node_follower(const node_follower&) = delete;
  node_follower& operator=(const node_follower&) = delete;

  /// The node has lost its power: stored progress may be gone, and so may messages that an
  /// asynchronous node has shown, and others come in their places. A consumer can only begin at the
  /// start again. Nothing of this is excused when only the process ends, or an actor.
  void power_lost();
  bool was_shown(std::uint64_t number) const;
  /// Throws what it has seen go wrong.
  void check() const;
  /// Lets it go on until it has been shown all of these; throws if that does not happen.
  void catch_up(const std::vector<seen_message>& there);

private:
  node_scene& scene_;
  std::shared_ptr<follower_state> state_;
  caf::actor actor_;
};

} // namespace troupe::sim
