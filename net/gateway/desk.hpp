#pragma once

#include "net/gateway/client_sessions.hpp"
#include "net/gateway/counter.hpp"
#include "net/gateway/request_table.hpp"

namespace troupe::net {

/// What every desk is given; a desk that needs another one takes it by its own constructor.
struct desk_services {
  gateway_actor::pointer self; ///< in whose name it asks
  const gateway_setup& setup;
  counter& answers;
  client_sessions& sessions;
};

/// A part of the gateway that answers requests of one subject and owns what that takes; its codes
/// are its `lines()`, which the reception joins with those of the others. It never waits: what is
/// asked of the node is answered in a message of its own. A request that it took it has to answer
/// or fail once, through the counter.
class desk {
public:
  desk(const desk&) = delete;
  desk& operator=(const desk&) = delete;

protected:
  explicit desk(const desk_services& with)
      : self_(with.self), setup_(with.setup), counter_(with.answers), sessions_(with.sessions) {}
  ~desk() = default;

  gateway_actor::pointer self_;
  const gateway_setup& setup_;
  counter& counter_;
  client_sessions& sessions_;
};

} // namespace troupe::net
