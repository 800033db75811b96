#pragma once

#include "actors/caf.hpp"

#include <shared_mutex>

namespace troupe::net {

/// Stands before an actor of this process for the time of one link: peers are given the port, and
/// what they send reaches the actor without a step in between. Once closed it lets nothing through,
/// so that what an old connection still delivers finds nobody; and its end is seen by those who
/// watch it.
///
/// A proxy, as the framework's own are, since an actor with a default handler would not be
/// transparent: it could not take answers, nor leave promises to the actor behind it.
class link_port final : public caf::actor_proxy {
public:
  /// Any number of ports may stand before one actor. The port must be closed in the end: the
  /// framework keeps each actor whose handle it has sent until it ends.
  static caf::strong_actor_ptr open(caf::actor_system& system, caf::strong_actor_ptr role);
  /// When this returns nothing comes through any more. Of a port only.
  static void close(const caf::strong_actor_ptr& port);

  link_port(caf::actor_config& config, caf::strong_actor_ptr role);
  ~link_port() override;

  const char* name() const override { return "link-port"; }
  void enqueue(caf::mailbox_element_ptr what, caf::execution_unit* unit) override;
  void kill_proxy(caf::execution_unit* unit, caf::error why) override;

private:
  std::shared_mutex mutex_; ///< held while a message is handed on
  bool open_ = true;
  const caf::strong_actor_ptr role_;
};

} // namespace troupe::net
