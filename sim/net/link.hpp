#pragma once

#include "actors/interfaces.hpp"
#include "sim/world.hpp"

#include <functional>
#include <memory>

namespace troupe::sim {

/// What the wire between a client and a node does to what it carries; the order stays, as TCP's
/// does.
struct wire {
  std::chrono::milliseconds delay{0};
  std::chrono::milliseconds jitter{0}; ///< added to some, drawn from the world's seed
  bool requests_pass = true;           ///< false: they wait in the wire, and nobody is told
  bool answers_pass = true;
};

struct link_state;

/// A simulated connection: offers a client what a real one does (`client::connection_actor`), with
/// a wire that a test can slow down, hold and cut. Dials again when the node is back.
///
/// A request belongs to the connection on whose wire it was put. If that breaks, it ends as
/// `connection_lost`, wherever it was: it may have taken effect, and is not sent again. A request
/// that was never on a wire waits for the next connection, and ends as `unavailable` when there is
/// none within the patience. One without an answer in time ends as `maybe_stored`. That the node
/// died is heard like an answer: not while answers are held.
class simulated_link {
public:
  /// `find_node` answers the node's actor, or null while it is down.
  simulated_link(world& w, process_id client, std::function<node_actor()> find_node);
  ~simulated_link();
  simulated_link(const simulated_link&) = delete;
  simulated_link& operator=(const simulated_link&) = delete;

  const store_service& service() const noexcept { return service_; }
  /// Changes what the wire does from now on. What waits in it goes on when it may.
  void set(const wire& conditions);
  const wire& conditions() const noexcept;
  /// Both ends see the connection fail.
  void cut();

private:
  world& world_;
  std::shared_ptr<link_state> state_;
  store_service service_;
};

} // namespace troupe::sim
