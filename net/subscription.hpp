#pragma once

#include "net/consumer.hpp"

namespace troupe::client {

/// Messages of one queue, in order.
struct delivery {
  std::string topic;
  std::int32_t queue_id = 0;
  std::vector<consumer::message> messages; ///< one at least
};

/// What a program writes: gets the messages, and answers true when it is done with them, now or
/// later. After false, or an error, they come again.
using delivery_consumer = caf::typed_actor<handles<bool(delivery)>>;

struct subscription_options {
  std::string group;
  std::string topic;
  std::vector<std::string> tags; ///< empty: every message
  /// Of this member, as RocketMQ's tools list it; empty: one is made up.
  std::string client_id;
  start_position from = start_earliest{}; ///< where the group has no offset yet
  /// What the consumer may have and has not answered. One message always fits.
  std::size_t credit_messages = 4096;
  std::size_t credit_bytes = 8 * storage::mib;
  /// The group's offset of a queue is stored not more often; 0: with each answer.
  std::chrono::milliseconds store_interval{500};
  std::chrono::milliseconds refusal_pause{1000}; ///< before what was refused comes again
  /// A queue that goes to another member waits so long for the consumer to answer.
  std::chrono::milliseconds handover{5000};
  /// Hears what a person should know; called inside the actor.
  std::function<void(const std::string&)> note = [](const std::string&) {};
};

struct subscription_status {
  bool joined = false;              ///< the node counts us in
  std::vector<std::string> members; ///< of the group, RocketMQ's clients included
  std::vector<std::int32_t> queues; ///< that are ours now
  std::size_t open_messages = 0;    ///< the consumer has not answered them
  std::uint64_t acknowledged = 0;   ///< messages that the consumer is done with
};

/// A member of a consumer group: pushes what is in its share of the topic's queues to a consumer,
/// each message at least once and those of a queue in order, one delivery of a queue at a time.
///
/// The members share the queues as RocketMQ's clients do (`share_of`), which may be members of the
/// same group. Where the group is says its offset on the node: everything before was acknowledged.
/// A queue changes hands when its member has the answer for what it delivered and has stored the
/// offset; that of one who died, as soon as the node knows; what he had not stored comes again.
using subscription_actor = caf::typed_actor<
    /// Hands the queues over, leaves the group and ends; answers when that is done. The end of the
    /// consumer does the same.
    handles<bool(stop_atom)>, handles<subscription_status(status_atom)>,
    // Its own timer.
    handles<void(pulse_atom)>>;

/// Joins. The service is a `connection_actor`: a lost connection is outlived.
subscription_actor subscribe(caf::actor_system& system, store_service service,
                             delivery_consumer consumer, subscription_options options);

/// The queues of a topic with this many that belong to the client: RocketMQ's
/// AllocateMessageQueueAveragely. The ids are in order; none for a client that is not among them.
std::vector<std::int32_t> share_of(const std::string& client_id,
                                   const std::vector<std::string>& client_ids, std::int32_t queues);

} // namespace troupe::client

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::client::delivery)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(troupe::client::subscription_status)
