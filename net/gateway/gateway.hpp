#pragma once

#include "actors/interfaces.hpp"
#include "actors/options.hpp"
#include "net/access/account_book.hpp"
#include "net/gateway/gateway_report.hpp"
#include "net/gateway/options.hpp"
#include "net/gateway/traffic.hpp"
#include "net/remoting/assignment.hpp"
#include "net/remoting/kv_config.hpp"
#include "net/remoting/route.hpp"

#include <cstdint>
#include <functional>
#include <memory>

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::net::arrived)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::net::departed)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::net::taken)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::net::gateway_report)

namespace troupe::net {

/// What RocketMQ clients talk to: broker and name service in one. It knows who produces and
/// consumes, turns requests into messages for the writer, for the queue-manager and readers, and
/// for the node's sessions, one for each client that needs one, and never waits. Answers go to
/// `gateway_setup::send`; a client's next pulls wait until the receipts of its answers are let go.
using gateway_actor =
    door_actor::extend<handles<void(arrived)>, handles<void(departed)>, handles<void(taken)>,
                       /// Members of a group that came through other doors.
                       handles<void(group_members)>,
                       /// To be asked of a producer of this door: false when there is none.
                       handles<bool(transaction_check)>, handles<gateway_report(status_atom)>,
                       /// Store nothing from now on; answers when the writer has answered all.
                       handles<bool(stop_atom)>,
                       // Its own timers.
                       handles<void(pulse_atom)>, handles<void(work_atom)>,
                       handles<void(retry_atom)>, handles<void(watch_atom)>,
                       /// The deadline of a question to a client, by its number.
                       handles<void(pulse_atom, std::int32_t)>>;

struct gateway_setup {
  node_actor node;
  remoting::broker_address address; ///< what the name service says of this node
  node_options node_settings;       ///< with the address and port that message ids carry
  gateway_options options;
  std::function<void(outgoing)> send; ///< called from the actor, must not block
  std::shared_ptr<const access::account_book> accounts = {}; ///< null: nobody is asked who he is
  /// The topics are others than before: called from the actor, must not block. Empty: nobody is
  /// told.
  std::function<void(const topic_map&)> topics_changed = {};
  /// What operators keep with the name service: as it was, and whenever it changes, as the text of
  /// a file. Called from the actor, must not block. Empty: it ends with the gateway.
  remoting::kv_config kv = {};
  std::function<void(std::string)> save_kv = {};
  /// The same of how groups consume, where brokers say it.
  remoting::request_modes modes = {};
  std::function<void(std::string)> save_modes = {};
};

/// Spawns the gateway of a node.
gateway_actor spawn_gateway(caf::actor_system& system, gateway_setup setup);

} // namespace troupe::net
